// The conformance binary in the target, and what its report says.

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "harness/conformance_report.h"
#include "harness/parts.h"

namespace shmcheck::harness {
namespace {

// Turns the lines of the report into counts, tallies and findings.
class Reporter {
 public:
  explicit Reporter(Run& run) : run_(run) {}

  void test(const ConformanceTest& test) {
    PartCount& count = run_.result().parts[static_cast<std::size_t>(Part::conformance)];
    switch (test.status) {
      case ConformanceTest::Status::not_run:
        ++count.not_run;
        break;
      case ConformanceTest::Status::skip:
        ++count.skip;
        skipped(test);
        break;
      case ConformanceTest::Status::pass:
        ++count.run;
        ++count.pass;
        passed.push_back(test.name);
        held(test);
        break;
      case ConformanceTest::Status::fail:
        ++count.run;
        ++count.fail;
        failed(test);
    }
    run_.output().progress(fmt::format("conformance: {} run, {} failed, {} s  {}", count.run, count.fail,
                                       run_.elapsed().count() / 1000, test.name));
  }

  std::vector<std::string> passed;

 private:
  ClauseTally& tally(clauses::Clause clause) {
    return run_.result().tallies[static_cast<std::size_t>(clause)];
  }

  void held(const ConformanceTest& test) {
    for (const clauses::Clause clause : test.clauses) {
      ++tally(clause).pass;
      tally(clause).tests.push_back(test.name);
    }
  }

  void skipped(const ConformanceTest& test) {
    for (const clauses::Clause clause : test.clauses) {
      ++tally(clause).skip;
      if (tally(clause).skip_evidence.empty()) tally(clause).skip_evidence = test.messages;
    }
  }

  // Facts of the file system that the test's name ends with; the first ones for other tests.
  std::uint8_t fs_of(const std::string& name) const {
    const std::vector<program::Facts>& facts = run_.session().facts();
    const std::string place = name.substr(name.rfind('/') + 1);
    for (std::uint8_t i = 0; i < facts.size(); ++i) {
      if (place == program::place_name(facts[i])) return i;
    }
    return 0;
  }

  void failed(const ConformanceTest& test) {
    Finding finding;
    finding.part = Part::conformance;
    finding.subject = test.name;
    finding.more_clauses = test.clauses;
    finding.evidence = test.messages;
    finding.fs_index = fs_of(test.name);
    run_.report(std::move(finding));
  }

  Run& run_;
};

void lost(Run& run, const Session::Executed& executed, const ConformanceTest& last_test) {
  Finding finding;
  finding.outcome = executed.end == Session::Executed::End::lost ? Outcome::crash : Outcome::error;
  finding.part = Part::conformance;
  finding.subject = last_test.name;
  finding.more_clauses = last_test.clauses;
  finding.sentence = "the conformance binary did not end well: " + executed.sentence;
  finding.evidence = run.session().evidence();
  run.report(std::move(finding));
}

ConformanceTest not_finished(ConformanceTest test) {
  test.status = ConformanceTest::Status::not_run;
  test.messages = "it was still running when the time was over\n";
  return test;
}

// A filter that no test matches, though some may but for what an expectation leaves out.
constexpr int kNothingMatches = 3;  // exit status of the conformance binary, as its framework/main.cc says

void nothing_matches(Run& run) {
  const bool left_out = std::ranges::any_of(run.options().expectations.all(), [&](const Expectation& entry) {
    return entry.status == Expected::skip && !entry.test.empty() && entry.applies(run.facts(0));
  });
  std::string sentence =
      fmt::format("no conformance test matches --tests '{}'{}", run.options().tests,
                  left_out ? "; tests that expectations leave out run with --expect none" : "");
  const bool alone = run.options().parts == std::vector<std::string>{"conformance"};
  if (alone)
    run.result().unjudged = std::move(sentence);
  else
    run.result().warnings.push_back(std::move(sentence));
}

// The tests asked for, without those that an expectation forbids to run on this target.
std::string test_filter(const Run& run) {
  std::string without;
  for (const Expectation& entry : run.options().expectations.all()) {
    if (entry.status != Expected::skip || entry.test.empty() || !entry.applies(run.facts(0))) continue;
    without += (without.empty() ? "-" : ":") + entry.test;
  }
  if (without.empty()) return run.options().tests;
  return (run.options().tests.empty() ? "*" : run.options().tests) + without;
}

std::string clauses_argument(std::span<const clauses::Clause> list) {
  std::string argument = "--clauses=";
  for (const clauses::Clause clause : list)
    argument += fmt::format("{}{}", argument.ends_with('=') ? "" : ",", clauses::info(clause).id);
  return argument;
}

}  // namespace

void count_test(Run& run, const ConformanceTest& test) {
  Reporter(run).test(test);
}

std::vector<std::string> run_conformance(Run& run, Deadline deadline,
                                         std::span<const clauses::Clause> clauses) {
  using End = Session::Executed::End;
  const milliseconds before = run.elapsed();
  Reporter reporter(run);
  ConformanceReport report([&reporter](const ConformanceTest& test) { reporter.test(test); });
  const milliseconds budget = deadline.earlier(run.deadline()).left();
  std::vector<std::string> arguments = {"--report-fd=1", fmt::format("--budget-ms={}", budget.count())};
  const std::string filter = test_filter(run);
  if (!filter.empty()) arguments.push_back("--gtest_filter=" + filter);
  if (!clauses.empty()) arguments.push_back(clauses_argument(clauses));
  // The binary starts no test after its budget; the last one may take a little longer.
  const Deadline limit = Deadline::in(budget + milliseconds(5000));
  const Session::Executed executed = run.session().run_conformance(
      arguments, limit, [&report](std::string_view text) { report.feed(text); });
  report.end();
  run.result().parts[static_cast<std::size_t>(Part::conformance)].seconds +=
      std::chrono::duration<double>(run.elapsed() - before).count();
  // A test that hangs is ended by the binary; one that is merely late has not been run.
  const bool late = executed.end == End::time_limit && report.is_running();
  const bool by_us = late || (run.over() && executed.end == End::time_limit);
  if (late) reporter.test(not_finished(report.last()));
  if (executed.end == End::unavailable) {
    run.result().absent.push_back({std::string(kConformanceTests), executed.sentence});
    run.output().line(fmt::format("absent   {}: {}", kConformanceTests, executed.sentence));
  } else if (executed.end == End::exited && executed.number == kNothingMatches) {
    nothing_matches(run);
  } else if (executed.end == End::exited && executed.number > 1) {
    lost(run,
         {End::exited, executed.number,
          fmt::format("it exited with status {}: {}", executed.number, report.rest())},
         report.last());
  } else if (executed.end != End::exited && !by_us) {
    lost(run, executed, report.last());
  }
  if (!run.session().lost().empty() && !run.over()) run.revive();
  return reporter.passed;
}

}  // namespace shmcheck::harness
