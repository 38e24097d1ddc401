// A process that has as many mappings as the kernel allows.
#pragma once

#include "conformance/framework/objects.h"

namespace shmcheck::conformance {

// Splits a range of its own into one-page mappings until the kernel refuses. The range is `reserved`; pages
// from `used` on are still one mapping. `errno_seen` is what the refusal gave.
struct MapLimit {
  Mapping reserved;
  size_t used = 0;
  int errno_seen = 0;
};
// Skips the test (by ending this process) when vm.max_map_count is too large to reach in the time of a test.
MapLimit ReachMapLimit(Where where = Where::Here());

}  // namespace shmcheck::conformance
