// A run for people: tables, and a plot.
#pragma once

#include <string>

#include "harness/ipc_run.h"

namespace shmcheck::bench {

// Tables of latency and throughput on two cores and on one, and why what is missing is missing.
std::string tables(const harness::IpcRun& run);
// The same with where and how it was measured.
std::string document(const harness::IpcRun& run);
// All medians over the size of messages, both axes logarithmic.
std::string plot(const harness::IpcRun& run);

}  // namespace shmcheck::bench
