// What every trace has, whatever its ops.
#include "executor/ops_test.h"

#include <gtest/gtest.h>

#include <ctime>

namespace shmcheck::executor {
namespace {

constexpr std::uint64_t kPageOfTests = 4096;

TEST_F(Ops, AnEmptyProgramHasAnEnd) {
  EXPECT_EQ(shared_driver().trace("").steps.size(), 1U);
}

TEST_F(Ops, ThePageSizeOfTheseTestsIsTheTargets) {
  EXPECT_EQ(shared_driver().facts.at(0).page_size, kPageOfTests);
}

TEST_F(Ops, StepsCarryTheClock) {
  std::int64_t before = time(nullptr) - 1;
  program::Trace trace =
      shared_driver().trace("p0 shmget s0 key=private size=1 mode=600\np0 shmctl s0 cmd=stat\n");
  ASSERT_EQ(trace.steps.size(), 3U);
  auto created = static_cast<std::int64_t>(trace.steps[1].outcome.words.at(9));
  EXPECT_LE(before, trace.steps[0].outcome.before);
  EXPECT_LE(trace.steps[0].outcome.before, created);
  EXPECT_LE(created, trace.steps[0].outcome.after);
  EXPECT_LE(trace.steps[2].outcome.after, time(nullptr));
}

}  // namespace
}  // namespace shmcheck::executor
