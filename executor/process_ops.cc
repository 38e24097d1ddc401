// Ops that begin, end and change processes.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include "executor/call.h"
#include "executor/children.h"
#include "executor/fork.h"
#include "executor/namespaces.h"
#include "executor/process.h"
#include "executor/rejoin.h"
#include "executor/small_file.h"
#include "executor/text.h"
#include "program/users.h"

namespace shmcheck::executor {

// All processes are children of the supervisor, which can then wait for each. The child's pid is in its slot
// before clone returns, so that the supervisor knows the process however early it dies.
void perform_fork(Call& call) {
  std::uint8_t child = call.op.result;
  ProcessSlot& slot = control->process[child];
  const bool new_pids = static_cast<program::ForkInto>(call.op.small) == program::ForkInto::new_pids;
  pid_t old_pid = slot.pid;
  slot.standing = {new_pids, control->process[call.op.proc].standing.own_users};
  store(slot.turn, 0);
  store(slot.alive, 1);
  long pid = fork_for_supervisor(slot.pid, new_pids ? CLONE_NEWPID : 0);
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
  if (static_cast<program::Unshare>(call.op.small) == program::Unshare::ipc)
    return settle(call, sys(SYS_unshare, CLONE_NEWIPC));
  control->process[call.op.proc].standing.own_users = true;  // also if only its maps are refused
  settle(call, become_root_of_new_users());
  tie_to_supervisor();
}

// The namespace of a process that is alive, though it may have no turn.
void perform_setns(Call& call) {
  const pid_t pid = control->process[call.op.object].pid;
  const bool by_file = static_cast<program::Join>(call.op.small) == program::Join::file;
  Text<64> path;
  path << "/proc/" << static_cast<int>(pid) << "/ns/ipc";
  const long fd =
      by_file ? sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC) : sys(SYS_pidfd_open, pid, 0);
  if (failed(fd)) return settle(call, fd);
  settle(call, sys(SYS_setns, fd, CLONE_NEWIPC));
  sys(SYS_close, fd);
}

// The supervisor does the rest, and the machine that is started then records that the step worked.
void perform_reboot(Call& call) {
  store(control->rebooting, 1);
  wake_supervisor();
  Word& turn = control->process[call.op.proc].turn;
  for (;;) sleep_while(turn, load(turn));
}

// The group ids first: without the capabilities they could not be changed any more. Nothing is done if the
// user is the process's own and no groups are asked for; where the target has no other users, whom and what
// it does not have is refused as an id that is not mapped.
void perform_setid(Call& call) {
  const Op& op = call.op;
  const bool plain = !program::asks_for_groups(op);
  if ((op.byte != 0 || !plain) && target.other_uid[0] == 0) return settle(call, -EINVAL);
  const std::uint32_t uid = user_id(op.byte), gid = group_id(program::setid_group(op));
  if (plain && sys(SYS_geteuid) == uid && sys(SYS_getegid) == gid) return;
  std::uint32_t groups[program::kUsers];
  unsigned count = 0;
  for (std::uint8_t user = 0; user < program::kUsers; ++user) {
    if ((op.flags >> user & 1) != 0) groups[count++] = group_id(user);
  }
  long result = sys(SYS_setgroups, count, groups);
  if (!failed(result)) result = sys(SYS_setresgid, gid, gid, gid);
  if (!failed(result)) result = sys(SYS_setresuid, uid, uid, uid);
  tie_to_supervisor();
  settle(call, result);
}

namespace {

bool as_limited = false;

// What the process has mapped, in bytes; -errno.
long mapped_bytes() {
  char room[128];
  std::string_view text;
  long result = read_small_file("/proc/self/statm", room, text);
  std::uint64_t pages = 0;
  if (failed(result)) return result;
  return take_number(text, pages) ? static_cast<long>(pages * target.layout.page) : -ENODATA;
}

// With a limited address space the stack could not grow any more: it has grown before, for children of
// children as well, each of which goes on above the frames of the fork that made it.
[[gnu::noinline]] void grow_stack() {
  constexpr std::size_t kEnough = 256 << 10, kStep = 4096;
  char room[kEnough];
  for (std::size_t i = 0; i < kEnough; i += kStep) static_cast<volatile char*>(room)[i] = 0;
}

}  // namespace

bool address_space_is_limited() {
  return as_limited;
}

// The hard limit stays, so that a program can widen what it has narrowed.
void perform_rlimit(Call& call) {
  constexpr int kResources[] = {RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_FSIZE};
  int resource = kResources[call.op.small];
  rlimit limit = {};
  long result = sys(SYS_prlimit64, 0, resource, nullptr, &limit);
  if (failed(result)) return settle(call, result);
  limit.rlim_cur = call.at.len;
  if (resource == RLIMIT_AS) {
    if (!as_limited) grow_stack();
    result = mapped_bytes();
    if (failed(result)) return settle(call, result);
    limit.rlim_cur += static_cast<std::uint64_t>(result);
  }
  result = sys(SYS_prlimit64, 0, resource, &limit, nullptr);
  if (!failed(result) && resource == RLIMIT_AS) as_limited = true;
  settle(call, result);
}

}  // namespace shmcheck::executor
