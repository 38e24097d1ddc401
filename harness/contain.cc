#include "harness/contain.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace shmcheck::harness {
namespace {

constexpr int kPrompt = -20;  // nice value

constexpr int kFirstSafe = 200;  // descriptors that are moved out of the way go here

// What a child says before it gives up; the runner prints it.
[[noreturn]] void give_up(int trouble, std::string_view what) {
  const std::string sentence = fmt::format("{}: {}", what, std::strerror(errno));
  // If even this fails the runner sees an exit without an image, which it reports.
  if (::write(trouble, sentence.data(), sentence.size()) < 0) ::_exit(126);
  ::_exit(125);
}

bool write_text(const char* path, std::string_view text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return whole;
}

// The death of the runner is the death of the child. Between fork and prctl the runner may already have died;
// `end` tells: its read end is then closed.
void die_with_runner(int end) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd reader = {end, 0, 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) ::_exit(125);
}

void default_signals() {
  for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void place_descriptors(const Launch& launch, int& trouble) {
  trouble = ::fcntl(trouble, F_DUPFD_CLOEXEC, kFirstSafe);
  std::vector<Launch::Pass> moved;
  for (const int standard : {0, 1, 2}) moved.push_back({::open("/dev/null", O_RDWR | O_CLOEXEC), standard});
  for (const Launch::Pass& pass : launch.descriptors) moved.push_back(pass);
  for (Launch::Pass& pass : moved) {
    if (pass.from >= 0) pass.from = ::fcntl(pass.from, F_DUPFD_CLOEXEC, kFirstSafe);
  }
  for (const Launch::Pass& pass : moved) {
    if (pass.from < 0) continue;  // no /dev/null: the child inherits what the runner has
    if (::dup2(pass.from, pass.to) < 0) give_up(trouble, "cannot hand over a descriptor");
  }
}

// What the runner has open is none of the target's business.
void leave_descriptors(const Launch& launch) {
  constexpr int kFirst = 3, kLast = 1 << 20;
  if (::syscall(SYS_close_range, kFirst, kLast, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = kFirst; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // before Linux 5.11
  }
  for (const Launch::Pass& pass : launch.descriptors) ::fcntl(pass.to, F_SETFD, 0);
}

[[noreturn]] void execute(const Launch& launch, int trouble) {
  default_signals();
  place_descriptors(launch, trouble);
  leave_descriptors(launch);
  if (launch.core >= 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(launch.core), &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) give_up(trouble, "cannot pin the target to one core");
    // Each step of a guest waits for a switch between two processes: beside a busy neighbour on the core that
    // would be a time slice. Without the right to it, it is as slow as that.
    ::setpriority(PRIO_PROCESS, 0, kPrompt);
  }
  std::vector<char*> argv;
  for (const std::string& word : launch.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  for (const std::string& setting : launch.environment) ::putenv(const_cast<char*>(setting.c_str()));
  if (launch.image >= 0) {
    ::syscall(SYS_execveat, launch.image, "", argv.data(), environ, AT_EMPTY_PATH);
  } else {
    ::execvp(argv[0], argv.data());
  }
  give_up(trouble, fmt::format("cannot execute {}", launch.argv[0]));
}

void close_all_but(int keep) {
  const auto first = [](int low, int high) {
    if (low <= high && ::syscall(SYS_close_range, low, high, 0) == 0) return;
    for (int fd = low; fd <= std::min(high, 4096); ++fd) ::close(fd);
  };
  first(0, keep - 1);
  first(keep + 1, 1 << 20);
}

// Process 1 of the namespace: waits for the target, reaps what is left to it, and passes on how it ended.
// When it exits the host's kernel kills all that is left.
[[noreturn]] void be_init(pid_t target, int end) {
  close_all_but(end);
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(-1, &status, __WALL);
    if (got == target) {
      const bool told = ::write(end, &status, sizeof status) == sizeof status;
      ::_exit(told ? 0 : 1);
    }
    if (got < 0 && errno != EINTR) ::_exit(1);
  }
}

void put_file(const std::string& path, std::span<const std::uint8_t> content, int trouble) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  const bool whole =
      fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (!whole) give_up(trouble, fmt::format("cannot write {}", path));
  ::close(fd);
}

