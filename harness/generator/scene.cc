#include "harness/generator/scene.h"

#include <algorithm>

namespace shmcheck::harness {

using model::Life;
using model::Process;
using model::Vma;
using program::Base;

namespace {

constexpr std::uint64_t kLargestPages = 64;  // of anything a program makes
constexpr std::int64_t kReachPages = 96;     // a name is used for addresses this near
constexpr unsigned kOpsPerPlanned = 5;       // limit of all ops, observations included
constexpr unsigned kMostWalks = 3;           // in a process with very many mappings
constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;

// How often an op works where the one before did, in percent: what goes wrong mostly takes several ops on the
// same pages.
constexpr unsigned kSamePlace = 35, kSameStretch = 12;

}  // namespace

Scene::Scene(Entropy& entropy, const Swarm& s, const GeneratorOptions& o, const program::Facts& facts)
    : dice(entropy), swarm(s), options(o), machine_(facts) {}

// --- performing

// Nothing larger than a few dozen pages may come into being: programs run in small guests, thousands a
// second.
bool Scene::tame(const Op& op) const {
  const model::World& w = world();
  auto number = [&](const Quantity& q) { return w.value(q); };
  std::uint64_t largest = kLargestPages * page();
  auto small_or = [&](std::uint64_t v, std::uint64_t limit) { return v <= largest || v >= limit; };
  std::uint64_t impossible = w.facts().top - largest;  // lengths that no address space can hold
  switch (op.code) {
    case OpCode::ftruncate:
      // A file of huge pages has none of them before it is mapped.
      if (const model::Inode* file = inode(op.proc, op.object); file && file->huge) return true;
      [[fallthrough]];
    case OpCode::truncate:
    case OpCode::shmget:
    case OpCode::race_shmget:
      return small_or(number(op.len), kHalf);
    case OpCode::pwrite:
    case OpCode::pwrite_from:
      return small_or(number(op.off), kHalf);
    case OpCode::fallocate:
      return small_or(number(op.len), kHalf) && small_or(number(op.off), kHalf);
    case OpCode::mmap:
    case OpCode::munmap:
    case OpCode::mprotect:
    case OpCode::msync:
    case OpCode::madvise:
    case OpCode::mlock:
    case OpCode::munlock:
    case OpCode::remap:
      return small_or(number(op.len), impossible);
    case OpCode::mremap:
      return small_or(number(op.len), impossible) && small_or(number(op.off), impossible);
    default:
      return true;
  }
}

// In a process near vm.max_map_count these take a tenth of a second, and in a guest much more.
bool Scene::walks_mappings(const Op& op) const {
  if (op.code == OpCode::crowd) return true;
  const bool walks = op.code == OpCode::maps || op.code == OpCode::fork || program::is_race(op.code) ||
                     op.code == OpCode::mlockall || op.code == OpCode::munlockall;
  return walks && process(op.proc).other_mappings.has_value();
}

const program::Outcome* Scene::perform(Op op) {
  program::normalize(op);
  if (program_.ops.size() >= std::size_t{planned_} * kOpsPerPlanned + 40) return nullptr;
  if (!options.allows(op.code) || !tame(op)) return nullptr;
  if (options.never && options.never(op)) return nullptr;
  if (swarm.avoid && options.avoid && options.avoid(world(), op)) return nullptr;
  if (walks_mappings(op) && ++walks_ > kMostWalks) return nullptr;
  outcome_ = machine_.run(op);
  program_.ops.push_back(op);
  return &outcome_;
}

void Scene::act(Op op) {
  if (dice.chance(swarm.spoil)) spoil(*this, op);
  act_exactly(op);
}

void Scene::act_exactly(Op op) {
  if (finished()) return;
  ++acted_;
  last_actor_ = op.proc;
  const program::Outcome* outcome = perform(op);
  if (!outcome) return;
  Op done = program_.ops.back();  // watching appends to the program
  remember(done);
  watch(done, outcome->kind != program::OutcomeKind::ok);
}

void Scene::remember(const Op& op) {
  const program::OpSpec& spec = program::spec(op.code);
  auto has = [&](program::Slot slot) {
    return std::any_of(spec.args.begin(), spec.args.end(),
                       [=](const program::Arg& a) { return a.slot == slot; });
  };
  if (spec.result_name == program::NameKind::mapping && world().mapping_names[op.result]) {
    last_place_ = world().mapping_names[op.result];
  } else if (has(program::Slot::addr) && world().bound(op.addr)) {
    last_place_ = world().value(op.addr);
    if (has(program::Slot::len)) last_stretch_ = Stretch{op.addr, op.len};
  }
}

bool Scene::finished() const {
  return acted_ >= planned_ || dice.exhausted() || alive() == 0;
}

// --- processes

unsigned Scene::alive() const {
  return static_cast<unsigned>(std::count_if(world().processes.begin(), world().processes.end(),
                                             [](const Process& p) { return p.life == Life::alive; }));
}

std::uint8_t Scene::any_alive() {
  std::uint8_t start = static_cast<std::uint8_t>(dice.below(program::kUsualProcesses));
  for (unsigned i = 0; i < program::kUsualProcesses; ++i) {
    auto p = static_cast<std::uint8_t>((start + i) % program::kUsualProcesses);
    if (process(p).life == Life::alive) return p;
  }
  return 0;
}

std::optional<std::uint8_t> Scene::other_alive(std::uint8_t than) {
  std::uint8_t p = any_alive();
  for (int i = 0; i < 3 && p == than; ++i) p = any_alive();
  if (p == than || process(p).life != Life::alive) return std::nullopt;
  return p;
}

std::uint8_t Scene::actor() {
  if (process(last_actor_).life == Life::alive && dice.chance(swarm.stay)) return last_actor_;
  if (dice.below(64) == 0) return static_cast<std::uint8_t>(dice.below(options.processes));
  return any_alive();
}

std::optional<std::uint8_t> Scene::fresh_process() const {
  if (alive() >= options.processes) return std::nullopt;
  // A name that was never used if there is one; then that of a dead process, whose end is complete.
  std::optional<std::uint8_t> dead;
  for (std::uint8_t p = 0; p < program::kUsualProcesses; ++p) {
    if (process(p).life == Life::never) return p;
    if (process(p).life == Life::dead && !dead) dead = p;
  }
  return dead;
}

// --- addresses

std::optional<Quantity> Scene::say(std::uint64_t address) {
  const model::World& w = world();
  auto page_bytes = static_cast<std::int64_t>(page());
  auto form = [&](Quantity base, std::int64_t distance) {
    std::int64_t n = distance / page_bytes, rest = distance % page_bytes;
    if (rest > page_bytes / 2) ++n, rest -= page_bytes;
    if (rest < -(page_bytes / 2)) --n, rest += page_bytes;
    return plus(base, static_cast<int>(n), static_cast<int>(rest));
  };
  std::uint64_t arena = w.facts().arena, end = arena + std::uint64_t{w.facts().arena_pages} * page();
  bool in_arena = address + page() >= arena && address <= end;
  // Names of addresses that the kernel chose mean other addresses elsewhere, so the nearest name below it is
  // most likely the mapping's own.
  std::int64_t best = INT64_MAX;
  unsigned name = 0;
  for (unsigned m = 0; m < program::kMappings; ++m) {
    if (!w.mapping_names[m]) continue;
    auto distance = static_cast<std::int64_t>(address - *w.mapping_names[m]);
    std::int64_t cost = distance >= 0 ? distance : -8 * distance;
    if (cost < best) best = cost, name = m;
  }
  bool near = best <= kReachPages * page_bytes;
  if (in_arena && (!near || dice.chance(50))) {
    return form(from(Base::arena), static_cast<std::int64_t>(address - arena));
  }
  if (!near) return std::nullopt;
  return form(at_mapping(name), static_cast<std::int64_t>(address - *w.mapping_names[name]));
}

Quantity Scene::say_bytes(std::uint64_t bytes) const {
  std::uint64_t n = bytes / page(), rest = bytes % page();
  if (rest > page() / 2) return pages(static_cast<int>(n) + 1, -static_cast<int>(page() - rest));
  return pages(static_cast<int>(n), static_cast<int>(rest));
}

Quantity Scene::place() {
  std::uint32_t window = std::min(swarm.window, world().facts().arena_pages);
  return from(Base::arena, static_cast<int>(dice.below(std::max(window, 1U))));
}

const Vma* Scene::vma(std::uint8_t proc) {
  const std::vector<Vma>& vmas = process(proc).memory.vmas();
  if (process(proc).life != Life::alive || vmas.empty()) return nullptr;
  if (last_place_ && dice.chance(kSamePlace)) {
    std::size_t near = process(proc).memory.first_above(*last_place_);
    if (near < vmas.size()) return &vmas[near];
  }
  return &vmas[dice.below(static_cast<std::uint32_t>(vmas.size()))];
}

const Vma* Scene::attach_vma(std::uint8_t proc) {
  for (int i = 0; i < 4; ++i) {
    const Vma* v = vma(proc);
    if (v && v->segment >= 0) return v;
  }
  return nullptr;
}

std::uint64_t Scene::spot(const Vma& v) {
  std::uint64_t length = v.high - v.low;
  std::uint64_t at = v.low + dice.below(static_cast<std::uint32_t>(length / page())) * page();
  if (v.inode >= 0 && dice.chance(45)) {
    // The end of the file, and the end of its last page.
    std::uint64_t size = world().inodes[static_cast<std::size_t>(v.inode)].size;
    std::uint64_t edge = dice.chance(60) ? size : world().up(size);
    std::uint64_t start = v.page_offset * page();
    if (edge + page() >= start && edge <= start + length) at = v.low + (edge - start);
    if (size % page() != 0 && size >= start && size < start + length && dice.chance(25)) {
      return v.low + (size - start) + dice.below(static_cast<std::uint32_t>(page() - size % page()));
    }
  }
  std::uint32_t how = dice.below(16);
  if (how < 6) return at;
  if (how < 9) return at - 1;
  if (how < 11) return at + page() - dice.pick({1U, 2U, 4U, 7U, 8U});
  if (how < 13) return at + dice.pick({1U, 3U, 8U, 100U});
  if (how < 14) return v.high - 1;
  return at + dice.below(static_cast<std::uint32_t>(page()));
}

Quantity Scene::address(std::uint8_t proc) {
  std::uint32_t how = dice.below(32);
  if (how < 25) {
    if (const Vma* v = vma(proc)) {
      if (std::optional<Quantity> q = say(spot(*v))) return *q;
    }
  }
  if (how == 31) return dice.chance(50) ? pages(0) : from(Base::top, dice.pick({0, -1, 1}));
  if (how >= 29) {
    const int n = dice.pick({0, 0, 1, -1});
    return at_mapping(dice.below(program::kMappings), n);
  }
  const int bytes = dice.pick({0, 0, 0, 1, -1, 8});
  return plus(place(), 0, bytes);
}

std::optional<Stretch> Scene::stretch(std::uint8_t proc) {
  if (last_stretch_ && dice.chance(kSameStretch)) return last_stretch_;
  const Vma* v = vma(proc);
  if (!v || dice.below(24) == 0) {
    if (dice.chance(50)) return std::nullopt;
    return Stretch{place(), length(dice.between(1, 4))};
  }
  auto count = static_cast<int>((v->high - v->low) / page());
  int first = 0, last = count;
  switch (dice.below(8)) {
    case 0:
    case 1:
    case 2:
      break;
    case 3:
      last = 1;
      break;
    case 4:
      first = count - 1;
      break;
    case 5:  // a part
      first = static_cast<int>(dice.below(static_cast<std::uint32_t>(count)));
      last = first + 1 + static_cast<int>(dice.below(static_cast<std::uint32_t>(count - first)));
      break;
    case 6:  // and what follows it
      first = static_cast<int>(dice.below(static_cast<std::uint32_t>(count)));
      last = count + dice.pick({1, 1, 2, 4});
      break;
    default:  // and what precedes it
      first = -dice.pick({1, 1, 2});
      last = 1 + static_cast<int>(dice.below(static_cast<std::uint32_t>(count)));
      break;
  }
  std::optional<Quantity> low = say(v->low + static_cast<std::uint64_t>(first * static_cast<int>(page())));
  if (!low) return std::nullopt;
  return Stretch{*low, length(static_cast<unsigned>(last - first))};
}

// --- sizes and values

Quantity Scene::size(unsigned max_pages) {
  auto n = static_cast<int>(dice.below(max_pages + 1));
  if (dice.below(32) == 0) n += static_cast<int>(dice.below(20));
  if (!dice.chance(swarm.odd)) return pages(std::max(n, 1));
  auto half = static_cast<int>(page() / 2);
  int bytes = dice.pick({1, 1, -1, 17, 100, half, -100, 7, half + 1});
  if (n == 0 && bytes < 0) bytes = -bytes;
  return pages(n, bytes);
}

Quantity Scene::length(unsigned n) {
  if (n == 0 || dice.chance(70)) return pages(static_cast<int>(n));
  return dice.chance(50) ? pages(static_cast<int>(n), -1) : pages(static_cast<int>(n) - 1, 1);
}

std::uint8_t Scene::fill() {
  if (++fill_ == 0) fill_ = 1;  // zero is what fresh memory reads as
  return fill_;
}

// --- names

bool Scene::has_file(std::uint8_t proc) const {
  const auto& files = process(proc).files;
  return process(proc).life == Life::alive &&
         std::any_of(files.begin(), files.end(), [](std::int32_t f) { return f >= 0; });
}

const model::Inode* Scene::inode(std::uint8_t proc, std::uint8_t file) const {
  const model::OpenFile* open_file = world().open_file(process(proc), file);
  return open_file ? &world().inodes[open_file->inode] : nullptr;
}

std::optional<std::uint8_t> Scene::memfd(std::uint8_t proc) const {
  for (std::uint8_t f = 0; f < program::kFiles; ++f) {
    const model::Inode* named = inode(proc, f);
    if (named && named->memfd) return f;
  }
  return std::nullopt;
}

std::uint8_t Scene::file(std::uint8_t proc) {
  auto start = dice.below(program::kFiles);
  for (unsigned i = 0; i < program::kFiles; ++i) {
    unsigned f = (start + i) % program::kFiles;
    if (process(proc).files[f] >= 0) return static_cast<std::uint8_t>(f);
  }
  return 0;
}

std::uint8_t Scene::path() {
  return static_cast<std::uint8_t>(dice.below(swarm.paths));
}

std::uint8_t Scene::object() {
  if (dice.below(24) == 0) return program::kObjectLong;
  return dice.chance(85) ? static_cast<std::uint8_t>(dice.below(2))
                         : static_cast<std::uint8_t>(dice.below(program::kObjects));
}

bool Scene::has_segment() const {
  return std::any_of(world().segment_names.begin(), world().segment_names.end(),
                     [](const auto& s) { return s.has_value(); });
}

std::uint8_t Scene::segment() {
  auto start = dice.below(program::kSegments);
  auto gone = start;
  for (unsigned i = 0; i < program::kSegments; ++i) {
    unsigned s = (start + i) % program::kSegments;
    const auto& bound = world().segment_names[s];
    if (!bound) continue;
    // Ids of destroyed segments stay good arguments, less often.
    gone = s;
    if (world().ipc.segments[*bound].destroyed && !dice.chance(15)) continue;
    return static_cast<std::uint8_t>(s);
  }
  return static_cast<std::uint8_t>(gone);
}

std::uint8_t Scene::key() {
  return dice.chance(25) ? std::uint8_t{0} : static_cast<std::uint8_t>(dice.between(1, swarm.keys));
}

bool Scene::key_in_use(std::uint8_t key) const {
  // The number of a key is its last byte.
  const auto& segments = world().ipc.segments;
  return std::any_of(segments.begin(), segments.end(), [=](const model::ShmidKernel& k) {
    return !k.destroyed && k.perm.key != 0 && (k.perm.key & 0xFF) == key;
  });
}

std::uint8_t Scene::fresh_mapping() {
  for (std::uint8_t m = 0; m < program::kMappings; ++m) {
    if (!world().mapping_names[m]) return m;
  }
  return static_cast<std::uint8_t>(dice.below(program::kMappings));
}

std::uint8_t Scene::fresh_file(std::uint8_t proc) {
  for (std::uint8_t f = 0; f < swarm.files; ++f) {
    if (process(proc).files[f] < 0) return f;
  }
  return static_cast<std::uint8_t>(dice.below(swarm.files));
}

std::uint8_t Scene::fresh_segment() {
  for (std::uint8_t s = 0; s < program::kSegments; ++s) {
    if (!world().segment_names[s]) return s;
  }
  return static_cast<std::uint8_t>(dice.below(program::kSegments));
}

}  // namespace shmcheck::harness
