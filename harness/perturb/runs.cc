// Lies about contents: bytes, and where they end or cannot be had.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

using program::Run;
using program::RunKind;

std::vector<Run> unpack(const Outcome& o) {
  std::vector<Run> runs;
  for (const std::uint64_t word : o.words) runs.push_back(program::unpack_run(word));
  return runs;
}

void pack(Outcome& o, const std::vector<Run>& runs) {
  o.words.clear();
  for (const Run& run : runs) {
    if (run.length > 0) o.words.push_back(program::pack(run));
  }
}

// A run of this kind, or any but this kind.
std::vector<std::size_t> runs_of(const std::vector<Run>& runs, RunKind kind, bool is = true) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if ((runs[i].kind == kind) == is) found.push_back(i);
  }
  return found;
}

// Replaces a part of run `at` by another run.
void cut_in(std::vector<Run>& runs, std::size_t at, std::uint64_t from, Run part) {
  Run head = runs[at], tail = runs[at];
  head.length = from;
  tail.length -= from + part.length;
  runs[at] = head;
  runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(at) + 1, {part, tail});
}

std::uint64_t somewhere(Draw& d, std::uint64_t length) {
  return d.dice.pick<std::uint64_t>(
      {0, length - 1, d.dice.below(static_cast<std::uint32_t>(std::min<std::uint64_t>(length, UINT32_MAX)))});
}

bool change_byte(Draw& d, Outcome& o, std::vector<std::uint8_t> offers) {
  std::vector<Run> runs = unpack(o);
  const std::vector<std::size_t> bytes = runs_of(runs, RunKind::bytes);
  if (bytes.empty()) return false;
  const std::size_t at = pick(d.dice, bytes);
  Run part{RunKind::bytes, runs[at].value, 0, 1};
  if (offers.empty()) offers.push_back(static_cast<std::uint8_t>(part.value ^ 1U << d.dice.below(8)));
  if (!replace(d.dice, part.value, std::move(offers))) return false;
  cut_in(runs, at, somewhere(d, runs[at].length), part);
  pack(o, runs);
  return true;
}

bool byte_bit(Draw& d, Outcome& o) {
  return change_byte(d, o, {});
}

// A byte that was there before, as far as one can guess: of the same outcome or of an earlier one.
bool byte_stale(Draw& d, Outcome& o) {
  std::vector<std::uint8_t> offers = {0};
  for (std::size_t i = 0; i <= d.index; ++i) {
    const program::Step& step = d.trace.steps[i];
    if (step.op.code == OpCode::store) offers.push_back(static_cast<std::uint8_t>(step.op.value));
    if (step.op.code == OpCode::pwrite) offers.push_back(step.op.byte);
  }
  return change_byte(d, o, std::move(offers));
}

// The edge between two runs, one byte further.
bool edge(Draw& d, Outcome& o) {
  std::vector<Run> runs = unpack(o);
  if (runs.size() < 2) return false;
  const std::size_t at = d.dice.below(static_cast<std::uint32_t>(runs.size() - 1));
  const bool forward = d.dice.chance(50);
  ++runs[forward ? at : at + 1].length;
  --runs[forward ? at + 1 : at].length;
  pack(o, runs);
  return true;
}

bool shorter(Draw& d, Outcome& o) {
  std::vector<Run> runs = unpack(o);
  if (runs.empty()) return false;
  runs.back().length -= d.dice.pick<std::uint64_t>({1, runs.back().length});
  pack(o, runs);
  return true;
}

bool longer(Draw& d, Outcome& o) {
  std::vector<Run> runs = unpack(o);
  if (runs.empty()) runs.push_back({RunKind::bytes, 0, 0, 0});
  runs.back().length += d.dice.pick<std::uint64_t>({1, d.facts().page_size});
  pack(o, runs);
  return true;
}

