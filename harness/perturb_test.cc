// The lies that `shmcheck perturb` tells: every field has one, they are told, and the judge sees them in
// traces of the model. What the judge makes of the running kernel's traces is tested by the command itself
// (perturb_kernel in CMakeLists.txt).

#include <gtest/gtest.h>

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
  EXPECT_EQ(results | nothing, (2U << static_cast<unsigned>(ResultKind::end)) - 1);
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
  for (const auto& [key, profiles] : reviewed()) {
    EXPECT_NE(profiles, 0U) << review_line(key, profiles);
    EXPECT_NE(key.freedom, model::Freedom::tainted) << "a healthy target taints nothing";
  }
}

// What is not in the list is new, in each profile of its own.
TEST(Reviewed, AnythingElseIsNew) {
  TrialResult result;
  const Accepted key{0, program::OpCode::unlink, model::Freedom::split_count};
  ASSERT_FALSE(reviewed().contains(key));
  result.accepted[key] = {0, 3, 0, 0};
  EXPECT_EQ(not_reviewed(result), (std::map<Accepted, unsigned>{{key, 2U}}));
  EXPECT_FALSE(sees_all(result));
  result.accepted.clear();
  EXPECT_TRUE(sees_all(result));
  result.accepted[{0, program::OpCode::unlink, model::Freedom::count}] = {1, 0, 0, 0};
  EXPECT_FALSE(sees_all(result));
}

}  // namespace
}  // namespace shmcheck::harness
