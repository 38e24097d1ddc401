// Ops that several processes do at once. They are children of the process whose op it is, wait for each other
// without sleeping, so that their calls meet, and are gone when it returns.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#include <algorithm>

#include "executor/call.h"
#include "executor/fault.h"
#include "executor/fork.h"

namespace shmcheck::executor {
namespace {

using program::kRacers;
using program::Racer;

// What one of them does; `who` is its place.
using Part = void(unsigned who, const Call& call);

bool given_up() {
  return load(control->race.given_up) != 0;
}

// Comes back when all are here: none of them sleeps, so none is late.
void meet(Word& here) {
  __atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
  while (load(here) < kRacers && !given_up()) sys(SYS_sched_yield);
}

// Ends with the process that began it.
void tie_to(long parent) {
  sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (sys(SYS_getppid) != parent) sys(SYS_exit_group, 1);
}

// Onto a CPU of those that the executor may have, though programs run on one. Where that is refused they race
// on that one, by turns.
void spread(unsigned who) {
  const auto count = static_cast<unsigned>(CPU_COUNT(&target.cpus));
  if (count == 0) return;
  int cpu = -1;
  for (unsigned skip = who % count + 1; skip > 0; --skip) {
    do ++cpu;
    while (!CPU_ISSET(cpu, &target.cpus));
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sys(SYS_sched_setaffinity, 0, sizeof one, &one);
}

void settle_racer(Racer& racer, long result) {
  const bool bad = failed(result);
  racer.kind = bad ? OutcomeKind::error : OutcomeKind::ok;
  racer.error = static_cast<std::uint16_t>(bad ? -result : 0);
  racer.value = bad ? 0 : static_cast<std::uint64_t>(result);
}

// --- what is at an attach

struct Look {
  std::uint64_t address, value;
};

// In memory order. What was there is stored again, so that it can be written to and nobody sees another
// value.
void load_and_store(void* argument) {
  auto& look = *static_cast<Look*>(argument);
  auto* at = reinterpret_cast<volatile std::uint64_t*>(look.address);
  const std::uint64_t loaded = *at;
  *at = loaded;
  look.value = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? loaded : __builtin_bswap64(loaded);
}

void look_at(Racer& racer, long address) {
  Look look{static_cast<std::uint64_t>(address), 0};
  Fault fault;
  if (guarded(load_and_store, &look, fault)) {
    racer.kind = OutcomeKind::ok;
    racer.value = look.value;
    return;
  }
  racer.kind = OutcomeKind::signal;
  racer.error = static_cast<std::uint16_t>(fault.signal);
  racer.code = static_cast<std::uint8_t>(fault.code);
}

// The address, once what is there has been looked at.
long attach(Racer& racer, long id) {
  const long address = sys(SYS_shmat, id, 0, 0);
  if (failed(address))
    settle_racer(racer, address);
  else
    look_at(racer, address);
  return address;
}

// --- parts

void attach_or_remove(unsigned who, const Call& call) {
  const long id = segment_id(call.op.object);
  Racer& racer = control->race.racer[who];
  if (who == 0) return settle_racer(racer, sys(SYS_shmctl, id, IPC_RMID, nullptr));
  const long address = attach(racer, id);
  if (!failed(address)) sys(SYS_shmdt, address);
}

// Has what its parent has attached, attaches once more, and ends with an attach that nobody takes away.
[[noreturn]] void live_as_child(unsigned who, long id, long inherited) {
  attach(control->race.racer[kRacers + who], id);
  sys(SYS_shmdt, inherited);
  if (who % 2 == 0) sys(SYS_kill, sys(SYS_getpid), SIGKILL);
  sys(SYS_exit_group, 0);
  __builtin_unreachable();
}

void attach_and_fork(unsigned who, const Call& call) {
  const long id = segment_id(call.op.object), me = sys(SYS_getpid);
  const long address = attach(control->race.racer[who], id);
  if (failed(address)) return;
  Racer& of_child = control->race.racer[kRacers + who];
  of_child.kind = OutcomeKind::died;
  const long child = fork_raw();
  if (child == 0) {
    tie_to(me);
    live_as_child(who, id, address);
  }
  if (failed(child)) return settle_racer(control->race.racer[who], child);
  of_child.pid = static_cast<std::uint64_t>(child);
  sys(SYS_shmdt, address);
  wait_for(child);
}

void get(unsigned who, const Call& call) {
  settle_racer(control->race.racer[who], get_segment(call));
}

// --- the race

[[noreturn]] void take_part(unsigned who, Part* part, const Call& call, long parent) {
  tie_to(parent);
  spread(who);
  meet(control->race.arrived);
  if (!given_up()) part(who, call);
  // What it made may go with it: not before all have had their turn.
  meet(control->race.done);
  sys(SYS_exit_group, 0);
  __builtin_unreachable();
}

void record_racers(Call& call) {
  for (unsigned i = 0; i < program::racers(call.op); ++i) {
    const Racer& racer = control->race.racer[i];
    call.words.push(racer.pid);
    call.words.push(pack_how(racer));
    call.words.push(racer.value);
  }
}

// False, and settled, if there were no processes to be had.
bool race(Call& call, Part* part) {
  const long me = sys(SYS_getpid);
  long child[kRacers], result = 0;
  unsigned begun = 0;
  control->race = {};
  while (begun < kRacers) {
    control->race.racer[begun].kind = OutcomeKind::died;
    result = fork_raw();
    if (result == 0) take_part(begun, part, call, me);
    if (failed(result)) break;
    control->race.racer[begun].pid = static_cast<std::uint64_t>(result);
    child[begun++] = result;
  }
  if (failed(result)) store(control->race.given_up, 1);
  for (unsigned i = 0; i < begun; ++i) wait_for(child[i]);
  if (!failed(result)) return record_racers(call), true;
  settle(call, result);
  return false;
}

}  // namespace

// The name is that of the first id. Where there are others, as there must not be, they are removed at the
// end.
void perform_race_shmget(Call& call) {
  if (!race(call, get)) return;
  const std::span<const Racer> racers(control->race.racer, kRacers);
  for (auto r = racers.rbegin(); r != racers.rend(); ++r) {
    if (r->kind == OutcomeKind::ok) bind_segment(call.op.result, static_cast<long>(r->value));
  }
}

void perform_race_shmat(Call& call) {
  const bool forks = static_cast<program::Against>(call.op.small) == program::Against::fork;
  race(call, forks ? attach_and_fork : attach_or_remove);
}

}  // namespace shmcheck::executor
