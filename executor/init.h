// The executor as the first process of a guest.
#pragma once

#include "executor/options.h"

namespace shmcheck::executor {

// Mounts /proc, /sys and /dev if the kernel has them, reads the kernel command line (shmcheck.channel=/dev/…,
// shmcheck.disks=ext4=/dev/…,xfs=/dev/…, shmcheck.timeout=MS), opens the channel in raw mode. Returns false
// with a sentence if there is no channel.
bool become_init(Options& options, Sentence& wrong);

// Ends the machine. Prints `last_words`, if any, on the console.
[[noreturn]] void power_off(std::string_view last_words);

}  // namespace shmcheck::executor
