// From a trace to the numbers that bare.c takes.
#pragma once

#include <vector>

extern "C" {
#include "bench/bare.h"
}
#include "program/trace.h"

namespace shmcheck::bench {

// The steps of a trace that the executor made: those that were unbound or withheld, and the observation of
// the end, are left out. The trace must be complete.
std::vector<bare_op> flatten(const program::Trace& trace);

}  // namespace shmcheck::bench
