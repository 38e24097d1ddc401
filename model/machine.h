// The running model: executes programs with no kernel at all. With a fault it is a broken kernel.
#pragma once

#include <memory>

#include "model/faults.h"
#include "program/trace.h"

namespace shmcheck::model {

class World;

class Machine {
 public:
  explicit Machine(const program::Facts& facts, const Fault* fault = nullptr);
  ~Machine();
  Machine(Machine&&) noexcept;
  Machine& operator=(Machine&&) noexcept;

  // Executes one op (normalized) and says what came of it.
  program::Outcome run(const program::Op& op);
  // Ends all processes and gives the `end` outcome.
  program::Outcome finish();

  // The state so far; generators steer by it.
  const World& world() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// The clauses that decide what this op (normalized) comes to in this world, by the profile exact.
std::vector<clauses::Clause> decisive_clauses(const World& world, const program::Op& op);

program::Trace run_program(const program::Program& program, const program::Facts& facts,
                           const Fault* fault = nullptr);

// Facts of a made-up target for programs that run on the model.
// Of a fault: those of a target where it shows.
program::Facts model_facts(const Fault* fault = nullptr);

}  // namespace shmcheck::model
