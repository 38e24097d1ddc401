#include "harness/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/contain.h"

namespace shmcheck::harness {
namespace {

std::string from_errno(std::string_view what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

// Reads to the end of file. A short read cannot be told from an empty answer, which is what is wanted here.
std::string read_all(int fd) {
  std::string text;
  char buffer[512];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      return text;
    }
  }
}

}  // namespace

std::string describe_wait_status(int status) {
  if (WIFEXITED(status)) return fmt::format("exited with status {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  }
  return fmt::format("ended with wait status {:#x}", status);
}

Process::Process(Process&& other) noexcept {
  *this = std::move(other);
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    contained_ = other.contained_;
    end_ = std::move(other.end_);
    status_ = other.status_;
    ending_ = std::move(other.ending_);
  }
  return *this;
}

std::string Process::start(const Launch& launch) {
  kill();
  ending_.clear();
  int trouble[2], end[2];
  if (::pipe2(trouble, O_CLOEXEC) != 0) return from_errno("cannot make a pipe");
  Fd trouble_in(trouble[0]), trouble_out(trouble[1]);
  if (::pipe2(end, O_CLOEXEC) != 0) return from_errno("cannot make a pipe");
  end_ = Fd(end[0]);  // open until the child has seen that we live
  Fd end_out(end[1]);

  const Started started = start_child(launch, trouble_out.get(), end_out.get());
  if (started.pid < 0) {
    end_.reset();
    return started.error;
  }
  pid_ = started.pid;
  contained_ = started.contained;
  trouble_out.reset();
  end_out.reset();
  const std::string sentence = read_all(trouble_in.get());
  if (!contained_) end_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!sentence.empty()) kill();
  return sentence;
}

bool Process::ended() {
  if (!running()) return true;
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  // The init of a contained process passes on how the process below it ended.
  int inner = 0;
  const bool reported = contained_ && ::read(end_.get(), &inner, sizeof inner) == sizeof inner;
  if (!contained_) ::kill(-pid_, SIGKILL);  // what is left of its process group
  status_ = reported ? inner : status;
  ending_ = describe_wait_status(status_);
  pid_ = -1;
  end_.reset();
  return true;
}

bool Process::wait(Deadline deadline) {
  while (!ended()) {
    if (deadline.over()) return false;
    pollfd waiting = {end_fd(), POLLIN, 0};
    // Where the end cannot be waited for (before Linux 5.3) it is asked for.
    const Deadline limit = end_fd() >= 0 ? deadline : Deadline::in(milliseconds(10)).earlier(deadline);
    if (::poll(&waiting, 1, limit.poll_timeout()) <= 0 || !contained_) continue;
    // The init's status is there a moment before the init can be waited for.
    siginfo_t info = {};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  return true;
}

void Process::kill() {
  if (!running()) return;
  if (!contained_) ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  ended();
}

Followed follow(const Launch& launch, Deadline deadline, const std::function<void(std::string_view)>& output,
                const std::function<bool()>& interrupted) {
  constexpr milliseconds kLook{200};  // how often `interrupted` is asked
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return {false, 0, from_errno("cannot make a pipe")};
  Fd out_in(out[0]), out_out(out[1]);
  Launch with_pipe = launch;
  with_pipe.descriptors.push_back({out_out.get(), 1});
  with_pipe.descriptors.push_back({out_out.get(), 2});
  Process process;
  std::string sentence = process.start(with_pipe);
  if (!sentence.empty()) return {false, 0, std::move(sentence)};
  out_out.reset();
  const std::string late = fmt::format("{} did not end in time", launch.argv[0]);
  for (;;) {
    pollfd waiting = {out_in.get(), POLLIN, 0};
    const int ready = ::poll(&waiting, 1, Deadline::in(kLook).earlier(deadline).poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (interrupted && interrupted()) return {false, 0, "interrupted"};
    if (ready == 0 && deadline.over()) return {false, 0, late};
    if (ready == 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(out_in.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    output({buffer, static_cast<std::size_t>(n)});
  }
  if (!process.wait(deadline)) return {false, 0, late};
  return {true, process.status(), process.ending()};
}

Ran run_helper(const Launch& launch, Deadline deadline) {
  constexpr std::size_t kMost = 1024 * 1024;
  Ran ran;
  const Followed followed = follow(launch, deadline, [&ran](std::string_view text) {
    ran.output.append(text.substr(0, kMost - ran.output.size()));
  });
  const bool succeeded = followed.ended && followed.status == 0;
  if (followed.ended) ran.status = succeeded ? 0 : 1;
  if (!succeeded)
    ran.output +=
        followed.ended ? fmt::format("{} {}", launch.argv[0], followed.sentence) : followed.sentence;
  return ran;
}

}  // namespace shmcheck::harness
