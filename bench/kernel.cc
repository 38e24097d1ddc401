#include "bench/kernel.h"

#include <sched.h>

#include <stdexcept>

namespace shmcheck::bench {
namespace {

using harness::Answer;
using harness::Deadline;
using harness::milliseconds;

constexpr milliseconds kPatience(60'000);

cpu_set_t allowed_cores() {
  // Read once: pinning this process changes it.
  static const cpu_set_t all = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("sched_getaffinity failed");
    return set;
  }();
  return all;
}

int find_core(bool last) {
  const cpu_set_t set = allowed_cores();
  int found = -1;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &set) && (last || found < 0)) found = core;
  }
  return found;
}

}  // namespace

int measured_core() {
  return find_core(true);
}

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("sched_setaffinity failed");
}

Kernel::Kernel(Host host) : core_(measured_core()) {
  pin_to(core_);
  std::string error;
  session_ = harness::Session::open({}, {}, Deadline::in(kPatience), error);
  if (session_ == nullptr) throw std::runtime_error(error);
  if (host == Host::apart) pin_to(find_core(false));
}

void Kernel::run(std::size_t count, const std::function<program::Program(std::size_t)>& make,
                 const std::function<void(program::Trace)>& each) {
  const Deadline deadline = Deadline::in(kPatience);
  std::size_t submitted = 0;
  for (std::size_t answered = 0; answered < count;) {
    while (submitted < count && session_->in_flight() < session_->window()) {
      session_->submit(0, make(submitted++));
    }
    std::optional<Answer> answer = session_->next(deadline);
    if (!answer) throw std::runtime_error("the executor does not answer: " + session_->lost());
    if (!answer->complete())
      throw std::runtime_error("a program did not run to its end: " + answer->sentence);
    each(std::move(answer->trace));
    ++answered;
  }
}

void Kernel::run(std::span<const program::Program> programs,
                 const std::function<void(program::Trace)>& each) {
  run(
      programs.size(), [&](std::size_t i) { return programs[i]; }, each);
}

Runnable runnable(Kernel& kernel, std::span<const program::Program> programs) {
  Runnable result;
  std::size_t next = 0;
  kernel.run(programs, [&](program::Trace trace) {
    const program::Program& program = programs[next++];
    for (const program::Step& step : trace.steps) {
      if (step.outcome.kind == program::OutcomeKind::timeout) return;
    }
    result.programs.push_back(program);
    result.traces.push_back(std::move(trace));
  });
  return result;
}

}  // namespace shmcheck::bench
