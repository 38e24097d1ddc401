// Two new processes that exchange messages through a mechanism, and their parent, which looks after them.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include "bench/ipc/exchange.h"
#include "bench/ipc/mechanisms.h"

namespace shmcheck::bench {

// The CPUs of the two.
struct Placement {
  int first = 0, second = 0;
  int cores() const { return first == second ? 1 : 2; }
};

// On one core; then on two, if this process may run on two.
std::vector<Placement> placements();

// The user's Ctrl-C, or its like.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Signals wait from now on until measure() looks for them, so that nothing is left behind when one comes.
void hold_signals();

// Throws Unavailable, Interrupted, or a sentence. Nothing is left of the mechanism or the processes then.
Timing measure(const Mechanism& mechanism, std::size_t size, Placement placement,
               std::chrono::nanoseconds time);

}  // namespace shmcheck::bench
