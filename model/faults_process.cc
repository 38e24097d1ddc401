// Faults of fork, exit, kill and exec.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

bool forked(const Op& op, const Outcome& o) {
  return op.code == OpCode::fork && ok(o);
}

constexpr C kInherited[] = {
    C::fork_address_inherited, C::fork_mapping_inherited, C::access_unmapped,      C::access_read,
    C::access_write,           C::shmat_shared,           C::proc_maps_row,        C::shmat_fork_inherited,
    C::shmat_nattch,           C::share_fork_anon,        C::access_beyond_object, C::access_none,
    C::access_write_protected, C::access_syscall_efault,  C::shmdt_detaches,       C::mprotect_sets,
    C::private_isolated,       C::mremap_unmapped,        C::mprotect_unmapped,    C::msync_unmapped,
    C::madvise_hole,           C::madvise_populate_errors};
void loses_shared_mapping(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  std::vector<Vma>& vmas = w.processes[op.result].memory.vmas();
  for (std::size_t i = vmas.size(); i-- > 0;) {
    if (!vmas[i].shared || vmas[i].segment >= 0) continue;
    vmas.erase(vmas.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

constexpr C kSnapshot[] = {C::fork_private_snapshot, C::private_fork_isolated, C::private_isolated};
void loses_private_page(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) {
    if (v.shared || v.copies.empty()) continue;
    v.copies = ObjectBytes();
    return;
  }
}

constexpr C kProtection[] = {C::fork_mapping_inherited, C::access_none,           C::access_write_protected,
                             C::proc_maps_row,          C::access_syscall_efault, C::madvise_populate_errors};
void child_gets_write(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) v.prot |= program::kProtRead | program::kProtWrite;
}

constexpr C kDontFork[] = {C::shmat_fork_inherited,    C::fork_dontfork,         C::access_unmapped,
                           C::proc_maps_unmapped_gone, C::shmat_dontfork,        C::shmat_nattch,
                           C::proc_maps_row,           C::access_syscall_efault, C::fork_mapping_inherited,
                           C::proc_smaps_flags};
void dontfork_ignored(World& w, Op& op) {
  if (op.code != OpCode::fork) return;
  for (Vma& v : w.processes[op.proc].memory.vmas()) v.dont_fork = false;
}

constexpr C kCount[] = {C::shmat_nattch,
                        C::shmat_fork_inherited,
                        C::shmat_exit_detaches,
                        C::sysv_life_marked_dies_with_last,
                        C::sysv_life_until_removed,
                        C::shmctl_gone_id,
                        C::shmat_removed_id,
                        C::sysv_life_survives_exit,
                        C::shmctl_rmid_marked_usable,
                        C::shmat_marked_still_attachable};
void fork_forgets_nattch(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for_attaches(w.processes[op.result], [&](std::uint32_t s, const Vma&) { --w.ipc.segments[s].nattch; });
}

constexpr C kLastPid[] = {C::shmat_lpid, C::shmdt_implicit_times};
void fork_names_child(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for_attaches(w.processes[op.result],
               [&](std::uint32_t s, const Vma&) { w.ipc.segments[s].lprid.set(w.processes[op.result].pid); });
}

void forget_detach(const World& was, World& w, std::uint8_t who) {
  for_attaches(was.processes[who], [&](std::uint32_t s, const Vma&) {
    revive(was, w, s);
    ++w.ipc.segments[s].nattch;
  });
}

constexpr C kEnd[] = {C::limit_rmid_forced_detach, C::shmat_nattch,
                      C::shmat_exit_detaches,      C::sysv_life_marked_dies_with_last,
                      C::sysv_life_until_removed,  C::shmctl_gone_id,
                      C::shmat_removed_id,         C::shmctl_rmid_unattached};
void exit_forgets_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::exit && o.kind == OutcomeKind::died) forget_detach(was, w, op.proc);
}

void kill_forgets_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::kill && (ok(o) || o.kind == OutcomeKind::died)) forget_detach(was, w, op.object);
}

constexpr C kTimes[] = {C::shmdt_implicit_times, C::shmdt_dtime_lpid, C::shmat_lpid};
void exit_keeps_dtime(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::exit || o.kind != OutcomeKind::died) return;
  for_attaches(was.processes[op.proc],
               [&](std::uint32_t s, const Vma&) { w.ipc.segments[s].dtim = was.ipc.segments[s].dtim; });
}

constexpr C kData[] = {
    C::exit_no_cleanup_of_data, C::access_read,      C::shmat_shared, C::share_mapping_to_read,
    C::share_fork_anon,         C::private_isolated, C::pshm_persist, C::share_write_to_mapping,
    C::exit_file_data_kept};
void exit_clears_shared(const World& was, World& w, const Op& op, Outcome& o) {
  bool ends = (op.code == OpCode::exit || op.code == OpCode::kill) && (ok(o) || o.kind == OutcomeKind::died);
  if (!ends) return;
  for (const Vma& v : was.processes[op.code == OpCode::kill ? op.object : op.proc].memory.vmas()) {
    if (v.shared) w.object_of(v).bytes = ObjectBytes();
  }
}

