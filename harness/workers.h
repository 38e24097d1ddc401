// Random programs in several processes at once, each with a target of its own.
#pragma once

#include "harness/parts.h"

namespace shmcheck::harness {

// This process is the first of run.options().processes; what the others find is added to the run's result.
void run_random_in_processes(Run& run, const RandomOptions& options, Deadline deadline);

}  // namespace shmcheck::harness
