// Processes: turns, forks, ends of every kind, names that are not bound, ops that are withheld.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

// With CLONE_PARENT and, as on targets that do not know it, without.
class Processes : public ::testing::TestWithParam<bool> {
 protected:
  static Driver& driver() {
    if (GetParam()) return shared_driver();
    static Driver other(executor({"--no-clone-parent"}));
    return other;
  }
  static void Expect(std::string_view lines) { expect_trace(driver(), lines); }
};

INSTANTIATE_TEST_SUITE_P(CloneParent, Processes, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "known" : "unknown"; });

TEST_P(Processes, TakeTurnsInProgramOrder) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rw flags=shared,anon -> *
p0 fork p1 -> *
p0 fork p2 -> *
p1 store m0 0x01 -> ok
p2 load m0 -> 0x01
p0 store m0+1 0x02 -> ok
p2 load m0 size=2 -> 0x0102
p1 load m0 size=2 -> 0x0102
)");
}

TEST_P(Processes, HaveProcessIdsThatSegmentsShow) {
  program::Trace trace = driver().trace(R"(
p0 fork p1
p1 shmget s0 key=private size=1 mode=600
p1 shmctl s0 cmd=stat
p0 shmget s1 key=private size=1 mode=600
p0 shmctl s1 cmd=stat
)");
  ASSERT_EQ(trace.steps.size(), 6U);
  constexpr std::size_t kCreatorPid = 10;  // ShmStat::cpid
  EXPECT_NE(trace.root_pid, 0U);
  EXPECT_NE(trace.steps[0].outcome.value, trace.root_pid);
  EXPECT_EQ(trace.steps[2].outcome.words.at(kCreatorPid), trace.steps[0].outcome.value);
  EXPECT_EQ(trace.steps[4].outcome.words.at(kCreatorPid), trace.root_pid);
}

TEST_P(Processes, AsManyGenerationsOfForkAsNames) {
  std::string program = "p0 mmap m0 - len=1p prot=rw flags=private,anon -> *\n";
  constexpr int kLast = static_cast<int>(program::kProcesses) - 1;
  for (int i = 0; i < kLast; ++i) {
    program += fmt::format("p{} store m0+{} 0x5a -> ok\np{} fork p{} -> *\n", i, i, i, i + 1);
  }
  program +=
      fmt::format("p{0} contents m0 len={1} -> {{{0}*5a 2*00}}\np0 contents m0 len=9 -> {{1*5a 8*00}}\n",
                  kLast, kLast + 2);
  Expect(program);
}

TEST_P(Processes, DescriptorsAreInherited) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 fork p1 -> *
p1 pwrite f0 len=1 byte=0x07 -> 1
p1 close f0 -> ok
p1 pread f0 len=1 -> EBADF
p0 pread f0 len=1 -> {1*07}
)");
}

TEST_P(Processes, ExitIsAnEndWithAStatus) {
  Expect(R"(
p0 fork p1 -> *
p1 exit status=7 -> died exit=7
p1 load a -> unbound
p0 fork p1 -> *
p1 load a -> SIGSEGV/MAPERR at a+0p
p0 exit -> died exit=0
p0 fork p2 -> unbound
p1 exit status=255 -> died exit=255
p2 exit -> unbound
)");
}

TEST_P(Processes, AnExitIsCompleteWhenItsStepIs) {
  std::string program = "p0 shmget s0 key=private size=1 mode=600 -> *\np0 fork p1 -> *\n";
  for (int i = 0; i < 50; ++i) {
    program += "p1 shmat m0 s0 -> *\np0 shmctl s0 cmd=stat -> {* nattch=1}\n";
    program += i % 2 == 0 ? "p1 exit -> died exit=0\n" : "p0 kill p1 -> ok\n";
    program += "p0 shmctl s0 cmd=stat -> {* nattch=0}\np0 fork p1 -> *\n";
  }
  Expect(program);
}

TEST_P(Processes, Kills) {
  Expect(R"(
p0 fork p1 -> *
p0 fork p2 -> *
p1 kill p2 signal=term -> ok
p2 load a -> unbound
p0 kill p2 -> unbound
p1 kill p0 -> ok
p0 load a -> unbound
p1 kill p1 -> died SIGKILL
p1 kill p1 -> unbound
)");
}

