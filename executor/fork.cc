#include "executor/fork.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "executor/control.h"
#include "executor/hello.h"

namespace shmcheck::executor {
namespace {

// What the helper process of an orphaning fork got. It shares the memory of the process that forks.
long orphan_pid = 0;

// Not inline: its frame must lie below that of the process that is suspended meanwhile. Returns in the orphan
// only.
[[gnu::noinline]] void fork_orphan(pid_t& pid, long flags) {
  long result = fork_raw(flags | CLONE_PARENT_SETTID, &pid);
  if (result == 0) return;
  orphan_pid = result;
  sys(SYS_exit_group, 0);
}

// Without CLONE_PARENT: a helper forks and ends, and the kernel gives its child to the supervisor. As with
// vfork(2) the helper runs in the memory of the process that forks, so neither mappings nor attachments
// change by it.
long fork_by_helper(pid_t& pid, long flags) {
  long helper = sys(SYS_clone, CLONE_VM | CLONE_VFORK, nullptr, nullptr, nullptr, nullptr);
  if (failed(helper)) return helper;
  if (helper == 0) {
    fork_orphan(pid, flags);
    return 0;
  }
  wait_for(helper);
  return orphan_pid;
}

// Whether a child of clone(CLONE_VM | CLONE_VFORK) is in the memory of its parent. An emulator of user
// programs forks.
bool helper_shares_memory() {
  static volatile bool was_here = false;
  long helper = sys(SYS_clone, CLONE_VM | CLONE_VFORK, nullptr, nullptr, nullptr, nullptr);
  if (helper == 0) {
    was_here = true;
    sys(SYS_exit_group, 0);
  }
  if (failed(helper)) return false;
  wait_for(helper);
  return was_here;
}

void prepare_helpers() {
  long result = sys(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  target.forks = !failed(result) && helper_shares_memory();
  if (failed(result))
    say_absent("fork", "without CLONE_PARENT, and with PR_SET_CHILD_SUBREAPER", result);
  else if (!target.forks)
    say_absent("fork", "without CLONE_PARENT, and vfork has a memory of its own");
}

}  // namespace

long fork_raw(long flags, pid_t* parent_tid) {
  // The order of the last arguments differs between architectures; they are not used.
  return sys(SYS_clone, flags | SIGCHLD, nullptr, parent_tid, nullptr, nullptr);
}

int wait_for(long child) {
  int status = -1;
  while (sys(SYS_wait4, child, &status, __WALL, nullptr) == -EINTR) {
  }
  return status;
}

long fork_for_supervisor(pid_t& pid, long flags) {
  if (target.has_clone_parent) return fork_raw(flags | CLONE_PARENT | CLONE_PARENT_SETTID, &pid);
  return fork_by_helper(pid, flags);
}

long prepare_forks(bool allow_clone_parent) {
  long child = fork_raw();
  if (failed(child)) return child;
  if (child == 0) {
    long sibling = fork_raw(CLONE_PARENT);
    if (sibling == 0) sys(SYS_exit_group, 0);
    bool is_mine = failed(sibling) || sys(SYS_wait4, sibling, nullptr, 0, nullptr) == sibling;
    sys(SYS_exit_group, is_mine ? 1 : 0);
  }
  int status = 0;
  for (long reaped = 0; reaped != -ECHILD;) {
    int its_status = 0;
    reaped = sys(SYS_wait4, -1, &its_status, __WALL, nullptr);
    if (reaped == child) status = its_status;
  }
  target.has_clone_parent = allow_clone_parent && status == 0;
  if (!target.has_clone_parent) prepare_helpers();
  return 0;
}

}  // namespace shmcheck::executor
