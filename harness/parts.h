// The parts of a run. Each stops when the run is over, or at its own deadline.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/conformance_report.h"
#include "harness/corpus.h"
#include "harness/enumeration.h"
#include "harness/run.h"

namespace shmcheck::harness {

struct ProgramRuns {
  std::vector<std::string> passed;  // names of programs that passed on every file system
};
// Each program on each file system. `trace` is given every answer, for those who want to print it.
ProgramRuns run_programs(Run& run, Part part, const std::vector<NamedProgram>& programs, Deadline deadline,
                         const std::function<void(const Answer&)>& seen = {});

// The programs of the corpus that the command carries: all, or those that name one of `clauses`. What does
// not parse becomes an ERROR.
std::vector<NamedProgram> corpus_programs(Run& run, std::span<const clauses::Clause> clauses = {});

// The conformance binary, in the target: all tests, or those that name one of `clauses`. Gives the names of
// the tests that passed.
std::vector<std::string> run_conformance(Run& run, Deadline deadline,
                                         std::span<const clauses::Clause> clauses = {});

// Counts what a conformance test came to, and files it if it failed.
void count_test(Run& run, const ConformanceTest& test);

struct RandomOptions {
  int worker = 0, workers = 1;          // this process's share of the seed's programs
  std::uint64_t first = 0;              // index of the first program
  std::uint64_t programs = UINT64_MAX;  // most to run
  bool trace = false;                   // print the trace of each
  // Instead of random programs. Indices are then those of the enumeration, and what is left undone is told.
  std::shared_ptr<const Enumeration> enumeration;
};
void run_random(Run& run, const RandomOptions& options, Deadline deadline);

}  // namespace shmcheck::harness
