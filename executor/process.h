// A process of a program: takes turns with the others and performs its ops.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

// Where there is no PID namespace that dies as a whole, asks the kernel to kill this process when the
// supervisor is gone. To be asked again after fork and after a change of ids.
void tie_to_supervisor();

// Waits for turns and performs until the program is done.
[[noreturn]] void live_as(std::uint8_t process);

// The same for one whose step is the exec that it has just come back from.
[[noreturn]] void go_on_as(std::uint8_t process);

// Gives the turn to the process of the next step, after recording `unbound` for steps whose process is gone.
// Sets `done` when there is no step left. True if some process has the turn now.
bool pass_turn();

}  // namespace shmcheck::executor
