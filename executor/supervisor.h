// Runs one program after the other, with real processes, and never dies of what they do.
#pragma once

#include <span>

#include "executor/channel.h"
#include "executor/options.h"

namespace shmcheck::executor {

// Once, before the first program: the descriptors and signals that its processes inherit. 0 or -errno.
long prepare_supervisor(const Options& options);

enum class Ran : std::uint8_t {
  answered,  // by a result, or an error
  over,      // the host is gone or a process would not die, so that nothing can be run any more
  ending,    // the machine is to be started anew: all processes have ended; no answer yet
  crashing,  // the same, and everything is as it was when the program came to this step
};

// Runs a program in the directory that is current.
Ran run_program(Channel& channel, std::uint32_t sequence, std::span<const std::uint8_t> bytes);
// Goes on with one behind the step that started this machine.
Ran resume_program(Channel& channel, std::uint32_t sequence, const program::Resume& resume);
// The answer to a program for which the machine is started anew. False if the host is gone.
bool send_steps_before_reboot(Channel& channel, std::uint32_t sequence);

}  // namespace shmcheck::executor
