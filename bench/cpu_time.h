// CPU time of what this process has started.
#pragma once

namespace shmcheck::bench {

// Seconds of user and system time of all descendants of this process, ended ones included once they are
// reaped.
double descendants_cpu_seconds();

}  // namespace shmcheck::bench
