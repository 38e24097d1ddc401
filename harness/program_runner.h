// What runs programs for a campaign: a session with a target, or the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "program/trace.h"

namespace shmcheck::harness {

// What came of one program.
struct ProgramRun {
  enum class End : std::uint8_t {
    complete,  // the trace ends with `end`
    timeout,   // the program was given up, the target is well
    lost,      // the target died or hung while it ran this program
    refused,   // the target could not run it
  };
  End end = End::complete;
  program::Trace trace;  // as far as it is known
  std::string sentence;  // what happened, unless it is complete
};

class ProgramRunner {
 public:
  virtual ~ProgramRunner() = default;
  virtual const program::Facts& facts() const = 0;
  // How many programs may be outstanding, so that neither side waits; at least 1.
  virtual std::size_t window() const = 0;
  virtual void submit(const program::Program& program) = 0;
  // The answer to the program that was submitted first. Nothing: the runner was interrupted, or the target is
  // gone and does not come back; then why() says which.
  virtual std::optional<ProgramRun> next() = 0;
  virtual std::string why() const { return {}; }
};

}  // namespace shmcheck::harness
