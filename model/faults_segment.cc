// Faults of shmget and shmctl, and of the life of segments.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::ShmCommand;
namespace shmget = program::shmget;

// --- shmget
constexpr C kSize[] = {C::shmget_init_segsz, C::shmget_size_bigger};
void size_rounded(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = created(was, w, op, o);
  if (k) k->segsz = w.inodes[k->inode].size = w.up(k->segsz);
}

constexpr C kExcl[] = {C::prec_shmget_eexist_first, C::shmget_excl};
void excl_ignored(World&, Op& op) {
  if (op.code == OpCode::shmget) op.flags &= ~shmget::kExcl;
}

constexpr C kNoEntry[] = {C::shmget_noent, C::prec_shmget_enoent_before_einval, C::shmget_excl_alone};
void creates_always(World&, Op& op) {
  if (op.code == OpCode::shmget) op.flags |= shmget::kCreat;
}

constexpr C kBigger[] = {C::prec_shmget_einval_before_eacces, C::shmget_size_bigger};
void bigger_accepted(World& w, Op& op) {
  if (keyed_segment(w, op)) op.len = {};
}

// Only within the last page, as an implementation does that compares rounded sizes.
void bigger_in_page_accepted(World& w, Op& op) {
  const ShmidKernel* k = keyed_segment(w, op);
  if (k && w.value(op.len) <= w.up(k->segsz)) op.len = {};
}

constexpr C kZero[] = {C::shmget_zero_filled, C::shmat_shared};
void not_zeroed(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = created(was, w, op, o);
  bool reused = std::any_of(was.ipc.segments.begin(), was.ipc.segments.end(),
                            [](const ShmidKernel& s) { return s.destroyed; });
  if (k && reused) w.fill_object(k->inode, 7, 0xdd, 1);
}

constexpr C kMode[] = {C::shmget_init_mode,       C::shmat_rw_needs_both,      C::shmat_rdonly,
                       C::shmctl_stat_permission, C::shmget_lookup_permission, C::shmat_exec_flag};
void mode_masked(const World& was, World& w, const Op& op, Outcome& o) {
  if (ShmidKernel* k = created(was, w, op, o)) k->perm.mode &= ~022U;
}

constexpr C kIds[] = {C::shmget_id_not_reused_soon};
void id_reused(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = created(was, w, op, o);
  if (!k || was.ipc.segments.empty() || !was.ipc.segments.back().destroyed) return;
  k->id = o.value = was.ipc.segments.back().id;
}

constexpr C kLookup[] = {C::shmget_lookup, C::shmget_lookup_changes_nothing, C::shmget_init_ctime_cpid};
void lookup_sets_cpid(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmget || !ok(o) || created(was, w, op, o)) return;
  w.ipc.segments[*w.segment_names[op.result]].cprid.set(actor(w, op).pid);
}

constexpr C kCpid[] = {C::shmget_init_ctime_cpid};
void ctime_missing(const World& was, World& w, const Op& op, Outcome& o) {
  if (ShmidKernel* k = created(was, w, op, o)) k->ctim.set({0, 0});
}

// Stores to one of them are seen in the other.
constexpr C kGenerations[] = {C::sysv_life_remap_after_new_key, C::share_not_in_other_object, C::shmat_demand,
                              C::proc_sysvipc_rss_bytes};
void key_finds_marked_memory(const World& was, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = created(was, w, op, o);
  if (!k || k->made_by_key == 0) return;
  for (std::uint32_t i : w.ipc.of(*k).live) {
    const ShmidKernel& marked = w.ipc.segments[i];
    const bool same = marked.made_by_key == k->made_by_key && marked.segsz == k->segsz;
    if (same && (marked.perm.mode & kShmDest)) k->inode = marked.inode;
  }
}

// --- shmctl
constexpr auto kImmediate = with_counting(
    {C::shmctl_gone_id, C::shmctl_rmid_attached, C::shmctl_stat_copies, C::shmctl_set_fields,
     C::shmctl_lock_flag, C::shmat_marked_still_attachable, C::shmat_null_addr, C::sysv_life_until_removed,
     C::sysv_life_survives_exit, C::shmat_explicit_addr, C::shmat_remap, C::shmctl_rmid_marked_usable});
