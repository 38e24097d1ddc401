// Several processes that call shmget(2) at once.
#include "model/race.h"

namespace shmcheck::model {

using program::kRacers;

namespace {

constexpr int kEEXIST = 17;

// Whether all of them met the same error, so that it is not their number that is wrong.
bool all_met(Race& race, const Step& s, std::uint16_t but) {
  if (s.running()) return false;
  for (unsigned i = 0; i < kRacers; ++i) {
    if (race[i].kind != OutcomeKind::error || race[i].error != race[0].error || race[i].error == but)
      return false;
  }
  return true;
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
  if (unanswered(race, s, clause)) return;
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

}  // namespace shmcheck::model
