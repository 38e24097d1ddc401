// The op `fill`: what it takes is given back, and it takes nothing of anybody else's.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

namespace fs = std::filesystem;

std::uint64_t free_blocks(const fs::path& path) {
  struct statvfs status = {};
  EXPECT_EQ(statvfs(path.c_str(), &status), 0);
  return status.f_bfree;
}

TEST(Fill, TakesWhatIsLeftAndGivesItBack) {
  if (!shared_driver().facts.at(0).fill) GTEST_SKIP() << "no tmpfs of its own";
  expect_trace(shared_driver(), R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 pwrite f0 len=2p byte=0x11 -> 8192
p0 blocks f0 -> 16
p0 blocks bad -> EBADF
p0 fill -> ok
p0 pwrite f0 len=1p byte=0x22 off=2p -> ENOSPC
p0 pwrite f0 len=1p byte=0x22 off=1p -> 4096
p0 open f1 n1 access=rw flags=creat mode=600 -> ok
p0 pwrite f1 len=1 byte=0x33 -> ENOSPC
p0 memfd f2 -> ok
p0 pwrite f2 len=1p byte=0x44 -> 4096
p0 fill left=all -> ok
p0 pwrite f1 len=1 byte=0x33 -> 1
)");
}

TEST(Fill, EndsWithItsProgram) {
  if (!shared_driver().facts.at(0).fill) GTEST_SKIP() << "no tmpfs of its own";
  for (const char* pages : {"1", "4", "16"}) {  // more than what the program before has left room for
    expect_trace(shared_driver(), fmt::format(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 fallocate f0 len={0}p -> ok
p0 fill -> ok
p0 pwrite f0 len=1p byte=0x11 off={0}p -> ENOSPC
p0 exit -> died exit=0
)",
                                              pages));
  }
}

// Whoever asks, and whatever the process may no more do itself.
TEST(Fill, IsNotAMatterOfTheProcess) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (!facts.fill || !facts.exec) GTEST_SKIP() << "no tmpfs of its own, or no exec";
  expect_trace(shared_driver(), R"(
p0 open f0 n0 access=rw flags=creat mode=666 -> ok
p0 rlimit what=fsize value=1p -> ok
p0 exec -> ok
p0 fill -> ok
p0 open f0 n0 access=rw -> ok
p0 pwrite f0 len=1 byte=0x11 -> ENOSPC
)");
  if (facts.other_uid[0] == 0) return;
  expect_trace(shared_driver(), R"(
p0 open f0 n0 access=rw flags=creat mode=666 -> ok
p0 setid user=u1 -> ok
p0 fill -> ok
p0 pwrite f0 len=1 byte=0x11 -> ENOSPC
p0 fill left=all -> ok
p0 pwrite f0 len=1 byte=0x11 -> 1
)");
}

TEST(Fill, LeavesFileSystemsOfOthersAlone) {
  char name[] = "/tmp/shmcheck-fill-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const fs::path room = name;
  {
    Driver driver(executor({"--no-namespaces", "--dir", "tmpfs=" + room.string()}));
    EXPECT_FALSE(driver.facts.at(0).fill);
    const std::uint64_t before = free_blocks(room);
    expect_trace(driver, "p0 fill -> withheld\np0 fill left=all -> withheld\n");
    EXPECT_GT(free_blocks(room), before / 2);
    bool said = false;
    for (const std::string& absent : driver.hello.absent) said |= absent.starts_with("full tmpfs: ");
    EXPECT_TRUE(said);
  }
  EXPECT_TRUE(fs::is_empty(room));
  fs::remove_all(room);
}

}  // namespace
}  // namespace shmcheck::executor
