#include "harness/coverage.h"

#include <fmt/format.h>

#include <sstream>

#include "harness/corpus.h"
#include "harness/embedded.h"
#include "harness/generator/generator.h"
#include "harness/memory_file.h"
#include "harness/process.h"
#include "model/faults.h"
#include "model/judge.h"
#include "model/machine.h"

namespace shmcheck::harness {
namespace {

using Decisive = std::bitset<clauses::kCount>;

constexpr milliseconds kListingLimit{20'000};
constexpr std::uint64_t kSeed = 1;

// On tmpfs and on ext4: some clauses decide on one of them only.
std::array<program::Facts, 2> places() {
  std::array<program::Facts, 2> places{model::model_facts(), model::model_facts()};
  places[1].fs = program::FileSystem::ext4;
  return places;
}

void add_decisive(const program::Program& program, Decisive& decisive) {
  for (const program::Facts& facts : places())
    decisive |= model::judge_trace(model::run_program(program, facts), model::Profile::exact).stats.decisive;
}

std::string add_corpus(Coverage& coverage) {
  std::vector<NamedProgram> programs;
  const std::string sentence = read_corpus(programs);
  if (!sentence.empty()) return sentence;
  for (const NamedProgram& named : programs) {
    Decisive decisive;
    add_decisive(named.program, decisive);
    for (std::size_t i = 0; i < clauses::kCount; ++i) {
      if (decisive.test(i)) coverage[i].programs.push_back(named.name);
    }
  }
  return {};
}

void add_random(Coverage& coverage) {
  for (std::uint64_t index = 0; index < kRandomPrograms; ++index) {
    Decisive decisive;
    add_decisive(make_program(kSeed, index, {}, model::model_facts()), decisive);
    for (std::size_t i = 0; i < clauses::kCount; ++i) coverage[i].random += decisive.test(i) ? 1U : 0U;
  }
}

std::string list_tests(std::string& listing) {
  Fd binary;
  const std::string sentence = make_memory_file("conformance", embedded_conformance(), true, binary);
  if (!sentence.empty()) return sentence;
  Launch launch;
  launch.argv = {"conformance", "--list-clauses"};
  launch.image = binary.get();
  const Ran ran = run_helper(launch, Deadline::in(kListingLimit));
  if (ran.status != 0) return fmt::format("the conformance binary does not list its tests: {}", ran.output);
  listing = ran.output;
  return {};
}

std::string row(const clauses::Info& info, const ClauseCoverage& c) {
  const std::string reason = info.records()         ? "  [record]"
                             : info.no_rule.empty() ? ""
                                                    : fmt::format("  [no rule: {}]", info.no_rule);
  return fmt::format("{:<46} {:<8}{:>6}{:>7}{:>9}{:>8}{:>7}  {}{}\n", info.id, clauses::name(info.strength),
                     c.tests.size(), c.broken.size(), c.programs.size(), c.random, c.faults.size(), c.lie,
                     reason);
}

// Each clause has either a rule that programs reach or a reason why not.
std::string contradictions(const Coverage& coverage) {
  std::string text;
  for (std::size_t i = 0; i < clauses::kCount; ++i) {
    const clauses::Info& info = clauses::all()[i];
    const bool rule = coverage[i].rule(), reason = !info.no_rule.empty();
    if (info.records() && (rule || reason)) {
      text += fmt::format("{}: is only recorded, and has a rule or a reason why it has none\n", info.id);
    } else if (!info.records() && rule == reason)
      text += fmt::format("{}: {}\n", info.id,
                          rule ? "has a rule, and a reason why it has none" : "has neither rule nor reason");
  }
  return text;
}

// The clauses of a comma-separated list. Empty on success, else the one that is unknown.
std::string parse_ids(const std::string& ids, std::vector<clauses::Clause>& found) {
  std::istringstream each(ids);
  for (std::string id; std::getline(each, id, ',');) {
    const auto clause = clauses::find(id);
    if (!clause) return id;
    found.push_back(*clause);
  }
  return {};
}

}  // namespace

std::string add_tests(std::string_view listing, Coverage& coverage) {
  std::istringstream lines{std::string(listing)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string test, ids;
    if (!std::getline(fields, test, '\t') || !std::getline(fields, ids, '\t'))
      return fmt::format("the conformance binary lists '{}', which is no test with its clauses", line);
    std::vector<clauses::Clause> named;
    const std::string unknown = parse_ids(ids, named);
    if (!unknown.empty())
      return fmt::format("the conformance test {} names an unknown clause {}", test, unknown);
    for (const clauses::Clause clause : named)
      coverage[static_cast<std::size_t>(clause)].tests.push_back(test);
  }
  return {};
}

std::string add_lies(std::string_view broken, Coverage& coverage) {
  std::istringstream lines{std::string(broken)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    std::string test, ids, lie;
    std::vector<clauses::Clause> named;
    const bool whole =
        std::getline(fields, test, '\t') && std::getline(fields, ids, '\t') && std::getline(fields, lie);
    if (!whole) return fmt::format("liar/broken.tsv: '{}' is no test with its clauses and a lie", line);
    const std::string unknown = parse_ids(ids, named);
    if (!unknown.empty()) return fmt::format("liar/broken.tsv: {} names an unknown clause {}", test, unknown);
    for (const clauses::Clause clause : named) {
      ClauseCoverage& c = coverage[static_cast<std::size_t>(clause)];
      c.broken.push_back(test);
      if (c.lie.empty()) c.lie = lie;
    }
  }
  return {};
}

std::string measure_coverage(Coverage& coverage) {
  std::string listing, sentence = list_tests(listing);
  if (sentence.empty()) sentence = add_tests(listing, coverage);
  if (sentence.empty()) sentence = add_lies(embedded_lies(), coverage);
  if (sentence.empty()) sentence = add_corpus(coverage);
  if (!sentence.empty()) return sentence;
  add_random(coverage);
  for (const model::Fault& fault : model::faults()) {
    for (const clauses::Clause clause : fault.clauses) {
      if (clause != clauses::Clause::none)
        coverage[static_cast<std::size_t>(clause)].faults.push_back(fault.name);
    }
  }
  return {};
}

std::string coverage_table(const Coverage& coverage) {
  std::string text = fmt::format("{:<46} {:<8}{:>6}{:>7}{:>9}{:>8}{:>7}  {}\n", "clause", "strength", "tests",
                                 "broken", "programs", "random", "faults", "by, for instance");
  struct Sums {
    std::size_t clauses = 0, tested = 0, broken = 0, ruled = 0, excused = 0, recorded = 0;

    void add(const clauses::Info& info, const ClauseCoverage& c) {
      ++clauses;
      tested += c.tests.empty() ? 0 : 1;
      broken += c.broken.empty() ? 0 : 1;
      ruled += c.rule() ? 1 : 0;
      excused += info.no_rule.empty() ? 0 : 1;
      recorded += info.records() ? 1 : 0;
    }
  } all;
  auto line = [](std::string_view title, const Sums& sums) {
    return fmt::format("{:<46}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}\n", title, sums.clauses, sums.tested,
                       sums.broken, sums.ruled, sums.excused, sums.recorded);
  };
  std::string chapters;
  for (const clauses::Chapter& chapter : clauses::chapters()) {
    Sums sums;
    for (std::size_t i = 0; i < clauses::kCount; ++i) {
      const clauses::Info& info = clauses::all()[i];
      if (info.chapter != chapter.number) continue;
      const ClauseCoverage& c = coverage[i];
      text += row(info, c);
      sums.add(info, c);
      all.add(info, c);
    }
    chapters += line(fmt::format("{:>2} {}", chapter.number, chapter.title), sums);
  }
  text += fmt::format("\n{:<46}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}\n{}{}", "chapter", "clauses", "tested",
                      "broken", "ruled", "no rule", "record", chapters, line("   all", all));
  const std::string wrong = contradictions(coverage);
  if (!wrong.empty()) text += "\n" + wrong;
  return text + fmt::format(R"(
tests: conformance tests that name the clause. broken: those that a lie has made fail (docs/liar.md), and one
such lie at the end of the line. programs: programs of the corpus in which it decided a step on the model.
random: of {} random programs, those in which it did. faults: planted bugs it is to be blamed for. ruled: it decided
some step. no rule: no program can decide it, for the reason that the line ends with (no_rule in clauses/).
record: it grants all that it speaks of, so that nothing can break it (the mark in clauses/).
)",
                            kRandomPrograms);
}

}  // namespace shmcheck::harness