TEST_P(Processes, AFaultWithItsOwnActionKillsOrDoesNothing) {
  for (std::string_view action : {"default", "ignored", "blocked"}) {
    Expect(fmt::format(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 mmap m0 f0 len=1p prot=rw flags=shared,fixed addr=a -> a+0p
p0 mmap m1 - len=1p prot=rw flags=private,anon,fixed addr=a+1p -> a+1p
p0 fork p1 -> *
p0 fork p2 -> *
p0 load a+1p act={0} -> 0x00
p0 store a+1p 0x11 act={0} -> ok
p0 load a+1p -> 0x11
p0 load a -> SIGBUS/ADRERR at a+0p
p1 load a act={0} -> died SIGBUS
p2 store a+2p 0x01 act={0} -> died SIGSEGV
p0 load a+2p -> SIGSEGV/MAPERR at a+2p
)",
                       action));
  }
}

TEST_P(Processes, ForkIntoANameThatLivesIsWithheld) {
  Expect(R"(
p0 fork p0 -> withheld
p0 fork p1 -> *
p1 fork p1 -> withheld
p0 fork p1 -> withheld
p0 kill p1 -> ok
p0 fork p1 -> *
)");
}

TEST_P(Processes, StepsOfNobodyAreUnbound) {
  Expect(R"(
p3 load a -> unbound
p0 kill p3 -> unbound
p0 load m3 -> unbound
p0 shmctl s3 cmd=stat -> unbound
p0 mremap m0 a old=1p new=1p flags=maymove,fixed to=m4 -> unbound
p0 mmap m0 - len=1p prot=r flags=private,anon -> *
p0 load m0 -> 0x00
)");
}

TEST_P(Processes, AFailedCreatorLeavesItsNameAsItWas) {
  Expect(R"(
p0 mmap m0 - len=1p prot=r flags=private,anon,fixed addr=a -> a+0p
p0 mmap m0 - len=0 prot=r flags=private,anon -> EINVAL
p0 load m0 -> 0x00
p0 munmap m0 len=1p -> ok
p0 load m0 -> SIGSEGV/MAPERR at a+0p
)");
}

// Addresses of the executor are not in the text of programs, so mappings are placed around them by their
// numbers.
program::Op MunmapAt(std::uint64_t address) {
  program::Op op;
  op.code = program::OpCode::munmap;
  op.addr.pages = static_cast<std::int16_t>(address / 4096);
  op.len.pages = 1;
  return op;
}

program::OutcomeKind KindOf(const program::Op& op) {
  return shared_driver().trace(to_text(op) + "\n").steps.at(0).outcome.kind;
}

TEST_P(Processes, OpsOnTheExecutorsOwnMemoryAreWithheld) {
  const program::Range& binary = shared_driver().facts.at(0).own.at(0);
  ASSERT_LT(binary.low, 32768U * 4096);
  EXPECT_EQ(KindOf(MunmapAt(binary.low)), program::OutcomeKind::withheld);
  EXPECT_EQ(KindOf(MunmapAt(binary.low - 4096)), program::OutcomeKind::ok);
  program::Op past_top = MunmapAt(binary.low);
  past_top.len.base = static_cast<std::uint8_t>(program::Base::top);
  EXPECT_EQ(KindOf(past_top), program::OutcomeKind::error);
}

// The kernel places a first mapping where nothing of the executor is near.
TEST_P(Processes, NothingOfTheExecutorLiesAroundTheFirstMapping) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rw flags=private,anon -> *
p0 load m0+1p -> SIGSEGV/MAPERR at *
p0 munmap m0 len=32p -> ok
p0 mmap m0 - len=2p prot=rw flags=private,anon,fixed addr=m0 -> *
)");
}

