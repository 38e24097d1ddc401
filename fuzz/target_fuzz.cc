// Any bytes are a program; what a live target does with it, the model allows.
//
// The target is started once, by the first input; SHMCHECK_TARGET names it (kernel, uml, uml:IMAGE,
// model+FAULT, …), without it the running kernel. An engine sees the coverage of the judge: what the target
// did that was new to the rules is new to it.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fuzz/input.h"
#include "harness/campaign.h"
#include "harness/session.h"
#include "program/text.h"

using namespace shmcheck;
using namespace shmcheck::program;
using harness::Answer;
using harness::Deadline;

namespace {

constexpr harness::milliseconds kPatience{20'000};
constexpr int kConfirmations = 3;

[[noreturn]] void give_up(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::abort();
}

std::unique_ptr<harness::Session> open_target() {
  const char* named = std::getenv("SHMCHECK_TARGET");
  harness::TargetSpec spec;
  std::string sentence = harness::parse_target(named ? named : "kernel", {}, spec);
  if (!sentence.empty()) give_up("SHMCHECK_TARGET: " + sentence);
  harness::milliseconds limit = harness::hello_limit(spec.kind) + harness::milliseconds(1'000);
  std::unique_ptr<harness::Session> session = harness::Session::open(spec, {}, Deadline::in(limit), sentence);
  if (!session) give_up(sentence);
  return session;
}

// What is wrong with a program.
struct Wrong {
  clauses::Clause clause = clauses::Clause::none;
  OpCode op = OpCode::end;
  std::string sentence;  // empty: nothing
};

class Target {
 public:
  Target() : session_(open_target()) {}

  std::uint8_t fs_of(std::uint8_t choice) const {
    return static_cast<std::uint8_t>(choice % session_->facts().size());
  }

  Wrong run(std::uint8_t fs, const Program& program) {
    std::optional<Answer> answer = session_->run(fs, program, Deadline::in(kPatience));
    if (!answer || !answer->complete()) {
      std::string what = answer ? answer->sentence : "no answer: " + session_->lost();
      // Nothing can be run on a target that is gone, so this is told as it is.
      if (!answer || answer->end != Answer::End::timeout)
        give_up(what + '\n' + session_->evidence() + '\n' + to_text(program));
      return {clauses::Clause::none, OpCode::end, what};
    }
    model::TraceVerdict verdict = model::judge_trace(answer->trace, model::Profile::exact);
    const model::Finding* f = verdict.first();
    if (!f) return {};
    const clauses::Info& clause = clauses::info(f->clause);
    return {f->clause, answer->trace.steps[f->step].op.code,
            std::string(to_string(session_->facts()[fs].fs)) + ", step " + std::to_string(f->step) + ": " +
                std::string(clause.id) + "\n  " + std::string(clause.statement) + "\n  allowed " +
                f->allowed + "\n  seen    " + f->seen};
  }

 private:
  std::unique_ptr<harness::Session> session_;
};

// Only what shows each time is told, by the shortest program that shows it.
void tell(Target& target, std::uint8_t fs, const Program& program, const Wrong& first) {
  Wrong last = first;
  auto again = [&](const Program& p) {
    Wrong wrong = target.run(fs, p);
    bool same = !wrong.sentence.empty() && wrong.clause == first.clause && wrong.op == first.op;
    if (same) last = std::move(wrong);
    return same;
  };
  for (int i = 0; i < kConfirmations; ++i) {
    if (!again(program)) return;
  }
  Program shortest = harness::shrink(program, again).program;
  if (!again(shortest)) shortest = program;
  give_up(last.sentence + '\n' + to_text(shortest));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Target target;
  if (size == 0) return 0;
  Program program = fuzz::program_of({data, size});
  std::uint8_t fs = target.fs_of(data[0]);
  Wrong wrong = target.run(fs, program);
  if (!wrong.sentence.empty()) tell(target, fs, program, wrong);
  return 0;
}
