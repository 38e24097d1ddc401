// A process of a program that has called execve(2): the executor's image anew, with nothing but its
// descriptors.
#pragma once

#include <string_view>

#include "executor/text.h"

namespace shmcheck::executor {

// Starts the executor again without address space randomization, unless it is off: what exec puts into an
// address space then lies where it lay, and the ranges that ops never reach stay the same. Returns where that
// is not possible.
void settle_layout(char** argv);

// An emulator of user programs hands execve to its host, which then runs the new image itself. It shows a
// process its own image at /proc/self/exe, but not by the other names of that link.
bool is_emulated();

// Finds out, with a process of its own, whether processes can exec and rejoin; absent otherwise.
void prepare_rejoin();

// The words of a command line by which exec starts the image; nothing else begins so.
inline constexpr std::string_view kRejoin = "--rejoin=";

// Of a process that found kRejoin on its command line; `word` is what follows it.
[[noreturn]] void rejoin(std::string_view word);

// Execs the image as a process of the program. Returns -errno.
long exec_as(std::uint8_t process);

}  // namespace shmcheck::executor
