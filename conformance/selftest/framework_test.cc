// The framework must call every kind of misbehaviour by its name: a test that cannot fail is worthless.

#include <stdio.h>
#include <sys/wait.h>

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using testing::HasSubstr;

struct Session {
  std::string text;
  int exit_code = -1;
};

Session RunMisbehaving(const std::string& options) {
  Session run;
  FILE* const pipe = popen(
      (std::string(MISBEHAVING_BINARY) + " --report-fd=3 " + options + " 3>&1 >/dev/null").c_str(), "r");
  if (pipe == nullptr) return run;
  char chunk[4096];
  for (size_t count = fread(chunk, 1, sizeof chunk, pipe); count > 0;
       count = fread(chunk, 1, sizeof chunk, pipe)) {
    run.text.append(chunk, count);
  }
  const int status = pclose(pipe);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

// Report blocks by test name: the TEST line and the lines that follow it.
std::map<std::string, std::string> Blocks(const std::string& report) {
  std::map<std::string, std::string> blocks;
  for (size_t at = 0; at < report.size();) {
    const size_t end = std::min(report.find("\nTEST ", at), report.size());
    const std::string block = report.substr(at, end - at);
    blocks[block.substr(5, block.find(' ', 5) - 5)] = block;
    at = end + 1;
  }
  return blocks;
}

struct Expected {
  const char* test;
  const char* verdict;
  const char* message;
};

constexpr Expected kExpected[] = {
    {"Good.Passes", "PASS", "access.read"},
    {"Good.SkipsByItself", "SKIP", "the pool is empty"},
    {"Good.LacksANeed", "SKIP", "kernel>=99.1: the kernel is"},
    {"Good.HelperGetsArgumentsAndTalks", "PASS", ""},
    {"Bad.WrongErrno", "FAIL", "fails with ENOMEM"},
    {"Bad.WrongErrno", "FAIL", "fails with EINVAL"},
    {"Bad.WrongErrno", "FAIL", "clause access.read: Loads from"},
    {"Bad.WrongErrno", "FAIL", "--gtest_filter=Bad.WrongErrno"},
    {"Bad.SuccessInsteadOfError", "FAIL", "fails with EACCES or EINVAL"},
    {"Bad.SuccessInsteadOfError", "FAIL", "returns 0"},
    {"Bad.WrongSignal", "FAIL", "raises SIGBUS/BUS_ADRERR"},
    {"Bad.WrongSignal", "FAIL", "SIGSEGV/SEGV_ACCERR at 0x"},
    {"Bad.WrongFaultAddress", "FAIL", "in the page of"},
    {"Bad.WrongByte", "FAIL", "whose byte 77 is 0x09, wanted 0x00"},
    {"Bad.FaultsOutsideAProbe", "FAIL", "an access outside every probe raised SIGSEGV/SEGV_ACCERR"},
    {"Bad.FaultsOutsideAProbe", "FAIL", "crash: the test process died by SIGSEGV"},
    {"Bad.Aborts", "FAIL", "crash: the test process died by SIGABRT"},
    {"Bad.Throws", "FAIL", "an exception ended the body: "},
    {"Bad.ChildThrows", "FAIL", "an exception ended the body: "},
    {"Bad.LeavesInMidTest", "FAIL", "left with exit code 0 in mid-test"},
    {"Bad.Hangs", "FAIL", "hang: the test had not ended after"},
    {"Bad.ChildFails", "FAIL", "succeeds"},
    {"Bad.HelperFails", "FAIL", "seen in the helper"},
    {"Bad.PeerEndsBeforeItsTurn", "FAIL", "the peer ended without giving its turn back"},
    {"Bad.SetUpFails", "FAIL", "set-up: mmap fails with EBADF"},
    {"Messy.LeavesAProcessOfAnotherSession", "PASS", ""},
    {"Messy.LeavesASegment", "PASS", ""},
};

TEST(Framework, CallsEveryMisbehaviourByItsName) {
  const Session run = RunMisbehaving("");
  const auto blocks = Blocks(run.text);
  EXPECT_EQ(run.exit_code, 1);
  for (const Expected& expected : kExpected) {
    const auto found = blocks.find(expected.test);
    ASSERT_NE(found, blocks.end()) << expected.test << " is not in the report:\n" << run.text;
    EXPECT_THAT(found->second, HasSubstr(std::string(expected.test) + " " + expected.verdict + " "));
    EXPECT_THAT(found->second, HasSubstr(expected.message));
  }
}

TEST(Framework, EveryTestIsReportedOnce) {
  const std::string report = "\n" + RunMisbehaving("").text;
  for (const Expected& expected : kExpected) {
    const std::string line = "\nTEST " + std::string(expected.test) + " ";
    const size_t first = report.find(line);
    ASSERT_NE(first, std::string::npos) << expected.test;
    EXPECT_EQ(report.find(line, first + 1), std::string::npos) << expected.test << " is reported twice";
  }
}

TEST(Framework, GoodTestsNeverFail) {
  const Session run = RunMisbehaving("--gtest_filter='Good.*'");
  EXPECT_EQ(run.exit_code, 0) << run.text;
  EXPECT_THAT(run.text, testing::Not(HasSubstr(" FAIL ")));
}

TEST(Framework, NothingIsLeftForTheNextTest) {
  for (const char* test : {"Good.DirectoryIsEmptyAgain/tmpfs", "Messy.FindsNothingLeft"}) {
    const auto blocks = Blocks(RunMisbehaving("--gtest_filter='Good.Dir*:Messy.*'").text);
    ASSERT_TRUE(blocks.contains(test));
    EXPECT_THAT(blocks.at(test), testing::AnyOf(HasSubstr(" PASS "), HasSubstr(" SKIP "))) << blocks.at(test);
  }
}

TEST(Framework, SpentBudgetIsReportedAsNotRun) {
  const Session run = RunMisbehaving("--budget-ms=300 --gtest_filter=Bad.Hangs:Bad.HelperFails");
  EXPECT_THAT(run.text, HasSubstr("TEST Bad.Hangs FAIL"));
  EXPECT_THAT(run.text,
              HasSubstr("TEST Bad.HelperFails NOTRUN 0 access.read\n| the budget of 300 ms is spent"));
}

// Time that runs out shall not cost a clause: places come again when every test has come.
TEST(Framework, WithABudgetNoTestComesAgainBeforeAllHaveCome) {
  constexpr const char* kElsewhere = "\nTEST Good.DirectoryIsEmptyForEveryTest/ext4 ";
  constexpr const char* kLast = "\nTEST Messy.FindsNothingLeft ";
  for (const char* filter : {"", " --gtest_filter='*'", " --gtest_filter='-Bad.Hangs'"}) {
    const std::string with = "\n" + RunMisbehaving(std::string("--budget-ms=60000") + filter).text;
    ASSERT_NE(with.find(kElsewhere), std::string::npos) << with;
    ASSERT_NE(with.find(kLast), std::string::npos) << with;
    EXPECT_GT(with.find(kElsewhere), with.find(kLast)) << filter;
    EXPECT_EQ(with.find(kElsewhere, with.find(kElsewhere) + 1), std::string::npos) << "it came twice";
    EXPECT_EQ(with.find("\nTEST Bad.Hangs ") == std::string::npos,
              std::string(filter).find("Hangs") != std::string::npos);
  }
  const std::string without = "\n" + RunMisbehaving("").text;
  EXPECT_LT(without.find(kElsewhere), without.find(kLast));
}

TEST(Framework, FilterThatMatchesNothingIsToldFromAUsageError) {
  EXPECT_EQ(RunMisbehaving("--gtest_filter=No.SuchTest 2>/dev/null").exit_code, 3);
}

TEST(Framework, ClausesChooseTheTestsThatNameThem) {
  const Session run = RunMisbehaving("--clauses=eof.one-byte-file,access.read --gtest_filter='Good.*'");
  EXPECT_THAT(run.text, HasSubstr("TEST Good."));
  EXPECT_EQ(RunMisbehaving("--clauses=eof.one-byte-file 2>/dev/null").exit_code, 3);
  EXPECT_EQ(RunMisbehaving("--clauses=access.raed 2>/dev/null").exit_code, 2);
}

TEST(Framework, UnknownOptionIsAUsageError) {
  EXPECT_EQ(RunMisbehaving("--no-such-option 2>/dev/null").exit_code, 2);
}

}  // namespace
