// Lies about what single ones of several processes met that did something at once.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

using program::Racer;

// A row of those of which `fits` holds, as it then is; false if there is none.
template <typename Fits, typename Change>
bool change_one(Draw& d, Outcome& o, Fits fits, Change change) {
  std::vector<std::size_t> rows;
  for (std::size_t at = 0; at + program::kRacerWords <= o.words.size(); at += program::kRacerWords) {
    if (fits(program::unpack_racer(std::span(o.words).subspan(at, program::kRacerWords)))) rows.push_back(at);
  }
  if (rows.empty()) return false;
  const std::size_t at = pick(d.dice, rows);
  Racer r = program::unpack_racer(std::span(o.words).subspan(at, program::kRacerWords));
  if (!change(r)) return false;
  o.words[at] = r.pid;
  o.words[at + 1] = pack_how(r);
  o.words[at + 2] = r.value;
  return true;
}

bool there(const Racer& r) {
  return r.pid != 0;
}
bool worked(const Racer& r) {
  return there(r) && r.kind == OutcomeKind::ok;
}
bool failed(const Racer& r) {
  return r.kind == OutcomeKind::error;
}
bool loaded(const Draw& d) {
  return d.op().code == OpCode::race_shmat;
}

bool racer_pid(Draw& d, Outcome& o) {
  return change_one(d, o, there, [&](Racer& r) { return r.pid += 1 + d.dice.below(100), true; });
}
// Of the process that does the step, and so is there.
std::uint64_t own_pid(const Draw& d) {
  for (std::size_t i = d.index; i-- > 0;) {
    const program::Step& step = d.trace.steps[i];
    const bool begins = step.op.code == OpCode::fork || step.op.code == OpCode::reboot;
    if (begins && step.op.result == d.op().proc && step.outcome.kind == OutcomeKind::ok)
      return step.outcome.value;
  }
  return d.trace.root_pid;
}
bool racer_pid_taken(Draw& d, Outcome& o) {
  const std::uint64_t first = o.words.empty() ? 0 : o.words[0];
  return change_one(d, o, there, [&](Racer& r) { return replace(d.dice, r.pid, {own_pid(d), first}); });
}
bool racer_pid_impossible(Draw& d, Outcome& o) {
  return change_one(d, o, there, [&](Racer& r) {
    return replace(d.dice, r.pid, {std::uint64_t{1} << 31, ~std::uint64_t{0}});
  });
}
bool racer_failed(Draw& d, Outcome& o) {
  return change_one(d, o, worked, [&](Racer& r) {
    r = {r.pid, OutcomeKind::error, d.dice.pick<std::uint16_t>({12, 13, 17, 22, 28, 43})};
    return true;
  });
}
// With what another has got.
bool racer_worked(Draw& d, Outcome& o) {
  Racer other;
  change_one(d, o, worked, [&](Racer& r) { return other = r, true; });
  return change_one(d, o, failed, [&](Racer& r) {
    r = {r.pid, OutcomeKind::ok, 0, 0, other.value};
    return true;
  });
}
bool racer_errno(Draw& d, Outcome& o) {
  return change_one(d, o, failed, [&](Racer& r) {
    return replace(d.dice, r.error, std::vector<std::uint16_t>{1, 12, 13, 17, 22, 28, 43});
  });
}
bool racer_id(Draw& d, Outcome& o) {
  if (loaded(d)) return false;
  return change_one(d, o, worked, [&](Racer& r) {
    return r.value += d.dice.pick<std::uint64_t>({1, 32768}), true;
  });
}
bool racer_bytes(Draw& d, Outcome& o) {
  if (!loaded(d)) return false;
  return change_one(d, o, worked,
                    [&](Racer& r) { return r.value ^= std::uint64_t{1} << d.dice.below(64), true; });
}
bool racer_fault(Draw& d, Outcome& o) {
  if (!loaded(d)) return false;
  return change_one(d, o, worked, [&](Racer& r) {
    r = {r.pid, OutcomeKind::signal, d.dice.pick<std::uint16_t>({7, 11}), 2};
    return true;
  });
}
bool racer_silent(Draw& d, Outcome& o) {
  return change_one(d, o, there, [](Racer& r) { return r = {r.pid, OutcomeKind::died}, true; });
}
bool racer_absent(Draw& d, Outcome& o) {
  return change_one(d, o, there, [](Racer& r) { return r = {}, true; });
}
bool racers_swapped(Draw& d, Outcome& o) {
  const std::size_t rows = o.words.size() / program::kRacerWords;
  if (rows < 2) return false;
  const std::size_t a = d.dice.below(static_cast<std::uint32_t>(rows - 1)) * program::kRacerWords;
  const std::vector<std::uint64_t> was = o.words;
  for (std::size_t i = 1; i < program::kRacerWords; ++i)
    std::swap(o.words[a + i], o.words[a + program::kRacerWords + i]);
  return o.words != was;
}

constexpr std::uint16_t kRacers = result_bit(ResultKind::racers);

constexpr Perturbation kTable[] = {
    {"racer-pid", "pid", "another process id", kOk, kRacers, racer_pid},
    {"racer-pid-taken", "pid-impossible", "the process id of who is there", kOk, kRacers, racer_pid_taken},
    {"racer-pid-impossible", "pid-impossible", "-1 or 2^31", kOk, kRacers, racer_pid_impossible},
    {"racer-failed", "racer-failure", "one of several failed", kOk, kRacers, racer_failed},
    {"racer-worked", "racer-failure", "one of several did not fail", kOk, kRacers, racer_worked},
    {"racer-errno", "racer-failure", "one of several failed with another errno", kOk, kRacers, racer_errno},
    {"racer-id", "id", "one of several got another id", kOk, kRacers, racer_id},
    {"racer-bytes", "bytes", "one of several loaded another bit", kOk, kRacers, racer_bytes},
    {"racer-fault", "fault", "one of several caught a signal", kOk, kRacers, racer_fault},
    {"racer-silent", "racer-failure", "one of several did not answer", kOk, kRacers, racer_silent},
    {"racer-absent", "form", "one of several was not begun", kOk, kRacers, racer_absent},
    {"racers-swapped", "racer-order", "two of several met each what the other did", kOk, kRacers,
     racers_swapped},
};

}  // namespace

std::span<const Perturbation> race_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness
