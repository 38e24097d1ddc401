// Nothing is left behind: neither after an end of its own nor after SIGKILL at any moment.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A copy of the executor under a name that no other process has.
class Containment : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/executor-contain-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    room_ = name;
    fs::copy_file(executor_path(), room_ / "executor");
    mounts_ = read_file("/proc/self/mounts");
    segments_ = ids_of_segments();
    objects_ = names_of_objects();
  }
  void TearDown() override { fs::remove_all(room_); }

  std::vector<std::string> command(std::vector<std::string> options) const {
    std::vector<std::string> argv = executor(std::move(options));
    argv[0] = room_ / "executor";
    return argv;
  }

  bool make_image(const std::string& options = "") const {
    const std::string image = room_ / "image";
    return std::system(("truncate -s 8M " + image + " && mkfs.ext4 -q " + options + " " + image).c_str()) ==
           0;
  }

  // What is still there, or nothing.
  std::string left_behind() const {
    std::string out;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      // The command line is in the process's memory, and who reads it keeps that, and its attaches, a moment
      // longer than the process lives: other tests would see that.
      std::error_code none;
      if (fs::read_symlink(entry.path() / "exe", none).string().starts_with(room_.string())) {
        out += "process " + entry.path().filename().string() + "\n";
      }
    }
    for (const auto& entry : fs::directory_iterator("/sys/block")) {
      if (read_file(entry.path() / "loop/backing_file").starts_with(room_.string())) {
        out += entry.path().filename().string() + "\n";
      }
    }
    if (read_file("/proc/self/mounts") != mounts_) out += "a mount\n";
    if (ids_of_segments() != segments_) out += "a segment\n";
    out += objects();
    for (const auto& entry : fs::directory_iterator(room_)) {
      std::string name = entry.path().filename();
      if (name != "executor" && name != "image") out += "file " + name + "\n";
    }
    return out;
  }

  // The kernel takes a moment to tear namespaces and loop devices down.
  void ExpectNothingLeft() const {
    auto deadline = Clock::now() + std::chrono::seconds(20);
    std::string left = left_behind();
    while (!left.empty() && Clock::now() < deadline) left = left_behind();
    EXPECT_EQ(left, "");
  }

 private:
  // Keys are ours to look at only: other tests may come and go.
  static std::string ids_of_segments() {
    std::ifstream file("/proc/sysvipc/shm");
    std::string line, out;
    while (std::getline(file, line)) {
      if (line.find("1936223488") != std::string::npos || line.find("19362234") != std::string::npos)
        out += line;
    }
    return out;
  }

  static std::set<std::string> names_of_objects() {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator("/dev/shm")) {
      std::string name = entry.path().filename();
      if (name.starts_with("shmcheck-o")) names.insert(std::move(name));
    }
    return names;
  }

 protected:
  // Objects with names of programs that were not there before.
  std::string objects() const {
    std::string out;
    for (const std::string& name : names_of_objects()) {
      if (!objects_.contains(name)) out += "object " + name + "\n";
    }
    return out;
  }

  fs::path room_;

 private:
  std::string mounts_, segments_;
  std::set<std::string> objects_;
};

program::Program busy_program() {
  std::string text = R"(
p0 open f0 n0 access=rw flags=creat mode=644
p0 ftruncate f0 size=4p
p0 mmap m0 f0 len=4p prot=rw flags=shared
p0 shmget s0 key=k1 size=1p flags=creat mode=600
p0 shmat m1 s0
p0 shm_open f1 o0 access=rw flags=creat mode=600
p0 shm_open f2 o3 access=rw flags=creat mode=600
p0 chattr n0 append=on
p0 fork p1
p1 fork p2
)";
  for (int i = 0; i < 200; ++i)
    text += fmt::format("p{} store m0+{} 0x01\np{} load m1\n", i % 3, i, (i + 1) % 3);
  return std::get<program::Program>(program::parse_program(text, "test"));
}

