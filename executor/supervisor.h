// Runs one program after the other, with real processes, and never dies of what they do.
#pragma once

#include <span>

#include "executor/channel.h"
#include "executor/options.h"

namespace shmcheck::executor {

// Once, before the first program: the descriptors and signals that its processes inherit. 0 or -errno.
long prepare_supervisor(const Options& options);

// Answers a `run` request whose directory is current: a result, or an error. False if the host is gone or a
// process would not die, so that nothing can be run any more.
bool run_program(Channel& channel, std::uint32_t sequence, std::span<const std::uint8_t> bytes);

}  // namespace shmcheck::executor
