// Runs another binary of the target, such as the conformance tests.
#pragma once

#include <sched.h>

#include <span>

#include "executor/channel.h"

namespace shmcheck::executor {

// Answers a `command` request: output frames and one `exited`, or an error. `cpus` is where the command may
// run. False if the host is gone.
bool run_command(Channel& channel, std::uint32_t sequence, std::span<const std::uint8_t> payload,
                 const cpu_set_t& cpus);

}  // namespace shmcheck::executor
