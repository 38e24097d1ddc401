#include "props/neighbour.h"

#include <algorithm>

#include "harness/generator/generator.h"
#include "program/text.h"

namespace shmcheck::props {

using namespace program;

namespace {

// Half of the names of each kind.
constexpr unsigned kHalfProcesses = kUsualProcesses / 2, kHalfMappings = kMappings / 2,
                   kHalfSegments = kSegments / 2;

harness::GeneratorOptions options_for(bool neighbour) {
  harness::GeneratorOptions options;
  options.min_ops = neighbour ? 20 : 8;
  options.max_ops = neighbour ? 60 : 32;
  if (!neighbour) return options;
  options.allowed.reset();
  for (OpCode code : {OpCode::shmget, OpCode::shmat, OpCode::shmdt, OpCode::shmctl, OpCode::limit,
                      OpCode::limits, OpCode::shm_info, OpCode::sysvipc, OpCode::ipc_info, OpCode::shm_stat,
                      OpCode::fork, OpCode::exit, OpCode::kill, OpCode::exec, OpCode::unshare, OpCode::store,
                      OpCode::load, OpCode::munmap, OpCode::mprotect})
    options.allowed.set(static_cast<std::size_t>(code));
  return options;
}

bool in_half(const Quantity& q) {
  return !q.names_mapping() || q.mapping() < kHalfMappings;
}

// Whether the op keeps to the lower half of all names.
bool in_half(const Op& op) {
  const OpSpec& s = spec(op.code);
  if (op.proc >= kHalfProcesses || !in_half(op.addr) || !in_half(op.to)) return false;
  const auto within = [](NameKind kind, unsigned name, unsigned specials) {
    switch (kind) {
      case NameKind::process:
        return name < kHalfProcesses;
      case NameKind::mapping:
        return name < kHalfMappings;
      case NameKind::segment:
        return name < kHalfSegments || (specials != 0 && name >= kSegments);
      default:
        return true;
    }
  };
  return within(s.result_name, op.result, 0) && within(s.object_kind, op.object, 1);
}

void raise(Quantity& q) {
  if (q.names_mapping()) q.base = static_cast<std::uint8_t>(q.base + kHalfMappings);
}

// The op with the names of the upper half.
Op raised(Op op) {
  const OpSpec& s = spec(op.code);
  const auto raise_name = [](NameKind kind, std::uint8_t& name) {
    if (kind == NameKind::process) name = static_cast<std::uint8_t>(name + kHalfProcesses);
    if (kind == NameKind::mapping) name = static_cast<std::uint8_t>(name + kHalfMappings);
    if (kind == NameKind::segment && name < kSegments) name = static_cast<std::uint8_t>(name + kHalfSegments);
  };
  op.proc = static_cast<std::uint8_t>(op.proc + kHalfProcesses);
  raise_name(s.result_name, op.result);
  raise_name(s.object_kind, op.object);
  raise(op.addr);
  raise(op.to);
  return op;
}

std::vector<Op> lower_half(std::uint64_t seed, bool neighbour, const Facts& facts) {
  std::vector<Op> ops = harness::make_program(seed, neighbour ? 1 : 0, options_for(neighbour), facts).ops;
  std::erase_if(ops, [](const Op& op) { return !in_half(op); });
  return ops;
}

// Rows of /proc/sysvipc/shm without ids, times and pids, in an order of their own.
std::vector<std::uint64_t> without_order(const std::vector<std::uint64_t>& words) {
  std::vector<std::vector<std::uint64_t>> rows;
  for (std::size_t at = 0; at + kListingRowWords <= words.size(); at += kListingRowWords) {
    const auto row = words.begin() + static_cast<std::ptrdiff_t>(at);
    rows.emplace_back(row, row + kListingRowWords);
    for (std::size_t word : std::initializer_list<std::size_t>{0, 8, 9, 10, 11, 12}) rows.back()[word] = 0;
  }
  std::ranges::sort(rows);
  std::vector<std::uint64_t> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

bool returns_an_index(const Op& op) {
  if (op.code == OpCode::ipc_info) return static_cast<IpcInfo>(op.small) == IpcInfo::highest;
  return op.code == OpCode::shm_info && static_cast<ShmTotal>(op.small) == ShmTotal::highest;
}

}  // namespace

Outcome without_choices(const Op& op, Outcome o) {
  o.before = o.after = 0;
  o.address = 0;
  switch (spec(op.code).result) {
    case ResultKind::count:
      if (returns_an_index(op)) o.value = 0;
      break;
    case ResultKind::address:
    case ResultKind::id:
    case ResultKind::pid:
      o.value = 0;
      break;
    case ResultKind::racers:
      o.words.clear();  // who comes first is anybody's
      break;
    case ResultKind::shm_at:
      // Which index is used next depends on what was there before.
      if (op.byte != 0) return {};
      o.value = 0;
      [[fallthrough]];
    case ResultKind::shm:
      for (std::size_t word : std::initializer_list<std::size_t>{7, 8, 9, 10, 11}) {  // times and pids
        if (word < o.words.size()) o.words[word] = 0;
      }
      break;
    case ResultKind::listing:
      o.words = without_order(o.words);
      break;
    case ResultKind::smaps:
      if (o.words.empty()) break;
      o.words[1] -= o.words[0];  // the length stays
      o.words[0] = 0;
      break;
    case ResultKind::maps:
      for (std::size_t at = 0; at + kMapRowWords <= o.words.size(); at += kMapRowWords) {
        o.words[at + 1] -= o.words[at];  // the length stays
        o.words[at] = 0;
        o.words[at + 4] = 0;
      }
      break;
    case ResultKind::end:
      o.words.clear();  // what is in there was seen by others
      break;
    default:
      break;
  }
  return o;
}

Neighbourhood make_neighbourhood(std::uint64_t seed, const Facts& facts) {
  Neighbourhood n;
  Op fork, unshare;
  fork.code = OpCode::fork;
  fork.result = unshare.proc = kHalfProcesses;
  unshare.code = OpCode::unshare;
  n.alone.ops = n.together.ops = {fork, unshare};
  n.place = {0, 1};
  const std::vector<Op> ours = lower_half(seed, false, facts), theirs = lower_half(seed, true, facts);
  harness::SeededEntropy dice(seed);
  std::size_t next = 0;
  for (const Op& op : ours) {
    for (std::uint32_t busy = dice.below(4); busy > 0 && next < theirs.size(); --busy)
      n.together.ops.push_back(raised(theirs[next++]));
    n.place.push_back(n.together.ops.size());
    n.alone.ops.push_back(op);
    n.together.ops.push_back(op);
  }
  return n;
}

std::string seen_of_the_neighbour(const Neighbourhood& programs, const Trace& alone, const Trace& together) {
  for (std::size_t i = 0; i < programs.place.size(); ++i) {
    if (i >= alone.steps.size() || programs.place[i] >= together.steps.size()) return "a run is cut short";
    const program::Step &with = together.steps[programs.place[i]], &without = alone.steps[i];
    const Outcome a = without_choices(with.op, with.outcome), b = without_choices(with.op, without.outcome);
    if (a == b) continue;
    return "step " + std::to_string(programs.place[i] + 1) + " (" + to_text(with.op) + ") shows " +
           to_text(a, with.op, together.facts) + ", and alone " + to_text(b, with.op, alone.facts);
  }
  return "";
}

}  // namespace shmcheck::props
