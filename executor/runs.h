// Run-length encoding of what memory and files hold.
#pragma once

#include <span>

#include "executor/call.h"

namespace shmcheck::executor {

// The length of the run of equal bytes at the start of `bytes`, which is not empty. Touches every byte of it.
std::size_t equal_prefix(std::span<const std::uint8_t> bytes);

void push_byte_runs(Words& words, std::span<const std::uint8_t> bytes);

}  // namespace shmcheck::executor
