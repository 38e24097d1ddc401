// One run of the conformance binary under ptrace: which test runs, what its processes do, and the lies.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "liar/lie.h"
#include "liar/verdict.h"

namespace shmcheck::liar {

// One lie at one place of a test.
struct Choice {
  const Lie* lie = nullptr;
  std::string label;  // of the events it is told about
  int which = 0;      // 0: each of them; else the how-manieth
};

// How often something happened in a test, and what it was the first time.
struct Tally {
  Event first;
  int count = 0;
};
using Recording = std::map<std::pair<When, std::string>, Tally>;

// A test to run, once for each choice; without a lie when the choice has none.
struct Task {
  std::string test{};
  std::vector<Choice> choices{};
  long limit_ms = 5000;  // then it is ended
};

struct Run {
  Verdict verdict{};
  Recording recording{};
  int told = 0;
};

struct Binary {
  std::string path;
  std::vector<std::string> arguments{};  // besides those that choose and report tests
  // Without a seccomp filter every call stops, which takes longer; but the tests can use seccomp themselves.
  bool filtered = true;
};

// What became of every task, in order of its choices. A test that broke is not run again: then fewer runs
// than choices come back. `problem` is set when the binary did not end as it should.
struct Outcome {
  std::map<std::string, std::vector<Run>> runs;
  std::string problem;
};
Outcome run_tasks(const Binary& binary, const std::vector<Task>& tasks);

}  // namespace shmcheck::liar
