#include "bench/ipc/pair.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "bench/ipc/memory.h"

namespace shmcheck::bench {
namespace {

constexpr timespec kLongest = {30, 0};  // of one measurement, which takes a fraction of a second

sigset_t held_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

Channel* channels[2];  // of this process

// Whatever way it ends: its parent may be killed before it removes anything itself, and then nobody is left.
[[noreturn]] void leave(int status) {
  for (Channel* channel : channels) channel->abandon();
  _exit(status);
}

void on_end(int) {
  leave(1);
}

// A process that its parent leaves alone ends.
void end_with_parent(Channel& there, Channel& back, pid_t parent) {
  channels[0] = &there;
  channels[1] = &back;
  struct sigaction action = {};
  action.sa_handler = on_end;
  if (::sigaction(SIGTERM, &action, nullptr) != 0) fail("sigaction");
  const sigset_t set = held_signals();
  // Ctrl-C reaches the whole group; what it means is for the parent to say.
  for (const int signal : {SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);
  if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) fail("prctl");
  if (::sigprocmask(SIG_UNBLOCK, &set, nullptr) != 0) fail("sigprocmask");
  if (::getppid() != parent) leave(1);
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

void note(Desk& desk, const char* sentence, bool is_unavailable) {
  if (desk.has_sentence.exchange(true)) return;
  desk.is_unavailable = is_unavailable;
  std::strncpy(desk.sentence, sentence, sizeof desk.sentence - 1);
}

[[noreturn]] void be_process(const Task& task, bool leads, int cpu, pid_t parent) {
  try {
    end_with_parent(task.there, task.back, parent);
    pin(cpu);
    task.there.open(leads ? Side::sender : Side::receiver);
    task.back.open(leads ? Side::receiver : Side::sender);
    // Both have opened theirs before the first message.
    pthread_barrier_wait(&task.desk.both);
    leads ? lead(task) : follow(task);
  } catch (const Unavailable& why) {
    note(task.desk, why.what(), true);
    leave(1);
  } catch (const std::exception& error) {
    note(task.desk, error.what(), false);
    leave(1);
  }
  leave(0);
}

// The two, which end with it.
class Pair {
 public:
  Pair(const Task& task, Placement placement) : desk_(task.desk) {
    const pid_t self = ::getpid();
    for (const bool leads : {true, false}) {
      const pid_t pid = ::fork();
      if (pid < 0) {
        end();
        fail("fork");
      }
      if (pid == 0) be_process(task, leads, leads ? placement.first : placement.second, self);
      pids_[leads ? 0 : 1] = pid;
    }
  }
  ~Pair() { end(); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void wait() {
    const sigset_t set = held_signals();
    while (running()) {
      const int signal = ::sigtimedwait(&set, nullptr, &kLongest);
      if (signal < 0 && errno == EAGAIN) throw std::runtime_error("no end of it in 30 s");
      if (signal == SIGCHLD || (signal < 0 && errno == EINTR)) {
        reap();
      } else if (signal > 0) {
        throw Interrupted(fmt::format("interrupted by SIG{}", ::sigabbrev_np(signal)));
      } else {
        fail("sigtimedwait");
      }
    }
  }

 private:
  bool running() const { return pids_[0] > 0 || pids_[1] > 0; }

  void reap() {
    for (pid_t& pid : pids_) {
      int status = 0;
      if (pid <= 0 || ::waitpid(pid, &status, WNOHANG) != pid) continue;
      pid = 0;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
      if (desk_.has_sentence && desk_.is_unavailable) throw Unavailable(desk_.sentence);
      if (desk_.has_sentence) throw std::runtime_error(desk_.sentence);
      throw std::runtime_error(
          WIFSIGNALED(status) ? fmt::format("one of its processes was ended by signal {}", WTERMSIG(status))
                              : "one of its processes ended before its time");
    }
  }

  void end() {
    for (pid_t& pid : pids_) {
      if (pid <= 0) continue;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      pid = 0;
    }
  }

  Desk& desk_;
  std::array<pid_t, 2> pids_{};
};

class SharedDesk {
 public:
  SharedDesk() : memory_(Kind::anonymous, sizeof(Desk)), desk_(new (memory_.data()) Desk) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    errno = pthread_barrier_init(&desk_->both, &attributes, 2);
    if (errno != 0) fail("pthread_barrier_init");
  }
  Desk& operator*() const { return *desk_; }

 private:
  SharedMemory memory_;
  Desk* desk_;
};

}  // namespace

void hold_signals() {
  const sigset_t set = held_signals();
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) fail("sigprocmask");
}

Timing measure(const Mechanism& mechanism, std::size_t size, Placement placement,
               std::chrono::nanoseconds time) {
  const SharedDesk desk;
  const std::unique_ptr<Channel> there = mechanism.make(size), back = mechanism.make(size);
  const Task task{*there, *back, size, time, *desk};
  Pair pair(task, placement);
  pair.wait();
  return (*desk).timing;
}

}  // namespace shmcheck::bench
