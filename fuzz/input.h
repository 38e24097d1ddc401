// What every fuzz target that runs programs does with its bytes. input.cc also has the custom mutator, which
// only saves an engine the work of finding the edges of records.
#pragma once

#include <cstdint>
#include <span>

#include "program/op.h"

namespace shmcheck::fuzz {

// The program that the bytes stand for, kept short.
program::Program program_of(std::span<const std::uint8_t> bytes);

}  // namespace shmcheck::fuzz
