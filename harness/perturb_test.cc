// The lies that `shmcheck perturb` tells: every field has one, they are told, and the judge sees them in
// traces of the model. What the judge makes of the running kernel's traces is tested by the command itself
// (perturb_kernel in CMakeLists.txt).

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "harness/campaign_model.h"
#include "harness/perturb/report.h"
#include "harness/perturb/reviewed.h"

namespace shmcheck::harness {
namespace {

using program::Outcome;
using program::OutcomeKind;
using program::ResultKind;

TrialResult try_model(std::uint64_t seed, std::uint64_t traces, program::Facts facts = model::model_facts()) {
  TrialOptions options;
  options.seed = seed;
  options.traces = traces;
  ModelRunner runner(nullptr, std::move(facts));
  return try_judge(options, runner);
}

TEST(Lies, HaveNamesOfTheirOwnAndSayWhatTheyChange) {
  std::set<std::string_view> names;
  for (const Perturbation& lie : perturbations()) {
    EXPECT_TRUE(names.insert(lie.name).second) << lie.name << " is there twice";
    EXPECT_GE(lie.help.size(), 5U) << lie.name;
  }
}

TEST(Lies, ThereIsOneForEachKindOfOutcomeAndEachResult) {
  unsigned kinds = 0, results = 0;
  for (const Perturbation& lie : perturbations()) {
    kinds |= lie.kinds;
    if (lie.results != 0xffff) results |= lie.results;
  }
  const auto all_kinds = (1U << static_cast<unsigned>(OutcomeKind::timeout)) - 1;  // a timeout ends the trace
  const auto nothing = 1U << static_cast<unsigned>(ResultKind::nothing);
  EXPECT_EQ(kinds & all_kinds, all_kinds);
  EXPECT_EQ(results | nothing, (2U << static_cast<unsigned>(ResultKind::racers)) - 1);
}

TEST(Lies, AreToldOfTheModelAndSeen) {
  program::Facts ext4 = model::model_facts();
  ext4.fs = program::FileSystem::ext4;
  TrialResult result = try_model(20261127, 4000);
  result += try_model(20261128, 2000, ext4);
  EXPECT_EQ(result.traces, 6000U);
  EXPECT_EQ(result.unhealthy, 0U) << result.unhealthy_example;
  for (std::size_t i = 0; i < result.lies.size(); ++i)
    EXPECT_GT(result.lies[i].told, 0U) << perturbations()[i].name << " was never told";
  EXPECT_TRUE(sees_all(result)) << holes_of(result);
}

TEST(Reviewed, IsReadAsItIsWritten) {
  for (const auto& [grant, profiles] : reviewed()) {
    EXPECT_NE(profiles, 0U) << review_line(grant, profiles);
    EXPECT_NE(grant.freedom, model::Freedom::tainted) << "a healthy target taints nothing";
  }
}

// A field that no outcome of the op has cannot be otherwise.
TEST(Reviewed, GrantsOnlyWhatIsThere) {
  for (const auto& [grant, profiles] : reviewed()) {
    program::Op op;
    op.code = grant.op;
    op.small = grant.op == program::OpCode::shmctl ? static_cast<std::uint8_t>(program::ShmCommand::stat) : 0;
    bool there = false;
    for (const Perturbation& lie : perturbations()) {
      const bool failed = (lie.kinds & ~(1U << static_cast<unsigned>(OutcomeKind::ok))) != 0;
      there |= lie.field == grant.field && (failed || has_field(lie, {op, Outcome{}}));
    }
    EXPECT_TRUE(there) << review_line(grant, profiles);
  }
}

// The lie of that name about the op, accepted because of one of the freedoms.
Accepted accepted(std::string_view lie, program::OpCode op, std::initializer_list<model::Freedom> freedoms) {
  const auto named = std::ranges::find(perturbations(), lie, &Perturbation::name);
  Accepted key{static_cast<std::size_t>(named - perturbations().begin()), op, 0};
  for (const model::Freedom freedom : freedoms)
    key.freedoms |= std::uint64_t{1} << static_cast<unsigned>(freedom);
  return key;
}

// What is not in the list is new, in each profile of its own.
TEST(Reviewed, AnythingElseIsNew) {
  TrialResult result;
  const Accepted key = accepted("errno", program::OpCode::unlink, {model::Freedom::split_count});
  result.accepted[key] = {0, 3, 0, 0};
  EXPECT_EQ(not_reviewed(result), (std::map<Accepted, unsigned>{{key, 2U}}));
  EXPECT_FALSE(sees_all(result));
  result.accepted.clear();
  EXPECT_TRUE(sees_all(result));
  result.accepted[accepted("errno", program::OpCode::unlink, {})] = {1, 0, 0, 0};
  EXPECT_FALSE(sees_all(result));
}

// One of the freedoms that the judge used must be about the field; others are used beside it.
TEST(Reviewed, OneFreedomAboutTheFieldExplains) {
  TrialResult result;
  const auto mincore = program::OpCode::mincore;
  result.accepted[accepted("count-less", mincore, {model::Freedom::residency, model::Freedom::address})] = {
      1, 1, 1, 1};
  EXPECT_TRUE(sees_all(result));
  result.accepted[accepted("errno", mincore, {model::Freedom::residency, model::Freedom::address})] = {1, 0,
                                                                                                       0, 0};
  EXPECT_FALSE(sees_all(result));
  EXPECT_EQ(not_reviewed(result).size(), 1U);
}

}  // namespace
}  // namespace shmcheck::harness
