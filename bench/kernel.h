// The executor on the running kernel, pinned to one core, with this process on another one if there is one.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "harness/session.h"
#include "program/trace.h"

namespace shmcheck::bench {

enum class Host {
  apart,   // on another core than the executor, so that only the executor is measured
  beside,  // on the executor's core, as in a run with as many processes as cores
};

class Kernel {
 public:
  explicit Kernel(Host host);  // throws with a sentence if the executor cannot be started

  const program::Facts& facts() const { return session_->facts().front(); }
  int core() const { return core_; }

  // Runs programs and gives every trace to `each`; throws if the target does not answer one in full.
  void run(std::span<const program::Program> programs, const std::function<void(program::Trace)>& each);
  // The same with programs that are made as they are needed.
  void run(std::size_t count, const std::function<program::Program(std::size_t)>& make,
           const std::function<void(program::Trace)>& each);

 private:
  int core_;
  std::unique_ptr<harness::Session> session_;
};

// The programs that run to their end here, with their traces: one that hangs or dies would measure a
// time-out.
struct Runnable {
  std::vector<program::Program> programs;
  std::vector<program::Trace> traces;
};
Runnable runnable(Kernel& kernel, std::span<const program::Program> programs);

// The last core that this process may use.
int measured_core();
void pin_to(int core);

}  // namespace shmcheck::bench
