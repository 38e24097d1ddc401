// The claims of the introductory text, decided by what a run has seen.
//
// A claim's clauses have been held to by programs and tests; its verdict follows from what came of them, and
// of nothing else. docs/claims.md has the rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/clauses.h"
#include "harness/result.h"

namespace shmcheck::harness {

// One deciding clause of a claim, after a run.
struct ClaimClause {
  enum class Role : std::uint8_t {
    needs,    // as in the catalogue
    refutes,  //
    refines,  //
    program,  // broken in the program of corpus/claims that is named after the claim
  };
  enum class State : std::uint8_t { unseen, held, broken };

  clauses::Clause clause = clauses::Clause::none;
  Role role = Role::needs;
  State state = State::unseen;
  bool known = false;                     // broken, as an expectation or the baseline foresees
  const ClauseTally* tally = nullptr;     // of the run
  std::vector<const Finding*> broken_by;  // of the run
  std::string evidence;                   // why it is unseen
};

struct ClaimVerdict {
  enum class Standing : std::uint8_t {
    agrees,     // as the catalogue says
    known,      // not so, as an expectation or the baseline foresees
    differs,    // not so
    undecided,  // what would decide it was not seen
  };
  const clauses::Claim* claim = nullptr;
  Standing standing = Standing::undecided;
  std::string verdict;  // "true, refined"; "false here: access.read"; "undecided"
  std::vector<ClaimClause> clauses;
  // Figures beside the clauses, or why there are none; they decide nothing.
  std::vector<std::string> measured;
};

std::string_view to_string(ClaimVerdict::Standing standing);
std::string_view to_string(ClaimClause::Role role);
std::string_view to_string(ClaimClause::State state);

// That shared memory is the fastest: bench_ipc has figures of it.
inline constexpr std::string_view kFastestIpc = "S2";

// In the order of the claims. What it gives points into `result`.
std::vector<ClaimVerdict> decide_claims(const Result& result);

// The clauses that decide any claim, each once.
std::vector<clauses::Clause> deciding_clauses();

// One line for each claim, and the totals.
std::string claims_table(const std::vector<ClaimVerdict>& verdicts);
// What is true of each, and by which programs and tests it was decided.
std::string claims_in_full(const std::vector<ClaimVerdict>& verdicts);

}  // namespace shmcheck::harness
