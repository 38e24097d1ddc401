// From a trace to the numbers that bare.c takes.
#pragma once

#include <vector>

extern "C" {
#include "bench/bare.h"
}
#include "program/trace.h"

namespace shmcheck::bench {

// Whether the bare program does this operation (BARE_NONE), so that what the executor adds can be told.
bool can_flatten(program::OpCode code);

// The steps of a trace that the executor made: those that were unbound or withheld, and the observation of
// the end, are left out. The trace must be complete.
std::vector<bare_op> flatten(const program::Trace& trace);

}  // namespace shmcheck::bench
