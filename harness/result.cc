#include "harness/result.h"

#include <fmt/format.h>

#include <algorithm>

namespace shmcheck::harness {

std::string_view to_string(Verdict verdict) {
  constexpr std::array<std::string_view, 3> kNames = {"pass", "fail", "unjudged"};
  return kNames[static_cast<std::size_t>(verdict)];
}

// A program runs on one file system after the other, and decides what it names as well.
void ClauseTally::add_program(const std::string& name) {
  if (std::find(programs.begin(), programs.end(), name) == programs.end()) programs.push_back(name);
}

std::string Finding::identity() const {
  const std::string_view id = clauses::info(clause).id;
  if (part == Part::conformance) return fmt::format("test {}", subject);
  if (part != Part::random && part != Part::enumerated)
    return fmt::format("{} {} {}", to_string(part), subject, id);
  const std::string_view op = step < trace.steps.size() ? program::spec(trace.steps[step].op.code).name : "";
  return fmt::format("{} {} {}", to_string(part), id, op);
}

Verdict Result::verdict() const {
  const bool bad = std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.counts(); });
  if (bad || !failed_reasons.empty()) return Verdict::fail;
  const bool judged = judged_steps > 0 || parts[static_cast<std::size_t>(Part::conformance)].run > 0;
  return judged && unjudged.empty() ? Verdict::pass : Verdict::unjudged;
}

int Result::exit_code() const {
  constexpr std::array<int, 3> kCodes = {0, 1, 125};
  return kCodes[static_cast<std::size_t>(verdict())];
}

void add_decided(Result& result, const model::JudgeStats& stats, const std::string& program) {
  for (std::size_t i = 0; i < clauses::kCount; ++i) {
    if (!stats.decisive.test(i)) continue;
    ++result.tallies[i].pass;
    if (!program.empty()) result.tallies[i].add_program(program);
  }
}

void add_finding(Result& result, Finding finding) {
  std::vector<clauses::Clause> held = finding.more_clauses;
  if (finding.clause != clauses::Clause::none) held.push_back(finding.clause);
  std::sort(held.begin(), held.end());
  held.erase(std::unique(held.begin(), held.end()), held.end());
  for (const clauses::Clause clause : held) {
    ClauseTally& tally = result.tallies[static_cast<std::size_t>(clause)];
    ++(finding.expected.empty() ? tally.fail : tally.expected);
  }
  result.findings.push_back(std::move(finding));
}

}  // namespace shmcheck::harness
