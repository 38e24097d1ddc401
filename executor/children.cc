#include "executor/children.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

namespace shmcheck::executor {
namespace {

constexpr int kPatienceSeconds = 10;

pid_t program_group = 0;

void on_child(int) {
  __atomic_fetch_add(&control->event, 1, __ATOMIC_SEQ_CST);
}

void on_stop(int) {
  store(control->stopping, 1);
  on_child(0);
}

enum class Reap { one, none_yet, no_children };

Reap reap(Death& death) {
  siginfo_t info;
  info.si_pid = 0;
  long result = sys(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, nullptr);
  if (failed(result)) return Reap::no_children;
  if (info.si_pid == 0) return Reap::none_yet;
  bool exited = info.si_code == CLD_EXITED;
  death = {info.si_pid, exited ? 0 : info.si_status, exited ? info.si_status : 0};
  return Reap::one;
}

void signal_all() {
  if (target.private_pids) {
    sys(SYS_kill, -1, SIGKILL);
  } else if (program_group > 1) {
    sys(SYS_kill, -program_group, SIGKILL);
  }
}

}  // namespace

void watch_children() {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_child;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, nullptr);
  action.sa_handler = on_stop;
  action.sa_flags = 0;
  static_assert(kStopSignal == SIGUSR1);
  sigaction(kStopSignal, &action, nullptr);
}

void wake_supervisor() {
  on_child(0);
  wake(control->event);
}

bool next_death(Death& death) {
  return reap(death) == Reap::one;
}

void set_program_group(pid_t group) {
  program_group = group;
}

bool kill_all(void (*reaped)(const Death&)) {
  bool signalled = false;
  for (int waits = 0; waits <= kPatienceSeconds;) {
    Word seen = load(control->event);
    Death death;
    switch (reap(death)) {
      case Reap::no_children:
        return true;
      case Reap::one:
        reaped(death);
        break;
      case Reap::none_yet: {
        // Once is enough unless a fork was on its way, which a second round catches.
        if (!signalled || waits > 0) signal_all();
        signalled = true;
        const timespec second = {1, 0};
        if (sleep_while(control->event, seen, &second) == -ETIMEDOUT) ++waits;
        break;
      }
    }
  }
  return false;
}

}  // namespace shmcheck::executor
