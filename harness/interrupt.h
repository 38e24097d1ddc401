// Ctrl-C and its like: the run ends early, prints what it has and marks it partial. A second one ends at
// once.
#pragma once

#include <string_view>

namespace shmcheck::harness {

void catch_interrupts();
bool interrupted();
// "SIGINT", or empty.
std::string_view interrupting_signal();

}  // namespace shmcheck::harness
