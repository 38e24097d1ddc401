// The claims for people: a table, and each in full with what decided it.

#include <fmt/format.h>

#include <array>

#include "harness/claims.h"
#include "harness/report.h"

namespace shmcheck::harness {
namespace {

using Role = ClaimClause::Role;
using State = ClaimClause::State;
using Standing = ClaimVerdict::Standing;

constexpr std::size_t kMostNames = 4;  // of programs and tests, for one clause; the JSON file has all

std::string held_by(const ClauseTally& tally) {
  std::string text;
  std::size_t named = 0;
  const std::size_t all = tally.programs.size() + tally.tests.size();
  for (const auto* list : {&tally.programs, &tally.tests}) {
    // Both kinds are to be seen among the few that are named.
    std::size_t of_this = 0;
    for (const std::string& name : *list) {
      if (of_this++ == kMostNames / 2 || named == kMostNames) break;
      text += fmt::format("{}{}", named++ == 0 ? "" : ", ", name);
    }
  }
  if (all > named) text += fmt::format(" and {} more", all - named);
  return all == 0 ? "random programs" : text;
}

std::string broken_by(const ClaimClause& clause) {
  const Finding& first = *clause.broken_by.front();
  std::string text = fmt::format("{} {}", to_string(first.part), first.subject);
  if (!first.fs.empty()) text += fmt::format(" on {}", first.fs);
  if (!first.allowed.empty()) text += fmt::format(": allowed {}, seen {}", first.allowed, first.seen);
  if (!first.evidence.empty())
    text += fmt::format(": {}", first.evidence.substr(0, first.evidence.find('\n')));
  if (clause.broken_by.size() > 1) text += fmt::format("; and {} more", clause.broken_by.size() - 1);
  return text;
}

std::string clause_line(const ClaimClause& clause) {
  const std::string_view id = clauses::info(clause.clause).id;
  switch (clause.state) {
    case State::held:
      return fmt::format("     {:<8} {:<32} held: {}\n", to_string(clause.role), id, held_by(*clause.tally));
    case State::broken:
      return fmt::format("     {:<8} {:<32} BROKEN: {}\n", to_string(clause.role), id, broken_by(clause));
    case State::unseen:
      break;
  }
  std::string evidence = clause.evidence.substr(0, clause.evidence.find('\n'));
  return fmt::format("     {:<8} {:<32} unseen: {}\n", to_string(clause.role), id, evidence);
}

std::string totals(const std::vector<ClaimVerdict>& verdicts) {
  std::array<std::size_t, 4> counts{};
  for (const ClaimVerdict& verdict : verdicts) ++counts[static_cast<std::size_t>(verdict.standing)];
  std::string text;
  constexpr std::string_view kWords[] = {"as the catalogue says", "otherwise, as expected", "otherwise",
                                         "undecided"};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[i], kWords[i]);
  }
  return fmt::format("claims: {}\n", text);
}

std::string head(const ClaimVerdict& verdict) {
  return fmt::format("{:<4} {:<14}  {}\n", verdict.claim->id, verdict.verdict, verdict.claim->claim);
}

}  // namespace

std::string claims_table(const std::vector<ClaimVerdict>& verdicts) {
  std::string text = fmt::format("{:<4} {:<14}  {}\n", "", "verdict", "claim of the introductory text");
  for (const ClaimVerdict& verdict : verdicts) text += head(verdict);
  return text + totals(verdicts);
}

std::string claims_in_full(const std::vector<ClaimVerdict>& verdicts) {
  std::string text;
  for (const ClaimVerdict& verdict : verdicts) {
    text += head(verdict);
    if (!verdict.claim->refined.empty()) text += fmt::format("     in fact  {}\n", verdict.claim->refined);
    for (const ClaimClause& clause : verdict.clauses) text += clause_line(clause);
    for (const std::string& line : verdict.measured) text += fmt::format("     measured {}\n", line);
  }
  return text + totals(verdicts);
}

}  // namespace shmcheck::harness
