// The executor as the first process of a guest: User-Mode Linux with an initramfs that holds nothing else.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

namespace fs = std::filesystem;

// A directory that vanishes with everything in it.
struct Room {
  Room() {
    char name[] = "/tmp/executor-boot-XXXXXX";
    if (mkdtemp(name) != nullptr) path = name;
  }
  ~Room() { fs::remove_all(path); }
  fs::path path;
};

bool shell(const std::string& command) {
  return std::system(command.c_str()) == 0;
}

TEST(Boot, UserModeLinuxRunsPrograms) {
  if (!shell("command -v linux.uml >/dev/null")) GTEST_SKIP() << "command -v linux.uml: not installed";
  if (geteuid() != 0) GTEST_SKIP() << "unshare -pf needs root; the uid is " << geteuid();
  Room room;
  const std::string at = room.path;
  ASSERT_TRUE(shell("mkdir " + at + "/root && cp " + executor_path() + " " + at + "/root/init && cd " + at +
                    "/root && echo init | cpio --quiet -o -H newc >" + at + "/initramfs"));
  ASSERT_TRUE(shell("truncate -s 16M " + at + "/disk && mkfs.ext4 -q " + at + "/disk"));
  const std::string kernel =
      "exec unshare -pf --kill-child taskset -c 0 linux.uml mem=128M con=null con0=null,fd:2"
      " ssl0=fd:10,fd:11 umid=guest uml_dir=" +
      at + " initrd=" + at + "/initramfs ubd0=" + at + "/disk </dev/null >/dev/null 2>" + at + "/console";
  {
    Driver driver({"/bin/sh", "-c", kernel});
    std::ifstream console(at + "/console");
    ASSERT_EQ(driver.facts.size(), 2U) << console.rdbuf();
    EXPECT_EQ(driver.facts[0].fs, program::FileSystem::tmpfs);
    EXPECT_EQ(driver.facts[1].fs, program::FileSystem::ext4);
    EXPECT_TRUE(driver.facts[0].private_ipc);
    for (std::uint8_t file_system = 0; file_system < 2; ++file_system) {
      expect_trace(driver, R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 ftruncate f0 size=1 -> ok
p0 mmap m0 f0 len=2p prot=rw flags=shared,fixed addr=a -> a+0p
p0 fork p1 -> *
p1 store a 0x41 -> ok
p0 contents a len=2p -> {1*41 4095*00 4096*SIGBUS/ADRERR}
p0 contents a len=2p via=kernel -> {1*41 4095*00 4096*EFAULT}
p1 load a+1p act=default -> died SIGBUS
p0 shmget s0 key=k1 size=1 flags=creat mode=600 -> *
p0 shmctl s0 cmd=stat -> {key=0x73686d01 * nattch=0}
p0 maps -> {a+0p..a+2p rw-s off=0p file n0}
)",
                   file_system);
    }
    const std::string argv[] = {"/init", "--nonsense"};
    EXPECT_EQ(run_command(driver, argv).substr(0, 34), "executor: unknown option --nonsens");
    driver.close_input();
    EXPECT_TRUE(driver.at_end());
    EXPECT_EQ(driver.wait(), 0);
  }
}

}  // namespace
}  // namespace shmcheck::executor
