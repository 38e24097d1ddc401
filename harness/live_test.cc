// The command on real targets, in surroundings that lack something, and what it leaves behind when it is
// killed. Each run gets a mount and an IPC namespace of the test's own, so that what is there before and
// after can be compared to the last entry while others use the machine.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "harness/deadline.h"
#include "harness/fd.h"
#include "harness/ipc_run.h"
#include "harness/testing/room.h"

namespace shmcheck::harness {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kNoRights = 77;

struct Said {
  int code = -1;
  std::string text;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A run of the command in namespaces of its own, below a subreaper, so that "no process is left" means that
// no child is left.
class Surroundings {
 public:
  // Called in the child once it has its namespaces; false: it could not be prepared.
  using Prepare = std::function<bool()>;
  // Called while the command runs, with its pid, once it has printed what the target is.
  using Meanwhile = std::function<void(pid_t)>;

  static Said run(std::vector<std::string> words, const Prepare& prepare, const Meanwhile& meanwhile = {}) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    Fd in(ends[0]), out(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
      in.reset();
      ::_exit(keeper(std::move(words), prepare, meanwhile, std::move(out)));
    }
    out.reset();
    Said said;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(in.get(), buffer, sizeof buffer)) > 0;)
      said.text.append(buffer, static_cast<std::size_t>(n));
    int status = 0;
    ::waitpid(child, &status, 0);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said;
  }

 private:
  static std::string mounts() { return slurp("/proc/self/mountinfo"); }
  static std::string segments() { return slurp("/proc/sysvipc/shm"); }
  static std::string listing(const char* directory) {
    std::string names;
    for (const auto& entry : fs::directory_iterator(directory)) names += entry.path().string() + "\n";
    return names;
  }

  static bool own_namespaces() {
    if (::unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0) return false;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    return ::mount("test", "/dev/shm", "tmpfs", 0, "mode=1777") == 0;
  }

  // Loop devices whose file is an image of the run with this process id.
  static std::string loops(pid_t runner) {
    std::string found;
    for (const auto& entry : fs::directory_iterator("/sys/block")) {
      const std::string file = slurp(entry.path().string() + "/loop/backing_file");
      if (file.find("of shmcheck " + std::to_string(runner) + " ") != std::string::npos)
        found += entry.path().string() + "\n";
    }
    return found;
  }

  static void say(const Fd& out, const std::string& text) {
    if (::write(out.get(), text.data(), text.size()) < 0) ::_exit(1);
  }

  // Waits until no child is left; false if some live on.
  static bool all_gone() {
    const Deadline limit = Deadline::in(milliseconds(10'000));
    for (;;) {
      siginfo_t info = {};
      const int result = ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
      if (result != 0) return errno == ECHILD;
      if (info.si_pid == 0) {
        if (limit.over()) return false;
        ::poll(nullptr, 0, 5);
      }
    }
  }

  static int keeper(std::vector<std::string> words, const Prepare& prepare, const Meanwhile& meanwhile,
                    Fd out) {
    if (!own_namespaces()) return kNoRights;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const std::string shm = listing("/dev/shm"), before = mounts(),
                      room = listing(fs::temp_directory_path().c_str());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return 1;
    Fd from(ends[0]), to(ends[1]);
    words.insert(words.begin(), SHMCHECK_BINARY);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t runner = ::fork();
    if (runner == 0) {
      if (!prepare()) ::_exit(kNoRights);
      ::dup2(to.get(), 1);
      ::dup2(to.get(), 2);
      ::execv(argv[0], argv.data());
      ::_exit(126);
    }
    to.reset();
    const std::string mounts_prepared = mounts();
    forward(from, out, runner, meanwhile);
    int status = 0;
    ::waitpid(runner, &status, 0);
    if (!all_gone()) say(out, "LEFT processes\n");
    if (listing("/dev/shm") != shm) say(out, "LEFT in /dev/shm: " + listing("/dev/shm"));
    if (segments().find('\n') + 1 != segments().size()) say(out, "LEFT segments: " + segments());
    if (mounts() != mounts_prepared && mounts() != before) say(out, "LEFT mounts: " + mounts());
    const Deadline limit = Deadline::in(milliseconds(5'000));  // a loop device clears itself a moment later
    while (!loops(runner).empty() && !limit.over()) ::poll(nullptr, 0, 5);
    if (!loops(runner).empty()) say(out, "LEFT loop devices: " + loops(runner));
    std::istringstream now(listing(fs::temp_directory_path().c_str()));
    for (std::string name; std::getline(now, name);) {
      const bool ours =
          name.find("shmcheck") != std::string::npos && name.find("shmcheck-test") == std::string::npos;
      if (ours && room.find(name) == std::string::npos) say(out, "LEFT file " + name + "\n");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
  }

  static void forward(const Fd& from, const Fd& out, pid_t runner, const Meanwhile& meanwhile) {
    std::string text;
    bool done = !meanwhile;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(from.get(), buffer, sizeof buffer)) > 0;) {
      say(out, std::string(buffer, static_cast<std::size_t>(n)));
      text.append(buffer, static_cast<std::size_t>(n));
      if (done || text.find("judged   by") == std::string::npos) continue;
      meanwhile(runner);
      done = true;
    }
  }
};

class Live : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const bool uml = std::string(GetParam()) == "uml";
    if (uml && ::access("/usr/bin/linux.uml", X_OK) != 0) GTEST_SKIP() << "linux.uml is not installed";
    const Said said = Surroundings::run({"list", "targets"}, [] { return true; });
    if (said.code == kNoRights) GTEST_SKIP() << "this caller may not make mount and IPC namespaces";
  }

  static Said random(const Surroundings::Prepare& prepare, const Surroundings::Meanwhile& meanwhile = {},
                     const char* time = "100s", std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"random", "--target", GetParam(), "--time", time, "--seed", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return Surroundings::run(words, prepare, meanwhile);
  }
  static bool nothing() { return true; }
};
INSTANTIATE_TEST_SUITE_P(Targets, Live, ::testing::Values("kernel", "uml"));

