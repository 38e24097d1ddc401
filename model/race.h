// Several processes at once. What each meets must be what some order of their calls gives, so the rules of
// the calls themselves are asked, in the one order that is left: a segment that is gone does not come back,
// so who found it comes before whatever ends it, and who did not find it comes last.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "model/rules.h"

namespace shmcheck::model {

// The processes of one such op: lent by the world while it is asked about.
class Race {
 public:
  Race(World& w, Step& s);
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;
  ~Race();

  // What demands what none of the calls alone does.
  std::function<C(C of_call)> blame = [](C of_call) { return of_call; };

  program::Racer& operator[](unsigned who) { return racers_[who]; }
  Process& process(unsigned who) { return w_.processes[first_ + who]; }
  bool over() const { return over_; }

  void begin(unsigned who, std::uint8_t parent);
  void begin_all() {
    for (unsigned i = 0; i < program::kRacers; ++i) begin(i, s_.op.proc);
  }
  void begin_child(unsigned who) { begin(program::kRacers + who, static_cast<std::uint8_t>(first_ + who)); }
  void get(unsigned who);
  void attach(unsigned who);
  void detach(unsigned who, unsigned attached_by);
  void remove(unsigned who);
  // The segment was there at the beginning. Who has looked it up when another removes it is told so by EIDRM
  // (do_shmat, ipc/shm.c), which nobody can be who comes later.
  void may_be_taken_away() { taken_away_ = true; }
  // Whether they had it attached before.
  bool had(std::uint32_t segment) const { return std::ranges::find(had_, segment) != had_.end(); }
  void end(unsigned who) {
    if (process(who).life == Life::alive) w_.end_process(static_cast<std::uint8_t>(first_ + who), s_.when);
  }
  // All that were begun end. Of what all of them had, the racers are the last to detach.
  void end_all();

 private:
  // One call: true if it worked, as it was seen to.
  bool call(OpCode code, unsigned who, Op op, program::Racer& racer);
  bool judge(const Op& op, Outcome outcome);
  void run(const Op& op, Outcome& outcome);
  void ask(const Op& op, Step& step);
  void look(unsigned who);

  World& w_;
  Step& s_;
  const std::uint8_t first_;
  std::optional<std::uint64_t> address_;
  std::array<program::Racer, 2 * program::kRacers> racers_{};
  std::array<std::uint64_t, 2 * program::kRacers> at_{};
  std::vector<std::uint32_t> had_;
  bool over_ = false, taken_away_ = false;
};

// Whether it got what it asked for.
bool granted(const program::Racer& r);
// Whether it came too late for a segment.
bool found_nothing(const program::Racer& r);
// True if the step is over: one of them has not answered.
bool unanswered(Race& race, Step& s, C clause);

}  // namespace shmcheck::model
