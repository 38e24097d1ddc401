// One step under a rule: the same rule code judges an outcome that was seen and makes one up.
//
// When judging, the questions a rule asks (`failed`, `returns`, `expect`…) compare with the outcome seen and
// record the first disagreement. When running, they fill in the outcome. A rule therefore states what is
// allowed once.
#pragma once

#include <array>
#include <bitset>
#include <concepts>
#include <cstdint>
#include <string>

#include "clauses/clauses.h"
#include "model/profile.h"
#include "model/world.h"

namespace shmcheck::model {

using C = clauses::Clause;

// What a step came to; reused from step to step.
struct StepReport {
  bool diverged = false;
  bool lost = false;      // the world no longer describes the target: later findings are consequences
  bool unique = true;     // exactly one outcome was allowed, names chosen by the kernel apart
  bool unjudged = false;  // the subject is undetermined
  C clause = C::none;
  std::string allowed, seen;
  std::bitset<kFreedoms> freedoms;
  std::bitset<kFreedoms> of_content;  // those of them that are about more than whether the call fails
  std::array<C, 32> decisive{};
  std::uint8_t decisive_count = 0;
  void clear();
};

class Step {
 public:
  // Judging. `choice` is the alternative to take where the rule asks `choose`; -1 asks how many there are.
  Step(const Op& op, const Facts& facts, Profile profile, const Outcome& seen, StepReport& report, int choice)
      : op(op), facts(facts), profile(profile), report_(report), seen_(&seen), choice_(choice) {
    when = {seen.before, seen.after};
  }
  // Running.
  Step(const Op& op, const Facts& facts, Outcome& made, StepReport& report, std::int64_t now)
      : op(op), facts(facts), profile(Profile::exact), report_(report), made_(&made) {
    made.before = made.after = now;
    when = {now, now};
  }

  const Op& op;
  const Facts& facts;
  const Profile profile;
  Moment when;

  bool running() const { return made_ != nullptr; }
  bool exact() const { return profile == Profile::exact; }
  // Judging: the outcome seen.
  const Outcome& seen() const { return *seen_; }
  // Whether a failure with this error was seen; what should have succeeded says more by which clause it then
  // breaks.
  bool saw(int error) const {
    return seen_ != nullptr && seen_->kind == OutcomeKind::error && seen_->error == error;
  }
  bool saw_death() const { return seen_ != nullptr && seen_->kind == OutcomeKind::died; }
  // Running: the outcome being made.
  Outcome& made() { return *made_; }
  StepReport& report() { return report_; }

  // --- failures, stated in the order in which Linux looks for them
  void must(int error, C clause) { add({error, 0, clause, Freedom::which_error, true}); }
  // `other` is accepted too where the profile is not exact.
  void must(int error, int other, C clause) {
    add({error, other, clause, Freedom::documented_alternative, true});
  }
  void may(int error, Freedom freedom) { add({error, 0, C::none, freedom, false}); }
  bool must_fail() const;
  // The error of the first condition stated, or 0.
  int first_error() const { return count_ > 0 ? failures_[0].error : 0; }
  // Of the first that must fail, which is what the running model makes; or 0.
  int required_error() const {
    const Failure* first = first_required();
    return first ? first->error : 0;
  }
  // How many conditions of failure have been stated.
  std::size_t failures() const { return count_; }
  // Decides between failure and success. True: the op is over, nothing has changed.
  bool failed(C success);

  // --- success
  // A number that is determined.
  std::uint64_t returns(std::uint64_t expected, C clause);
  // A value of the kernel's choosing; `fallback` is what the running model chooses.
  std::uint64_t chosen(std::uint64_t fallback, Freedom freedom);
  // A condition on what was seen. Only judging evaluates it.
  template <typename Allowed>
  bool expect(bool holds, C clause, Allowed allowed) {
    if (running()) return true;
    applies(clause);
    if (!holds) diverge(clause, allowed());
    return holds;
  }

  // A signal that is caught.
  void signals(std::uint8_t signal, std::uint8_t code, std::uint64_t address, C clause);
  // Death by a signal.
  void dies(std::uint8_t signal, C clause);

  // Which of `count` futures this world takes. Asked before anything is changed; < 0: return at once.
  int choose(int count, Freedom freedom);
  int choices_wanted() const { return choices_wanted_; }

  void applies(C clause);
  void uses(Freedom freedom);
  // Names chosen by the kernel: not counted against uniqueness.
  void names(Freedom freedom);
  // Records a disagreement. The world counts as lost, unless the rule could adopt what was seen.
  void diverge(C clause, std::string allowed);
  void diverge(C clause, std::string allowed, std::string seen);
  void lose() { report_.lost = true; }
  // From here on the world is not known, though nothing wrong was seen: the rest of the trace is not judged.
  void lose_quietly(Freedom freedom) {
    uses(freedom);
    report_.lost = report_.unjudged = true;
  }
  // The same, where the outcome depends on what is not known: it breaks nothing, whatever it is.
  void cannot_tell(Freedom freedom) {
    report_.diverged = false;
    report_.clause = C::none;
    lose_quietly(freedom);
  }
  void adopted() { report_.lost = false; }
  void unjudged() { report_.unjudged = true; }

 private:
  struct Failure {
    int error, other;
    C clause;
    Freedom freedom;
    bool required;
  };
  void add(Failure f) {
    if (count_ < failures_.size()) failures_[count_++] = f;
  }
  const Failure* first_required() const;
  bool accepts_error(int error);
  void note_other_errors(int error);
  void might_fail(Freedom freedom);
  std::string allowed_errors() const;

  StepReport& report_;
  const Outcome* seen_ = nullptr;
  Outcome* made_ = nullptr;
  int choice_ = -1;
  int choices_wanted_ = 0;
  std::array<Failure, 14> failures_;
  std::size_t count_ = 0;
};

// A phrase for an outcome: "EINVAL", "SIGBUS/ADRERR at 0x…", "success".
std::string describe(const Outcome& outcome);
std::string error_name(int error);
std::string signal_name(std::uint8_t signal, std::uint8_t code);
std::string hex(std::uint64_t value);

}  // namespace shmcheck::model