bool is_below(pid_t root, pid_t pid) {
  for (pid_t at = pid; at > 1;) {
    if (at == root) return true;
    const std::string line = slurp("/proc/" + std::to_string(at) + "/stat");
    const std::size_t close = line.rfind(')');
    if (close == std::string::npos) return false;
    at = std::atoi(line.c_str() + close + 4);
  }
  return false;
}

// A process below `root` whose command line contains `word`; 0 if there is none. Nobody else's command line
// is read: that keeps the memory of a process, and its attaches, a moment longer than it lives.
pid_t find_below(pid_t root, std::string_view word) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && is_below(root, pid) &&
        slurp(entry.path().string() + "/cmdline").find(word) != std::string::npos)
      return pid;
  }
  return 0;
}

TEST_P(Live, HasTwoFileSystemsAndLeavesNothing) {
  const Said said = random(nothing, {}, "60s", {"--programs", "20"});
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("has      tmpfs, ext4"));
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

TEST_P(Live, KilledRunnerLeavesNothing) {
  const Said said = random(nothing, [](pid_t runner) { ::kill(runner, SIGKILL); });
  EXPECT_EQ(said.code, 99) << said.text;
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

TEST_P(Live, KilledTargetIsACrashAndLeavesNothing) {
  const char* word = std::string(GetParam()) == "uml" ? "uml_dir=" : "--in=0";
  pid_t victim = 0;
  const Said said = random(nothing,
                           [&victim, word](pid_t runner) {
                             victim = find_below(runner, word);
                             if (victim > 0) ::kill(victim, SIGKILL);
                           },
                           "15s", {"--first"});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_THAT(said.text, ::testing::AnyOf(HasSubstr("CRASH"), HasSubstr("FAIL"))) << said.text;
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

TEST_P(Live, InterruptedRunLeavesNothing) {
  const Said said = random(nothing, [](pid_t runner) { ::kill(runner, SIGINT); });
  EXPECT_THAT(said.text, HasSubstr("PARTIAL interrupted by SIGINT"));
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

// A guest is started anew, in order and by a crash; the others have nobody who would do it.
TEST_P(Live, MachinesThatAreStartedAnewLeaveNothing) {
  const std::string file = ::testing::TempDir() + "/reboots.prog";
  std::ofstream(file) << "p0 open f0 n0 access=rw flags=creat mode=600\n"
                         "p0 ftruncate f0 size=1p\n"
                         "p0 shm_open f1 o0 access=rw flags=creat mode=600\n"
                         "p0 shmget s0 key=k1 size=1p flags=creat mode=600\n"
                         "p0 reboot p0\n"
                         "p0 open f0 n0 access=rw flags=creat mode=600\n"
                         "p0 mmap m0 f0 len=1p prot=rw flags=shared\n"
                         "p0 reboot p1 how=crash\n"
                         "p1 shmctl s0 cmd=stat\n"
                         "p1 open f0 n0 access=rw flags=creat mode=600\n";
  const Said said = Surroundings::run({"run", "--target", GetParam(), file}, nothing);
  fs::remove(file);
  const bool uml = std::string(GetParam()) == "uml";
  EXPECT_EQ(said.code, uml ? 0 : 125) << said.text;
  EXPECT_THAT(said.text, HasSubstr(uml ? "2 run, 2 passed" : "0 run, 0 passed, 0 failed, 2 skipped"));
  EXPECT_EQ(said.text.find("absent   reboot: nobody") == std::string::npos, uml) << said.text;
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

TEST_P(Live, WithoutMkfsExt4IsAbsentWithEvidence) {
  const Said said = random(
      [] {
        const std::string real = fs::canonical("/usr/sbin/mkfs.ext4").string();
        return ::mount("/dev/null", real.c_str(), nullptr, MS_BIND, nullptr) == 0;
      },
      {}, "60s", {"--programs", "5"});
  EXPECT_THAT(said.text, HasSubstr("absent   ext4: no ext4 image could be made: cannot execute mkfs.ext4"));
  EXPECT_THAT(said.text, HasSubstr("has      tmpfs;"));
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
}

TEST_P(Live, TwoRunsAtOnce) {
  std::vector<std::string> words = {"random", "--target", GetParam(), "--time", "60s", "--programs", "10"};
  pid_t children[2];
  for (pid_t& child : children) {
    child = ::fork();
    if (child == 0) {
      const Said said = Surroundings::run(words, nothing);
      ::_exit(said.text.find("LEFT") != std::string::npos ? 50 : said.code);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1) << WEXITSTATUS(status);
  }
}

// --- the running kernel with less than it may have
// ------------------------------------------------------------

class Kernel : public Live {};
INSTANTIATE_TEST_SUITE_P(Targets, Kernel, ::testing::Values("kernel"));

TEST_P(Kernel, ClaimsCiteTheRunOfBenchIpcThatIsKept) {
  const Room cache;
  const std::string& room = cache.path;
  ASSERT_TRUE(fs::create_directory(room + "/shmcheck"));
  const auto claims = [&room](const std::string& time) {
    return Surroundings::run({"claims", "--time", time},
                             [&room] { return ::setenv("XDG_CACHE_HOME", room.c_str(), 1) == 0; });
  };
  EXPECT_THAT(claims("3s").text, HasSubstr("     measured no: there is no run of bench_ipc at " + room +
                                           "/shmcheck/ipc.json; "));
  IpcRun run;
  run.kernel = running_kernel();
  run.series = {{"file mapping", true, "futex", false, 1, {{1, {200}, {4}, {}}}},
                {"pipe", false, "", false, 1, {{1, {500}, {2}, {}}}}};
  cache.file("shmcheck/ipc.json", to_json(run));
  EXPECT_THAT(claims("3s").text,
              HasSubstr("     measured latency of 1 B, one core: 200 ns (file mapping, futex) against 500 ns "
                        "(pipe): 2.5 times as fast\n"));
}

TEST_P(Kernel, WithoutLoopDevicesExt4IsAbsentWithEvidence) {
  const Said said =
      random([] { return ::mount("/dev/null", "/dev/loop-control", nullptr, MS_BIND, nullptr) == 0; }, {},
             "60s", {"--programs", "5"});
  EXPECT_THAT(said.text, HasSubstr("absent   ext4: "));
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
}

// How many programs of the corpus were run, on all file systems together.
unsigned long programs_run(const Said& said) {
  const std::size_t at = said.text.find("\ncorpus ");
  return at == std::string::npos ? 0 : std::strtoul(said.text.c_str() + at + sizeof "\ncorpus ", nullptr, 10);
}

// The corpus on each that this kernel and this machine's mkfs have; of the others the evidence is shown.
TEST_P(Kernel, FileSystemsAreTakenByName) {
  const auto corpus = [](const char* names) {
    return Surroundings::run({"check", "--fs", names, "--part", "corpus", "--time", "60s"}, nothing);
  };
  const char* const names[] = {"ext4_1k", "xfs", "btrfs", "overlay"};
  const Said said = corpus("tmpfs,ext4_1k,xfs,btrfs,overlay");
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
  const std::string has = said.text.substr(0, said.text.find("; other uids"));
  unsigned present = 0;
  for (const std::string name : names) {
    const bool here = has.find(", " + name) != std::string::npos;
    present += here ? 1 : 0;
    EXPECT_TRUE(here || said.text.find("absent   " + name + ": ") != std::string::npos) << name << ":\n"
                                                                                        << said.text;
  }
  const unsigned long on_tmpfs = programs_run(corpus("tmpfs"));
  EXPECT_GT(on_tmpfs, 0U);
  EXPECT_GT(programs_run(said), present * on_tmpfs) << "there are some on each\n" << said.text;
  EXPECT_LE(programs_run(said), (1 + present) * on_tmpfs) << "and on no other one\n" << said.text;
}

// Tests are started as the executor is: what it starts itself may not be run by what the command names. This
// one lets the executor through and ends the tests.
TEST_P(Kernel, CommandRunsTheConformanceTestsAsWell) {
  const auto conformance = [](const std::string& wrapper) {
    return Surroundings::run({"check", "--target", "cmd:sh -c '" + wrapper + "exec \"$@\"' sh executor",
                              "--part", "conformance", "--tests", "Shmget.*", "--time", "60s"},
                             nothing);
  };
  const Said run = conformance("");
  EXPECT_EQ(run.code, 0) << run.text;
  EXPECT_THAT(run.text,
              ::testing::ContainsRegex("conformance +[1-9][0-9]* run, [1-9][0-9]* passed, 0 failed"));
  EXPECT_THAT(run.text, ::testing::Not(HasSubstr("LEFT"))) << run.text;
  const Said ended = conformance("case \"$1\" in *conformance) exit 9;; esac; ");
  EXPECT_EQ(ended.code, 1) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("it exited with status 9"));
  EXPECT_THAT(ended.text, ::testing::Not(HasSubstr("LEFT"))) << ended.text;
}

// An emulator of user programs has its host run what is executed, which must not pass for the emulator.
TEST_P(Kernel, EmulatorIsNotLeftByExec) {
  if (::access("/usr/bin/qemu-x86_64", X_OK) != 0)
    GTEST_SKIP() << "qemu-x86_64 is not installed (package qemu-user)";
  const Said said = Surroundings::run(
      {"random", "--target", "cmd:qemu-x86_64 executor", "--time", "20s", "--programs", "3", "--seed", "1"},
      nothing);
  EXPECT_THAT(said.text, HasSubstr("absent   exec: an emulator has its host run the new image"));
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT"))) << said.text;
}

TEST_P(Kernel, WithoutProc) {
  const Said said =
      random([] { return ::mount("test", "/proc", "tmpfs", 0, "") == 0; }, {}, "60s", {"--programs", "5"});
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
}

TEST_P(Kernel, WithoutDevShm) {
  const Said said = random(
      [] { return ::umount("/dev/shm") == 0 && ::mount("test", "/dev/shm", "tmpfs", MS_RDONLY, "") == 0; },
      {}, "60s", {"--programs", "5"});
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
}

// Root of a user namespace: no other users and no disk, and capabilities that do not hold for the machine.
TEST_P(Kernel, WithoutPrivilegeTheSameIsJudged) {
  constexpr unsigned kNobody = 65534;
  const Said said = random(
      [] {
        return ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
               ::setresuid(kNobody, kNobody, kNobody) == 0 && ::access(SHMCHECK_BINARY, X_OK) == 0;
      },
      {}, "60s", {"--programs", "2000"});
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr("uid 0 of a user namespace"));
  EXPECT_THAT(said.text, HasSubstr("absent   other users: "));
}

// A container that forbids what makes namespaces and mounts.
bool forbid_namespaces() {
  constexpr unsigned kErrno = SECCOMP_RET_ERRNO | EPERM;
  constexpr unsigned kNamespaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWUSER;
  constexpr auto kNumber = static_cast<unsigned>(offsetof(seccomp_data, nr));
  constexpr auto kFirst = static_cast<unsigned>(offsetof(seccomp_data, args));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFirst),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kNamespaces, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, kErrno),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_P(Kernel, WithoutNamespacesSaysSoAndTouchesNoForeignSegment) {
  int id = -1;
  const Said said = random(
      [&id] {
        id = ::shmget(0x5afe, 4096, IPC_CREAT | IPC_EXCL | 0600);
        void* at = ::shmat(id, nullptr, 0);
        if (at == reinterpret_cast<void*>(-1)) return false;
        *static_cast<char*>(at) = 'k';
        ::shmdt(at);
        return forbid_namespaces();
      },
      {}, "60s", {"--programs", "20"});
  EXPECT_TRUE(said.code == 0 || said.code == 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("absent   private IPC namespace: "));
  EXPECT_THAT(said.text, HasSubstr("shared IPC namespace"));
  // The test's own segment is the only one that is left.
  EXPECT_THAT(said.text, HasSubstr("LEFT segments"));
  EXPECT_THAT(said.text, HasSubstr(std::to_string(0x5afe)));
  EXPECT_THAT(said.text, ::testing::Not(HasSubstr("LEFT processes")));
}

TEST(Guest, NeedsNamespacesAndSaysSo) {
  const Said said = Surroundings::run({"random", "--target", "uml", "--time", "5s"}, forbid_namespaces);
  if (said.code == kNoRights) GTEST_SKIP() << "this caller may not make mount and IPC namespaces";
  EXPECT_EQ(said.code, 125) << said.text;
  EXPECT_THAT(said.text,
              ::testing::AnyOf(HasSubstr("needs a PID namespace of its own"), HasSubstr("is not installed")));
}

}  // namespace
}  // namespace shmcheck::harness
