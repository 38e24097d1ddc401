// What the conformance binary says of a test, and what that is worth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::liar {

struct Verdict {
  enum class Kind {
    passed,
    broken,  // an expectation about what was seen failed
    stage,   // only a set-up step, a child or the process itself came to grief
    skipped,
    missing,  // the test was not reported
  } kind = Kind::missing;
  std::string test{};
  std::vector<std::string> clauses{};
  long ms = 0;
  std::string message{};  // the failure that counts, on one line
};

// Reads the lines that the binary writes to --report-fd, see docs/conformance.md.
std::vector<Verdict> read_report(std::string_view report);

}  // namespace shmcheck::liar
