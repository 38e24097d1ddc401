// What a run of the command found: everything that the table, the JSON file and the exit code are made from.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/clauses.h"
#include "model/judge.h"
#include "program/trace.h"

namespace shmcheck::harness {

enum class Outcome : std::uint8_t { pass, fail, xfail, xpass, flake, skip, error, timeout, crash };
inline constexpr std::array<std::string_view, 9> kOutcomeNames = {
    "PASS", "FAIL", "XFAIL", "XPASS", "FLAKE", "SKIP", "ERROR", "TIMEOUT", "CRASH"};
constexpr std::string_view to_string(Outcome outcome) {
  return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

enum class Part : std::uint8_t { program, corpus, conformance, random, enumerated };
inline constexpr std::array<std::string_view, 5> kPartNames = {"program", "corpus", "conformance", "random",
                                                               "enumerated"};
constexpr std::string_view to_string(Part part) {
  return kPartNames[static_cast<std::size_t>(part)];
}

// Something that went wrong, expected or not.
struct Finding {
  Outcome outcome = Outcome::fail;
  Part part = Part::program;
  clauses::Clause clause = clauses::Clause::none;  // none: a crash, a hang, a test without a clause
  std::vector<clauses::Clause> more_clauses;       // of a conformance test that names several
  std::string subject;                             // the program's or test's name
  std::string fs;                                  // empty: none in particular
  std::uint8_t fs_index = 0;                       // in Session::facts()
  std::uint64_t times = 1;                         // seen in that many programs of this run
  std::string sentence;                            // what happened, when there is no allowed/seen
  std::string note;                                // how reliably it shows itself, if not always
  std::string allowed, seen;
  std::size_t step = 0;      // index into trace.steps
  program::Program program;  // the shortest that shows it; empty for a conformance test
  program::Trace trace;      // of that program
  std::optional<std::uint64_t> seed;
  std::string replay;              // one command
  std::string evidence;            // last lines of a console, messages of a test
  std::vector<std::string> files;  // written into --dir
  std::string expected;            // "ci/expectations/uml.toml:12: reason", if an expectation matched
  bool in_baseline = false;

  // What makes two findings the same one in two runs.
  std::string identity() const;
  // Counts against the run: neither expected nor known from the baseline.
  bool counts() const { return expected.empty() && !in_baseline; }
};

// How often a clause was held to, by outcome. `tested` in a trace means that it decided a step.
struct ClauseTally {
  std::uint64_t pass = 0, fail = 0, expected = 0, skip = 0;
  std::string skip_evidence;
  // That held it: programs that decided it or passed and name it. Random ones are counted only.
  std::vector<std::string> programs, tests;

  void add_program(const std::string& name);
};

// The word for what is absent when the conformance binary could not be run.
inline constexpr std::string_view kConformanceTests = "conformance tests";

struct Absent {
  std::string what;      // ext4, second uid, private IPC namespace
  std::string evidence;  // "mkfs.ext4: not found in PATH"
};

struct PartCount {
  std::uint64_t run = 0, pass = 0, fail = 0, skip = 0, not_run = 0;
  double seconds = 0;
};

struct RandomTotals {
  std::uint64_t programs = 0;
  double seconds = 0;
  model::JudgeStats stats;
};

enum class Verdict : std::uint8_t { pass, fail, unjudged };
std::string_view to_string(Verdict verdict);

struct Result {
  std::string command;  // check, run, judge, random
  std::string target = "kernel";
  std::vector<std::string> boot_args;
  std::uint64_t seed = 0;
  model::Profile profile = model::Profile::exact;
  std::vector<program::Facts> facts;  // one per file system
  std::vector<Absent> absent;
  std::array<ClauseTally, clauses::kCount> tallies{};
  std::array<PartCount, kPartNames.size()> parts{};
  RandomTotals random;
  std::vector<Finding> findings;
  std::vector<std::string> warnings;        // unexpected passes, programs left out, …
  std::vector<std::string> failed_reasons;  // why the run fails beside its findings: an unexpected pass
  std::string unjudged;                     // why nothing could be judged; empty: something was
  std::string partial;                      // why the run ended early; empty: it did not
  std::vector<std::string> ipc_measured;    // beside a claim, without a say in its verdict
  double seconds = 0;
  bool heard = false;              // the target said hello
  std::uint64_t judged_steps = 0;  // of traces; 0 and no conformance test: nothing was judged
  std::uint64_t unjudged_traces = 0;

  // The claims of the introductory text are part of what this command shows.
  bool shows_claims() const { return heard && (command == "check" || command == "claims"); }
  Verdict verdict() const;
  // 0 as expected, 1 a divergence, 125 nothing was judged.
  int exit_code() const;
};

// Adds the clauses that a judged trace decided. `program`: its name; empty for one of the many random ones.
void add_decided(Result& result, const model::JudgeStats& stats, const std::string& program = {});
// Adds a finding and the failure of its clauses.
void add_finding(Result& result, Finding finding);

}  // namespace shmcheck::harness
