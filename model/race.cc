// Several processes at once. What each meets must be what some order of their calls gives, so the rules of
// the calls themselves are asked, in the one order that is left: a segment that is gone does not come back,
// so who found it comes before whatever ends it, and who did not find it comes last.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::kRacers;
using program::Racer;

constexpr int kEACCES = 13, kEEXIST = 17, kEINVAL = 22, kEIDRM = 43;

class Race {
 public:
  Race(World& w, Step& s) : w_(w), s_(s), first_(w.processes.lend(program::racers(s.op))) {
    address_ = w.mapping_names[0];
    for (unsigned i = 0; i < program::racers(s.op) && !s.running(); ++i) {
      racers_[i] = program::unpack_racer(
          std::span(s.seen().words).subspan(i * program::kRacerWords, program::kRacerWords));
    }
  }
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;
  ~Race() {
    for (unsigned i = 0; i < program::racers(s_.op); ++i) {
      const Racer& r = racers_[i];
      if (s_.running()) s_.made().words.insert(s_.made().words.end(), {r.pid, pack_how(r), r.value});
    }
    w_.mapping_names[0] = address_;
    w_.processes.give_back(first_);
  }

  // What demands what none of the calls alone does.
  std::function<C(C of_call)> blame = [](C of_call) { return of_call; };

  Racer& operator[](unsigned who) { return racers_[who]; }
  Process& process(unsigned who) { return w_.processes[first_ + who]; }
  bool over() const { return over_; }

  void begin(unsigned who, std::uint8_t parent);
  void begin_all() {
    for (unsigned i = 0; i < kRacers; ++i) begin(i, s_.op.proc);
  }
  void begin_child(unsigned who) { begin(kRacers + who, static_cast<std::uint8_t>(first_ + who)); }
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
  bool call(OpCode code, unsigned who, Op op, Racer& racer);
  bool judge(const Op& op, Outcome outcome);
  void run(const Op& op, Outcome& outcome);
  void ask(const Op& op, Step& step);
  void look(unsigned who);

  World& w_;
  Step& s_;
  const std::uint8_t first_;
  std::optional<std::uint64_t> address_;
  std::array<Racer, 2 * kRacers> racers_{};
  std::array<std::uint64_t, 2 * kRacers> at_{};
  std::vector<std::uint32_t> had_;
  bool over_ = false, taken_away_ = false;
};

constexpr Rule* rule_of(OpCode code) {
  switch (code) {
    case OpCode::fork:
      return rule_fork;
    case OpCode::exit:
      return rule_exit;
    case OpCode::shmget:
      return rule_shmget;
    case OpCode::shmat:
      return rule_shmat;
    case OpCode::shmdt:
      return rule_shmdt;
    case OpCode::shmctl:
      return rule_shmctl;
    case OpCode::load:
      return rule_load;
    default:
      return rule_store;
  }
}

void Race::ask(const Op& op, Step& step) {
  rule_of(op.code)(w_, w_.processes[op.proc], step);
}

void Race::run(const Op& op, Outcome& outcome) {
  StepReport report;
  Step step(op, s_.facts, outcome, report, s_.when.low);
  ask(op, step);
}

// What the call breaks or leaves open is the step's.
bool Race::judge(const Op& op, Outcome outcome) {
  StepReport report;
  outcome.before = s_.when.low;
  outcome.after = s_.when.high;
  Step step(op, s_.facts, s_.profile, outcome, report, -1);
  ask(op, step);
  // Where it came to lie is not seen.
  report.freedoms.reset(static_cast<std::size_t>(Freedom::address));
  report.of_content.reset(static_cast<std::size_t>(Freedom::address));
  StepReport& all = s_.report();
  all.freedoms |= report.freedoms;
  all.of_content |= report.of_content;
  all.unique &= report.unique;
  all.unjudged |= report.unjudged;
  for (std::uint8_t i = 0; i < report.decisive_count && all.decisive_count < all.decisive.size(); ++i)
    s_.applies(report.decisive[i]);
  if (report.diverged)
    s_.diverge(blame(report.clause), fmt::format("of {}, {}", program::spec(op.code).name, report.allowed),
               report.seen);
  else if (step.choices_wanted() > 0)
    s_.lose_quietly(Freedom::documented_alternative);  // what a refused attach ends, if anything
  else if (report.lost)
    s_.lose();
  over_ = report.diverged || step.choices_wanted() > 0 || report.lost;
  return !over_ && outcome.kind != OutcomeKind::error;
}

bool Race::call(OpCode code, unsigned who, Op op, Racer& racer) {
  op.code = code;
  op.proc = static_cast<std::uint8_t>(first_ + who);
  Outcome o;
  if (!s_.running()) {
    o.kind = racer.kind;
    if (racer.kind == OutcomeKind::error) o.error = racer.error;
    o.value = code == OpCode::shmget || code == OpCode::load ? racer.value
              : code == OpCode::shmat                        ? at_[who]
                                                             : 0;
    return judge(op, o);
  }
  run(op, o);
  racer.kind = o.kind;
  racer.error = o.error;
  if (code == OpCode::shmat)
    at_[who] = o.value;
  else
    racer.value = o.value;
  return o.kind == OutcomeKind::ok;
}

