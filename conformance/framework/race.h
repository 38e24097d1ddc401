// Processes that do something at the same moment, round after round.
#pragma once

#include <functional>

#include "conformance/framework/report.h"

namespace shmcheck::conformance {

// Forks `processes` children; in each round all of them run body(process, round) at once, then `check(round)`
// runs in the test. Ends after `rounds` or when `milliseconds` are spent.
struct RaceLimits {
  int processes;
  int rounds;
  int milliseconds;
};
void Race(RaceLimits limits, const std::function<void(int process, int round)>& body,
          const std::function<void(int round)>& check, Where where = Where::Here());

}  // namespace shmcheck::conformance
