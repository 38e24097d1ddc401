// Isolation, and the guardian that outlives what it guards.
#pragma once

#include "executor/options.h"

namespace shmcheck::executor {

// Takes the namespaces that this process may have and forks. Returns in the child, which is the supervisor
// and PID 1 of its namespace; the parent stays behind, waits for it and ends as it does. It kills the child
// when the host is gone, and the kernel kills the child when the parent is. What is not to be had goes to
// say_absent. 0 or -errno.
long enter_namespaces(const Options& options);

// Leaves the user namespace of the caller for one in which he is root and nobody else exists. 0 or -errno.
long become_root_of_new_users();

// Whether processes can begin further PID and user namespaces, once /proc is there.
void find_further_namespaces();

// Whether programs may make further IPC namespaces, once /proc is there.
void find_ipc_namespaces();

}  // namespace shmcheck::executor