TEST_F(Containment, AnOrderlyEndLeavesNothing) {
  const bool image = make_image();
  {
    std::vector<std::string> options;
    if (image) options.push_back("--disk=ext4=" + (room_ / "image").string());
    Driver driver(command(options));
    if (image && driver.facts.size() != 2) {
      for (const std::string& absent : driver.hello.absent) ADD_FAILURE() << absent;
    }
    for (std::uint32_t i = 0; i < 20; ++i) {
      auto file_system = static_cast<std::uint8_t>(i % driver.facts.size());
      driver.send(program::run_frame(i, file_system, busy_program()));
      EXPECT_EQ(driver.receive().type, program::FrameType::result);
    }
  }
  ExpectNothingLeft();
}

// Blocks as large as pages, or smaller ones, of which a target cannot say when they were written.
TEST_F(Containment, StorageIsReadAndLeftAlone) {
  const std::string image = "--disk=ext4=" + (room_ / "image").string();
  for (const char* blocks : {"-b 4096", "-b 1024"}) {
    if (geteuid() != 0 || !make_image(blocks)) GTEST_SKIP() << "not root, or no mkfs.ext4";
    Driver driver(command({image}));
    if (driver.facts.size() != 2) GTEST_SKIP() << "no loop device";
    const bool whole = driver.facts[1].fs_block == driver.facts[1].page_size;
    EXPECT_EQ(driver.facts[1].stored, whole) << blocks;
    if (!whole) {
      expect_trace(driver, "p0 open f0 n0 flags=creat -> ok\np0 stored f0 len=1 -> withheld\n", 1);
      continue;
    }
    expect_trace(driver, R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 stored f0 len=1 -> {1*00}
p0 pwrite f0 len=1p+10 byte=0x41 -> 4106
p0 fsync f0 -> ok
p0 pwrite f0 len=3 byte=0x42 off=3p+1 -> 3
p0 fsync f0 how=data -> ok
p0 stored f0 len=4p off=4 -> {4102*41 8183*00 3*42 4096*00}
p0 ftruncate f0 size=2 -> ok
p0 fsync f0 -> ok
p0 stored f0 len=2p -> {2*41 8190*00}
p0 stored f0 len=0 -> EINVAL
p0 stored f0 len=1 off=half -> EFBIG
p0 exec -> ok
p0 stored f0 len=1p -> {2*41 4094*00}
)",
                 1);
    // What is not written yet, allocated and never written, and more pieces than are asked for at a time.
    std::string pieces = R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 pwrite f0 len=1p byte=0x41 -> 4096
p0 stored f0 len=2p -> {8192*00}
p0 fallocate f0 len=1p off=1p -> ok
p0 fsync f0 -> ok
p0 stored f0 len=2p -> {4096*41 4096*00}
)",
                stored = "{4096*41 4096*00";
    for (int page = 2; page < 48; page += 2) {
      pieces += fmt::format("p0 pwrite f0 len=1p byte=0x42 off={}p -> 4096\n", page);
      stored += " 4096*42 4096*00";
    }
    expect_trace(driver, pieces + "p0 fsync f0 -> ok\np0 stored f0 len=48p -> " + stored + "}\n", 1);
  }
  ExpectNothingLeft();
}

TEST_F(Containment, RangesAreTakenOutAndPutInWhereTheFileSystemCan) {
  if (geteuid() != 0 || !make_image()) GTEST_SKIP() << "not root, or no mkfs.ext4";
  {
    Driver driver(command({"--disk=ext4=" + (room_ / "image").string()}));
    if (driver.facts.size() != 2) GTEST_SKIP() << "no loop device";
    const std::uint64_t block = driver.facts[1].fs_block, page = driver.facts[1].page_size;
    if (page % block != 0) GTEST_SKIP() << "pages of " << page << " bytes, blocks of " << block;
    expect_trace(driver, R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 pwrite f0 len=1p byte=0x41 -> 4096
p0 pwrite f0 len=1p byte=0x42 off=1p -> 4096
p0 pwrite f0 len=1p byte=0x43 off=2p -> 4096
p0 fallocate f0 len=1p off=1p how=collapse -> ok
p0 pread f0 len=3p -> {4096*41 4096*43}
p0 fallocate f0 len=1p off=1p how=insert -> ok
p0 pread f0 len=3p -> {4096*41 4096*00 4096*43}
)",
                 1);
  }
  ExpectNothingLeft();
}