// One page, or all that a run has of it.
bool bytes_to_fault(Draw& d, Outcome& o) {
  std::vector<Run> runs = unpack(o);
  const std::vector<std::size_t> bytes = runs_of(runs, RunKind::bytes);
  if (bytes.empty()) return false;
  const std::size_t at = pick(d.dice, bytes);
  const std::uint64_t length = std::min<std::uint64_t>(runs[at].length, d.facts().page_size);
  const bool kernel =
      d.op().code == OpCode::pread || static_cast<program::Via>(d.op().small) == program::Via::kernel;
  Run part = kernel ? Run{RunKind::error, 14, 0, length}
                    : Run{RunKind::signal, d.dice.pick<std::uint8_t>({7, 11}),
                          d.dice.pick<std::uint8_t>({1, 2}), length};
  cut_in(runs, at, d.dice.pick<std::uint64_t>({0, runs[at].length - length}), part);
  pack(o, runs);
  return true;
}

bool fault_to_bytes(Draw& d, Outcome& o) {
  std::vector<Run> runs = unpack(o);
  const std::vector<std::size_t> faults = runs_of(runs, RunKind::bytes, false);
  if (faults.empty()) return false;
  const std::size_t at = pick(d.dice, faults);
  const std::uint64_t length = std::min<std::uint64_t>(runs[at].length, d.facts().page_size);
  cut_in(runs, at, d.dice.pick<std::uint64_t>({0, runs[at].length - length}), {RunKind::bytes, 0, 0, length});
  pack(o, runs);
  return true;
}

// A whole run of faults is another fault.
bool change_fault(Draw& d, Outcome& o, bool (*change)(Draw&, Run&)) {
  std::vector<Run> runs = unpack(o);
  const std::vector<std::size_t> faults = runs_of(runs, RunKind::bytes, false);
  if (faults.empty() || !change(d, runs[pick(d.dice, faults)])) return false;
  pack(o, runs);
  return true;
}

bool fault_number(Draw& d, Outcome& o) {
  return change_fault(d, o, [](Draw& draw, Run& run) {
    return replace(draw.dice, run.value,
                   {std::uint8_t{7}, std::uint8_t{11}, std::uint8_t{14}, std::uint8_t{5}});
  });
}
bool fault_code(Draw& d, Outcome& o) {
  return change_fault(d, o, [](Draw& draw, Run& run) {
    return run.kind == RunKind::signal &&
           replace(draw.dice, run.code,
                   {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{128}});
  });
}
bool fault_kind(Draw& d, Outcome& o) {
  return change_fault(d, o, [](Draw&, Run& run) {
    run = run.kind == RunKind::signal ? Run{RunKind::error, 14, 0, run.length}
                                      : Run{RunKind::signal, 11, 1, run.length};
    return true;
  });
}

constexpr std::uint16_t kRuns = result_bit(ResultKind::runs);

constexpr Perturbation kTable[] = {
    {"byte-bit", "bytes", "one bit of one byte", kOk, kRuns, byte_bit},
    {"byte-stale", "bytes", "a byte as it may have been before", kOk, kRuns, byte_stale},
    {"run-edge", "bytes", "the edge between two runs, a byte further", kOk, kRuns, edge},
    {"run-shorter", "length", "less than was asked for", kOk, kRuns, shorter},
    {"run-longer", "length", "more than was asked for", kOk, kRuns, longer},
    {"run-to-fault", "fault", "a page of bytes cannot be read", kOk, kRuns, bytes_to_fault},
    {"fault-to-run", "fault", "a page that cannot be read reads zero", kOk, kRuns, fault_to_bytes},
    {"fault-number", "fault", "another signal or errno of a page", kOk, kRuns, fault_number},
    {"fault-code", "fault", "another si_code of a page", kOk, kRuns, fault_code},
    {"fault-kind", "fault", "an errno instead of a signal, or a signal instead of an errno", kOk, kRuns,
     fault_kind},
};

}  // namespace

std::span<const Perturbation> run_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness
