// Named programs: those of the corpus, and those that the user gives.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "harness/parts.h"

namespace shmcheck::harness {
namespace {

struct Planned {
  const NamedProgram* named;
  std::uint8_t fs;
};

// What was seen by programs that are still in flight has to wait until nothing is.
class ProgramRunner {
 public:
  ProgramRunner(Run& run, Part part, const std::function<void(const Answer&)>& seen)
      : run_(run), part_(part), seen_(seen) {}

  void run(const std::vector<NamedProgram>& programs, Deadline deadline) {
    plan(programs);
    while (!plan_.empty() || !submitted_.empty()) {
      const bool over = run_.over() || deadline.over();
      if (over) plan_.clear();
      fill();
      if (submitted_.empty()) break;
      if (!take(deadline)) break;
      if (submitted_.empty()) settle();
    }
    settle();
  }
  const std::set<std::string>& failed() const { return failed_; }
  const std::set<std::string>& answered() const { return answered_; }

 private:
  void plan(const std::vector<NamedProgram>& programs) {
    for (const NamedProgram& named : programs) {
      for (const std::uint8_t fs : run_.file_systems()) {
        const Expectation* skips = run_.options().expectations.skips(named.name, run_.facts(fs));
        const std::string lacks = what_lacks(named.program, run_.facts(fs));
        if (skips == nullptr && lacks.empty()) {
          plan_.push_back({&named, fs});
          continue;
        }
        ++count().skip;
        if (skips == nullptr) skipped(named, lacks);
      }
    }
    // What starts the machine anew takes long: the others come first.
    std::ranges::stable_partition(plan_, [](const Planned& one) { return !reboots(one.named->program); });
    planned_ = plan_.size();
  }

  static bool reboots(const program::Program& program) {
    return std::ranges::find(program.ops, program::OpCode::reboot, &program::Op::code) != program.ops.end();
  }

  // Without what it is about, a program would pass and show nothing. Empty, or the word for what is absent.
  static std::string what_lacks(const program::Program& program, const program::Facts& facts) {
    return reboots(program) && !facts.reboot ? "reboot" : "";
  }

  void skipped(const NamedProgram& named, const std::string& lacks) {
    std::string evidence = lacks;
    for (const Absent& absent : run_.result().absent) {
      if (absent.what == lacks) evidence = fmt::format("absent {}: {}", lacks, absent.evidence);
    }
    for (const clauses::Clause clause : named.shows) {
      ClauseTally& tally = run_.result().tallies[static_cast<std::size_t>(clause)];
      ++tally.skip;
      if (tally.skip_evidence.empty()) tally.skip_evidence = evidence;
    }
  }

  void fill() {
    // Findings are looked into one by one, with nothing else under way.
    while (seen_findings_.empty() && !plan_.empty() && submitted_.size() < run_.session().window()) {
      run_.session().submit(plan_.front().fs, plan_.front().named->program);
      submitted_.push_back(plan_.front());
      plan_.pop_front();
    }
  }

  // False if the target is gone or does not answer before the end of the run.
  bool take(Deadline deadline) {
    std::optional<Answer> answer = run_.session().next(run_.deadline().earlier(deadline));
    if (!answer) {
      run_.session().abandon();
      submitted_.clear();
      return !run_.over() && run_.revive();
    }
    const NamedProgram& named = *submitted_.front().named;
    const Subject subject{part_, named.name, std::nullopt};
    submitted_.pop_front();
    ++done_;
    if (seen_) seen_(*answer);
    answered_.insert(subject.name);
    if (auto finding = run_.judge(subject, *answer)) {
      failed_.insert(subject.name);
      seen_findings_.push_back(std::move(*finding));
    } else {
      for (const clauses::Clause clause : named.shows)
        run_.result().tallies[static_cast<std::size_t>(clause)].add_program(named.name);
    }
    run_.output().progress(
        fmt::format("{}: {} of {}, {} s", to_string(part_), done_, planned_, run_.elapsed().count() / 1000));
    // A lost target takes nothing more with it: what was in flight is submitted again when it is back.
    if (!run_.session().lost().empty()) return run_.revive();
    return true;
  }

  void settle() {
    while (!seen_findings_.empty()) {
      Finding finding = std::move(seen_findings_.front());
      seen_findings_.pop_front();
      run_.settle(std::move(finding));
    }
  }

  PartCount& count() { return run_.result().parts[static_cast<std::size_t>(part_)]; }

  Run& run_;
  Part part_;
  const std::function<void(const Answer&)>& seen_;
  std::deque<Planned> plan_, submitted_;
  std::deque<Finding> seen_findings_;
  std::set<std::string> failed_, answered_;
  std::size_t planned_ = 0, done_ = 0;
};

}  // namespace

ProgramRuns run_programs(Run& run, Part part, const std::vector<NamedProgram>& programs, Deadline deadline,
                         const std::function<void(const Answer&)>& seen) {
  const milliseconds before = run.elapsed();
  PartCount& count = run.result().parts[static_cast<std::size_t>(part)];
  ProgramRunner runner(run, part, seen);
  runner.run(programs, deadline);
  const std::uint64_t wanted = programs.size() * run.file_systems().size();
  count.not_run += wanted - std::min(wanted, count.run + count.skip);
  count.seconds += std::chrono::duration<double>(run.elapsed() - before).count();
  ProgramRuns runs;
  for (const std::string& name : runner.answered()) {
    if (!runner.failed().contains(name)) runs.passed.push_back(name);
  }
  return runs;
}

std::vector<NamedProgram> corpus_programs(Run& run, std::span<const clauses::Clause> clauses) {
  std::vector<NamedProgram> programs;
  for (CorpusProgram& one : read_corpus()) {
    const std::vector<clauses::Clause>& shows = one.named.shows;
    const bool wanted =
        std::find_first_of(shows.begin(), shows.end(), clauses.begin(), clauses.end()) != shows.end();
    if (!clauses.empty() && !wanted) continue;
    if (one.error.empty()) {
      programs.push_back(std::move(one.named));
      continue;
    }
    Finding finding;
    finding.outcome = Outcome::error;
    finding.part = Part::corpus;
    finding.subject = one.named.name;
    finding.sentence = one.error;
    run.report(std::move(finding));
  }
  return programs;
}

}  // namespace shmcheck::harness