// Stops the process of a program in its middle, from outside.
TEST(Timeout, EndsTheProgramAtItsStepAndOnlyThat) {
  Driver driver(executor({"--op-timeout-ms=200"}));
  program::Program program;
  program::Op op;
  op.code = program::OpCode::pwrite;
  op.len.pages = program::kMaxIoPages;
  program.ops.assign(program::kMaxOps, op);
  program.ops[0].code = program::OpCode::open;
  program.ops[0].flags = program::openflag::kCreat;
  program.ops[0].small = 1;
  normalize(program.ops[0]);
  driver.send(program::run_frame(1, 0, program));
  std::vector<pid_t> processes;
  while (processes.empty()) processes = children_of(children_of(driver.pid()).at(0));
  ASSERT_EQ(kill(processes.at(0), SIGSTOP), 0);
  const auto stopped = std::chrono::steady_clock::now();
  program::Frame frame = driver.receive();
  // The limit of the whole program is twenty times that of a step.
  EXPECT_LT(std::chrono::steady_clock::now() - stopped, std::chrono::milliseconds(20 * 200));
  ASSERT_EQ(frame.type, program::FrameType::result);
  program::Result result;
  ASSERT_EQ(decode_result(frame.payload, result), "");
  const std::vector<program::Outcome>& outcomes = result.outcomes;
  ASSERT_LT(outcomes.size(), program.ops.size());
  EXPECT_EQ(outcomes.back().kind, program::OutcomeKind::timeout);
  if (outcomes.size() > 1) {
    EXPECT_EQ(outcomes.front().kind, program::OutcomeKind::ok);
  }
  expect_trace(driver, "p0 unlink n0 -> ENOENT\n");
  EXPECT_EQ(children_of(children_of(driver.pid()).at(0)), std::vector<pid_t>{});
}

// Steps that are each short enough, but too many.
TEST(Timeout, EndsAProgramThatIsTooLongAsAWhole) {
  Driver driver(executor({"--op-timeout-ms=20"}));
  program::Program program;
  program::Op op;
  op.code = program::OpCode::contents;
  op.small = static_cast<std::uint8_t>(program::Via::kernel);
  op.addr.base = static_cast<std::uint8_t>(program::Base::arena);
  op.len.pages = program::kMaxIoPages;
  program.ops.assign(program::kMaxOps, op);
  auto map = std::get<program::Program>(
      program::parse_program("p0 mmap m0 - len=64p prot=rw flags=shared,anon,fixed addr=a\n", "test"));
  program.ops[0] = map.ops[0];
  driver.send(program::run_frame(1, 0, program));
  program::Result result;
  ASSERT_EQ(decode_result(driver.receive().payload, result), "");
  ASSERT_LT(result.outcomes.size(), program.ops.size());
  EXPECT_EQ(result.outcomes.back().kind, program::OutcomeKind::timeout);
}

// A process that nobody in the program killed.
TEST(Died, IsTheOutcomeOfTheStepInWhichAProcessVanishes) {
  Driver driver(executor());
  program::Program program;
  program::Op op;
  op.code = program::OpCode::pwrite;
  op.object = program::kFileBad;
  op.len.pages = program::kMaxIoPages;
  program.ops.assign(program::kMaxOps, op);
  driver.send(program::run_frame(1, 0, program));
  std::vector<pid_t> processes;
  while (processes.empty()) processes = children_of(children_of(driver.pid()).at(0));
  ASSERT_EQ(kill(processes.at(0), SIGKILL), 0);
  program::Result result;
  ASSERT_EQ(decode_result(driver.receive().payload, result), "");
  const std::vector<program::Outcome>& outcomes = result.outcomes;
  ASSERT_EQ(outcomes.size(), program.ops.size() + 1);
  std::size_t i = 0;
  while (i < outcomes.size() && outcomes[i].kind == program::OutcomeKind::error) ++i;
  ASSERT_LT(i + 1, outcomes.size());
  EXPECT_EQ(outcomes[i].kind, program::OutcomeKind::died);
  EXPECT_EQ(outcomes[i].signal, SIGKILL);
  while (++i + 1 < outcomes.size()) ASSERT_EQ(outcomes[i].kind, program::OutcomeKind::unbound);
  EXPECT_EQ(outcomes.back().kind, program::OutcomeKind::ok);
}

}  // namespace
}  // namespace shmcheck::executor
