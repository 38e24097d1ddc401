// Observing: after a failed call nothing may have changed, and every byte is seen by loads or by the kernel.
#include <algorithm>

#include "harness/generator/scene.h"

namespace shmcheck::harness {

using model::Life;
using model::Vma;
using program::Base;
using program::Slot;

namespace {

constexpr std::uint64_t kLookPages = 24;  // of one observation
constexpr unsigned kLooksPerProcess = 6;

bool has_argument(const Op& op, Slot slot) {
  const auto args = program::spec(op.code).args;
  return std::any_of(args.begin(), args.end(), [=](const program::Arg& a) { return a.slot == slot; });
}

bool observes(OpCode code) {
  return code == OpCode::contents || code == OpCode::maps || code == OpCode::fstat || code == OpCode::pread ||
         code == OpCode::stored || code == OpCode::load || code == OpCode::sysvipc ||
         code == OpCode::blocks || code == OpCode::descriptors || code == OpCode::names ||
         code == OpCode::brk || code == OpCode::smaps || code == OpCode::rss;
}

}  // namespace

void Scene::look(std::uint8_t proc, std::uint64_t low, std::uint64_t high) {
  if (low >= high || process(proc).life != Life::alive) return;
  std::optional<Quantity> where = say(low);
  if (!where) return;
  Op op = make_op(OpCode::contents, proc);
  op.addr = *where;
  op.len = pages(static_cast<int>(std::min((high - low) / page(), kLookPages)));
  op.small = dice.chance(swarm.by_kernel) ? 1 : 0;
  perform(op);
}

// Adjacent mappings are looked at as one, at times with the pages before and behind, which must not be there.
void Scene::look_at_memory(std::uint8_t proc) {
  struct Area {
    std::uint64_t low, high;
  };
  std::array<Area, kLooksPerProcess> areas;
  unsigned count = 0;
  for (const Vma& v : process(proc).memory.vmas()) {
    if (count > 0 && areas[count - 1].high == v.low && v.high - areas[count - 1].low <= kLookPages * page()) {
      areas[count - 1].high = v.high;
    } else if (count < areas.size()) {
      areas[count++] = {v.low, v.high};
    } else {
      // More than can be looked at: any of them.
      unsigned i = dice.below(count);
      if (dice.chance(40)) areas[i] = {v.low, v.high};
    }
  }
  for (unsigned i = 0; i < count; ++i) {
    std::uint64_t before = dice.below(6) == 0 ? page() : 0, behind = dice.below(6) == 0 ? page() : 0;
    look(proc, areas[i].low - before, areas[i].high + behind);
  }
}

void Scene::look_at_files() {
  std::uint32_t seen = 0;  // paths and slots already looked at would show nothing new
  for (std::uint8_t p = 0; p < program::kUsualProcesses; ++p) {
    if (process(p).life != Life::alive) continue;
    for (std::uint8_t f = 0; f < program::kFiles; ++f) {
      const model::OpenFile* open_file = world().open_file(process(p), f);
      if (!open_file) continue;
      const std::uint32_t inode = open_file->inode;
      const bool readable = open_file->readable;  // the next op may move what is open
      if (inode >= 32 || (seen & 1U << inode) != 0) continue;
      seen |= 1U << inode;
      Op op = make_op(OpCode::fstat, p);
      op.object = f;
      perform(op);
      const bool memory = world().inodes[inode].kind != model::InodeKind::file;
      if (!memory && dice.chance(15)) {
        op.code = OpCode::blocks;
        perform(op);
      }
      if (!readable) continue;
      std::uint64_t size = world().inodes[inode].size;
      op = make_op(OpCode::pread, p);
      op.object = f;
      op.len = pages(static_cast<int>(std::min<std::uint64_t>(size / page() + 1, program::kMaxIoPages)));
      perform(op);
      if (!world().is_stored(world().inodes[inode]) || !dice.chance(25)) continue;
      op.code = OpCode::stored;
      perform(op);
    }
  }
}

void Scene::look_at_segments() {
  std::uint8_t p = any_alive();
  for (unsigned i = 0; i < program::kUsualProcesses && !process(p).cred.capable; ++i) p = any_alive();
  for (std::uint8_t s = 0; s < program::kSegments; ++s) {
    if (!world().segment_names[s]) continue;
    Op op = make_op(OpCode::shmctl, p);
    op.object = s;
    op.small = static_cast<std::uint8_t>(program::ShmCommand::stat);
    perform(op);
  }
  if (!dice.chance(20)) return;
  Op op = make_op(OpCode::shm_info, p);
  op.small = static_cast<std::uint8_t>(dice.below(5));
  perform(op);
  // What has no name, no descriptor and no place in the heap.
  if (dice.chance(20)) {
    const std::uint8_t who = any_alive();
    perform(make_op(dice.pick({OpCode::names, OpCode::brk, OpCode::descriptors}), who));
  }
  // Any user sees all of them there.
  if (dice.chance(50)) perform(make_op(OpCode::sysvipc, any_alive()));
  if (world().ipc.of(process(p)).limits.set.none() && world().ipc.namespaces.size() == 1) return;
  op = make_op(dice.chance(50) ? OpCode::limits : OpCode::ipc_info, p);
  op.small = static_cast<std::uint8_t>(dice.below(program::kLimits));
  perform(op);
}

// What only a new mapping can show: the bytes of segments that nobody has attached, of files that are closed.
static void open_what_is_closed(Scene& s) {
  std::uint8_t p = s.any_alive();
  for (std::uint8_t i = 0; i < program::kSegments; ++i) {
    const auto& bound = s.world().segment_names[i];
    if (!bound || s.world().ipc.segments[*bound].destroyed) continue;
    if (s.world().ipc.segments[*bound].nattch != 0 && !s.dice.chance(25)) continue;
    Op op = make_op(OpCode::shmat, p);
    op.object = i;
    op.flags = program::shmat::kReadOnly;
    op.result = s.fresh_mapping();
    if (!s.perform(op)) return;
    std::optional<std::uint64_t> at = s.world().mapping_names[op.result];
    if (at) s.look(p, *at, *at + s.world().up(s.world().ipc.segments[*bound].segsz));
  }
  for (std::uint8_t n = 0; n < program::kObjects; ++n) {
    if (s.world().objects[n] < 0 || !s.dice.chance(50)) continue;
    Op op = make_op(OpCode::shm_open, p);
    op.object = n;
    op.result = s.fresh_file(p);
    s.perform(op);
  }
  for (std::uint8_t n = 0; n < s.swarm.paths; ++n) {
    std::int32_t inode = s.world().paths[n];
    if (inode < 0 || !s.dice.chance(50)) continue;
    Op op = make_op(OpCode::open, p);
    op.object = n;
    op.result = s.fresh_file(p);
    s.perform(op);
  }
}

void Scene::finale() {
  if (alive() == 0) return;
  look_at_segments();
  if (dice.chance(40)) open_what_is_closed(*this);
  std::uint8_t start = any_alive();
  for (unsigned i = 0; i < program::kUsualProcesses; ++i) {
    look_at_memory(static_cast<std::uint8_t>((start + i) % program::kUsualProcesses));
  }
  look_at_files();
  if (dice.chance(25)) perform(make_op(OpCode::maps, any_alive()));
}

// What one op worked on.
void Scene::look_around(const Op& op) {
  if (process(op.proc).life != Life::alive) {
    look_at_segments();
    return;
  }
  const program::OpSpec& spec = program::spec(op.code);
  if (spec.object_kind == program::NameKind::segment || spec.result_name == program::NameKind::segment ||
      op.code == OpCode::shmdt || op.code == OpCode::kill || (op.code == OpCode::fork && dice.chance(50))) {
    look_at_segments();
  }
  if (op.code == OpCode::fork) return look_at_memory(op.result);
  bool of_file = spec.object_kind == program::NameKind::file || spec.object_kind == program::NameKind::path ||
                 spec.object_kind == program::NameKind::object;
  if (of_file) {
    if (dice.chance(60)) look_at_files();
  }
  Quantity where = op.addr;
  if (spec.result_name == program::NameKind::mapping && world().mapping_names[op.result]) {
    where = at_mapping(op.result);
  } else if (!has_argument(op, Slot::addr)) {
    return;
  }
  if (!world().bound(where)) return;
  std::uint64_t low = world().down(world().value(where)), length = page();
  if (has_argument(op, Slot::len)) length = std::min(world().value(op.len), 16 * page());
  std::uint64_t before = dice.chance(30) ? page() : 0;
  if (low < before || low + length < low) return;
  look(op.proc, low - before, world().up(low + length) + before);
}

void Scene::watch(const Op& op, bool failed) {
  if (observes(op.code)) return;
  bool now = swarm.watch == Watch::always || (swarm.watch == Watch::failures && failed) ||
             (swarm.watch == Watch::sometimes && dice.chance(25));
  if (!now) return;
  if (failed && dice.chance(40)) {
    // The whole arena, mapped or not.
    std::uint64_t low = world().facts().arena;
    std::uint64_t count = std::min<std::uint64_t>(swarm.window, world().facts().arena_pages);
    std::uint8_t p = process(op.proc).life == Life::alive ? op.proc : any_alive();
    if (dice.chance(50)) return look_at_memory(p);
    return look(p, low, low + count * page());
  }
  if (dice.below(12) == 0) {
    perform(make_op(OpCode::maps, process(op.proc).life == Life::alive ? op.proc : any_alive()));
    return;
  }
  look_around(op);
}

}  // namespace shmcheck::harness
