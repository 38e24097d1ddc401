// A session as a campaign wants it: one file system, and a lost target comes back by itself.
#pragma once

#include "harness/interrupt.h"
#include "harness/program_runner.h"
#include "harness/run.h"

namespace shmcheck::harness {

class SessionRunner final : public ProgramRunner {
 public:
  SessionRunner(Run& run, std::uint8_t fs) : run_(run), fs_(fs) {}

  const program::Facts& facts() const override { return run_.facts(fs_); }
  std::size_t window() const override { return run_.session().window(); }
  void submit(const program::Program& program) override { run_.session().submit(fs_, program); }

  std::optional<ProgramRun> next() override {
    if (!run_.session().lost().empty() && !run_.revive()) return std::nullopt;
    std::optional<Answer> answer = run_.session().next(run_.last_call());
    if (!answer) {
      run_.session().abandon();
      return std::nullopt;
    }
    if (answer->end == Answer::End::lost) evidence_ = run_.session().evidence();
    ProgramRun ran;
    ran.end = static_cast<ProgramRun::End>(answer->end);
    ran.trace = std::move(answer->trace);
    ran.sentence = std::move(answer->sentence);
    return ran;
  }
  std::string why() const override {
    return interrupted() ? "interrupted"
                         : "the target does not answer any more, or could not be started again";
  }
  // What the target wrote when it was lost last.
  const std::string& evidence() const { return evidence_; }

 private:
  static_assert(static_cast<int>(ProgramRun::End::refused) == static_cast<int>(Answer::End::refused));
  static_assert(static_cast<int>(ProgramRun::End::lost) == static_cast<int>(Answer::End::lost));

  Run& run_;
  std::uint8_t fs_;
  std::string evidence_;
};

}  // namespace shmcheck::harness
