#include "harness/generator/swarm.h"

namespace shmcheck::harness {
namespace {

using program::OpCode;

struct Weight {
  OpCode code;
  std::uint16_t weight;
};

// How often an op is wanted when nothing is known of the program. Observers are low: most observations are
// placed by the program's habit of watching.
constexpr Weight kWeights[] = {
    {OpCode::open, 8},        {OpCode::close, 3},       {OpCode::unlink, 3},      {OpCode::ftruncate, 10},
    {OpCode::truncate, 5},    {OpCode::pread, 4},       {OpCode::pwrite, 9},      {OpCode::pread_to, 8},
    {OpCode::pwrite_from, 6}, {OpCode::fstat, 2},       {OpCode::mmap, 22},       {OpCode::munmap, 12},
    {OpCode::mprotect, 12},   {OpCode::load, 14},       {OpCode::store, 26},      {OpCode::contents, 5},
    {OpCode::fork, 9},        {OpCode::exit, 3},        {OpCode::kill, 3},        {OpCode::shmget, 14},
    {OpCode::shmat, 18},      {OpCode::shmdt, 12},      {OpCode::shmctl, 14},     {OpCode::maps, 2},
    {OpCode::msync, 8},       {OpCode::setid, 2},       {OpCode::mremap, 12},     {OpCode::madvise, 12},
    {OpCode::fallocate, 8},   {OpCode::fsync, 2},       {OpCode::memfd, 4},       {OpCode::seal, 4},
    {OpCode::seals, 2},       {OpCode::mlock, 6},       {OpCode::munlock, 3},     {OpCode::locked, 2},
    {OpCode::mincore, 2},     {OpCode::shm_info, 2},    {OpCode::limit, 3},       {OpCode::limits, 1},
    {OpCode::exec, 2},        {OpCode::rename, 2},      {OpCode::link, 2},        {OpCode::shm_open, 6},
    {OpCode::shm_unlink, 3},  {OpCode::stored, 2},      {OpCode::unshare, 1},     {OpCode::ipc_info, 2},
    {OpCode::shm_stat, 3},    {OpCode::sysvipc, 2},     {OpCode::mlockall, 2},    {OpCode::munlockall, 1},
    {OpCode::rlimit, 2},      {OpCode::remap, 4},       {OpCode::call, 3},        {OpCode::age, 2},
    {OpCode::times, 2},       {OpCode::reboot, 1},      {OpCode::setns, 3},       {OpCode::blocks, 2},
    {OpCode::fill, 1},        {OpCode::crowd, 2},       {OpCode::memfd_name, 2},  {OpCode::remount, 2},
    {OpCode::chattr, 1},      {OpCode::map_file, 2},    {OpCode::descriptors, 1}, {OpCode::names, 1},
    {OpCode::brk, 1},         {OpCode::race_shmget, 1}, {OpCode::race_shmat, 1},  {OpCode::smaps, 1},
    {OpCode::rss, 1},
};

// Off, as usual, often, very often.
constexpr std::uint16_t kFactors[] = {0, 0, 0, 1, 1, 1, 3, 8};

bool creates(const Swarm& s) {
  auto on = [&](OpCode c) { return s.weight[static_cast<std::size_t>(c)] != 0; };
  return on(OpCode::mmap) || (on(OpCode::shmget) && on(OpCode::shmat));
}

void weigh(Swarm& s, Entropy& e, const OpSet& allowed) {
  s.weight.fill(0);
  for (const Weight& w : kWeights) {
    auto index = static_cast<std::size_t>(w.code);
    std::uint16_t factor = kFactors[e.below(std::size(kFactors))];
    if (allowed[index]) s.weight[index] = static_cast<std::uint16_t>(w.weight * factor);
  }
}

void as_usual(Swarm& s, const OpSet& allowed) {
  for (const Weight& w : kWeights) {
    auto index = static_cast<std::size_t>(w.code);
    s.weight[index] = allowed[index] ? w.weight : std::uint16_t{0};
  }
}

}  // namespace

OpSet all_ops() {
  return OpSet().set();
}

Swarm make_swarm(Entropy& e, const OpSet& allowed) {
  Swarm s;
  if (e.chance(12)) {
    as_usual(s, allowed);
  } else {
    weigh(s, e, allowed);
    for (int i = 0; i < 4 && !creates(s); ++i) weigh(s, e, allowed);
    if (!creates(s)) as_usual(s, allowed);
  }
  for (std::uint16_t w : s.weight) s.total += w;
  // Looking at everything after every op doubles a program's cost, so few programs do.
  s.watch = e.pick({Watch::never, Watch::end, Watch::end, Watch::end, Watch::end, Watch::end, Watch::failures,
                    Watch::failures, Watch::sometimes, Watch::sometimes, Watch::always});
  s.finale = s.watch != Watch::never;
  s.users = e.chance(25);
  // One process in a few becomes another user, but not every one: rights are needed to make things, too.
  auto setid = static_cast<std::size_t>(OpCode::setid);
  if (s.users && allowed[setid])
    s.total += 6, s.weight[setid] = static_cast<std::uint16_t>(s.weight[setid] + 6);
  s.avoid = e.chance(50);
  s.window = e.pick({4U, 8U, 8U, 16U, 16U, 32U});
  s.keys = e.between(1, 3);
  s.paths = e.between(1, 3);
  s.files = e.between(2, 5);
  s.spoil = e.pick({0U, 10U, 25U, 35U, 35U, 60U});
  s.scenario = e.pick({0U, 15U, 30U, 45U, 60U});
  s.interrupt = e.pick({0U, 10U, 30U});
  s.placed = e.pick({0U, 30U, 70U, 100U});
  s.odd = e.pick({20U, 60U, 60U, 90U});
  s.by_kernel = e.pick({0U, 40U, 40U, 100U});
  s.stay = e.pick({20U, 60U, 85U});
  return s;
}

}  // namespace shmcheck::harness
