// fork(2) in the ways that the executor needs.
#pragma once

#include <sys/types.h>

namespace shmcheck::executor {

// clone(2) as fork uses it, with SIGCHLD, and extra flags. 0 in the child.
long fork_raw(long flags = 0, pid_t* parent_tid = nullptr);

// Waits for the end of a child, one without SIGCHLD included. Its wait status; -1 if there is no such child.
int wait_for(long child);

// A fork of the calling process whose child is the supervisor's. The child's pid is in `pid` before the child
// runs. `flags` are extra ones of clone(2).
long fork_for_supervisor(pid_t& pid, long flags = 0);

// Finds out whether the target knows CLONE_PARENT (gVisor of 2022 ignores it), for fork_for_supervisor.
// Called in the supervisor while it has no children. 0 or -errno. Where neither that nor a helper will do,
// programs cannot fork (Target::forks).
long prepare_forks(bool allow_clone_parent);

}  // namespace shmcheck::executor
