// Ops that begin, end and change processes.
#include <sched.h>
#include <signal.h>

#include "executor/call.h"
#include "executor/fork.h"
#include "executor/process.h"
#include "executor/rejoin.h"

namespace shmcheck::executor {

// All processes are children of the supervisor, which can then wait for each. The child's pid is in its slot
// before clone returns, so that the supervisor knows the process however early it dies.
void perform_fork(Call& call) {
  std::uint8_t child = call.op.result;
  ProcessSlot& slot = control->process[child];
  pid_t old_pid = slot.pid;
  store(slot.turn, 0);
  store(slot.alive, 1);
  long pid = fork_for_supervisor(slot.pid);
  if (pid == 0) live_as(child);
  if (failed(pid)) {
    slot.pid = old_pid;
    store(slot.alive, 0);
  }
  settle_value(call, pid);
}

void perform_exit(Call& call) {
  sys(SYS_exit_group, call.op.byte);
}

// What succeeds is recorded by the new image: go_on_as.
void perform_exec(Call& call) {
  const char* const none[] = {nullptr};
  bool missing = static_cast<program::Image>(call.op.small) == program::Image::missing;
  settle(call, missing ? sys(SYS_execve, "no-such-image", none, none) : exec_as(call.op.proc));
}

void perform_kill(Call& call) {
  constexpr int kSignals[] = {SIGKILL, SIGTERM};
  ProcessSlot& victim = control->process[call.op.object];
  long result = sys(SYS_kill, victim.pid, kSignals[call.op.small]);
  settle(call, result);
  if (failed(result)) return;
  while (load(victim.alive) != 0) sleep_while(victim.alive, 1);
}

// What is left in a namespace that nobody is in any more goes with it.
void perform_unshare(Call& call) {
  settle(call, sys(SYS_unshare, CLONE_NEWIPC));
}

// The group ids first: without the capabilities they could not be changed any more. Nothing is done if the
// user is the process's own; a user that the target does not have is refused as an id that is not mapped.
void perform_setid(Call& call) {
  bool absent = call.op.byte != 0 && target.other_uid[call.op.byte - 1] == 0;
  if (absent) return settle(call, -EINVAL);
  std::uint32_t uid = call.op.byte == 0 ? target.uid : target.other_uid[call.op.byte - 1];
  std::uint32_t gid = call.op.byte == 0 ? target.gid : uid;
  if (sys(SYS_geteuid) == uid && sys(SYS_getegid) == gid) return;
  long result = sys(SYS_setgroups, 0, nullptr);
  if (!failed(result)) result = sys(SYS_setresgid, gid, gid, gid);
  if (!failed(result)) result = sys(SYS_setresuid, uid, uid, uid);
  tie_to_supervisor();
  settle(call, result);
}

}  // namespace shmcheck::executor
