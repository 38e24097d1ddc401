// Where the executor's own memory lies.
#pragma once

#include "executor/text.h"

namespace shmcheck::executor {

// Fills target.layout and target.own, once everything is mapped and before the first program. Without
// /proc/self/maps it goes by the linker's symbols and the stack pointer. False with a sentence if the arena
// is not free.
bool find_own_ranges(Sentence& wrong);

// The page size, shmlba and `top` in target.layout; needed before map_control.
void find_page_size();

}  // namespace shmcheck::executor
