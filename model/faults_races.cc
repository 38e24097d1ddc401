// Faults of what several processes do at once.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::kRacers;
using program::kRacerWords;
using program::Racer;

constexpr int kEEXIST = 17, kEINVAL = 22;

Racer racer(const Outcome& o, unsigned who) {
  return program::unpack_racer(std::span(o.words).subspan(who * kRacerWords, kRacerWords));
}
void put(Outcome& o, unsigned who, const Racer& r) {
  o.words[who * kRacerWords + 1] = pack_how(r);
  o.words[who * kRacerWords + 2] = r.value;
}

bool worked(const Racer& r) {
  return r.pid != 0 && r.kind == OutcomeKind::ok;
}

// A race in which somebody has made a segment.
bool made(const World& was, const World& w, const Op& op, const Outcome& o, bool exclusive) {
  return op.code == OpCode::race_shmget && ok(o) && exclusive == ((op.flags & program::shmget::kExcl) != 0) &&
         w.ipc.segments.size() > was.ipc.segments.size();
}

// The segment once more, for the last of them.
void make_another(World& w, Outcome& o) {
  ShmidKernel twin = w.ipc.segments.back();
  Inode memory;
  memory.kind = InodeKind::segment;
  memory.size = twin.segsz;
  twin.id += 1 + kTableIndices;
  twin.inode = w.add_inode(std::move(memory));
  Racer last = racer(o, kRacers - 1);
  last = {last.pid, OutcomeKind::ok, 0, 0, twin.id};
  w.ipc.add(std::move(twin));
  put(o, kRacers - 1, last);
}

constexpr C kExclusive[] = {C::shmget_excl_atomic};
void two_winners(const World& was, World& w, const Op& op, Outcome& o) {
  if (made(was, w, op, o, true) && !w.ipc.segments.back().destroyed) make_another(w, o);
}
void no_winner(const World& was, World& w, const Op& op, Outcome& o) {
  if (!made(was, w, op, o, true)) return;
  for (unsigned i = 0; i < kRacers; ++i) put(o, i, {0, OutcomeKind::error, kEEXIST});
}

constexpr C kCreators[] = {C::shmget_create_race};
void two_segments(const World& was, World& w, const Op& op, Outcome& o) {
  if (made(was, w, op, o, false) && !w.ipc.segments.back().destroyed) make_another(w, o);
}
void late_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (made(was, w, op, o, false)) put(o, kRacers - 1, {0, OutcomeKind::error, kEEXIST});
}

bool raced(const Op& op, const Outcome& o, program::Against against) {
  return requests(op, OpCode::race_shmat, against) && ok(o);
}

ShmidKernel* raced_for(World& w, const Op& op) {
  const std::int32_t found = w.named_segment(actor(w, op).ipc_namespace, op.object);
  return found < 0 ? nullptr : &w.ipc.segments[static_cast<std::size_t>(found)];
}

// --- the count
constexpr C kCount[] = {C::sysv_life_fork_storm, C::sysv_life_marked_dies_with_last, C::shmdt_last_of_marked,
                        C::shmctl_gone_id, C::shmctl_rmid_unattached};
void count_by(World& w, const Op& op, const Outcome& o, int more) {
  if (!raced(op, o, program::Against::fork) || !worked(racer(o, 0))) return;
  if (ShmidKernel* k = raced_for(w, op)) k->nattch += more;
}
void one_too_many(const World&, World& w, const Op& op, Outcome& o) {
  count_by(w, op, o, 1);
}
void one_too_few(const World&, World& w, const Op& op, Outcome& o) {
  count_by(w, op, o, -1);
}

// --- what is found of a segment that another removes
constexpr C kRemoval[] = {C::sysv_life_rmid_race};
void foreign_memory(const World&, World&, const Op& op, Outcome& o) {
  if (!raced(op, o, program::Against::rmid)) return;
  for (unsigned i = kRacers - 1; i > 0; --i) {
    Racer r = racer(o, i);
    if (!worked(r)) continue;
    r.value ^= 0x4141;
    return put(o, i, r);
  }
}
void freed_memory(const World&, World&, const Op& op, Outcome& o) {
  if (!raced(op, o, program::Against::rmid)) return;
  for (unsigned i = kRacers - 1; i > 0; --i) {
    if (worked(racer(o, i))) return put(o, i, {0, OutcomeKind::signal, kSIGBUS, kAdrErr});
  }
}
void marked_refused(const World&, World& w, const Op& op, Outcome& o) {
  if (!raced(op, o, program::Against::rmid) || !worked(racer(o, 0)) || !raced_for(w, op)) return;
  if (worked(racer(o, kRacers - 1))) put(o, kRacers - 1, {0, OutcomeKind::error, kEINVAL});
}
void removal_lost(const World& was, World& w, const Op& op, Outcome& o) {
  if (!raced(op, o, program::Against::rmid) || !worked(racer(o, 0))) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (!w.ipc.segments[i].destroyed || was.ipc.segments[i].destroyed) continue;
    revive(was, w, i);
    w.ipc.segments[i].perm = was.ipc.segments[i].perm;
  }
}

constexpr Fault kFaults[] = {
    {"race-two-winners", "two that create a key exclusively at once both make a segment", kExclusive, nullptr,
     two_winners, true},
    {"race-no-winner", "of several that create a key exclusively at once none is told so", kExclusive,
     nullptr, no_winner, true},
    {"race-two-segments", "who creates a key while another does gets a segment of its own", kCreators,
     nullptr, two_segments, true},
    {"race-late-refused", "who creates a key while another does is refused", kCreators, nullptr, late_refused,
     true},
    {"storm-counts-one-too-many", "a detach that comes at the same time as others is not counted", kCount,
     nullptr, one_too_many, false},
    {"storm-counts-one-too-few", "an attach that comes at the same time as others is not counted", kCount,
     nullptr, one_too_few, false},
    {"race-foreign-memory", "who attaches while another removes finds other memory", kRemoval, nullptr,
     foreign_memory, false},
    {"race-freed-memory", "who attaches while another removes finds no memory", kRemoval, nullptr,
     freed_memory, false},
    {"race-marked-refused", "who attaches while another removes is refused what is still attached", kRemoval,
     nullptr, marked_refused, false},
    {"race-removal-lost", "what somebody attaches while another removes it is not removed", kUndead, nullptr,
     removal_lost, true},
};

}  // namespace

std::span<const Fault> race_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
