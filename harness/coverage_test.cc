// The table of what checks each clause, and the clauses that it takes exception to.
#include "harness/coverage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

bool is_record(const clauses::Info& info) {
  return (info.marks & clauses::kRecord) != 0;
}
bool has_reason(const clauses::Info& info) {
  return !info.no_rule.empty();
}
bool needs_rule(const clauses::Info& info) {
  return !is_record(info) && !has_reason(info);
}

// Programs reach every clause that should have a rule, and no other one.
std::unique_ptr<Coverage> as_it_should_be() {
  auto coverage = std::make_unique<Coverage>();
  for (std::size_t i = 0; i < clauses::kCount; ++i) {
    if (needs_rule(clauses::all()[i])) (*coverage)[i].programs = {"a.prog"};
  }
  return coverage;
}

// The table if the first clause of that kind is reached by programs although it should not be, or the other
// way round, and what the clause is called.
std::pair<std::string, std::string> table_of_exception(bool (*kind)(const clauses::Info&)) {
  const auto coverage = as_it_should_be();
  std::size_t i = 0;
  while (!kind(clauses::all()[i])) ++i;
  ClauseCoverage& c = (*coverage)[i];
  if (c.rule())
    c.programs.clear();
  else
    c.random = 1;
  return {coverage_table(*coverage), "\n" + std::string(clauses::all()[i].id) + ": "};
}

TEST(CoverageTable, TakesNoExceptionToARuleOrAReason) {
  const std::string table = coverage_table(*as_it_should_be());
  for (const clauses::Info& info : clauses::all())
    EXPECT_THAT(table, Not(HasSubstr("\n" + std::string(info.id) + ": ")));
}

TEST(CoverageTable, NamesClausesWithNeitherRuleNorReason) {
  const auto [table, clause] = table_of_exception(needs_rule);
  EXPECT_THAT(table, HasSubstr(clause + "has neither rule nor reason\n"));
}

TEST(CoverageTable, NamesClausesWithARuleAndAReason) {
  const auto [table, clause] = table_of_exception(has_reason);
  EXPECT_THAT(table, HasSubstr(clause + "has a rule, and a reason why it has none\n"));
}

TEST(CoverageTable, NamesRecordsThatHaveARule) {
  const auto [table, clause] = table_of_exception(is_record);
  EXPECT_THAT(table, HasSubstr(clause + "is only recorded, and has a rule or a reason why it has none\n"));
}

}  // namespace
}  // namespace shmcheck::harness
