#include "harness/claims.h"

#include <fmt/format.h>

#include <algorithm>

namespace shmcheck::harness {
namespace {

using clauses::Clause;
using Role = ClaimClause::Role;
using State = ClaimClause::State;
using Standing = ClaimVerdict::Standing;

std::size_t index_of(Clause clause) {
  return static_cast<std::size_t>(clause);
}

bool names(const Finding& finding, Clause clause) {
  const auto& more = finding.more_clauses;
  return finding.clause == clause || std::find(more.begin(), more.end(), clause) != more.end();
}

std::string why_unseen(const Result& result, const ClauseTally& tally) {
  if (tally.skip > 0) return tally.skip_evidence;
  for (const Absent& absent : result.absent) {
    if (absent.what == kConformanceTests) return fmt::format("no conformance tests: {}", absent.evidence);
  }
  const std::uint64_t not_run = result.parts[static_cast<std::size_t>(Part::corpus)].not_run +
                                result.parts[static_cast<std::size_t>(Part::conformance)].not_run;
  return not_run > 0 ? fmt::format("{} programs and tests were not run for want of time", not_run)
                     : "no program or test of this run decides it";
}

ClaimClause look_up(const Result& result, Clause clause, Role role) {
  ClaimClause out;
  out.clause = clause;
  out.role = role;
  out.tally = &result.tallies[index_of(clause)];
  for (const Finding& finding : result.findings) {
    if (names(finding, clause)) out.broken_by.push_back(&finding);
  }
  if (!out.broken_by.empty()) {
    out.state = State::broken;
    out.known = std::none_of(out.broken_by.begin(), out.broken_by.end(),
                             [](const Finding* finding) { return finding->counts(); });
  } else if (out.tally->pass > 0 || !out.tally->programs.empty()) {
    out.state = State::held;
  } else {
    out.evidence = why_unseen(result, *out.tally);
  }
  return out;
}

// claims/s07-… is there to show S7: whichever clause breaks in it, S7 is not shown.
void add_own_program(const Result& result, ClaimVerdict& out) {
  const std::string prefix = fmt::format("claims/s{:0>2}-", out.claim->id.substr(1));
  for (const Finding& finding : result.findings) {
    const bool own = finding.part == Part::corpus && finding.subject.starts_with(prefix);
    if (!own || finding.clause == Clause::none) continue;
    const bool listed =
        std::any_of(out.clauses.begin(), out.clauses.end(),
                    [&finding](const ClaimClause& one) { return names(finding, one.clause); });
    if (!listed) out.clauses.push_back(look_up(result, finding.clause, Role::program));
  }
}

bool any(const ClaimVerdict& claim, Role role, State state) {
  return std::any_of(claim.clauses.begin(), claim.clauses.end(),
                     [=](const ClaimClause& c) { return c.role == role && c.state == state; });
}

std::string broken_ids(const ClaimVerdict& claim, std::initializer_list<Role> roles) {
  std::string ids;
  for (const ClaimClause& one : claim.clauses) {
    if (one.state != State::broken || std::find(roles.begin(), roles.end(), one.role) == roles.end())
      continue;
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", clauses::info(one.clause).id);
  }
  return ids;
}

constexpr std::initializer_list<Role> kAllRoles = {Role::needs, Role::refutes, Role::refines, Role::program};

// Of a claim that is false by what refutes it.
std::string verdict_of_false(const ClaimVerdict& claim) {
  if (!any(claim, Role::refutes, State::held)) {
    return any(claim, Role::refutes, State::unseen)
               ? ""
               : fmt::format("true here: {}", broken_ids(claim, {Role::refutes}));
  }
  const std::string broken = broken_ids(claim, kAllRoles);
  return broken.empty() ? std::string(name(claim.claim->truth))
                        : fmt::format("false, broken here: {}", broken);
}

// Empty: undecided.
std::string verdict_of(const ClaimVerdict& claim) {
  const clauses::Truth truth = claim.claim->truth;
  if (truth == clauses::Truth::no) return verdict_of_false(claim);
  const bool fact = truth == clauses::Truth::yes || truth == clauses::Truth::refined;
  const std::string prefix = fact ? "" : fmt::format("{}, ", name(truth));
  if (any(claim, Role::needs, State::broken))
    return fmt::format("{}false here: {}", prefix, broken_ids(claim, {Role::needs}));
  if (any(claim, Role::program, State::broken))
    return fmt::format("{}not shown here: {}", prefix, broken_ids(claim, {Role::program}));
  if (any(claim, Role::needs, State::unseen)) return {};
  if (any(claim, Role::refines, State::broken)) {
    return fmt::format("{}, not as refined here: {}", fact ? "true" : name(truth),
                       broken_ids(claim, {Role::refines}));
  }
  return std::string(name(truth));
}

Standing standing_of(const ClaimVerdict& claim) {
  const auto is = [&claim](bool known) {
    return std::any_of(claim.clauses.begin(), claim.clauses.end(), [known](const ClaimClause& c) {
      return c.state == State::broken && c.known == known;
    });
  };
  if (is(false)) return Standing::differs;
  if (is(true)) return Standing::known;
  return claim.verdict.empty() ? Standing::undecided : Standing::agrees;
}

ClaimVerdict decide(const Result& result, const clauses::Claim& claim) {
  ClaimVerdict out;
  out.claim = &claim;
  for (const Clause clause : claim.needs) out.clauses.push_back(look_up(result, clause, Role::needs));
  for (const Clause clause : claim.refutes) out.clauses.push_back(look_up(result, clause, Role::refutes));
  for (const Clause clause : claim.refines) out.clauses.push_back(look_up(result, clause, Role::refines));
  add_own_program(result, out);
  out.verdict = verdict_of(out);
  out.standing = standing_of(out);
  if (claim.id == kFastestIpc) out.measured = result.ipc_measured;
  if (out.verdict.empty()) {
    const std::string broken = broken_ids(out, kAllRoles);
    out.verdict = broken.empty() ? "undecided" : fmt::format("undecided, broken here: {}", broken);
  }
  return out;
}

}  // namespace

std::string_view to_string(Standing standing) {
  constexpr std::string_view kNames[] = {"agrees", "known", "differs", "undecided"};
  return kNames[static_cast<std::size_t>(standing)];
}

std::string_view to_string(Role role) {
  constexpr std::string_view kNames[] = {"needs", "refutes", "refines", "program"};
  return kNames[static_cast<std::size_t>(role)];
}

std::string_view to_string(State state) {
  constexpr std::string_view kNames[] = {"unseen", "held", "broken"};
  return kNames[static_cast<std::size_t>(state)];
}

std::vector<ClaimVerdict> decide_claims(const Result& result) {
  std::vector<ClaimVerdict> verdicts;
  for (const clauses::Claim& claim : clauses::claims()) verdicts.push_back(decide(result, claim));
  return verdicts;
}

std::vector<Clause> deciding_clauses() {
  std::vector<Clause> all;
  for (const clauses::Claim& claim : clauses::claims()) {
    for (const auto list : {claim.needs, claim.refutes, claim.refines})
      all.insert(all.end(), list.begin(), list.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace shmcheck::harness
