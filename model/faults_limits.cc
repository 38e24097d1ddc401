// Faults of the limits of an IPC namespace and of forced removal.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Limit;

constexpr int kEINVAL = 22;

bool sets(const Op& op, Limit limit) {
  return requests(op, OpCode::limit, limit);
}
IpcLimits& limits_of(World& w, const Op& op) {
  return w.ipc.of(actor(w, op)).limits;
}
const IpcLimits& limits_of(const World& w, const Op& op) {
  return w.ipc.of(w.processes[op.proc]).limits;
}
bool forces(const World& w, const Op& op) {
  return limits_of(w, op).rmid_forced;
}

// --- how much there may be
constexpr C kMax[] = {C::limit_shmmax};
void shmmax_in_pages(World& w, Op& op) {
  if (op.code != OpCode::shmget || !limits_of(w, op).set[static_cast<std::size_t>(Limit::shmmax)]) return;
  std::uint64_t& most = limits_of(w, op).shmmax;
  if (most < UINT64_MAX - w.page()) most = w.up(most);
}
void shmmax_excludes_itself(const World& was, World& w, const Op& op, Outcome& o) {
  const ShmidKernel* k = created(was, w, op, o);
  if (k && k->segsz == limits_of(was, op).shmmax) refuse(was, w, o, kEINVAL);
}

constexpr C kRetroactive[] = {C::limit_shmmax_not_retroactive};
void shmmax_checked_at_lookup(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmget || !ok(o) || created(was, w, op, o)) return;
  if (w.ipc.segments[*w.segment_names[op.result]].segsz <= limits_of(was, op).shmmax) return;
  refuse(was, w, o, kEINVAL);
}

constexpr C kRelease[] = {C::limit_shmall_release, C::limit_shmall};
void shmall_forgets_marked(World& w, Op& op) {
  if (op.code != OpCode::shmget || limits_of(w, op).shmall == UINT64_MAX) return;
  for (std::uint32_t i : w.ipc.of(actor(w, op)).live) {
    const ShmidKernel& k = w.ipc.segments[i];
    if (k.perm.mode & kShmDest) limits_of(w, op).shmall += w.up(k.segsz) / w.page();
  }
}

constexpr C kCount[] = {C::limit_shmmni};
void shmmni_allows_one_more(World& w, Op& op) {
  bool set = limits_of(w, op).set[static_cast<std::size_t>(Limit::shmmni)];
  if (op.code == OpCode::shmget && set) ++limits_of(w, op).shmmni;
}

// What `before` has changed for one call. The id that was asked for is used up all the same.
void limits_back(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code != OpCode::shmget) return;
  const auto next = limits_of(w, op).next_id;
  limits_of(w, op) = limits_of(was, op);
  limits_of(w, op).next_id = next;
}

constexpr C kSettable[] = {C::limit_settable};
void anyone_sets(World& w, Op& op) {
  if (op.code == OpCode::limit && runs(w, op)) actor(w, op).cred.capable = true;
}
void power_ends(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::limit) actor(w, op).cred.capable = was.processes[op.proc].cred.capable;
}

// --- forced removal
constexpr C kDetach[] = {C::limit_rmid_forced_detach, C::shmctl_shm_info, C::sysv_life_memory_returned};
void death_does_not_remove(const World& was, World& w, const Op& op, Outcome& o) {
  bool dies = op.code == OpCode::exit || op.code == OpCode::kill;
  if (!dies || o.kind == OutcomeKind::unbound || !forces(was, op)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (was.ipc.segments[i].nattch > 0 && !(was.ipc.segments[i].perm.mode & kShmDest)) revive(was, w, i);
  }
}
void removes_keyless_only(const World& was, World& w, const Op& op, Outcome&) {
  if (!removes_mappings(op.code) || op.code == OpCode::end || !forces(was, op)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (was.ipc.segments[i].nattch > 0 && was.ipc.segments[i].perm.key != 0) revive(was, w, i);
  }
}

constexpr C kExit[] = {C::limit_rmid_forced_exit, C::sysv_life_memory_returned};
void exit_keeps_own(const World& was, World& w, const Op& op, Outcome& o) {
  bool dies = op.code == OpCode::exit || op.code == OpCode::kill;
  if (!dies || o.kind == OutcomeKind::unbound || !forces(was, op)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (was.ipc.segments[i].nattch == 0) revive(was, w, i);
  }
}

constexpr C kSwitch[] = {C::limit_rmid_forced_switch, C::limit_rmid_forced_exit, C::shmget_id_not_reused_soon,
                         C::sysv_life_memory_returned};
void switch_keeps_orphans(const World& was, World& w, const Op& op, Outcome& o) {
  if (!sets(op, Limit::rmid_forced) || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) revive(was, w, i);
}
void switch_takes_unused(const World&, World& w, const Op& op, Outcome& o) {
  if (!sets(op, Limit::rmid_forced) || !ok(o) || !forces(w, op)) return;
  const std::vector<std::uint32_t> live = w.ipc.of(actor(w, op)).live;
  for (std::uint32_t i : live) {
    if (w.ipc.segments[i].nattch == 0) w.ipc.destroy(i);
  }
}