void rmid_immediate(const World&, World& w, const Op& op, Outcome& o) {
  ShmidKernel* k = bound_segment(w, op);
  if (command(op, ShmCommand::rmid) && ok(o) && k) w.ipc.destroy(*w.segment_names[op.object]);
}

void marked_survives(const World& was, World& w, const Op& op, Outcome& o) {
  if (!removes_mappings(op.code) || o.kind == OutcomeKind::unbound) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) revive(was, w, i);
  if (op.code != OpCode::end || o.words.empty()) return;
  o.words[0] = w.ipc.namespaces.front().in_use();
}

constexpr C kKey[] = {C::shmctl_rmid_key_freed, C::shmget_noent, C::shmget_create, C::shmget_lookup};
void rmid_keeps_key(const World& was, World& w, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::rmid) && ok(o))
    bound_segment(w, op)->perm.key = was.ipc.segments[*was.segment_names[op.object]].perm.key;
}

constexpr C kDest[] = {C::shmctl_rmid_dest_flag};
void dest_hidden(const World&, World&, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::stat) && ok(o)) o.words[5] &= ~std::uint64_t{kShmDest};
}

constexpr C kWho[] = {C::shmctl_rmid_who, C::shmctl_set_who};
void anyone_controls(World& w, Op& op) {
  bool controls = command(op, ShmCommand::rmid) || command(op, ShmCommand::set);
  if (controls && runs(w, op)) actor(w, op).cred.capable = true;
}
void power_ends(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::shmctl) actor(w, op).cred.capable = was.processes[op.proc].cred.capable;
}

constexpr C kStat[] = {C::perm_class_group, C::shmctl_stat_permission};
void anyone_stats(World& w, Op& op) {
  if (command(op, ShmCommand::stat) && runs(w, op)) actor(w, op).cred.capable = true;
}

constexpr C kCreator[] = {C::shmctl_set_creator_fixed, C::shmctl_set_who, C::shmctl_rmid_who,
                          C::shmctl_rmid_attached, C::shmctl_lock_flag};
void set_changes_creator(const World&, World& w, const Op& op, Outcome& o) {
  if (!command(op, ShmCommand::set) || !ok(o)) return;
  KernIpcPerm& perm = bound_segment(w, op)->perm;
  perm.cuid = perm.uid;
  perm.cgid = perm.gid;
}

constexpr C kSetTime[] = {C::shmget_init_ctime_cpid, C::shmctl_set_fields};
void set_keeps_ctime(const World& was, World& w, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::set) && ok(o))
    bound_segment(w, op)->ctim = was.ipc.segments[*was.segment_names[op.object]].ctim;
}

constexpr C kFlags[] = {C::shmctl_set_keeps_flags,
                        C::shmctl_rmid_dest_flag,
                        C::shmget_init_mode,
                        C::shmctl_lock_flag,
                        C::sysv_life_marked_dies_with_last,
                        C::shmctl_gone_id,
                        C::shmat_removed_id,
                        C::sysv_life_until_removed,
                        C::shmctl_rmid_marked_usable,
                        C::shmat_marked_still_attachable};
void set_clears_flags(const World&, World& w, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::set) && ok(o)) bound_segment(w, op)->perm.mode &= 0777;
}

constexpr C kLock[] = {C::shmctl_lock_flag, C::shmctl_lock_persists, C::shmget_init_mode,
                       C::shmctl_rmid_dest_flag};
void lock_unseen(const World&, World& w, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::lock) && ok(o)) bound_segment(w, op)->perm.mode &= ~kShmLocked;
}

constexpr C kNattch[] = {C::shmdt_split_count, C::shmdt_munmap_equivalent, C::shmat_fork_inherited,
                         C::shmat_nattch};
void nattch_saturates(const World&, World&, const Op& op, Outcome& o) {
  if (command(op, ShmCommand::stat) && ok(o) && o.words[12] > 3) o.words[12] = 3;
}

