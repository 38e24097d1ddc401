// Runs one test body in a process of its own and turns what comes back into gtest results.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "conformance/framework/environment.h"
#include "conformance/framework/registry.h"

namespace shmcheck::conformance {

std::vector<TestSpec>& Specs();

// A spec on one place, under the name that gtest knows.
struct TestCase {
  const TestSpec* spec;
  Place place;
  std::string name;  // "OneByteFile/tmpfs"
};
std::vector<TestCase> ExpandPlaces(const Options& options);

// The needs of a case: its own and those of its place.
std::vector<Need> NeedsOf(const TestCase& test);

void RegisterWithGtest(const Options& options);
void ListClauses();
// Tests slower than 200 ms, after the run.
void PrintSlowTests();

}  // namespace shmcheck::conformance
