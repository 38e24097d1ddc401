// A campaign: random programs against one target until a budget ends. Each divergence is confirmed by running
// the program again, shrunk, and told to the caller once per clause and operation.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/generator/generator.h"
#include "harness/program_runner.h"
#include "harness/shrink.h"
#include "model/judge.h"

namespace shmcheck::harness {

struct CampaignFinding {
  enum class Kind : std::uint8_t {
    divergence,  // judged wrong whenever it is run
    flake,       // seen once, and not each time when run again
    timeout,     // the program did not finish, again and again
    lost,        // the target died or hung
    refused,     // the target could not run it
  };
  Kind kind = Kind::divergence;
  std::uint64_t seed = 0, index = 0;  // of the program that showed it first
  clauses::Clause clause = clauses::Clause::none;
  program::OpCode op = program::OpCode::end;  // of the step that diverged
  // What was seen broken first; not `clause` where a shorter program showed that one instead.
  clauses::Clause first_clause = clauses::Clause::none;
  program::Program found;    // as generated
  program::Program program;  // the shortest that shows it
  program::Trace trace;      // of the shortest
  model::Finding finding;    // in that trace; of no meaning for timeout, lost and refused
  std::string sentence;      // what happened, for those
  unsigned shrink_runs = 0;
  std::uint64_t ops = 0;      // judged until it was seen first, observations included
  double seconds = 0;         // until then, since the campaign began
  std::uint64_t repeats = 0;  // further programs that showed the same
};

struct CampaignOptions {
  std::uint64_t seed = 1;
  std::uint64_t first_index = 0;
  GeneratorOptions generator;
  // Instead of the generator: the program with this index, or the next one that there is, with its index;
  // nothing behind the last.
  std::function<std::optional<program::Program>(std::uint64_t& index)> source;
  model::Profile profile = model::Profile::exact;
  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();
  std::uint64_t programs = UINT64_MAX;  // at most
  std::uint64_t steps = UINT64_MAX;     // judged, at most; the program that passes it is the last
  bool first = false;                   // stop at the first finding that counts
  unsigned confirmations = 3;
  ShrinkBudget shrink;
  std::function<bool()> interrupted = [] { return false; };
  // Told of every trace, before it is judged.
  std::function<void(const program::Trace&)> ran = [](const program::Trace&) {};
  // Told as things happen. A finding that `expected` accepts is confirmed neither nor shrunk, only counted.
  std::function<bool(clauses::Clause, const program::Program&)> expected;
  std::function<void(const CampaignFinding&)> found = [](const CampaignFinding&) {};
  std::function<void(std::uint64_t programs, const model::JudgeStats&)> progress =
      [](std::uint64_t, const model::JudgeStats&) {};
};

struct CampaignResult {
  std::uint64_t programs = 0;
  model::JudgeStats stats;
  std::vector<CampaignFinding> findings;  // in the order they were found
  std::uint64_t expected = 0;             // programs whose divergence was expected
  std::uint64_t unjudged = 0;             // traces that could not be judged to their end
  std::string unjudged_reason;            // of the first of them
  std::uint64_t next_index = 0;           // of the first program that was not run
  bool exhausted = false;                 // the source has no more
  std::string stopped;                    // why it ended before its budget; empty: it did not
};

CampaignResult run_campaign(const CampaignOptions& options, ProgramRunner& runner);

// What a trace shows first that counts, and what shrinking keeps: the clause, the operation, and whether it
// was success, failure, a fault or a death that was wrong. A call that wrongly succeeds is not to become one
// that has two reasons to fail and gives the other.
struct Shown {
  clauses::Clause clause = clauses::Clause::none;
  program::OpCode op = program::OpCode::end;
  program::OutcomeKind seen = program::OutcomeKind::ok;
  bool operator==(const Shown&) const = default;
};
std::optional<Shown> shown_by(const program::Trace& trace, model::Profile profile);

}  // namespace shmcheck::harness
