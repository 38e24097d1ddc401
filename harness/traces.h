// Traces that were recorded elsewhere, judged without a target.
#pragma once

#include <string>
#include <vector>

#include "harness/options.h"
#include "harness/output.h"
#include "harness/result.h"

namespace shmcheck::harness {

struct NamedTrace {
  std::string name;
  program::Trace trace;
};

// Prints each finding as it is found. A trace that was cut short is judged as far as it goes; without a
// finding it leaves the run unjudged.
Result judge_traces(const std::vector<NamedTrace>& traces, const Options& options, Output& output);

}  // namespace shmcheck::harness
