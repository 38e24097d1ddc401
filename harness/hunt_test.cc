// The figures of `shmcheck faults`, and what it draws.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/hunt/report.h"

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;

constexpr clauses::Clause kRight[] = {clauses::Clause::shmat_nattch};
constexpr model::Fault kFault = {"a-fault", "does wrong", kRight, nullptr, nullptr, false, "https://…", true};

Hunt hunt_of(std::vector<Catch> catches) {
  Hunt h;
  h.fault = &kFault;
  h.catches = std::move(catches);
  return h;
}

Catch caught(std::uint64_t ops, std::size_t length, bool right = true) {
  return {true, ops, 0.001, clauses::Clause::shmat_nattch, right, length};
}

TEST(Totals, CountSeedsAndFaults) {
  const Totals t = totals_of(
      {hunt_of({caught(100, 4), caught(300, 6)}), hunt_of({caught(900, 12), caught(50, 5, false)})});
  EXPECT_EQ(t.faults, 2U);
  EXPECT_EQ(t.caught, 2U);
  EXPECT_EQ(t.median_ops, 100U);
  EXPECT_EQ(t.worst_ops, 900U);
  EXPECT_EQ(t.right, 3U);
  EXPECT_EQ(t.hunts, 4U);
  EXPECT_EQ(t.worst_length, 12U);
  EXPECT_EQ(t.subtle, 2U);
  EXPECT_EQ(t.sourced, 2U);
}

TEST(Totals, EachPromiseCanBeBroken) {
  EXPECT_TRUE(keeps_promises(totals_of({hunt_of({caught(100, 4)})})));
  EXPECT_FALSE(keeps_promises(totals_of({}))) << "nothing was hunted";
  EXPECT_FALSE(keeps_promises(totals_of({hunt_of({caught(100, 4), Catch{}})}))) << "not caught on every seed";
  EXPECT_FALSE(keeps_promises(totals_of({hunt_of({caught(kMedianOps, 4)})}))) << "late";
  EXPECT_FALSE(keeps_promises(totals_of({hunt_of({caught(100, 4, false)})}))) << "wrongly blamed";
  EXPECT_FALSE(keeps_promises(totals_of({hunt_of({caught(100, kMedianLength + 1)})}))) << "long";
  EXPECT_FALSE(
      keeps_promises(totals_of({hunt_of({caught(100, 4), caught(9, 4), caught(9, kWorstLength + 1)})})));
}

TEST(Hunting, FindsAFaultAndCountsTheOpsUntilThen) {
  const model::Fault* fault = model::find_fault("fork-forgets-nattch");
  ASSERT_NE(fault, nullptr);
  HuntOptions options{.first_seed = 5, .seeds = 2};
  const Hunt h = hunt(*fault, options, {});
  EXPECT_TRUE(h.caught());
  EXPECT_GT(h.median_ops(), 0U);
  EXPECT_LT(h.worst_ops(), options.ops);
  EXPECT_EQ(h.rightly(), 2U);
  EXPECT_EQ(h.corpus.programs, 0U);
  EXPECT_EQ(h.enumerated.programs, 0U);
}

TEST(Hunting, EnumeratesUntilAProgramShowsTheFault) {
  auto parsed = parse_alphabet(
      "[scene]\np0 shmget s0 key=private size=1p\n[ops]\np0 fork p1\np0 shmat m0 s0\n"
      "[observe]\np0 shmctl s0 cmd=stat\n",
      "a");
  ASSERT_TRUE(std::holds_alternative<Alphabet>(parsed));
  const Enumeration pairs({std::get<Alphabet>(parsed)}, 2), single({std::get<Alphabet>(parsed)}, 1);
  const model::Fault* fault = model::find_fault("fork-forgets-nattch");
  const HuntOptions options{.first_seed = 5, .seeds = 1, .ops = 100};
  // fork; shmat; fork fork; shmat fork shows it.
  const Hunt found = hunt(*fault, options, {.enumeration = &pairs});
  EXPECT_EQ(found.enumerated.programs, 5U);
  EXPECT_TRUE(found.enumerated.right);
  EXPECT_GT(found.enumerated.ops, 0U);
  EXPECT_EQ(hunt(*fault, options, {.enumeration = &single}).enumerated.programs, 0U);
  EXPECT_THAT(hunts_table({found}), HasSubstr(" 5  "));
}

TEST(Hunting, SaysWhenThereWasNothingToFind) {
  const model::Fault harmless = {"harmless", "does nothing", kRight, nullptr, nullptr, false};
  const Hunt h = hunt(harmless, {.first_seed = 5, .seeds = 1, .ops = 2000}, {});
  EXPECT_FALSE(h.caught());
  EXPECT_GE(h.worst_ops(), 2000U);
}

TEST(Report, TableMarksWrongBlame) {
  const std::string table = hunts_table({hunt_of({caught(100, 4), caught(300, 6, false)})});
  EXPECT_THAT(table, HasSubstr("a-fault *"));
  EXPECT_THAT(table, HasSubstr("!shmat.nattch"));
}

TEST(Report, PlotIsOneSvgWithACurveForEach) {
  const std::string svg =
      hunts_svg({hunt_of({caught(100, 4), caught(3000, 6)})}, {.first_seed = 1, .seeds = 2});
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg;
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("worst of 2 seeds"));
  EXPECT_THAT(svg, HasSubstr("stroke-width=\"2\""));
}

}  // namespace
}  // namespace shmcheck::harness