TEST_F(Containment, ProgramsUnmountTheirFileSystem) {
  if (geteuid() != 0 || !make_image("-b 4096")) GTEST_SKIP() << "not root, or no mkfs.ext4";
  {
    Driver driver(command({"--disk=ext4=" + (room_ / "image").string()}));
    if (driver.facts.size() != 2) GTEST_SKIP() << "no loop device";
    EXPECT_FALSE(driver.facts[0].remounts);
    EXPECT_TRUE(driver.facts[1].remounts);
    expect_trace(driver, "p0 remount -> withheld\n");
    const char* const program = R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 ftruncate f0 size=1p -> ok
p0 mmap m0 f0 len=1p prot=rw flags=shared -> 0x*
p0 store m0 0x41 -> ok
p0 remount -> EBUSY
p0 remount how=ro -> EBUSY
p0 close f0 -> ok
p0 fork p1 -> *
p0 munmap m0 len=1p -> ok
p0 remount -> EBUSY
p0 kill p1 -> ok
p0 remount -> ok
p0 open f0 n0 -> ok
p0 pread f0 len=1p -> {1*41 4095*00}
p0 remount how=ro -> ok
p0 open f1 n1 access=rw flags=creat mode=600 -> ok
p0 setid user=u1 -> ok
p0 remount -> EPERM
)";
    // Its files are gone each time, and nothing of one program keeps the file system of the next.
    for (int i = 0; i < 3; ++i) expect_trace(driver, program, 1);
    expect_trace(driver, "p0 open f0 n0 -> ENOENT\np0 remount -> ok\n", 1);
    // What fills it up is there until it is given back, or its program is over.
    expect_trace(driver, R"(
p0 fill -> ok
p0 remount -> EBUSY
p0 remount how=ro -> EBUSY
p0 fill left=all -> ok
p0 remount -> ok
p0 fill -> ok
)",
                 1);
    expect_trace(driver,
                 "p0 remount -> ok\np0 fill -> ok\np0 fill -> ok\np0 fill left=all -> ok\np0 remount -> ok\n",
                 1);
  }
  ExpectNothingLeft();
}

