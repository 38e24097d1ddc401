// Faults that show only to another user or to another process.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::ShmCommand;

constexpr int kEPERM = 1, kEACCES = 13;

// Lets the acting process do this one op with all rights.
void empower(World& w, const Op& op) {
  if (runs(w, op)) actor(w, op).cred.capable = true;
}
void power_ends(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::setid || op.code == OpCode::unshare) return;
  w.processes[op.proc].cred.capable = was.processes[op.proc].cred.capable;
}

constexpr C kOwner[] = {C::shmctl_rmid_who, C::shmctl_set_who, C::shmctl_set_fields, C::shmctl_rmid_attached,
                        C::shmctl_rmid_unattached};
void only_creator_controls(const World& was, World& w, const Op& op, Outcome& o) {
  bool controls = command(op, ShmCommand::rmid) || command(op, ShmCommand::set);
  if (!controls || !ok(o)) return;
  const Credentials& cred = was.processes[op.proc].cred;
  if (cred.capable || cred.uid == was.ipc.segments[*was.segment_names[op.object]].perm.cuid) return;
  refuse(was, w, o, kEPERM);
}

constexpr C kCreator[] = {C::shmctl_set_creator_fixed, C::shmctl_set_who,       C::shmctl_rmid_who,
                          C::shmctl_set_fields,        C::shmctl_rmid_attached, C::shmctl_rmid_unattached};
void only_owner_controls(const World& was, World& w, const Op& op, Outcome& o) {
  bool controls = command(op, ShmCommand::rmid) || command(op, ShmCommand::set);
  if (!controls || !ok(o)) return;
  const Credentials& cred = was.processes[op.proc].cred;
  if (cred.capable || cred.uid == was.ipc.segments[*was.segment_names[op.object]].perm.uid) return;
  refuse(was, w, o, kEPERM);
}

constexpr C kLookup[] = {C::perm_class_group, C::shmget_lookup_permission};
void lookup_unchecked(World& w, Op& op) {
  if (keyed_segment(w, op)) empower(w, op);
}

constexpr C kLock[] = {C::shmctl_lock_who};
void anyone_locks(World& w, Op& op) {
  if (command(op, ShmCommand::lock) || command(op, ShmCommand::unlock)) empower(w, op);
}

constexpr C kReadOnly[] = {C::perm_class_group, C::shmat_rw_needs_both, C::perm_execute_bits,
                           C::perm_class_user,  C::perm_class_other,    C::shmat_exec_flag};
void write_unchecked(World& w, Op& op) {
  ShmidKernel* k = op.code == OpCode::shmat && runs(w, op) ? bound_segment(w, op) : nullptr;
  bool readable = k && (k->perm.mode & 0444U) == 0444U;
  if (readable && !(op.flags & program::shmat::kReadOnly)) empower(w, op);
}

constexpr C kMarkedStat[] = {C::shmctl_rmid_marked_usable, C::shmctl_stat_copies, C::shmctl_rmid_dest_flag,
                             C::shmctl_stat_permission};
void marked_hidden_from_others(const World& was, World& w, const Op& op, Outcome& o) {
  if (!command(op, ShmCommand::stat) || !ok(o)) return;
  const ShmidKernel& k = was.ipc.segments[*was.segment_names[op.object]];
  if (!(k.perm.mode & kShmDest) || was.processes[op.proc].pid == k.cprid.newest()) return;
  refuse(was, w, o, kEACCES);
}

constexpr C kPower[] = {C::limit_settable,
                        C::mincore_privacy,
                        C::perm_effective_ids,
                        C::shmat_rw_needs_both,
                        C::shmat_rdonly,
                        C::shmctl_stat_permission,
                        C::shmctl_set_who,
                        C::shmctl_rmid_who,
                        C::shmget_lookup_permission,
                        C::shmctl_lock_who,
                        C::perm_file_at_open,
                        C::mmap_fixed_low_address_priv,
                        C::shmat_invalid_addr,
                        C::shmat_exec_flag,
                        C::none,
                        C::pshm_open_access,
                        C::shmctl_shm_stat_permission};
void setid_keeps_power(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::setid && ok(o)) actor(w, op).cred.capable = true;
}
void child_regains_power(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fork && ok(o)) w.processes[op.result].cred.capable = true;
}

constexpr C kFile[] = {C::perm_file_at_open, C::none};
void file_owner_unchecked(World& w, Op& op) {
  if (op.code == OpCode::open && runs(w, op) && w.paths[op.object] >= 0 &&
      !(op.flags & program::openflag::kTrunc))
    empower(w, op);
}

// --- who did it
constexpr C kCpid[] = {C::shmget_init_ctime_cpid};
void creator_is_first_process(const World& was, World& w, const Op& op, Outcome& o) {
  if (ShmidKernel* k = created(was, w, op, o)) k->cprid.set(w.processes[0].pid);
}

constexpr C kLpid[] = {C::shmat_lpid, C::shmdt_dtime_lpid, C::shmdt_implicit_times};
void detach_names_creator(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (ShmidKernel& k : w.ipc.segments) {
    if (k.lprid.newest() == actor(w, op).pid) k.lprid.set(k.cprid.newest());
  }
}

constexpr C kKilled[] = {C::shmat_lpid, C::shmdt_implicit_times, C::shmdt_dtime_lpid};
void killer_is_last(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::kill || !ok(o) || op.object == op.proc) return;
  for_attaches(was.processes[op.object],
               [&](std::uint32_t s, const Vma&) { w.ipc.segments[s].lprid.set(actor(w, op).pid); });
}

