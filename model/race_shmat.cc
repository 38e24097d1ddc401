// Several processes that call shmat(2) at once, while one removes the segment or each forks.
#include <array>
#include <string>

#include "model/race.h"

namespace shmcheck::model {

using program::kRacers;

namespace {

constexpr int kEACCES = 13;

// One of them removes the segment, or each has a child that attaches, too.
bool removes(const Step& s) {
  return static_cast<program::Against>(s.op.small) == program::Against::rmid;
}

// A call that finds no place has attached for a moment, and under forced removal may end the segment with
// that (do_shmat, ipc/shm.c), marked in between or not: how many were at that point at once is not seen.
bool may_end_it(World& w, Step& s, Race& race, std::int32_t segment) {
  if (s.running() || segment < 0) return false;
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  if (!w.ipc.of(k).limits.rmid_forced || k.nattch != 0) return false;
  bool refused = false, attached = false;
  for (unsigned i = removes(s) ? 1 : 0; i < program::racers(s.op); ++i) {
    attached |= granted(race[i]);
    refused |= race[i].kind == OutcomeKind::error && race[i].error != kEACCES && !found_nothing(race[i]);
  }
  return refused && !attached;
}

// Of those who had it attached any may be the last, unless all had it from the beginning.
void note_last(World& w, Race& race, const Step& s, std::int32_t segment) {
  if (segment < 0 || race.had(static_cast<std::uint32_t>(segment))) return;
  ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  for (unsigned i = removes(s) ? 1 : 0; i < program::racers(s.op); ++i) {
    // A child has what its parent had attached, though it may be refused an attach of its own.
    const bool child = i >= kRacers;
    if (child ? race[i].pid == 0 : !granted(race[i])) continue;
    k.lprid.add(race[i].pid);
    k.raced = true;
  }
}

// Comes too late for what another removes. The running model lets the last one do that.
bool late(Race& race, const Step& s, unsigned who) {
  return s.running() ? removes(s) && who == kRacers - 1 : found_nothing(race[who]);
}

using Attached = std::array<bool, kRacers>;

// Those who come in time, those first who are granted it.
Attached attach(Race& race, const Step& s) {
  Attached attached{};
  for (const bool first : {true, false}) {
    for (unsigned i = removes(s) ? 1 : 0; i < kRacers; ++i) {
      if (late(race, s, i) || (s.running() ? !first : granted(race[i]) != first)) continue;
      race.attach(i);
      attached[i] = granted(race[i]);
    }
  }
  return attached;
}

// Whoever has attached has forked, and nobody else: else the step is over.
bool fork_as_attached(Race& race, Step& s, const Attached& attached, C clause) {
  for (unsigned i = 0; i < kRacers && !s.running(); ++i) {
    const bool forked = race[kRacers + i].pid != 0;
    if (!s.expect(forked == attached[i], clause, [] { return std::string("a child of who has attached"); }))
      return false;
  }
  for (unsigned i = 0; i < kRacers && !race.over(); ++i) {
    if (!attached[i]) continue;
    race.begin_child(i);
    race.attach(kRacers + i);
  }
  return true;
}

void detach(Race& race, const Step& s, const Attached& attached) {
  for (unsigned i = 0; i < kRacers && !race.over(); ++i) {
    if (!attached[i]) continue;
    race.detach(i, i);
    if (removes(s)) continue;
    race.detach(kRacers + i, i);
    race.end(kRacers + i);
  }
}

void come_too_late(Race& race, const Step& s) {
  for (unsigned i = 0; i < kRacers; ++i) {
    if (!late(race, s, i)) continue;
    if (removes(s) && i == 0)
      race.remove(0);
    else
      race.attach(i);
  }
}

}  // namespace

void rule_race_shmat(World& w, Process& p, Step& s) {
  if (s.failed(C::fork_mapping_inherited)) return;
  const C clause = removes(s) ? C::sysv_life_rmid_race : C::sysv_life_fork_storm;
  const std::int32_t segment = w.named_segment(p.ipc_namespace, s.op.object);
  w.attach_clause = w.detach_clause = clause;
  Race race(w, s);
  if (unanswered(race, s, clause)) return;
  race.begin_all();
  if (may_end_it(w, s, race, segment)) return s.lose_quietly(Freedom::race_order);
  if (removes(s)) race.blame = [&](C of_call) { return segment < 0 ? of_call : clause; };
  if (removes(s) && segment >= 0) s.applies(clause);
  if (segment >= 0) {
    s.uses(Freedom::race_order);
    race.may_be_taken_away();
  }
  const Attached attached = attach(race, s);
  if (removes(s)) {
    if (!late(race, s, 0)) race.remove(0);
  } else if (!fork_as_attached(race, s, attached, clause)) {
    return;
  }
  detach(race, s, attached);
  if (race.over()) return;
  come_too_late(race, s);
  if (race.over()) return;
  race.end_all();
  note_last(w, race, s, segment);
}

}  // namespace shmcheck::model