// Segments of others are not the program's, where the namespace is theirs as well.
TEST_F(Containment, WithoutNamespacesForeignSegmentsAreNotShown) {
  const int foreign = ::shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
  ASSERT_GE(foreign, 0);
  {
    Driver driver(command({"--no-namespaces", "--dir", "tmpfs=" + room_.string()}));
    expect_trace(driver, R"(
p0 sysvipc -> {}
p0 shmget s0 key=private size=2p mode=600 -> *
p0 sysvipc -> {* {key=0x0 * segsz=8192 * {rss=0 swap=0}}
)");
    const std::string seen = driver.run("p0 shmget s0 key=private size=2p mode=600\np0 sysvipc\n");
    EXPECT_EQ(seen.find(';'), std::string::npos) << seen;
  }
  ::shmctl(foreign, IPC_RMID, nullptr);
  ExpectNothingLeft();
}

TEST_F(Containment, WithoutNamespacesAnOrderlyEndLeavesNothing) {
  for (const char* forks : {"--op-timeout-ms=3000", "--no-clone-parent"}) {
    Driver driver(command({forks, "--no-namespaces", "--dir", "tmpfs=" + room_.string()}));
    EXPECT_FALSE(driver.facts.at(0).private_ipc);
    EXPECT_FALSE(driver.facts.at(0).set_limits);
    EXPECT_FALSE(driver.facts.at(0).ipc_namespaces);
    EXPECT_FALSE(driver.facts.at(0).pid_namespaces);
    // A value that changes nothing of the host should it get through.
    expect_trace(driver,
                 "p0 limit what=rmid_forced value=2 -> withheld\np0 limits what=shmmax -> withheld\n"
                 "p0 unshare -> withheld\np0 fork p1 new=pid -> withheld\n");
    EXPECT_TRUE(driver.facts.at(0).shm_objects);
    driver.send(program::run_frame(1, 0, busy_program()));
    EXPECT_EQ(driver.receive().type, program::FrameType::result);
    EXPECT_EQ(objects(), "");
    expect_trace(
        driver, "p0 fork p1 -> *\np0 kill p1 -> ok\np0 exit status=3 -> died exit=3\np0 load a -> unbound\n");
  }
  ExpectNothingLeft();
}

TEST_F(Containment, AnUnprivilegedCallerGetsAUserNamespaceOrAReason) {
  if (geteuid() != 0) GTEST_SKIP() << "the uid is " << geteuid() << ", so the other tests show it";
  std::vector<std::string> argv = command({});
  fs::permissions(room_, fs::perms::all);
  argv.insert(argv.begin(), {"/usr/bin/setpriv", "--reuid=60001", "--regid=60001", "--clear-groups"});
  {
    Driver driver(argv);
    ASSERT_EQ(driver.facts.size(), 1U);
    bool reason = false;
    for (const std::string& absent : driver.hello.absent) reason |= absent.starts_with("user namespace");
    EXPECT_NE(driver.facts[0].private_ipc, reason);
    EXPECT_EQ(driver.facts[0].other_uid[0], 0U);
    expect_trace(driver, R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 fstat f0 -> {size=0 links=1 mode=100644 *}
p0 shmget s0 key=private size=1 mode=600 -> *
p0 fork p1 -> *
p1 setid user=u1 -> EINVAL
p0 kill p1 -> ok
)");
  }
  ExpectNothingLeft();
}

// Which of the two processes dies first, and when, is the seed's choice.
TEST_F(Containment, SigkillAtAnyMomentLeavesNothing) {
  if (geteuid() != 0)
    GTEST_SKIP() << "without root there is no IPC namespace for certain; the uid is " << geteuid();
  const bool image = make_image();
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> options;
    if (image) options.push_back("--disk=ext4=" + (room_ / "image").string());
    const bool early = random() % 4 == 0;
    Driver driver(command(options), !early);
    for (std::uint32_t i = 0; i < 20 && !early; ++i) {
      driver.send(program::run_frame(i, static_cast<std::uint8_t>(i % driver.facts.size()), busy_program()));
    }
    auto moment = Clock::now() + std::chrono::microseconds(random() % 8000);
    while (Clock::now() < moment) {
    }
    pid_t victim = driver.pid();
    if (random() % 2 == 0) {
      std::vector<pid_t> inner = children_of(driver.pid());
      if (!inner.empty()) victim = inner[0];
    }
    kill(victim, SIGKILL);
    while (!driver.at_end()) driver.receive();
    driver.wait();
    ExpectNothingLeft();
  }
}

// No core is dumped, and no handler of core_pattern started, for those who die by the dozen: /proc shows a
// process that dumps none as root's, whoever it is.
TEST_F(Containment, ProcessesOfProgramsDumpNoCore) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has another user for a process; the uid is " << geteuid();
  Driver driver(command({}));
  std::string text = R"(
p0 setid user=u1
p0 mmap m0 - len=64p prot=r flags=private,anon,populate
)";
  for (int i = 0; i < 10000; ++i) text += "p0 contents m0 len=64p\n";  // far longer than looking takes
  driver.send(program::run_frame(1, 0, std::get<program::Program>(program::parse_program(text, "test"))));
  struct stat status {};
  const auto end = Clock::now() + std::chrono::seconds(20);
  for (bool looked = false; !looked;) {
    ASSERT_LT(Clock::now(), end) << "no process was seen as another user";
    for (pid_t process : children_of(children_of(driver.pid()).at(0))) {
      const std::string own = "/proc/" + std::to_string(process);
      if (read_file(own + "/status").find("\nUid:\t60001\t") == std::string::npos) continue;
      kill(process, SIGSTOP);
      looked = stat((own + "/mem").c_str(), &status) == 0;
    }
  }
  EXPECT_EQ(status.st_uid, 0U);
}

// The program would go on for ten minutes: its process is stopped.
TEST_F(Containment, AHostThatIsGoneEndsAProgramThatRuns) {
  {
    Driver driver(command({"--op-timeout-ms=600000"}));
    program::Program program;
    program.ops.assign(program::kMaxOps, program::Op{});
    driver.send(program::run_frame(1, 0, program));
    std::vector<pid_t> processes;
    while (processes.empty()) processes = children_of(children_of(driver.pid()).at(0));
    ASSERT_EQ(kill(processes.at(0), SIGSTOP), 0);
  }
  ExpectNothingLeft();
}

}  // namespace
}  // namespace shmcheck::executor
