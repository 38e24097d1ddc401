#include "harness/investigate.h"

#include <fmt/format.h>

#include "harness/shrink.h"

namespace shmcheck::harness {
namespace {

constexpr int kReruns = 3;
constexpr milliseconds kShrinkLimit{6000};

// What makes a rerun show the same thing: clause and op, or the kind of loss.
bool same(const Finding& a, const Finding& b) {
  if (a.outcome != b.outcome || a.clause != b.clause) return false;
  if (a.clause == clauses::Clause::none) return true;
  return a.trace.steps.at(a.step).op.code == b.trace.steps.at(b.step).op.code;
}

// Runs a program once more. Nothing if it shows nothing, or if it could not be run.
std::optional<Finding> rerun(Run& run, std::uint8_t fs, const program::Program& program, Deadline deadline) {
  if (!run.session().lost().empty() && !run.revive()) return std::nullopt;
  std::optional<Answer> answer = run.session().run(fs, program, deadline);
  if (!answer) {
    // The deadline passed with the program still under way: it must not answer a later question.
    run.session().abandon();
    run.revive();
    return std::nullopt;
  }
  model::JudgeStats stats;
  return find_in(*answer, run.result().profile, stats);
}

// Takes over what a shorter program showed.
void adopt(Finding& finding, Finding&& shorter) {
  finding.program = std::move(shorter.program);
  finding.trace = std::move(shorter.trace);
  finding.step = shorter.step;
  finding.allowed = std::move(shorter.allowed);
  finding.seen = std::move(shorter.seen);
  finding.sentence = std::move(shorter.sentence);
}

}  // namespace

std::optional<Finding> find_in(const Answer& answer, model::Profile profile, model::JudgeStats& stats) {
  std::optional<Finding> finding;
  const model::TraceVerdict verdict = model::judge_trace(answer.trace, profile);
  stats += verdict.stats;
  const model::Finding* first = verdict.first();
  // No document says how long an operation may take: that it was given up is no divergence but a TIMEOUT.
  const bool given_up =
      first != nullptr && answer.trace.steps[first->step].outcome.kind == program::OutcomeKind::timeout;
  if (given_up) first = nullptr;
  if (first == nullptr && answer.complete()) return finding;
  finding.emplace();
  finding->program = answer.program;
  finding->trace = answer.trace;
  if (first != nullptr) {
    finding->clause = first->clause;
    finding->step = first->step;
    finding->allowed = first->allowed;
    finding->seen = first->seen;
    return finding;
  }
  finding->step = answer.trace.steps.size();
  finding->sentence = answer.sentence;
  switch (answer.end) {
    case Answer::End::timeout:
      finding->outcome = Outcome::timeout;
      break;
    case Answer::End::lost:
      finding->outcome = Outcome::crash;
      break;
    default:
      finding->outcome = Outcome::error;
  }
  return finding;
}

void investigate(Run& run, Finding& finding) {
  // A finding late in a run may still be confirmed; only shrinking gives way to the clock.
  const Deadline limit =
      Deadline::in(std::max(run.deadline().left(), milliseconds(2000))).earlier(run.last_call());
  int again = 0, reruns = 0;
  for (; reruns < kReruns && (reruns == 0 || !limit.over()); ++reruns) {
    const std::optional<Finding> seen = rerun(run, finding.fs_index, finding.program, limit);
    if (seen && same(*seen, finding)) ++again;
    // A crash costs a restart each time: once more is enough.
    if (finding.outcome == Outcome::crash && again > 0) break;
  }
  if (again == 0) {
    const std::string how = fmt::format("not seen again in {} reruns", reruns);
    finding.sentence += finding.sentence.empty() ? how : "; " + how;
    // A lost target counts whether or not it is lost again.
    if (finding.outcome != Outcome::crash) finding.outcome = Outcome::flake;
    return;
  }
  if (again < reruns) finding.note = fmt::format("seen again in {} of {} reruns", again, reruns);
  const Deadline shrink_limit = Deadline::in(kShrinkLimit).earlier(limit);
  const auto shows = [&](const program::Program& candidate) {
    const std::optional<Finding> seen = rerun(run, finding.fs_index, candidate, limit);
    return seen && same(*seen, finding);
  };
  const Shrunk shortest = shrink(finding.program, shows, {.time = shrink_limit.left()});
  std::optional<Finding> shown = rerun(run, finding.fs_index, shortest.program, limit);
  if (shown && same(*shown, finding)) adopt(finding, std::move(*shown));
  if (!run.session().lost().empty()) run.revive();
}

}  // namespace shmcheck::harness