void Race::begin(unsigned who, std::uint8_t parent) {
  Op op;
  op.code = OpCode::fork;
  op.proc = parent;
  op.result = static_cast<std::uint8_t>(first_ + who);
  Outcome o;
  o.value = racers_[who].pid;
  if (!s_.running()) {
    if (!over_) judge(op, o);
    return;
  }
  run(op, o);
  racers_[who].pid = o.value;
}

void Race::get(unsigned who) {
  if (!over_) call(OpCode::shmget, who, s_.op, racers_[who]);
}

void Race::look(unsigned who) {
  Op op;
  op.addr.base = static_cast<std::uint8_t>(program::Base::mapping);
  op.small = 3;
  Racer& r = racers_[who];
  if (!s_.running() && r.kind == OutcomeKind::signal) {
    over_ = true;
    return s_.diverge(blame(C::shmat_null_addr), "memory that can be loaded from and stored to",
                      signal_name(static_cast<std::uint8_t>(r.error), r.code));
  }
  if (!call(OpCode::load, who, op, r)) return;
  op.value = r.value;
  Racer stored;
  call(OpCode::store, who, op, stored);
}

void Race::attach(unsigned who) {
  if (over_) return;
  Racer& r = racers_[who];
  const std::int32_t found = w_.named_segment(process(who).ipc_namespace, s_.op.object);
  const std::uint64_t size = found < 0 ? 1 : w_.ipc.segments[static_cast<std::size_t>(found)].segsz;
  if (!s_.running() && size < kNoRoom) at_[who] = free_range(w_, process(who), w_.up(size));
  Racer answer = r;
  if (answer.kind == OutcomeKind::signal) answer = {r.pid};
  if (taken_away_ && r.kind == OutcomeKind::error && r.error == kEIDRM) answer.error = kEINVAL;
  Op op;
  op.object = s_.op.object;
  const bool attached = call(OpCode::shmat, who, op, answer);
  if (s_.running()) r = {r.pid, answer.kind, answer.error};
  if (attached) look(who);
}

void Race::detach(unsigned who, unsigned attached_by) {
  if (over_) return;
  Op op;
  op.addr.base = static_cast<std::uint8_t>(program::Base::mapping);
  w_.mapping_names[0] = at_[attached_by];
  Racer worked;
  call(OpCode::shmdt, who, op, worked);
}

void Race::remove(unsigned who) {
  if (over_) return;
  Op op;
  op.object = s_.op.object;
  op.small = static_cast<std::uint8_t>(program::ShmCommand::rmid);
  call(OpCode::shmctl, who, op, racers_[who]);
}

void Race::end_all() {
  for (const Vma& v : process(0).memory.vmas()) {
    if (v.segment >= 0) had_.push_back(static_cast<std::uint32_t>(v.segment));
  }
  for (unsigned i = program::racers(s_.op); i-- > 0;) {
    end(i);
  }
  for (const std::uint32_t segment : had_) {
    ShmidKernel& k = w_.ipc.segments[segment];
    for (unsigned i = 0; i < kRacers; ++i) k.lprid.add(racers_[i].pid);
    k.raced = true;
  }
}

bool granted(const Racer& r) {
  return r.pid != 0 && (r.kind == OutcomeKind::ok || r.kind == OutcomeKind::signal);
}
bool found_nothing(const Racer& r) {
  return r.kind == OutcomeKind::error && (r.error == kEINVAL || r.error == kEIDRM);
}

// Whether all of them met the same error, so that it is not their number that is wrong.
bool all_met(Race& race, const Step& s, std::uint16_t but) {
  if (s.running()) return false;
  for (unsigned i = 0; i < kRacers; ++i) {
    if (race[i].kind != OutcomeKind::error || race[i].error != race[0].error || race[i].error == but)
      return false;
  }
  return true;
}

// True if the step is over: there were no processes to be had, or one has not answered.
bool not_run(Race& race, Step& s, C clause) {
  for (unsigned i = 0; i < program::racers(s.op) && !s.running(); ++i) {
    if (race[i].kind != OutcomeKind::died) continue;
    s.diverge(clause, "an answer of each process", fmt::format("none of process {}", race[i].pid));
    return true;
  }
  return false;
}

}  // namespace

