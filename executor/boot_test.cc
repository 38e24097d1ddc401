// The executor as the first process of a guest: User-Mode Linux with an initramfs that holds nothing else.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "executor/driver.h"
#include "program/bytes.h"
#include "program/text.h"

namespace shmcheck::executor {
namespace {

namespace fs = std::filesystem;
using program::Frame;
using program::FrameType;

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

// A guest whose initramfs and disk lie in a room.
class Guest {
 public:
  static bool prepare(const std::string& at) {
    return shell("mkdir " + at + "/root && cp " + executor_path() + " " + at + "/root/init && cd " + at +
                 "/root && echo init | cpio --quiet -o -H newc >" + at + "/initramfs") &&
           shell("truncate -s 16M " + at + "/disk && mkfs.ext4 -q " + at + "/disk");
  }
  static std::vector<std::string> command(const std::string& at, const std::string& more = {}) {
    return {"/bin/sh", "-c",
            "exec unshare -pf --kill-child taskset -c 0 linux.uml mem=128M con=null con0=null,fd:2"
            " ssl0=fd:10,fd:11 umid=guest uml_dir=" +
                at + " initrd=" + at + "/initramfs ubd0=" + at + "/disk " + more +
                " </dev/null >/dev/null 2>" + at + "/console"};
  }
};

class Boot : public testing::Test {
 protected:
  void SetUp() override {
    if (!shell("command -v linux.uml >/dev/null")) GTEST_SKIP() << "command -v linux.uml: not installed";
    if (geteuid() != 0) GTEST_SKIP() << "unshare -pf needs root; the uid is " << geteuid();
    ASSERT_TRUE(Guest::prepare(at_));
  }
  Room room_;
  const std::string at_ = room_.path;
};

TEST_F(Boot, UserModeLinuxRunsPrograms) {
  {
    Driver driver(Guest::command(at_));
    std::ifstream console(at_ + "/console");
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

// The steps before a reboot are answered when the disk is unmounted; another machine with it does the others.
TEST_F(Boot, AProgramGoesOnInAnotherMachineWithTheSameDisk) {
  const auto program =
      std::get<program::Program>(program::parse_program("p0 open f0 n0 access=rw flags=creat mode=644\n"
                                                        "p0 pwrite f0 len=3 byte=0x41\n"
                                                        "p0 shmget s0 key=k1 size=1p flags=creat mode=600\n"
                                                        "p0 fork p1\n"
                                                        "p1 reboot p2\n"
                                                        "p0 shm_info\n"
                                                        "p2 shm_info\n"
                                                        "p2 shmctl s0 cmd=stat\n"
                                                        "p2 open f1 n0\n"
                                                        "p2 pread f1 len=4\n",
                                                        "test"));
  Frame steps;
  {
    Driver first(Guest::command(at_, "shmcheck.reboot=1"));
    ASSERT_EQ(first.facts.size(), 2U);
    EXPECT_TRUE(first.facts[1].reboot);
    first.send(program::run_frame(7, 1, program));
    steps = first.receive();
    ASSERT_EQ(steps.type, FrameType::reboot);
    EXPECT_EQ(steps.sequence, 7U);
    EXPECT_TRUE(first.at_end()) << "the machine goes down by itself";
    EXPECT_EQ(first.wait(), 0);
  }
  program::Result before, all;
  ASSERT_EQ(program::decode_result(steps.payload, before), "");
  ASSERT_EQ(before.outcomes.size(), 4U);

  Driver second(Guest::command(at_, "shmcheck.reboot=1"));
  // What is no such frame is refused, and leaves the disk as it is.
  program::Program other = program;
  other.ops.erase(other.ops.begin());
  const program::Bindings bindings = program::bindings_of(program, before.outcomes);
  second.send(program::resume_frame(8, 1, steps.payload, bindings, other));
  EXPECT_EQ(second.receive().type, FrameType::error);
  second.send({FrameType::resume, 9, {1, 2}});
  EXPECT_EQ(second.receive().type, FrameType::error);

  second.send(program::resume_frame(10, 1, steps.payload, bindings, program));
  const Frame answer = second.receive();
  ASSERT_EQ(answer.type, FrameType::result) << std::string(answer.payload.begin(), answer.payload.end());
  ASSERT_EQ(program::decode_result(answer.payload, all), "");
  ASSERT_EQ(all.outcomes.size(), program.ops.size() + 1);
  EXPECT_EQ(all.root_pid, before.root_pid);
  EXPECT_TRUE(std::equal(before.outcomes.begin(), before.outcomes.end(), all.outcomes.begin()));
  std::string seen;
  for (std::size_t i = 4; i < program.ops.size(); ++i)
    seen += to_text(all.outcomes[i], program.ops[i], second.facts.at(1)) + "\n";
  EXPECT_EQ(seen.substr(seen.find('\n')), "\nunbound\n0\nEINVAL\nok\n{3*41}\n");
  // The next program finds nothing of it.
  EXPECT_EQ(second.run("p0 open f0 n0\np0 shm_info\n", 1), "p0 open f0 n0 -> ENOENT\np0 shm_info -> 0\n");
}

}  // namespace
}  // namespace shmcheck::executor
