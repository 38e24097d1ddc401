// A program and a busy neighbour in another IPC namespace: nothing of it may be seen. Needs no model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/trace.h"

namespace shmcheck::props {

struct Neighbourhood {
  program::Program alone;     // the first process makes the neighbour, which leaves the namespace and rests
  program::Program together;  // the same, and the neighbour is busy all the time
  std::vector<std::size_t> place;  // where the ops of `alone` stand in `together`
};

// The program keeps to half of the processes and names, which is dropped of it otherwise; the neighbour has
// the other half, and the same keys.
Neighbourhood make_neighbourhood(std::uint64_t seed, const program::Facts& facts);

// What does not depend on choices of the kernel, on time, or on other programs.
program::Outcome without_choices(const program::Op& op, program::Outcome outcome);

// What the first run showed otherwise than the second; empty: nothing.
std::string seen_of_the_neighbour(const Neighbourhood& programs, const program::Trace& alone,
                                  const program::Trace& together);

}  // namespace shmcheck::props
