// The supervisor's children: waiting for them, killing all of them.
#pragma once

#include <sys/types.h>
#include <time.h>

#include "executor/control.h"

namespace shmcheck::executor {

struct Death {
  pid_t pid;
  int signal;  // 0: it exited with `status`
  int status;
};

// SIGCHLD bumps control->event; kStopSignal sets control->stopping, too, and interrupts what the supervisor
// waits for. Called once, in the supervisor.
void watch_children();

// From a process of the program: the supervisor looks at the control region again.
void wake_supervisor();

// The next child that has died and was not reported yet. Does not wait.
bool next_death(Death& death);

// Where there is no PID namespace of our own, the processes of a program are a process group, and this is its
// id.
void set_program_group(pid_t group);

// Kills every child, calls `reaped` for each and waits until none is left. False if one would not die in
// time.
bool kill_all(void (*reaped)(const Death&));

}  // namespace shmcheck::executor