[[noreturn]] void contained_child(const Launch& launch, int trouble, int end) {
  die_with_runner(end);
  ::setsid();
  // Nothing mounted here may reach the host.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    give_up(trouble, "cannot make the mounts of the target private");
  }
  // So that /proc/self works in the new PID namespace. A host without /proc has no place for it: then the
  // target reports it as absent.
  ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  if (launch.scratch) {
    const std::string scratch = scratch_directory();
    if (::mount("shmcheck", scratch.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") != 0) {
      give_up(trouble, fmt::format("cannot mount a private tmpfs on {}", scratch));
    }
    for (const Launch::File& file : launch.files) put_file(scratch + "/" + file.name, file.content, trouble);
  }
  const pid_t target = ::fork();
  if (target < 0) give_up(trouble, "cannot fork");
  if (target == 0) execute(launch, trouble);
  be_init(target, end);
}

[[noreturn]] void plain_child(const Launch& launch, int trouble, int end) {
  die_with_runner(end);
  ::setsid();
  execute(launch, trouble);
}

pid_t fork_into(unsigned long namespaces) {
  return static_cast<pid_t>(::syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, 0));
}

// In a new user namespace the caller's ids are mapped to root's; the child waits on `gate` until it is done.
bool map_ids(pid_t child, uid_t uid, gid_t gid) {
  const std::string proc = fmt::format("/proc/{}/", child);
  write_text((proc + "setgroups").c_str(), "deny");  // absent before Linux 3.19
  return write_text((proc + "uid_map").c_str(), fmt::format("0 {} 1\n", uid)) &&
         write_text((proc + "gid_map").c_str(), fmt::format("0 {} 1\n", gid));
}

Started start_in_user_namespace(const Launch& launch, int trouble, int end) {
  int gate[2];
  Started started;
  if (::pipe2(gate, O_CLOEXEC) != 0) {
    started.error = fmt::format("cannot make a pipe: {}", std::strerror(errno));
    return started;
  }
  const pid_t pid = fork_into(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS);
  if (pid == 0) {
    ::close(gate[1]);
    char go = 0;
    if (::read(gate[0], &go, 1) != 1) ::_exit(125);
    contained_child(launch, trouble, end);
  }
  const int why = errno;
  Fd gate_in(gate[0]), gate_out(gate[1]);
  if (pid < 0) {
    started.error = fmt::format(
        "the target needs a PID namespace of its own, and this caller can make neither that nor a user "
        "namespace ({}); run as root",
        std::strerror(why));
    return started;
  }
  if (!map_ids(pid, ::getuid(), ::getgid()) || ::write(gate_out.get(), "g", 1) != 1) {
    started.error = fmt::format("cannot map the ids of a user namespace: {}", std::strerror(errno));
    gate_out.reset();
    ::waitpid(pid, nullptr, 0);
    return started;
  }
  started.pid = pid;
  started.contained = true;
  return started;
}

}  // namespace

std::string scratch_directory() {
  std::string any;
  for (const char* path : {"/mnt", "/srv", "/media", "/var/tmp", "/tmp", "/dev/shm", "/run"}) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error) || error) continue;
    // An empty one hides nothing that the target may want to read.
    if (std::filesystem::is_empty(path, error) && !error) return path;
    any = path;
  }
  return any;
}

bool can_contain() {
  const pid_t pid = fork_into(CLONE_NEWPID | CLONE_NEWNS);
  if (pid == 0) ::_exit(0);
  if (pid < 0) return false;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return true;
}

Started start_child(const Launch& launch, int trouble, int end) {
  Started started;
  if (launch.scratch && scratch_directory().empty()) {
    started.error =
        "the target needs a directory that a private tmpfs can cover: /tmp, /dev/shm, /run or /mnt";
    return started;
  }
  if (launch.contain != Contain::no) {
    started.pid = fork_into(CLONE_NEWPID | CLONE_NEWNS);
    if (started.pid == 0) contained_child(launch, trouble, end);
    started.contained = started.pid > 0;
    if (started.contained) return started;
    if (launch.contain == Contain::required) return start_in_user_namespace(launch, trouble, end);
  }
  started.pid = ::fork();
  if (started.pid == 0) plain_child(launch, trouble, end);
  if (started.pid < 0) started.error = fmt::format("cannot fork: {}", std::strerror(errno));
  return started;
}

}  // namespace shmcheck::harness
