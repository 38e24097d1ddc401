// Unnamed files in memory: what a target is started from vanishes with the last process that holds it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "harness/fd.h"

namespace shmcheck::harness {

// Empty on success, else a sentence. An executable one may be given to execveat(2).
std::string make_memory_file(const char* name, std::span<const std::uint8_t> content, bool executable,
                             Fd& file);

// What another process on this host opens to get at a descriptor of this one.
std::string path_of(const Fd& file);

}  // namespace shmcheck::harness