constexpr C kMark[] = {C::limit_rmid_forced_no_mark};
void switch_marks(const World&, World& w, const Op& op, Outcome& o) {
  if (!sets(op, Limit::rmid_forced) || !ok(o) || !forces(w, op)) return;
  for (std::uint32_t i : w.ipc.of(actor(w, op)).live) w.ipc.segments[i].perm.mode |= kShmDest;
}

constexpr C kOff[] = {C::sysv_life_until_removed, C::sysv_life_survives_exit, C::limit_settable};
void stays_on(const World& was, World& w, const Op& op, Outcome& o) {
  if (sets(op, Limit::rmid_forced) && ok(o) && forces(was, op)) limits_of(w, op).rmid_forced = true;
}

// --- an id that is asked for
constexpr C kNextId[] = {C::limit_next_id};
void next_id_ignored(World& w, Op& op) {
  if (op.code == OpCode::shmget && runs(w, op)) limits_of(w, op).next_id = kNoId;
}
void next_id_kept(const World& was, World& w, const Op& op, Outcome& o) {
  if (created(was, w, op, o)) limits_of(w, op).next_id = limits_of(was, op).next_id;
}

constexpr C kStale[] = {C::shmctl_stale_id};
void index_is_enough(const World&, World& w, const Op& op, Outcome& o) {
  const bool asks = command(op, program::ShmCommand::lock) && failed_with(o, kEINVAL);
  const ShmidKernel* k = asks ? bound_segment(w, op) : nullptr;
  if (k && k->destroyed && w.ipc.find_index(w.ipc.of(*k), k->id) >= 0) succeed(o);
}

constexpr C kDefaults[] = {C::limit_defaults};
// As they were before Linux 3.16: 32 MiB a segment, 2^21 pages in all.
void old_defaults(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::unshare || !ok(o)) return;
  IpcLimits& limits = w.ipc.of(actor(w, op)).limits;
  limits.shmmax = 0x200'0000;
  limits.shmall = 0x20'0000;
}

constexpr Fault kFaults[] = {
    {"limit-shmmax-in-pages",
     "kernel.shmmax is rounded up to pages",
     kMax,
     shmmax_in_pages,
     limits_back,
     true,
     {},
     true},
    {"limit-shmmax-excludes-itself", "a segment of exactly kernel.shmmax bytes is refused", kMax, nullptr,
     shmmax_excludes_itself, true},
    {"limit-shmmax-checked-at-lookup",
     "a segment larger than a lowered kernel.shmmax is not found",
     kRetroactive,
     nullptr,
     shmmax_checked_at_lookup,
     true,
     {},
     true},
    {"limit-shmall-forgets-marked",
     "segments marked for removal do not count for kernel.shmall",
     kRelease,
     shmall_forgets_marked,
     limits_back,
     true,
     {},
     true},
    {"limit-shmmni-one-more", "one segment more than kernel.shmmni", kCount, shmmni_allows_one_more,
     limits_back, true},
    {"limit-by-anyone", "an unprivileged process sets kernel.shm*", kSettable, anyone_sets, power_ends, true},
    {"forced-death-does-not-remove",
     "forced removal only by shmdt and munmap, not by the end of a process",
     kDetach,
     nullptr,
     death_does_not_remove,
     true,
     {},
     true},
    {"forced-removes-keyless-only",
     "forced removal leaves segments that have a key",
     kDetach,
     nullptr,
     removes_keyless_only,
     true,
     {},
     true},
    {"forced-exit-keeps-own",
     "forced removal leaves what a dead creator never attached",
     kExit,
     nullptr,
     exit_keeps_own,
     true,
     {},
     true},
    {"forced-switch-keeps-orphans",
     "switching forced removal on destroys nothing",
     kSwitch,
     nullptr,
     switch_keeps_orphans,
     true,
     {},
     true},
    {"forced-switch-takes-unused",
     "switching forced removal on destroys unused segments of living creators",
     kSwitch,
     nullptr,
     switch_takes_unused,
     false,
     {},
     true},
    {"forced-switch-marks", "switching forced removal on sets SHM_DEST", kMark, nullptr, switch_marks, false},
    {"next-id-ignored", "shm_next_id is not heeded", kNextId, next_id_ignored, nullptr, false},
    {"next-id-kept",
     "shm_next_id is not set back when a segment is made",
     kNextId,
     nullptr,
     next_id_kept,
     true,
     {},
     true},
    {"stale-id-locks",
     "a stale id locks the segment that has its index now",
     kStale,
     nullptr,
     index_is_enough,
     false,
     {},
     true},
    {"forced-stays-on",
     "forced removal cannot be switched off again",
     kOff,
     nullptr,
     stays_on,
     true,
     {},
     true},
    {"unshare-old-defaults", "a new namespace begins with the limits of Linux 3.15", kDefaults, nullptr,
     old_defaults, false},
};

}  // namespace

std::span<const Fault> limit_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
