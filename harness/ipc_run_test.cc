// A run of bench_ipc is cited beside the claim that shared memory is the fastest, or it is said why not and
// what to do; the verdict is the same either way.

#include "harness/ipc_run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>  // setenv

#include <filesystem>

#include "harness/claims.h"
#include "harness/testing/room.h"

namespace shmcheck::harness {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const RunningKernel kHere = {"6.18.44-here", "boot-1"};

IpcPoint point(std::uint64_t size, double latency_ns, double mib_s) {
  return {size, {latency_ns * 2, latency_ns, latency_ns / 2}, {mib_s / 2, mib_s, mib_s * 2}, {}};
}

// Spinning beats the pipe by 50 and 4, with a futex 0.8 and 2; the queue is the slower of the others, and has
// no large messages.
IpcRun example() {
  IpcRun run;
  run.date = "2026-11-27";
  run.kernel = kHere;
  run.arch = "x86_64";
  run.cpus = 2;
  run.rounds = 3;
  run.placement = "on CPUs 0 and 1";
  run.series = {
      {"file mapping", true, "spinning", true, 2, {point(1, 100, 10), point(1 << 20, 9e4, 8000)}},
      {"anonymous mapping", true, "spinning", false, 2, {point(1, 120, 9), point(1 << 20, 9e4, 7000)}},
      {"anonymous mapping", true, "futex", true, 2, {point(1, 6250, 5), point(1 << 20, 9e4, 4000)}},
      {"pipe", false, "", false, 2, {point(1, 5000, 2), point(1 << 20, 9e5, 2000)}},
      {"POSIX message queue", false, "", false, 2, {point(1, 7000, 1), {1 << 20, {}, {}, "too large"}}},
  };
  return run;
}

class Kept : public ::testing::Test {
 protected:
  std::string path() const { return room_.path + "/ipc.json"; }
  void keep(const std::string& text) const { room_.file("ipc.json", text); }
  std::vector<std::string> evidence_of(const IpcRun& run) const {
    keep(to_json(run));
    return ipc_evidence(path(), kHere);
  }

  Room room_;
};

TEST_F(Kept, IsCitedWithTheFastestOfEachAndHowManyTimesAsFast) {
  EXPECT_THAT(
      evidence_of(example()),
      ElementsAre(
          "on 2026-11-27 by bench_ipc, Linux 6.18.44-here, 2 CPUs, medians of 3 rounds",
          "latency of 1 B, two cores: 6.2 µs (anonymous mapping, futex, in place) against 5.0 µs "
          "(pipe): 0.8 times as fast",
          "latency of 1 B, two cores: 100 ns (file mapping, spinning, in place) against 5.0 µs (pipe): "
          "50 times as fast",
          "throughput of 1 MiB, two cores: 4000 MiB/s (anonymous mapping, futex, in place) against "
          "2000 MiB/s (pipe): 2.0 times as fast",
          "throughput of 1 MiB, two cores: 8000 MiB/s (file mapping, spinning, in place) against "
          "2000 MiB/s (pipe): 4.0 times as fast",
          "not faster with futex: latency of 1 B, two cores"));
}

TEST_F(Kept, OnOneCoreIsComparedWithOneCoreOnly) {
  IpcRun run = example();
  for (std::size_t i = 2; i < run.series.size(); ++i) run.series[i].cores = 1;
  const std::vector<std::string> lines = evidence_of(run);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[1], StartsWith("latency of 1 B, one core: 6.2 µs"));
  EXPECT_THAT(lines[2], StartsWith("throughput of 1 MiB, one core: 4000 MiB/s"));
}

TEST_F(Kept, ThatIsNotThereSaysHowToMakeOne) {
  EXPECT_THAT(ipc_evidence(path(), kHere),
              ElementsAre(AllOf(StartsWith("no: there is no run of bench_ipc at " + path()),
                                HasSubstr("`bench_ipc`"), HasSubstr("makes one"))));
  EXPECT_THAT(ipc_evidence("", kHere), ElementsAre(HasSubstr("--ipc FILE")));
}