constexpr C kWipe[] = {C::fork_dontfork, C::proc_smaps_flags};
void wipe_not_kept(const World&, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) v.wipe_on_fork = false;
}
void wipe_ignored(const World& was, World& w, const Op& op, Outcome& o) {
  if (!forked(op, o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) {
    const Vma* before = was.processes[op.proc].memory.find(v.low);
    if (before && v.wipe_on_fork && !v.shared && v.inode < 0) v.copies = before->copies;
  }
}

// --- exec
bool execed(const Op& op, const Outcome& o) {
  return op.code == OpCode::exec && ok(o);
}
Vma* shared_before(const World& was, const Op& op) {
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.shared && v.segment < 0) return const_cast<Vma*>(&v);
  }
  return nullptr;
}

constexpr C kGone[] = {
    C::access_unmapped,         C::exec_mappings_gone,    C::access_syscall_efault, C::proc_maps_row,
    C::proc_maps_unmapped_gone, C::mmap_create_null_addr, C::mmap_create_hint_free, C::mremap_grow,
    C::shmat_explicit_addr,     C::mlock_unmapped,        C::msync_unmapped,        C::mprotect_unmapped};
void exec_keeps_shared(const World& was, World& w, const Op& op, Outcome& o) {
  if (!execed(op, o)) return;
  if (const Vma* kept = shared_before(was, op)) actor(w, op).memory.insert(*kept);
}

constexpr C kExecCount[] = {C::shmat_nattch,
                            C::shmat_exec_detaches,
                            C::sysv_life_marked_dies_with_last,
                            C::shmctl_gone_id,
                            C::shmat_removed_id,
                            C::sysv_life_until_removed,
                            C::sysv_life_survives_exit,
                            C::shmctl_shm_info,
                            C::limit_rmid_forced_detach,
                            C::shmget_noent,
                            C::shmget_create,
                            C::shmat_exit_detaches};
void exec_forgets_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (!execed(op, o)) return;
  for_attaches(was.processes[op.proc], [&](std::uint32_t segment, const Vma&) {
    revive(was, w, segment);
    ++w.ipc.segments[segment].nattch;
  });
}

constexpr C kExecLocks[] = {C::exec_locks_dropped};
void exec_keeps_lock_count(const World& was, World&, const Op& op, Outcome& o) {
  static_cast<void>(was);
  if (op.code == OpCode::locked && ok(o) && was.processes[op.proc].lock_clause == C::exec_locks_dropped)
    o.value += was.page();
}

constexpr C kFailedExec[] = {C::proc_maps_row,       C::exec_failed_keeps,    C::access_syscall_efault,
                             C::shmat_nattch,        C::mmap_fixed_noreplace, C::mprotect_unmapped,
                             C::madvise_hole,        C::msync_unmapped,       C::mremap_unmapped,
                             C::access_syscall_short};
void failed_exec_unmaps(const World& was, World& w, const Op& op, Outcome& o) {
  static_cast<void>(was);
  if (op.code != OpCode::exec || o.kind != OutcomeKind::error || actor(w, op).memory.vmas().empty()) return;
  const Vma last = actor(w, op).memory.vmas().back();
  w.unmap(op.proc, last.low, last.high, {o.before, o.after});
}

constexpr Fault kFaults[] = {
    {"fork-loses-shared-mapping", "the child lacks the parent's highest shared mapping", kInherited, nullptr,
     loses_shared_mapping, false},
    {"fork-loses-private-page", "the child's first private mapping is as if never stored to", kSnapshot,
     nullptr, loses_private_page, false},
    {"fork-child-gets-write", "the child may read and write every mapping", kProtection, nullptr,
     child_gets_write, false},
    {"fork-wipe-ignored", "MADV_WIPEONFORK is ignored", kWipe, nullptr, wipe_ignored, true},
    {"fork-wipe-not-kept",
     "a child's memory is not wiped for its own children",
     kWipe,
     nullptr,
     wipe_not_kept,
     false,
     {},
     true},
    {"exec-keeps-shared",
     "exec leaves the lowest shared mapping",
     kGone,
     nullptr,
     exec_keeps_shared,
     true,
     {},
     true},
    {"exec-forgets-detach", "exec does not count as a detach", kExecCount, nullptr, exec_forgets_detach,
     true},
    {"exec-keeps-lock-count", "exec leaves a page of what was locked counted", kExecLocks, nullptr,
     exec_keeps_lock_count, true},
    {"exec-failed-unmaps", "an exec that fails has unmapped the highest mapping", kFailedExec, nullptr,
     failed_exec_unmaps, true},
    {"fork-dontfork-ignored", "MADV_DONTFORK is ignored", kDontFork, dontfork_ignored, nullptr, false},
    {"fork-forgets-nattch", "fork does not count the child's attaches", kCount, nullptr, fork_forgets_nattch,
     false, "https://github.com/DragonOS-Community/DragonOS/pull/1986"},
    {"fork-lpid-is-child", "fork stores the child in shm_lpid", kLastPid, nullptr, fork_names_child, false},
    {"exit-forgets-detach", "exit does not count as a detach", kEnd, nullptr, exit_forgets_detach, true},
    {"kill-forgets-detach", "death by a signal does not count as a detach", kEnd, nullptr,
     kill_forgets_detach, true},
    {"exit-keeps-dtime", "exit does not set shm_dtime", kTimes, nullptr, exit_keeps_dtime, true},
    {"exit-clears-shared", "the end of a process clears the shared objects it had mapped", kData, nullptr,
     exit_clears_shared, true},
};

}  // namespace

std::span<const Fault> process_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
