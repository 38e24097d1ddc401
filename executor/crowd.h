// How near programs come to vm.max_map_count: by a range of the executor's own that `crowd` divides.
#pragma once

#include "program/facts.h"

namespace shmcheck::executor {

// Fills target.max_map_count, unless processes cannot be brought there; needed before find_own_ranges.
void find_map_limit();

// Where the range lies, in programs that have the op. Empty if none can.
program::Range crowd_range();

// Whether this process has divided it: to read what the kernel says of so many mappings takes seconds.
bool is_crowded();

// Maps it in this process, whose children inherit it. 0 or -errno.
long map_crowd_range();

}  // namespace shmcheck::executor