TEST_F(Kept, ThatCannotBeUnderstoodIsNotCited) {
  const std::string good = to_json(example());
  const auto with = [&good](const std::string& old, const std::string& now) {
    std::string text = good;
    const std::size_t at = text.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    return text.replace(at, old.size(), now);
  };
  const std::vector<std::string> texts = {"",
                                          "{}",
                                          "[]",
                                          good.substr(0, good.size() / 2),
                                          with("\"format\": 1", "\"format\": 2"),
                                          with("\"boot\": \"boot-1\",", ""),
                                          with("\"boot-1\"", "17"),
                                          with("\"size\": 1\n", "\"size\": \"one\"\n"),
                                          with("100.0", "0.0"),
                                          with("100.0", "-1.0"),
                                          with("\"cores\": 2,", "\"cars\": 2,")};
  for (const std::string& text : texts) {
    keep(text);
    EXPECT_THAT(ipc_evidence(path(), kHere),
                ElementsAre(AllOf(StartsWith("no: " + path() + ": this"), HasSubstr("makes one"))))
        << text;
  }
}

TEST_F(Kept, ThatCannotBeReadIsNotCited) {
  ASSERT_TRUE(std::filesystem::create_directory(path()));
  EXPECT_THAT(ipc_evidence(path(), kHere), ElementsAre(HasSubstr("cannot be read")));
}

TEST_F(Kept, OfAnotherKernelOrBootIsNotCited) {
  IpcRun run = example();
  run.kernel.release = "6.1.0";
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("is of Linux 6.1.0, and this is 6.18.44-here")));
  run.kernel = {kHere.release, "boot-2"};
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("is of another machine, or of this one before")));
  run.kernel.boot = "";
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("is of another machine, or of this one before")));
  keep(to_json(run));
  EXPECT_THAT(ipc_evidence(path(), {kHere.release, ""}), ElementsAre(HasSubstr("no boot_id")));
}

TEST_F(Kept, OfAQuickRunIsNotCited) {
  IpcRun run = example();
  run.quick = true;
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("is of a quick run")));
}

TEST_F(Kept, WithNothingToCompareWithIsNotCited) {
  IpcRun run = example();
  run.series.resize(3);
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("compares shared memory with nothing")));
  run.series.clear();
  EXPECT_THAT(evidence_of(run), ElementsAre(HasSubstr("compares shared memory with nothing")));
}

TEST_F(Kept, SaysTheSameWhenItIsReadAgain) {
  keep(to_json(example()));
  IpcRun again;
  ASSERT_EQ(read_ipc_run(path(), again), "");
  EXPECT_EQ(to_json(again), to_json(example()));
}

TEST(KeptWhere, FollowsTheXdgDirectories) {
  ::setenv("HOME", "/home/u", 1);
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(kept_ipc_run(), "/cache/shmcheck/ipc.json");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(kept_ipc_run(), "/home/u/.cache/shmcheck/ipc.json");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(kept_ipc_run(), "/home/u/.cache/shmcheck/ipc.json");
  ::unsetenv("HOME");
  EXPECT_EQ(kept_ipc_run(), "");
}

TEST(RunningKernel, HasAReleaseAndABoot) {
  EXPECT_THAT(running_kernel().release, Not(IsEmpty()));
  EXPECT_EQ(running_kernel(), running_kernel());
}

TEST(Rounds, HaveAMedianAndTheMiddleHalf) {
  EXPECT_DOUBLE_EQ(median_of_rounds({7}), 7);
  EXPECT_DOUBLE_EQ(median_of_rounds({9, 1, 4}), 4);
  EXPECT_DOUBLE_EQ(median_of_rounds({1, 9, 3, 5}), 4);
  EXPECT_DOUBLE_EQ(spread_of_rounds({7}), 0);
  EXPECT_DOUBLE_EQ(spread_of_rounds({100, 20, 30, 40, 10}), 20.0 / 30);
}

// --- beside the claim

TEST(Measured, IsShownBesideItsClaimOnlyAndDecidesNothing) {
  Result silent, measured;
  measured.ipc_measured = {"a figure"};
  for (Result* result : {&silent, &measured}) {
    for (const clauses::Clause clause : deciding_clauses())
      ++result->tallies[static_cast<std::size_t>(clause)].pass;
  }
  const std::vector<ClaimVerdict> without = decide_claims(silent), with = decide_claims(measured);
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_EQ(with[i].verdict, without[i].verdict);
    EXPECT_EQ(with[i].standing, without[i].standing);
    EXPECT_EQ(with[i].measured.size(), with[i].claim->id == "S2" ? 1U : 0U) << with[i].claim->id;
  }
  EXPECT_THAT(claims_in_full(with), HasSubstr("     measured a figure\nS3 "));
  EXPECT_THAT(claims_in_full(without), Not(HasSubstr("measured a figure")));
}

}  // namespace
}  // namespace shmcheck::harness