constexpr auto kEnds = with_counting(
    {C::sysv_life_survives_exit, C::shmctl_gone_id, C::shmat_removed_id, C::shmctl_rmid_unattached,
     C::shmget_noent, C::shmget_lookup, C::shmctl_stat_copies, C::shmat_null_addr, C::sysv_life_until_removed,
     C::shmctl_set_fields, C::shmctl_lock_flag, C::shmctl_rmid_attached, C::shmat_explicit_addr,
     C::shmat_remap, C::shmctl_rmid_marked_usable, C::shmat_marked_still_attachable});
void dies_with_creator(const World& was, World& w, const Op& op, Outcome& o) {
  bool ends = op.code == OpCode::exit && o.kind == OutcomeKind::died;
  if (!ends) return;
  std::uint64_t pid = was.processes[op.proc].pid;
  for (std::uint32_t i = 0; i < w.ipc.segments.size(); ++i) {
    ShmidKernel& k = w.ipc.segments[i];
    if (!k.destroyed && k.nattch == 0 && k.cprid.newest() == pid) w.destroy_segment(i, C::shmctl_gone_id);
  }
}

constexpr Fault kFaults[] = {
    {"shmget-size-rounded", "the recorded size is rounded up to pages", kSize, nullptr, size_rounded, true},
    {"shmget-excl-ignored", "IPC_EXCL is ignored", kExcl, excl_ignored, nullptr, false},
    {"shmget-creates-always", "a missing key is created without IPC_CREAT", kNoEntry, creates_always, nullptr,
     false},
    {"shmget-bigger-accepted", "a look-up with a bigger size succeeds", kBigger, bigger_accepted, nullptr,
     false},
    {"shmget-bigger-in-page", "a look-up with a bigger size within the last page succeeds", kBigger,
     bigger_in_page_accepted, nullptr, false},
    {"shmget-not-zeroed", "a segment made after another was destroyed is not all zero", kZero, nullptr,
     not_zeroed, true},
    {"shmget-mode-masked", "a umask is applied to the mode of a segment", kMode, nullptr, mode_masked, true},
    {"shmget-id-reused", "the id of a destroyed segment is given out again at once", kIds, nullptr, id_reused,
     true},
    {"shmget-lookup-sets-cpid", "a look-up stores the caller in shm_cpid", kLookup, nullptr, lookup_sets_cpid,
     true},
    {"shmget-ctime-missing", "shm_ctime is not set at creation", kCpid, nullptr, ctime_missing, true},
    {"shmget-key-keeps-memory",
     "a new segment has the memory of the marked one that had its key",
     kGenerations,
     nullptr,
     key_finds_marked_memory,
     true,
     {},
     true},
    {"rmid-immediate", "IPC_RMID destroys an attached segment at once", kImmediate, nullptr, rmid_immediate,
     false},
    {"rmid-marked-survives", "a marked segment survives its last detach", kUndead, nullptr, marked_survives,
     true, "https://github.com/DragonOS-Community/DragonOS/pull/1986"},
    {"rmid-keeps-key", "a marked segment can still be found by its key", kKey, nullptr, rmid_keeps_key, true},
    {"rmid-dest-hidden", "SHM_DEST is not shown", kDest, nullptr, dest_hidden, false},
    {"rmid-anyone", "any user may remove and change a segment", kWho, anyone_controls, power_ends, true,
     "https://github.com/google/gvisor/issues/14191"},
    {"stat-anyone", "IPC_STAT needs no permission", kStat, anyone_stats, power_ends, true},
    {"set-changes-creator", "IPC_SET changes the creator too", kCreator, nullptr, set_changes_creator, false},
    {"set-keeps-ctime", "IPC_SET does not set shm_ctime", kSetTime, nullptr, set_keeps_ctime, true},
    {"set-clears-flags", "IPC_SET clears SHM_DEST and SHM_LOCKED", kFlags, nullptr, set_clears_flags, false},
    {"lock-unseen", "SHM_LOCK does not show in the mode", kLock, nullptr, lock_unseen, false},
    {"stat-nattch-saturates", "IPC_STAT shows at most 3 attaches", kNattch, nullptr, nattch_saturates, false},
    {"exit-destroys-own", "unattached segments die with their creator", kEnds, nullptr, dies_with_creator,
     true},
};

}  // namespace

std::span<const Fault> segment_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
