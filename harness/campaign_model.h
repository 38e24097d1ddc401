// Runs programs on the model, healthy or with a planted fault.
#pragma once

#include <deque>

#include "harness/program_runner.h"
#include "model/machine.h"

namespace shmcheck::harness {

class ModelRunner final : public ProgramRunner {
 public:
  explicit ModelRunner(const model::Fault* fault = nullptr) : ModelRunner(fault, model::model_facts(fault)) {}
  ModelRunner(const model::Fault* fault, program::Facts facts) : facts_(std::move(facts)), fault_(fault) {}
  const program::Facts& facts() const override { return facts_; }
  std::size_t window() const override { return 1; }
  void submit(const program::Program& program) override { queue_.push_back(program); }
  std::optional<ProgramRun> next() override {
    if (queue_.empty()) return std::nullopt;
    ProgramRun ran;
    ran.trace = model::run_program(queue_.front(), facts_, fault_);
    queue_.pop_front();
    return ran;
  }
  std::string why() const override { return "no program was submitted"; }

 private:
  program::Facts facts_;
  const model::Fault* fault_;
  std::deque<program::Program> queue_;
};

}  // namespace shmcheck::harness