constexpr C kForkTime[] = {C::shmat_atime, C::shmdt_implicit_times};
void fork_keeps_atime(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  for_attaches(w.processes[op.result],
               [&](std::uint32_t s, const Vma&) { w.ipc.segments[s].atim = was.ipc.segments[s].atim; });
}

// --- life and death
constexpr auto kAlive = with_counting(
    {C::sysv_life_marked_dies_with_last, C::shmctl_gone_id, C::shmat_removed_id, C::shmctl_rmid_marked_usable,
     C::shmctl_stat_copies, C::shmat_marked_still_attachable, C::shmat_null_addr, C::shmctl_set_fields,
     C::shmctl_lock_flag, C::sysv_life_until_removed, C::shmat_explicit_addr, C::shmctl_rmid_attached,
     C::shmat_remap, C::shmctl_rmid_dest_flag});
void dies_with_creators_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    const ShmidKernel& k = w.ipc.segments[i];
    bool detached = k.nattch < was.ipc.segments[i].nattch && k.cprid.newest() == actor(w, op).pid;
    if (detached && !k.destroyed && (k.perm.mode & kShmDest)) w.ipc.destroy(i);
  }
}

void marked_survives_exit(const World& was, World& w, const Op& op, Outcome& o) {
  bool ends = op.code == OpCode::exit || op.code == OpCode::kill;
  if (!ends || (!ok(o) && o.kind != OutcomeKind::died)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) revive(was, w, i);
}

constexpr auto kUsed = with_counting({C::shmctl_rmid_unattached, C::shmctl_gone_id, C::shmat_removed_id,
                                      C::sysv_life_until_removed, C::shmctl_rmid_repeat,
                                      C::sysv_life_marked_dies_with_last, C::sysv_life_memory_returned});
void once_attached_only_marked(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = command(op, ShmCommand::rmid) && ok(o) ? bound_segment(w, op) : nullptr;
  if (!k || !k->destroyed || k->atim.newest().low == 0) return;
  revive(was, w, *w.segment_names[op.object]);
  k->perm.mode |= kShmDest;
  k->perm.key = 0;
}

constexpr C kReuse[] = {C::shmget_init_mode,       C::shmat_rw_needs_both,      C::shmat_rdonly,
                        C::shmctl_stat_permission, C::shmget_lookup_permission, C::shmat_exec_flag};
void key_keeps_old_mode(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = created(was, w, op, o);
  if (!k || k->perm.key == 0) return;
  for (const ShmidKernel& old : was.ipc.segments) {
    if (old.destroyed && old.perm.key == k->perm.key) k->perm.mode = old.perm.mode & 0777;
  }
}

constexpr Fault kFaults[] = {
    {"control-creator-only",
     "the owner that IPC_SET made cannot remove or change the segment",
     kOwner,
     nullptr,
     only_creator_controls,
     true,
     {},
     true},
    {"control-owner-only",
     "the creator cannot remove or change a segment that has another owner",
     kCreator,
     nullptr,
     only_owner_controls,
     true,
     {},
     true},
    {"shmget-lookup-unchecked",
     "a look-up checks no permission",
     kLookup,
     lookup_unchecked,
     power_ends,
     true,
     {},
     true},
    {"lock-anyone",
     "any user may lock and unlock a segment",
     kLock,
     anyone_locks,
     power_ends,
     true,
     {},
     true},
    {"shmat-write-unchecked",
     "who may read a segment may write it",
     kReadOnly,
     write_unchecked,
     power_ends,
     true,
     {},
     true},
    {"stat-marked-hidden",
     "only its creator may ask about a marked segment",
     kMarkedStat,
     nullptr,
     marked_hidden_from_others,
     true,
     {},
     true},
    {"setid-keeps-power", "a process keeps its capabilities when it becomes another user", kPower, nullptr,
     setid_keeps_power, false},
    {"fork-regains-power",
     "the child of an unprivileged process is privileged",
     kPower,
     nullptr,
     child_regains_power,
     false,
     {},
     true},
    {"open-unchecked",
     "opening a file checks no permission",
     kFile,
     file_owner_unchecked,
     power_ends,
     true,
     {},
     true},
    {"shmget-cpid-first",
     "shm_cpid is always the first process",
     kCpid,
     nullptr,
     creator_is_first_process,
     true,
     {},
     true},
    {"shmdt-lpid-creator",
     "shmdt stores the creator in shm_lpid",
     kLpid,
     nullptr,
     detach_names_creator,
     false,
     {},
     true},
    {"kill-lpid-killer",
     "a kill stores the killer in shm_lpid",
     kKilled,
     nullptr,
     killer_is_last,
     true,
     {},
     true},
    {"fork-keeps-atime", "fork does not set shm_atime", kForkTime, nullptr, fork_keeps_atime, true, {}, true},
    {"marked-dies-with-creator",
     "a marked segment goes when its creator detaches, though others are attached", kAlive, nullptr,
     dies_with_creators_detach, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986", true},
    {"marked-survives-exit", "a marked segment survives the end of the last process that had it attached",
     kUndead, nullptr, marked_survives_exit, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986",
     true},
    {"rmid-once-attached",
     "IPC_RMID of a segment that was attached once only marks it",
     kUsed,
     nullptr,
     once_attached_only_marked,
     true,
     {},
     true},
    {"shmget-key-keeps-mode",
     "a segment gets the mode of the one that had its key before",
     kReuse,
     nullptr,
     key_keeps_old_mode,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> user_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
