// The op `chattr`: what it makes append-only is gone with its program all the same.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

namespace fs = std::filesystem;
using program::AppendAttribute;

constexpr const char* kTaken = R"(
p0 open f0 n0 access=rw flags=creat mode=666 -> ok
p0 chattr n0 append=on -> ok
p0 ftruncate f0 size=1p -> EPERM
p0 unlink n0 -> EPERM
)";

TEST(Attributes, AreSetAndTakenAway) {
  if (shared_driver().facts.at(0).append != AppendAttribute::settable) GTEST_SKIP() << "not to be had";
  expect_trace(shared_driver(), R"(
p0 chattr n0 append=on -> ENOENT
p0 open f0 n0 access=rw flags=creat mode=666 -> ok
p0 chattr n0 append=on -> ok
p0 chattr n0 append=on -> ok
p0 open f1 n0 access=rw -> EPERM
p0 chattr n0 append=off -> ok
p0 open f1 n0 access=rw -> ok
p0 unlink n0 -> ok
)");
}

// However a program ends, the next finds none of its files.
TEST(Attributes, EndWithTheirProgram) {
  if (shared_driver().facts.at(0).append != AppendAttribute::settable) GTEST_SKIP() << "not to be had";
  for (const char* end : {"", "p0 exit -> died exit=0\n", "p0 kill p0 -> died SIGKILL\n",
                          "p0 store top 0x01 act=default -> died SIGSEGV\n"}) {
    expect_trace(shared_driver(), std::string(kTaken) + end);
    expect_trace(shared_driver(), "p0 open f0 n0 -> ENOENT\n");
  }
}

TEST(Attributes, OfFilesOfSeveralNamesAndUsers) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (facts.append != AppendAttribute::settable || facts.other_uid[0] == 0)
    GTEST_SKIP() << "not to be had, or no other user";
  expect_trace(shared_driver(), R"(
p0 fork p1 -> *
p1 setid user=u1 -> ok
p1 open f0 n0 access=rw flags=creat mode=600 -> ok
p1 link n0 to=n1 -> ok
p1 chattr n0 append=on -> EPERM
p1 chattr n0 append=off -> ok
p0 chattr n1 append=on -> ok
p1 link n0 to=n2 -> EPERM
p1 chattr n1 append=off -> EPERM
p1 exit -> died exit=0
)");
  expect_trace(shared_driver(), "p0 open f0 n0 -> ENOENT\np0 open f0 n1 -> ENOENT\n");
}

TEST(Attributes, OfFileSystemsOfOthersAreLeftAlone) {
  char name[] = "/tmp/shmcheck-chattr-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const fs::path room = name;
  {
    Driver driver(executor({"--no-namespaces", "--dir", "tmpfs=" + room.string()}));
    EXPECT_EQ(driver.facts.at(0).append, AppendAttribute::none);
    expect_trace(driver,
                 "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\np0 chattr n0 append=on -> withheld\n");
  }
  EXPECT_TRUE(fs::is_empty(room));
  fs::remove_all(room);
}

}  // namespace
}  // namespace shmcheck::executor
