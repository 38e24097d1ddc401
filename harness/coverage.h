// What checks each clause: the table behind `shmcheck list clauses --coverage`.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/clauses.h"

namespace shmcheck::harness {

struct ClauseCoverage {
  std::vector<std::string> tests;        // conformance tests that name it
  std::vector<std::string> broken;       // those of them that a lie about it has made fail
  std::string lie;                       // one such lie
  std::vector<std::string> programs;     // of the corpus, where it decided a step
  std::uint64_t random = 0;              // of kRandomPrograms random programs, those where it decided a step
  std::vector<std::string_view> faults;  // of the running model, that it is right blame for

  // Whether the model has a rule for it that programs reach.
  bool rule() const { return !programs.empty() || random > 0; }
};

using Coverage = std::array<ClauseCoverage, clauses::kCount>;

inline constexpr std::uint64_t kRandomPrograms = 3000;

// Runs the corpus and random programs on the model, and asks the conformance binary for its tests. Empty on
// success, else a sentence.
std::string measure_coverage(Coverage& coverage);

// The lines of `--list-clauses`: name, clauses, needs, separated by tabs. Empty on success.
std::string add_tests(std::string_view listing, Coverage& coverage);

// The lines of liar/broken.tsv: test, clauses, lie, separated by tabs. Empty on success.
std::string add_lies(std::string_view broken, Coverage& coverage);

// One line per clause, a line per chapter with sums, and how to read them.
std::string coverage_table(const Coverage& coverage);

}  // namespace shmcheck::harness
