#include "harness/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/files.h"
#include "harness/interrupt.h"
#include "harness/investigate.h"
#include "harness/report.h"
#include "harness/watchdog.h"

namespace shmcheck::harness {

Run::Run(std::string command, const Options& options, Output& output)
    : options_(options), output_(output), deadline_(Deadline::at(started_ + options.time)) {
  result_.command = std::move(command);
  result_.target = options.target.text;
  result_.boot_args = options.target.boot_args;
  result_.seed = options.seed;
  result_.profile = options.profile.value_or(default_profile(options.target));
}

milliseconds Run::elapsed() const {
  return std::chrono::duration_cast<milliseconds>(Deadline::Clock::now() - started_);
}

bool Run::open(int worker) {
  // Looking into findings, a restart and the end of a target may take a while after the time is over.
  start_watchdog(options_.time + milliseconds(45'000));
  SessionOptions session;
  session.worker = worker;
  session.silence = silence();
  session.interrupted = interrupted;
  std::string sentence;
  session_ = Session::open(options_.target, session, deadline_, sentence);
  if (session_ == nullptr) {
    result_.unjudged = sentence;
    return false;
  }
  result_.heard = true;
  result_.facts = session_->facts();
  result_.absent = session_->absent();
  if (!choose_file_systems()) return false;
  print_target();
  return true;
}

bool Run::choose_file_systems() {
  std::string has;
  for (std::uint8_t i = 0; i < session_->facts().size(); ++i) {
    const std::string_view name = program::place_name(facts(i));
    has += fmt::format("{}{}", has.empty() ? "" : ", ", name);
    const bool wanted =
        options_.fs.empty() || std::find(options_.fs.begin(), options_.fs.end(), name) != options_.fs.end();
    if (wanted) file_systems_.push_back(i);
  }
  if (file_systems_.empty()) {
    result_.unjudged = fmt::format("the target has none of the wanted file systems ({}); it has {}",
                                   fmt::join(options_.fs, ", "), has);
    for (const Absent& absent : result_.absent)
      result_.unjudged += fmt::format("\n{}: {}", absent.what, absent.evidence);
  }
  return !file_systems_.empty();
}

void Run::print_target() {
  for (const std::string& text : describe_target(result_)) output_.line(text);
}

bool Run::over() const {
  if (deadline_.over() || interrupted() || gone_) return true;
  return options_.first && std::any_of(result_.findings.begin(), result_.findings.end(),
                                       [](const Finding& finding) { return finding.counts(); });
}

std::optional<Finding> Run::judge(const Subject& subject, const Answer& answer) {
  model::JudgeStats stats;
  std::optional<Finding> finding = find_in(answer, result_.profile, stats);
  result_.judged_steps += stats.steps + stats.observations;
  add_decided(result_, stats, subject.name);
  PartCount& count = result_.parts[static_cast<std::size_t>(subject.part)];
  ++count.run;
  ++(finding ? count.fail : count.pass);
  if (!finding) return finding;
  finding->part = subject.part;
  finding->subject = subject.name;
  finding->seed = subject.seed;
  finding->fs_index = answer.fs;
  finding->fs = program::place_name(facts(answer.fs));
  if (answer.end == Answer::End::lost) finding->evidence = session_->evidence();
  return finding;
}

// Whether an expectation or the baseline knows it.
bool Run::foreseen(Finding& finding) const {
  const Expectation* expected = options_.expectations.find(finding, facts(finding.fs_index));
  if (expected != nullptr) {
    finding.expected = fmt::format("{}: {} ({})", expected->where(), expected->reason, expected->bug);
    if (expected->status != Expected::flake || finding.outcome == Outcome::fail)
      finding.outcome = Outcome::xfail;
  }
  finding.in_baseline =
      std::binary_search(options_.baseline.begin(), options_.baseline.end(), finding.identity());
  return !finding.counts();
}

void Run::settle(Finding finding) {
  if (!foreseen(finding)) {
    output_.progress(fmt::format("looking into {} …", brief(finding)));
    investigate(*this, finding);
    foreseen(finding);
  } else if (!session_->lost().empty()) {
    revive();
  }
  add(std::move(finding));
}

void Run::report(Finding finding) {
  foreseen(finding);
  add(std::move(finding));
}

bool Run::revive() {
  // A crash late in a run is still to be looked into: a restart may take what is left, and a little more.
  const Deadline limit = Deadline::in(std::max(deadline_.left(), milliseconds(3000))).earlier(last_call());
  const std::string sentence = session_->restart(limit);
  gone_ = !sentence.empty();
  if (gone_) result_.partial = fmt::format("the target could not be started again: {}", sentence);
  return !gone_;
}

void Run::add(Finding finding) {
  finding.replay = replay_command(finding, result_);
  if (!options_.dir.empty()) {
    const std::string trouble = write_files(finding, options_, result_);
    if (!trouble.empty()) result_.warnings.push_back(trouble);
  }
  output_.line(brief(finding));
  add_finding(result_, std::move(finding));
  note_verdict(result_.verdict());
}

void Run::finish() {
  result_.seconds = std::chrono::duration<double>(elapsed()).count();
  if (interrupted()) {
    result_.partial = fmt::format("interrupted by {} after {:.1f} s", interrupting_signal(), result_.seconds);
  }
  const bool judged =
      result_.judged_steps > 0 || result_.parts[static_cast<std::size_t>(Part::conformance)].run > 0;
  if (result_.unjudged.empty() && !judged) {
    const bool skipped =
        std::ranges::any_of(result_.parts, [](const PartCount& part) { return part.skip > 0; });
    result_.unjudged = !result_.partial.empty() ? result_.partial
                       : skipped ? "what was to be run was skipped: the target lacks what it is about"
                                 : "the time was over before anything could be judged";
  }
}

}  // namespace shmcheck::harness
