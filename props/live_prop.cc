// Properties of the running kernel, over programs that RapidCheck draws. What fails is shrunk by our own
// shrinker and shown as a text program, which `shmcheck run` replays.
#include <rapidcheck.h>
#include <stdlib.h>  // setenv

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>

#include "harness/campaign.h"
#include "harness/session.h"
#include "program/text.h"
#include "props/neighbour.h"

namespace shmcheck::program {
// How RapidCheck shows a counterexample.
static void showValue(const Program& program, std::ostream& out) {
  out << '\n' << to_text(program);
}
}  // namespace shmcheck::program

using namespace shmcheck;
using namespace shmcheck::program;
using harness::Answer;
using harness::Deadline;
using props::without_choices;

namespace {

constexpr harness::milliseconds kPatience{20'000};

class Kernel {
 public:
  explicit Kernel(std::unique_ptr<harness::Session> session) : session_(std::move(session)) {}

  std::size_t file_systems() const { return session_->facts().size(); }
  const Facts& facts(std::size_t fs) const { return session_->facts()[fs]; }

  // A program that is lost or refused fails the property with what the target wrote.
  Trace run(std::size_t fs, const Program& program) {
    std::optional<Answer> answer =
        session_->run(static_cast<std::uint8_t>(fs), program, Deadline::in(kPatience));
    if (!answer) RC_FAIL("no answer: " + session_->lost() + '\n' + to_text(program));
    if (!answer->complete())
      RC_FAIL(answer->sentence + '\n' + session_->evidence() + '\n' + to_text(program));
    return std::move(answer->trace);
  }

 private:
  std::unique_ptr<harness::Session> session_;
};

rc::Gen<Program> programs(const Facts& facts) {
  auto make = [&facts](std::uint64_t seed) { return harness::make_program(seed, 0, {}, facts); };
  return rc::gen::noShrink(rc::gen::map(rc::gen::arbitrary<std::uint64_t>(), make));
}

// An op of this code, and of this Op::small if one is given.
bool has(const Program& program, OpCode code, std::optional<std::uint8_t> small = {}) {
  return std::ranges::any_of(
      program.ops, [=](const Op& op) { return op.code == code && op.small == small.value_or(op.small); });
}

// SHM_LOCK is counted by user over the whole machine (shmctl.lock-limit), where others may be u1 and u2, too.
bool counts_with_others(const Program& program) {
  return has(program, OpCode::rlimit, static_cast<std::uint8_t>(Resource::memlock)) &&
         has(program, OpCode::shmctl, static_cast<std::uint8_t>(ShmCommand::lock));
}

// An id of the first namespace, where ids go on from program to program, may by chance be one of another,
// where they begin anew: then a step that uses it there finds a segment.
bool may_meet_an_id(const Program& program) {
  return has(program, OpCode::unshare) && has(program, OpCode::shmget);
}

// Fails with the shortest program for which `wrong` says what is wrong.
void require_right(const Program& program, const std::function<std::string(const Program&)>& wrong) {
  if (wrong(program).empty()) return;
  Program shortest = harness::shrink(program, [&](const Program& p) { return !wrong(p).empty(); }).program;
  std::string sentence = wrong(shortest);
  RC_FAIL((sentence.empty() ? wrong(program) : sentence) + '\n' + to_text(shortest));
}

// --- what the kernel does is allowed

void what_the_kernel_does_is_allowed(Kernel& kernel) {
  auto fs = *rc::gen::inRange<std::size_t>(0, kernel.file_systems());
  require_right(*programs(kernel.facts(fs)), [&](const Program& program) -> std::string {
    Trace trace = kernel.run(fs, program);
    model::TraceVerdict verdict = model::judge_trace(trace, model::Profile::exact);
    const model::Finding* f = verdict.first();
    if (!f) return verdict.unjudged_reason;
    return std::string(to_string(kernel.facts(fs).fs)) + ", " + to_text(*f);
  });
}

// --- a program shows the same when it is run again; needs no model

void a_program_shows_the_same_again(Kernel& kernel) {
  // Only where nothing is written back behind the program's back.
  RC_PRE(kernel.facts(0).fs == FileSystem::tmpfs);
  const Program drawn = *programs(kernel.facts(0));
  RC_PRE(!counts_with_others(drawn) && !may_meet_an_id(drawn));
  require_right(drawn, [&](const Program& program) -> std::string {
    Trace once = kernel.run(0, program), again = kernel.run(0, program);
    for (std::size_t i = 0; i < once.steps.size() && i < again.steps.size(); ++i) {
      const Op& op = once.steps[i].op;
      Outcome a = without_choices(op, once.steps[i].outcome), b = without_choices(op, again.steps[i].outcome);
      if (a == b) continue;
      return "step " + std::to_string(i) + " shows " + to_text(a, op, kernel.facts(0)) + " and then " +
             to_text(b, op, kernel.facts(0));
    }
    return once.steps.size() == again.steps.size() ? "" : "one of two runs is shorter";
  });
}

// --- what happens in another IPC namespace shows nothing; needs no model

void a_neighbour_is_not_seen(Kernel& kernel) {
  RC_PRE(kernel.facts(0).fs == FileSystem::tmpfs);
  const auto programs = props::make_neighbourhood(*rc::gen::arbitrary<std::uint64_t>(), kernel.facts(0));
  RC_PRE(!counts_with_others(programs.together));
  const Trace alone = kernel.run(0, programs.alone), together = kernel.run(0, programs.together);
  const std::string wrong = props::seen_of_the_neighbour(programs, alone, together);
  if (!wrong.empty()) RC_FAIL(wrong + '\n' + to_text(together));
}

}  // namespace

int main() {
  // Some thousand programs a second; what the caller asks for goes before it.
  setenv("RC_PARAMS", "max_success=500", 0);
  std::string error;
  std::unique_ptr<harness::Session> session =
      harness::Session::open({}, {}, Deadline::in(harness::hello_limit(harness::TargetKind::kernel)), error);
  if (!session) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return EXIT_FAILURE;
  }
  Kernel kernel(std::move(session));
  bool good = true;
  good &= rc::check("what the kernel does is allowed", [&] { what_the_kernel_does_is_allowed(kernel); });
  good &= rc::check("a program shows the same when it is run again",
                    [&] { a_program_shows_the_same_again(kernel); });
  if (kernel.facts(0).ipc_namespaces)
    good &= rc::check("a neighbour in another IPC namespace is not seen",
                      [&] { a_neighbour_is_not_seen(kernel); });
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
