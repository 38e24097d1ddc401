// The end of a program: what is recorded of it last, and that nothing is left of it. All its processes are
// gone.
#pragma once

#include "executor/control.h"
#include "executor/text.h"

namespace shmcheck::executor {

// True if somebody outside detached a segment of the program's in place of a process that had ended.
bool disturbed_by_outsiders();

// The last record: the step that took too long, or the segments as they are.
void record_timeout();
void record_end(std::uint64_t in_namespace);

// Nothing may be left of a program, whoever runs next. False: something is, which the sentence names.
bool remove_leftovers(std::uint64_t in_namespace, Sentence& wrong);

}  // namespace shmcheck::executor
