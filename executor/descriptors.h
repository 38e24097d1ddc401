// What a process has besides its mappings: descriptors and what they are of, names of files, its break.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

// Which of this a target lets its programs see. Called when it is known which objects it has.
void find_views();

// What is open before a program begins is the executor's.
void note_own_descriptors();

// What has a name before a program begins is not the program's.
void note_other_names();

// Where the program break is when an image begins.
void note_break();

// Called when a slot gets another descriptor, or none.
void forget_memory(std::uint8_t slot);

// A descriptor of memory without a name, which a segment and shared anonymous memory are, can be read and
// asked for its status. What else Linux does with it is nowhere said, and the op is withheld.
bool withheld_of_memory(const Op& op);

}  // namespace shmcheck::executor
