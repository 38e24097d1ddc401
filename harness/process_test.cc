// Nothing of a target outlives its runner, whatever ends which of them.

#include "harness/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;

Deadline soon() {
  return Deadline::in(milliseconds(20'000));
}

Launch shell(const std::string& script, Contain contain = Contain::no) {
  Launch launch;
  launch.argv = {"sh", "-c", script};
  launch.contain = contain;
  return launch;
}

// A pipe that tells when the last process that holds its write end has gone.
struct Life {
  Fd read, write;
  Life() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
  }
  bool over(Deadline deadline = soon()) {
    write.reset();
    pollfd waiting = {read.get(), POLLIN, 0};
    return ::poll(&waiting, 1, deadline.poll_timeout()) == 1 && (waiting.revents & POLLHUP) != 0;
  }
};

class ProcessTest : public ::testing::TestWithParam<Contain> {
 protected:
  void SetUp() override {
    if (GetParam() != Contain::no && !can_contain())
      GTEST_SKIP() << "this caller may not make a PID namespace";
  }
};
INSTANTIATE_TEST_SUITE_P(Both, ProcessTest, ::testing::Values(Contain::no, Contain::required));

TEST_P(ProcessTest, TellsHowItEnded) {
  Process process;
  ASSERT_EQ(process.start(shell("exit 3", GetParam())), "");
  ASSERT_TRUE(process.wait(soon()));
  EXPECT_EQ(process.ending(), "exited with status 3");
  ASSERT_EQ(process.start(shell("kill -SEGV $$", GetParam())), "");
  ASSERT_TRUE(process.wait(soon()));
  EXPECT_THAT(process.ending(), HasSubstr("was killed by signal 11"));
}

TEST_P(ProcessTest, SaysWhyItCannotStart) {
  Launch launch = shell("", GetParam());
  launch.argv = {"/no/such/file"};
  Process process;
  EXPECT_THAT(process.start(launch), HasSubstr("cannot execute /no/such/file: No such file or directory"));
  EXPECT_FALSE(process.running());
}

TEST_P(ProcessTest, KillTakesWhatItStarted) {
  Life life;
  Launch launch = shell("sleep 1000 & sleep 1000", GetParam());
  launch.descriptors = {{life.write.get(), 9}};
  Process process;
  ASSERT_EQ(process.start(launch), "");
  process.kill();
  EXPECT_TRUE(life.over());
}

TEST_P(ProcessTest, ItsEndTakesWhatItStarted) {
  Life life;
  Launch launch = shell("sleep 1000 & exit 0", GetParam());
  launch.descriptors = {{life.write.get(), 9}};
  Process process;
  ASSERT_EQ(process.start(launch), "");
  ASSERT_TRUE(process.wait(soon()));
  EXPECT_TRUE(life.over());
}

// In a process group of its own, or behind a double fork, a process escapes everything but its namespace.
TEST(Process, ContainmentHoldsDaemons) {
  if (!can_contain()) GTEST_SKIP() << "this caller may not make a PID namespace";
  Life life;
  Launch launch = shell("setsid sh -c 'sleep 1000 & sleep 1000' & exit 0", Contain::required);
  launch.descriptors = {{life.write.get(), 9}};
  Process process;
  ASSERT_EQ(process.start(launch), "");
  ASSERT_TRUE(process.wait(soon()));
  EXPECT_TRUE(life.over());
}

TEST_P(ProcessTest, DiesWithARunnerThatIsKilled) {
  Life life, started;
  const pid_t runner = ::fork();
  ASSERT_GE(runner, 0);
  if (runner == 0) {
    Process process;
    Launch launch = shell("exec sleep 1000", GetParam());
    launch.descriptors = {{life.write.get(), 9}};
    const bool good = process.start(launch).empty() && ::write(started.write.get(), "s", 1) == 1;
    if (!good) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  started.write.reset();
  ASSERT_EQ(::read(started.read.get(), &byte, 1), 1);
  ::kill(runner, SIGKILL);
  ::waitpid(runner, nullptr, 0);
  EXPECT_TRUE(life.over());
}

TEST(Process, ScratchIsSeenByTheTargetOnly) {
  if (!can_contain()) GTEST_SKIP() << "this caller may not make a PID namespace";
  const std::string scratch = scratch_directory();
  const std::string content = "#!/bin/sh\nexit 5\n";
  Launch launch =
      shell(scratch + "/probe; test $? = 5 && test ! -e " + scratch + "/other", Contain::required);
  launch.scratch = true;
  launch.files = {{"probe", {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}}};
  const Ran ran = run_helper(launch, soon());
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_FALSE(std::filesystem::exists(scratch + "/probe"));
}

TEST(Process, GivesNoOtherDescriptors) {
  Fd open_here(::open("/dev/null", O_RDONLY));
  const Ran ran = run_helper(shell("ls /proc/self/fd | wc -l"), soon());
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(std::stoi(ran.output), 4) << ran.output;  // 0, 1, 2 and the directory
}

TEST(RunHelper, ReportsOutputAndFailure) {
  Ran ran = run_helper(shell("echo out; echo err >&2; exit 2"), soon());
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.output, HasSubstr("out\nerr\n"));
  EXPECT_THAT(ran.output, HasSubstr("exited with status 2"));
  ran = run_helper(shell("sleep 1000"), Deadline::in(milliseconds(100)));
  EXPECT_EQ(ran.status, -1);
  EXPECT_THAT(ran.output, HasSubstr("did not end in time"));
}

}  // namespace
}  // namespace shmcheck::harness
