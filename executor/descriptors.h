// Which descriptors a process has, and what those are of that map_file has opened.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

// Whether this target has /proc/self/map_files.
void find_map_files();

// What is open before a program begins is the executor's.
void note_own_descriptors();

// Called when a slot gets another descriptor.
void forget_memory(std::uint8_t slot);

// A descriptor of memory without a name, which a segment and shared anonymous memory are, can be read and
// asked for its status. What else Linux does with it is nowhere said, and the op is withheld.
bool withheld_of_memory(const Op& op);

}  // namespace shmcheck::executor
