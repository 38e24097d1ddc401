#include "executor/namespaces.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "executor/control.h"
#include "executor/fork.h"
#include "executor/hello.h"
#include "executor/small_file.h"
#include "executor/users.h"

namespace shmcheck::executor {
namespace {

// --- user namespace of an unprivileged caller ------------------------------------------------------------

long map_root(const char* path, std::uint32_t id) {
  Text<64> line;
  line << "0 " << id << " 1\n";
  return write_small_file(path, line.view());
}

// The files of a process that is not dumpable are another's.
long map_users(std::uint32_t uid, std::uint32_t gid) {
  const long dumpable = sys(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
  sys(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  long result = write_small_file("/proc/self/setgroups", "deny");
  if (!failed(result)) result = map_root("/proc/self/uid_map", uid);
  if (!failed(result)) result = map_root("/proc/self/gid_map", gid);
  sys(SYS_prctl, PR_SET_DUMPABLE, dumpable, 0, 0, 0);
  return result;
}

// A caller without capabilities becomes root of a namespace in which nobody else exists.
bool enter_user_namespace() {
  const long result = become_root_of_new_users();
  if (failed(result)) say_absent("user namespace", "unshare", result);
  return !failed(result);
}

// --- the other namespaces --------------------------------------------------------------------------------

bool unshare_one(long flag, std::string_view thing) {
  long result = sys(SYS_unshare, flag);
  if (failed(result)) say_absent(thing, "unshare", result);
  return !failed(result);
}

// In the child: /proc must show the new PID namespace, and no mount may get out.
void prepare_mounts() {
  long result = sys(SYS_mount, "", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (failed(result)) {
    target.private_mounts = false;
    say_absent("private mounts", "mount", result);
    return;
  }
  if (!target.private_pids) return;
  result = sys(SYS_mount, "proc", "/proc", "proc", 0, nullptr);
  if (failed(result)) say_absent("own /proc", "mount", result);
}

// --- the guardian ----------------------------------------------------------------------------------------

void on_child(int) {}

[[noreturn]] void end_like(long child) {
  const int status = wait_for(child);
  sys(SYS_exit_group, WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  __builtin_unreachable();
}

// Sleeps until the child ends or nobody reads from `out` any more; then the child has a while to clean up.
// SIGCHLD, blocked until now, interrupts ppoll.
[[noreturn]] void guard(long child, int out) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_child;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  pollfd host = {out, 0, 0};
  for (;;) {
    const timespec patience = {15, 0};
    int ready = ppoll(&host, 1, host.fd < 0 ? &patience : nullptr, &none);
    siginfo_t info;
    info.si_pid = 0;
    sys(SYS_waitid, P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT, nullptr);
    if (info.si_pid != 0) end_like(child);
    if (ready > 0) {
      sys(SYS_kill, child, kStopSignal);
      host.fd = -1;
    } else if (ready == 0) {
      sys(SYS_kill, child, SIGKILL);
      end_like(child);
    }
  }
}

void block_child_signal(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(how, &set, nullptr);
}

// The parent may have died before the kernel was asked to tell.
void tie_to_guardian(int alive_pipe) {
  sys(SYS_prctl, PR_SET_PDEATHSIG, target.private_pids ? SIGKILL : kStopSignal, 0, 0, 0);
  pollfd guardian = {alive_pipe, 0, 0};
  if (poll(&guardian, 1, 0) > 0) sys(SYS_exit_group, 1);
}

}  // namespace

long become_root_of_new_users() {
  auto uid = static_cast<std::uint32_t>(sys(SYS_geteuid)), gid = static_cast<std::uint32_t>(sys(SYS_getegid));
  const long result = sys(SYS_unshare, CLONE_NEWUSER);
  return failed(result) ? result : map_users(uid, gid);
}

namespace {

// Whether a file is there and does not hold this number.
bool holds_other(const char* path, std::uint64_t number) {
  char room[32];
  std::string_view text;
  std::uint64_t value = 0;
  return !failed(read_small_file(path, room, text)) && (!take_number(text, value) || value != number);
}

bool is_there(const char* path) {
  return !failed(sys(SYS_faccessat, AT_FDCWD, path, F_OK));
}

// What keeps processes from user namespaces, or their ids from being what is documented; null: nothing.
const char* obstacle_to_user_namespaces() {
  struct Setting {
    const char* path;
    std::uint64_t usual;
  };
  // The third is Debian's, the fourth Ubuntu's.
  constexpr Setting kSettings[] = {{"/proc/sys/kernel/overflowuid", program::kOverflowId},
                                   {"/proc/sys/kernel/overflowgid", program::kOverflowId},
                                   {"/proc/sys/kernel/unprivileged_userns_clone", 1},
                                   {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0}};
  if (!is_there("/proc/self/ns/user")) return "/proc/self/ns/user";
  if (!is_there("/proc/self/uid_map") || !is_there("/proc/self/setgroups")) return "/proc/self/uid_map";
  constexpr const char* kMost = "/proc/sys/user/max_user_namespaces";
  if (is_there(kMost) && !holds_other(kMost, 0)) return kMost;
  for (const Setting& setting : kSettings) {
    if (holds_other(setting.path, setting.usual)) return setting.path;
  }
  // Else root may not map himself: user_namespaces(7).
  if (sys(SYS_geteuid) == 0 && !has_capability(CAP_SETFCAP)) return "CAP_SETFCAP";
  return nullptr;
}

}  // namespace

void find_further_namespaces() {
  if (!target.private_pids)
    say_absent("further PID namespaces", "the PID namespace is not private");
  else if (!is_there("/proc/self/ns/pid"))
    say_absent("further PID namespaces", "/proc/self/ns/pid");
  else
    target.has_pid_namespaces = true;
  const char* obstacle = obstacle_to_user_namespaces();
  if (obstacle != nullptr) return say_absent("further user namespaces", obstacle);
  target.has_user_namespaces = true;
}

// Where the ids of a namespace are somebody else's too, one of a program's could denote theirs.
void find_ipc_namespaces() {
  if (!target.private_ipc) return say_absent("further IPC namespaces", "the IPC namespace is not private");
  long found = sys(SYS_faccessat, AT_FDCWD, "/proc/self/ns/ipc", F_OK);
  if (failed(found)) return say_absent("further IPC namespaces", "/proc/self/ns/ipc", found);
  target.unshares_ipc = true;
}

long enter_namespaces(const Options& options) {
  if (options.namespaces) {
    bool root = sys(SYS_geteuid) == 0;
    if (root || enter_user_namespace()) {
      target.private_ipc = unshare_one(CLONE_NEWIPC, "private IPC namespace");
      target.private_mounts = unshare_one(CLONE_NEWNS, "private mounts");
      target.private_pids = unshare_one(CLONE_NEWPID, "private PID namespace");
    }
  } else {
    say_absent("namespaces", "--no-namespaces");
  }
  int alive[2] = {};  // its write end lives as long as the guardian
  long result = sys(SYS_pipe2, alive, O_CLOEXEC);
  if (failed(result)) return result;
  block_child_signal(SIG_BLOCK);
  long child = fork_raw();
  if (failed(child)) return child;
  if (child != 0) {
    sys(SYS_close, alive[0]);
    guard(child, options.out);
  }
  sys(SYS_close, alive[1]);
  tie_to_guardian(alive[0]);
  sys(SYS_close, alive[0]);
  block_child_signal(SIG_UNBLOCK);
  if (target.private_mounts) prepare_mounts();
  return 0;
}

}  // namespace shmcheck::executor
