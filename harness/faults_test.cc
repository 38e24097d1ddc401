// Random testing finds every planted fault of the running model, and shrinks it to a few ops.
//
// One test per fault. The budget is counted in judged steps, so the result does not depend on the machine;
// the seeds are not those that were used while building.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "harness/campaign.h"
#include "harness/campaign_model.h"
#include "program/text.h"

#if defined(__SANITIZE_ADDRESS__)
#define SHMCHECK_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHMCHECK_SLOW 1
#endif
#endif

namespace shmcheck::harness {
namespace {

#ifdef SHMCHECK_SLOW
constexpr std::uint64_t kSeeds = 2;
#else
constexpr std::uint64_t kSeeds = 10;
#endif
constexpr std::uint64_t kFirstSeed = 20261124;
constexpr std::uint64_t kSteps = 400'000;  // about a second; ten are allowed
constexpr std::size_t kLongest = 12;       // ops
constexpr std::size_t kMedian = 6;

CampaignResult hunt(const model::Fault* fault, std::uint64_t seed) {
  CampaignOptions options;
  options.seed = seed;
  options.steps = kSteps;
  options.first = fault != nullptr;
  options.shrink.time = std::chrono::hours(1);  // its runs are the limit, here too
  ModelRunner runner(fault);
  return run_campaign(options, runner);
}

class Faults : public testing::TestWithParam<const model::Fault*> {
 protected:
  static void TearDownTestSuite() {
    if (lengths.empty()) return;
    std::sort(lengths.begin(), lengths.end());
    std::size_t median = lengths[lengths.size() / 2];
    std::cout << fmt::format("median length {} ops, longest {} ops, of {}\n", median, lengths.back(),
                             lengths.size());
    EXPECT_LE(median, kMedian);
  }
  static std::vector<std::size_t> lengths;  // of all shrunk programs
};
std::vector<std::size_t> Faults::lengths;

TEST_P(Faults, AreFoundAndShrunkOnEverySeed) {
  const model::Fault& fault = *GetParam();
  std::size_t shortest = SIZE_MAX, longest = 0;
  std::uint64_t most = 0;
  std::size_t rightly_blamed = 0;
  std::string blamed;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    CampaignResult result = hunt(&fault, seed);
    ASSERT_EQ(result.findings.size(), 1U) << "not found with seed " << seed << " in " << kSteps << " steps";
    const CampaignFinding& found = result.findings[0];
    ASSERT_EQ(found.kind, CampaignFinding::Kind::divergence);
    shortest = std::min(shortest, found.program.ops.size());
    longest = std::max(longest, found.program.ops.size());
    lengths.push_back(found.program.ops.size());
    most = std::max(most, result.stats.steps + result.stats.observations);
    EXPECT_LE(found.program.ops.size(), kLongest) << "seed " << seed << ":\n"
                                                  << program::to_text(found.trace);
    auto& right = fault.clauses;
    rightly_blamed += std::find(right.begin(), right.end(), found.clause) != right.end();
    std::string id(clauses::info(found.clause).id);
    if (blamed.find(id) == std::string::npos) blamed += ' ' + id;
  }
  // Which observation comes first is chance, and what it blames may be further from the cause.
  EXPECT_TRUE(rightly_blamed > 0 || kSeeds < 10) << "blamed instead:" << blamed;
  std::cout << fmt::format("{:34} {} seeds, at most {:6} steps, {}..{} ops, blames{}\n", fault.name, kSeeds,
                           most, shortest, longest, blamed);
}

std::vector<const model::Fault*> all_faults() {
  std::vector<const model::Fault*> all;
  for (const model::Fault& fault : model::faults()) all.push_back(&fault);
  return all;
}

std::string test_name(const testing::TestParamInfo<const model::Fault*>& info) {
  std::string name(info.param->name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Model, Faults, testing::ValuesIn(all_faults()), test_name);

TEST(NoFault, IsFoundWhereThereIsNone) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    CampaignResult result = hunt(nullptr, seed);
    for (const CampaignFinding& f : result.findings) {
      ADD_FAILURE() << clauses::info(f.clause).id << ": allowed " << f.finding.allowed << ", seen "
                    << f.finding.seen << "\n"
                    << program::to_text(f.trace);
    }
    EXPECT_EQ(result.unjudged, 0U) << result.unjudged_reason;
  }
}

}  // namespace
}  // namespace shmcheck::harness
