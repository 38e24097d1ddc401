// What is printed after a run: the table, the statistics, the findings in full, the verdict.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/claims.h"
#include "harness/report.h"

namespace shmcheck::harness {
namespace {

struct ChapterRow {
  std::uint64_t clauses = 0, tested = 0, pass = 0, fail = 0, known = 0, skip = 0;
};

ChapterRow& operator+=(ChapterRow& row, const ChapterRow& other) {
  row.clauses += other.clauses;
  row.tested += other.tested;
  row.pass += other.pass;
  row.fail += other.fail;
  row.known += other.known;
  row.skip += other.skip;
  return row;
}

ChapterRow row_of(const ClauseTally& tally) {
  ChapterRow row;
  row.clauses = 1;
  if (tally.fail > 0) {
    row.fail = 1;
  } else if (tally.expected > 0) {
    row.known = 1;
  } else if (tally.pass > 0) {
    row.pass = 1;
  } else if (tally.skip > 0) {
    row.skip = 1;
  }
  row.tested = row.fail + row.known + row.pass;
  return row;
}

std::string row_text(std::string_view title, const ChapterRow& row) {
  return fmt::format("{:<46}{:>8}{:>8}{:>7}{:>7}{:>7}{:>7}\n", title, row.clauses, row.tested, row.pass,
                     row.fail, row.known, row.skip);
}

std::string parts_text(const Result& result) {
  std::string text;
  for (std::size_t i = 0; i < result.parts.size(); ++i) {
    const PartCount& part = result.parts[i];
    if (part.run + part.skip + part.not_run == 0) continue;
    text += fmt::format("{:<12} {} run, {} passed, {} failed", kPartNames[i], part.run, part.pass, part.fail);
    if (part.skip > 0) text += fmt::format(", {} skipped", part.skip);
    if (part.not_run > 0) text += fmt::format(", {} not run for want of time", part.not_run);
    text += fmt::format(", {:.1f} s\n", part.seconds);
  }
  return text;
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// The conclusion in one line, before the verdict.
std::string conclusion(const Result& result) {
  std::array<std::uint64_t, kOutcomeNames.size()> counts{};
  std::uint64_t known = 0;
  for (const Finding& finding : result.findings) {
    if (finding.counts())
      ++counts[static_cast<std::size_t>(finding.outcome)];
    else
      ++known;
  }
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[i], kOutcomeNames[i]);
  }
  if (text.empty()) text = "no unexpected finding";
  if (known > 0) text += fmt::format(", {} expected or known", known);
  std::uint64_t not_run = 0;
  for (const PartCount& part : result.parts) not_run += part.not_run;
  if (not_run > 0) text += fmt::format(", {} tests and programs not run for want of time", not_run);
  return fmt::format("{} in {:.1f} s\n", text, result.seconds);
}

// How many of the rules decided a step, and which did not, if they are few.
std::string rules_text(const model::JudgeStats& stats) {
  constexpr std::size_t kMostListed = clauses::kCount / 10;
  std::size_t rules = 0;
  std::vector<std::string_view> missed;
  for (std::size_t i = 0; i < clauses::kCount; ++i) {
    if (!clauses::all()[i].has_rule()) continue;
    ++rules;
    if (!stats.decisive.test(i)) missed.push_back(clauses::all()[i].id);
  }
  std::string text =
      fmt::format("  clauses that decided a step: {} of {} with a rule", rules - missed.size(), rules);
  if (!missed.empty() && missed.size() <= kMostListed)
    text += fmt::format("; none of {}", fmt::join(missed, ", "));
  return text + '\n';
}

}  // namespace