void rule_race_shmget(World& w, Process&, Step& s) {
  if (s.failed(C::fork_mapping_inherited)) return;
  using namespace program::shmget;
  const bool creates = s.op.flags & kCreat, exclusive = creates && (s.op.flags & kExcl);
  const C clause = exclusive ? C::shmget_excl_atomic : C::shmget_create_race;
  const std::size_t before = w.ipc.segments.size();
  w.attach_clause = C::shmat_fork_inherited;
  w.detach_clause = C::shmat_exit_detaches;
  Race race(w, s);
  if (not_run(race, s, clause)) return;
  race.blame = [&](C of_call) { return !creates || all_met(race, s, kEEXIST) ? of_call : clause; };
  race.begin_all();
  for (const bool first : {true, false}) {
    for (unsigned i = 0; i < kRacers; ++i) {
      if (s.running() ? first : granted(race[i]) == first) race.get(i);
    }
  }
  if (race.over()) return;
  const bool made = w.ipc.segments.size() > before;
  if (exclusive || (creates && made)) s.applies(clause);
  if (made) {
    s.uses(Freedom::race_order);
    ShmidKernel& k = w.ipc.segments.back();
    for (unsigned i = 0; i < kRacers; ++i) {
      if (granted(race[i])) k.cprid.add(race[i].pid);
    }
    k.raced = true;
  }
  race.end_all();
}

namespace {

// A call that finds no place has attached for a moment, and under forced removal may end the segment with
// that (do_shmat, ipc/shm.c): how many were at that point at once is not seen.
bool may_end_it(World& w, Step& s, Race& race, std::int32_t segment) {
  if (s.running() || segment < 0) return false;
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  if (!w.ipc.of(k).limits.rmid_forced || k.nattch != 0) return false;
  bool refused = false, attached = false;
  for (unsigned i = 0; i < program::racers(s.op); ++i) {
    attached |= granted(race[i]);
    refused |= race[i].kind == OutcomeKind::error && race[i].error != kEACCES && !found_nothing(race[i]);
  }
  return refused && !attached;
}

// Of those who had it attached any may be the last, unless all had it from the beginning.
void note_last(World& w, Race& race, const Step& s, std::int32_t segment) {
  if (segment < 0 || race.had(static_cast<std::uint32_t>(segment))) return;
  ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  const bool removes = static_cast<program::Against>(s.op.small) == program::Against::rmid;
  for (unsigned i = removes ? 1 : 0; i < program::racers(s.op); ++i) {
    // A child has what its parent had attached, though it may be refused an attach of its own.
    const bool child = i >= kRacers;
    if (child ? race[i].pid == 0 : !granted(race[i])) continue;
    k.lprid.add(race[i].pid);
    k.raced = true;
  }
}

}  // namespace

void rule_race_shmat(World& w, Process& p, Step& s) {
  if (s.failed(C::fork_mapping_inherited)) return;
  const bool removes = static_cast<program::Against>(s.op.small) == program::Against::rmid;
  const C clause = removes ? C::sysv_life_rmid_race : C::sysv_life_fork_storm;
  const std::int32_t segment = w.named_segment(p.ipc_namespace, s.op.object);
  w.attach_clause = w.detach_clause = clause;
  Race race(w, s);
  if (not_run(race, s, clause)) return;
  race.begin_all();
  if (may_end_it(w, s, race, segment)) return s.lose_quietly(Freedom::race_order);
  if (removes) race.blame = [&](C of_call) { return segment < 0 ? of_call : clause; };
  if (removes && segment >= 0) s.applies(clause);
  if (segment >= 0) {
    s.uses(Freedom::race_order);
    race.may_be_taken_away();
  }
  // The running model lets the last come too late for what another removes.
  const auto late = [&](unsigned i) {
    return s.running() ? removes && i == kRacers - 1 : found_nothing(race[i]);
  };
  std::array<bool, 2 * kRacers> attached{};
  for (const bool first : {true, false}) {
    for (unsigned i = removes ? 1 : 0; i < kRacers; ++i) {
      if (late(i) || (s.running() ? !first : granted(race[i]) != first)) continue;
      race.attach(i);
      attached[i] = granted(race[i]);
    }
  }
  for (unsigned i = 0; i < kRacers && !removes && !s.running(); ++i) {
    const bool forked = race[kRacers + i].pid != 0;
    if (!s.expect(forked == attached[i], clause, [] { return std::string("a child of who has attached"); }))
      return;
  }
  if (removes && !late(0)) race.remove(0);
  for (unsigned i = 0; i < kRacers && !removes && !race.over(); ++i) {
    if (!attached[i]) continue;
    race.begin_child(i);
    race.attach(kRacers + i);
  }
  for (unsigned i = 0; i < kRacers && !race.over(); ++i) {
    if (!attached[i]) continue;
    race.detach(i, i);
    if (removes) continue;
    race.detach(kRacers + i, i);
    race.end(kRacers + i);
  }
  if (race.over()) return;
  for (unsigned i = 0; i < kRacers; ++i) {
    if (!late(i)) continue;
    if (removes && i == 0)
      race.remove(0);
    else
      race.attach(i);
  }
  if (race.over()) return;
  race.end_all();
  note_last(w, race, s, segment);
}

}  // namespace shmcheck::model