std::string chapter_table(const Result& result) {
  std::string text = fmt::format("{:<46}{:>8}{:>8}{:>7}{:>7}{:>7}{:>7}\n", "chapter", "clauses", "tested",
                                 "pass", "fail", "known", "skip");
  ChapterRow total;
  for (const clauses::Chapter& chapter : clauses::chapters()) {
    ChapterRow row;
    for (std::size_t i = 0; i < clauses::kCount; ++i) {
      if (clauses::all()[i].chapter == chapter.number) row += row_of(result.tallies[i]);
    }
    total += row;
    text += row_text(fmt::format("{:>2} {}", chapter.number, chapter.title), row);
  }
  return text + row_text("   all", total);
}

std::string random_statistics(const Result& result) {
  const model::JudgeStats& stats = result.random.stats;
  if (result.random.programs == 0) return {};
  const double seconds = std::max(result.random.seconds, 0.001);
  std::string text = fmt::format(
      "random: {} programs, {} judged ops and {} observations in {:.1f} s ({:.0f} ops/s), {:.2f} % unjudged "
      "or tainted\n",
      result.random.programs, stats.steps, stats.observations, seconds,
      static_cast<double>(stats.steps + stats.observations) / seconds,
      percent(stats.unjudged, stats.steps + stats.observations));
  text += fmt::format("  {:<12}{:>10}{:>20}{:>10}{:>11}\n", "op", "steps", "one outcome only", "failed",
                      "unjudged");
  for (std::size_t i = 0; i < stats.per_op.size(); ++i) {
    const auto& op = stats.per_op[i];
    if (op.steps == 0) continue;
    text += fmt::format("  {:<12}{:>10}{:>18.1f} %{:>8.1f} %{:>9.2f} %\n",
                        program::spec(static_cast<program::OpCode>(i)).name, op.steps,
                        percent(op.unique, op.steps), percent(op.failed, op.steps),
                        percent(op.unjudged, op.steps));
  }
  std::string freedoms;
  for (std::size_t i = 0; i < stats.freedoms.size(); ++i) {
    if (stats.freedoms[i] == 0) continue;
    freedoms += fmt::format("{}{} {}", freedoms.empty() ? "" : ", ",
                            model::to_string(static_cast<model::Freedom>(i)), stats.freedoms[i]);
  }
  text += fmt::format("  freedoms used: {}\n", freedoms.empty() ? "none" : freedoms);
  return text + rules_text(stats);
}

std::string summary(const Result& result) {
  std::string text;
  // Where nothing was run, tables of zeros would hide why.
  const bool ran = std::any_of(result.parts.begin(), result.parts.end(),
                               [](const PartCount& part) { return part.run + part.skip + part.not_run > 0; });
  if (!ran && !result.unjudged.empty() && result.findings.empty() && result.partial.empty())
    return fmt::format("\nnothing was judged: {}\nVERDICT {}", result.unjudged, to_string(result.verdict()));
  if (result.heard && result.command == "check") text += "\n" + chapter_table(result);
  if (result.shows_claims()) {
    const std::vector<ClaimVerdict> verdicts = decide_claims(result);
    text += "\n" + (result.command == "claims" ? claims_in_full(verdicts) : claims_table(verdicts));
  }
  if (result.heard) text += "\n" + parts_text(result);
  text += random_statistics(result);
  for (const bool counting : {false, true}) {
    for (const Finding& finding : result.findings) {
      if (finding.counts() == counting) text += "\n" + describe(finding);
    }
  }
  for (const std::string& warning : result.warnings) text += fmt::format("\nwarning: {}\n", warning);
  for (const std::string& reason : result.failed_reasons) text += fmt::format("\nXPASS   {}\n", reason);
  if (result.unjudged_traces > 0) {
    text += fmt::format("\n{} traces could not be judged to their end\n", result.unjudged_traces);
  }
  if (!result.partial.empty()) text += fmt::format("\nPARTIAL {}\n", result.partial);
  if (!result.unjudged.empty()) text += fmt::format("\nnothing was judged: {}\n", result.unjudged);
  if (result.heard) text += "\n" + conclusion(result);
  return text + fmt::format("VERDICT {}", to_string(result.verdict()));
}

}  // namespace shmcheck::harness
