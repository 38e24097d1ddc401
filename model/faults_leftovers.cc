// Faults of calls that fail and leave something behind, and of sizes that are no multiple of the page size.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

namespace map = program::map;

constexpr int kEFAULT = 14, kENOMEM = 12, kETXTBSY = 26;

// --- failures that change something
constexpr C kFixed[] = {C::prec_mmap_failed_fixed,
                        C::access_unmapped,
                        C::private_isolated,
                        C::access_read,
                        C::proc_maps_row,
                        C::access_syscall_efault,
                        C::shmat_shared,
                        C::private_fork_isolated,
                        C::access_write,
                        C::access_beyond_object,
                        C::access_none,
                        C::shmat_nattch,
                        C::access_write_protected,
                        C::share_fork_anon,
                        C::shmdt_bad_addr,
                        C::mprotect_unmapped,
                        C::msync_unmapped,
                        C::madvise_hole,
                        C::mremap_unmapped,
                        C::mmap_create_hint_free,
                        C::shmctl_gone_id,
                        C::shmdt_detaches,
                        C::mprotect_sets,
                        C::sysv_life_marked_dies_with_last,
                        C::mlock_accounting,
                        C::mlock_no_stacking,
                        C::shmat_rdonly_no_upgrade};
void failed_fixed_unmaps(const World& was, World& w, const Op& op, Outcome& o) {
  bool replaces = op.code == OpCode::mmap && (op.flags & map::kFixed) && !(op.flags & map::kNoReplace);
  if (!replaces || o.kind != OutcomeKind::error || !runs(was, op)) return;
  std::uint64_t low = was.value(op.addr), length = w.up(was.value(op.len));
  if (low % w.page() == 0 && length != 0 && length < w.facts().top && low < w.facts().top - length)
    w.unmap(op.proc, low, low + length, {o.before, o.after});
}

constexpr C kGrow[] = {C::mremap_no_move_no_room,
                       C::access_unmapped,
                       C::private_isolated,
                       C::access_read,
                       C::proc_maps_row,
                       C::access_syscall_efault,
                       C::share_fork_anon,
                       C::private_fork_isolated,
                       C::access_write,
                       C::access_beyond_object,
                       C::access_none,
                       C::access_write_protected,
                       C::mremap_unmapped,
                       C::mprotect_unmapped,
                       C::msync_unmapped,
                       C::madvise_hole,
                       C::mremap_grow,
                       C::shmat_shared,
                       C::mmap_create_hint_free,
                       C::shmat_nattch,
                       C::mremap_shrink,
                       C::shmdt_bad_addr,
                       C::mprotect_sets,
                       C::mlock_resident,
                       C::mmap_limit_rlimit_as};
void failed_growth_cuts(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !failed_with(o, kENOMEM) || !runs(was, op)) return;
  std::uint64_t low = was.value(op.addr), end = low + w.up(was.value(op.len));
  const Vma* v = was.processes[op.proc].memory.find(low);
  if (v && v->segment < 0 && end > low && end <= v->high)
    w.unmap(op.proc, end - w.page(), end, {o.before, o.after});
}

constexpr C kAttach[] = {C::shmat_failure_no_effect, C::shmat_nattch,
                         C::shmctl_gone_id,          C::sysv_life_marked_dies_with_last,
                         C::shmctl_rmid_unattached,  C::sysv_life_until_removed,
                         C::shmat_removed_id,        C::sysv_life_survives_exit,
                         C::shmat_exit_detaches,     C::shmget_not_attached,
                         C::limit_rmid_forced_detach};
void failed_attach_counts(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmat || o.kind != OutcomeKind::error || !runs(was, op)) return;
  ShmidKernel* k = bound_segment(w, op);
  if (k && !k->destroyed) ++k->nattch;
}

constexpr C kAttachTime[] = {C::shmat_failure_no_effect, C::shmat_atime, C::shmat_lpid,
                             C::shmget_init_counters};
void failed_attach_stamps(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmat || o.kind != OutcomeKind::error || !runs(was, op)) return;
  ShmidKernel* k = bound_segment(w, op);
  if (k && !k->destroyed) k->lprid.set(actor(w, op).pid);
}

constexpr C kExcl[] = {C::shmget_lookup_changes_nothing,
                       C::shmget_init_ctime_cpid,
                       C::shmget_init_mode,
                       C::shmat_rw_needs_both,
                       C::shmat_rdonly,
                       C::shmctl_stat_permission,
                       C::shmget_lookup_permission,
                       C::shmget_excl,
                       C::shmat_exec_flag};
void failed_create_sets_mode(const World&, World& w, const Op& op, Outcome& o) {
  if (!failed_with(o, 17 /* EEXIST */)) return;
  if (ShmidKernel* k = keyed_segment(w, op)) k->perm.mode = (k->perm.mode & ~0777U) | op.mode;
}

constexpr C kSet[] = {C::shmctl_set_who,         C::shmget_init_mode,         C::shmctl_rmid_dest_flag,
                      C::shmctl_set_fields,      C::shmat_rw_needs_both,      C::shmctl_stat_permission,
                      C::shmat_rdonly,           C::shmget_lookup_permission, C::shmctl_stat_copies,
                      C::shmget_size_zero_lookup};
void denied_set_sets_mode(const World& was, World& w, const Op& op, Outcome& o) {
  bool denied = command(op, program::ShmCommand::set) && failed_with(o, 1 /* EPERM */) && runs(was, op);
  ShmidKernel* k = denied ? bound_segment(w, op) : nullptr;
  if (k) k->perm.mode = (k->perm.mode & ~0777U) | op.mode;
}

constexpr C kProtect[] = {C::mprotect_violation,
                          C::mprotect_shared_upgrade_denied,
                          C::access_write_protected,
                          C::proc_maps_row,
                          C::access_none,
                          C::access_syscall_efault,
                          C::shmat_rdonly_no_upgrade,
                          C::access_read,
                          C::shmat_shared,
                          C::access_beyond_object};
void denied_upgrade_upgrades(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !failed_with(o, 13 /* EACCES */)) return;
  Vma* v = actor(w, op).memory.find(was.value(op.addr));
  if (v) v->prot |= op.small & 7;
}

// --- transfers with bad memory
constexpr C kCopy[] = {C::access_syscall_efault, C::access_syscall_short, C::private_isolated};
void kernel_write_ignores_protection(World& w, Op& op) {
  if (op.code != OpCode::pread_to || !runs(w, op)) return;
  for (Vma& v : actor(w, op).memory.vmas()) v.prot |= program::kProtWrite;
}
void kernel_read_ignores_none(World& w, Op& op) {
  if (op.code != OpCode::pwrite_from || !runs(w, op)) return;
  for (Vma& v : actor(w, op).memory.vmas()) v.prot |= program::kProtRead;
}
void protections_return(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code != OpCode::pread_to && op.code != OpCode::pwrite_from) return;
  std::vector<Vma>& vmas = actor(w, op).memory.vmas();
  for (std::size_t i = 0; i < vmas.size(); ++i) vmas[i].prot = was.processes[op.proc].memory.vmas()[i].prot;
}

constexpr C kShort[] = {C::access_syscall_short, C::access_syscall_efault, C::none};
void short_transfer_fails(const World& was, World& w, const Op& op, Outcome& o) {
  bool transfers = op.code == OpCode::pread_to || op.code == OpCode::pwrite_from;
  if (!transfers || !ok(o) || o.value == 0) return;
  std::uint64_t end = was.value(op.addr) + o.value;
  const Vma* behind = was.processes[op.proc].memory.find(end);
  bool stopped = o.value < was.value(op.len) && end % w.page() == 0 && (!behind || behind->prot == 0);
  if (!stopped) return;
  refuse(was, w, o, kEFAULT);
}

// --- ends of files, sizes within a page
constexpr C kFrozen[] = {
    C::trunc_regrow_no_remap, C::eof_grow_makes_accessible, C::access_read,       C::private_isolated,
    C::access_write,          C::eof_accessible_extent,     C::eof_offset_mapping};
// Running, no byte is ever in doubt, so the list of doubts is free to note the size at the time of mmap.
void size_noted(const World&, World& w, const Op& op, Outcome& o) {
  Vma* v = op.code == OpCode::mmap && ok(o) ? actor(w, op).memory.find(o.value) : nullptr;
  if (!v || v->inode < 0 || w.object_of(*v).kind != InodeKind::file) return;
  Doubt note;
  note.low = note.high = w.up(w.object_of(*v).size);
  v->older.push_back(std::move(note));
}
void size_frozen(const World& was, World& w, const Op& op, Outcome& o) {
  size_noted(was, w, op, o);
  const Vma* v = accessed(was, op, o);
  if (!v || v->older.empty()) return;
  if (v->object_offset(was.value(op.addr), w.page()) >= v->older.front().low)
    take_signal(was, w, op, o, kSIGBUS, kAdrErr);
}

constexpr C kTail[] = {C::shmat_whole_segment, C::shmat_shared, C::access_read, C::eof_seed_bound};
void segment_tail_faults(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = op.code == OpCode::load ? accessed(was, op, o) : nullptr;
  if (!v || v->segment < 0) return;
  if (v->object_offset(was.value(op.addr), w.page()) >=
      w.ipc.segments[static_cast<std::size_t>(v->segment)].segsz)
    take_signal(was, w, op, o, kSIGBUS, kAdrErr);
}

constexpr C kBusy[] = {C::trunc_kept_part_intact, C::none};
void mapped_cannot_shrink(const World& was, World& w, const Op& op, Outcome& o) {
  if ((op.code != OpCode::ftruncate && op.code != OpCode::truncate) || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    if (w.inodes[i].size >= was.inodes[i].size) continue;
    for (const Process& p : was.processes) {
      for (const Vma& v : p.memory.vmas()) {
        if (v.inode != static_cast<std::int32_t>(i)) continue;
        return refuse(was, w, o, kETXTBSY);
      }
    }
  }
}

constexpr C kOTrunc[] = {C::trunc_o_trunc,       C::access_beyond_object,  C::mmap_sizes_never_change_file,
                         C::slack_not_readable,  C::share_mapping_to_read, C::access_syscall_efault,
                         C::private_isolated,    C::access_read,           C::trunc_regrow_zero,
                         C::trunc_shrink_faults, C::trunc_shrink_private,  C::eof_straddling_access};
void open_keeps_mapped(World& w, Op& op) {
  if (op.code != OpCode::open || !(op.flags & program::openflag::kTrunc) || !runs(w, op)) return;
  for (const Process& p : w.processes) {
    for (const Vma& v : p.memory.vmas()) {
      if (v.inode >= 0 && v.inode == w.paths[op.object]) op.flags &= ~program::openflag::kTrunc;
    }
  }
}

constexpr C kLength[] = {C::mmap_create_partial_page_len,
                         C::access_unmapped,
                         C::access_read,
                         C::proc_maps_row,
                         C::access_syscall_efault,
                         C::access_beyond_object,
                         C::access_write,
                         C::private_isolated,
                         C::share_fork_anon,
                         C::access_none,
                         C::mprotect_unmapped,
                         C::msync_unmapped,
                         C::madvise_hole,
                         C::mremap_several_mappings,
                         C::mmap_fixed_noreplace,
                         C::private_fork_isolated,
                         C::mmap_create_hint_occupied,
                         C::eof_straddling_access,
                         C::shmat_occupied,
                         C::access_write_protected,
                         C::mmap_create_null_addr,
                         C::mmap_create_hint_free,
                         C::mprotect_sets,
                         C::mremap_grow,
                         C::mremap_unmapped,
                         C::access_syscall_short,
                         C::munmap_removes,
                         C::mremap_no_move_no_room,
                         C::share_mapping_to_read,
                         C::mremap_shrink,
                         C::share_write_to_mapping,
                         C::shmat_nattch,
                         C::shmat_null_addr,
                         C::madvise_populate_errors};
void length_rounded_down(World&, Op& op) {
  if (op.code == OpCode::mmap && op.len.base == 0 && op.len.pages > 0 && op.len.bytes > 0) op.len.bytes = 0;
}

constexpr C kPopulate[] = {C::mmap_flag_populate, C::mmap_create_len_beyond_eof};
void populate_fails_beyond(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o) || !(op.flags & map::kPopulate)) return;
  const Vma* v = actor(w, op).memory.find(o.value);
  if (!v || v->inode < 0 || w.backed(*v, v->object_offset(v->high - 1, w.page()))) return;
  refuse(was, w, o, kEFAULT);
}

constexpr C kTotal[] = {C::shmctl_shm_info};
void total_rounds_down(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::shm_info || !ok(o) ||
      static_cast<program::ShmTotal>(op.small) != program::ShmTotal::pages)
    return;
  o.value = 0;
  for (std::uint32_t i : was.ipc.of(was.processes[op.proc]).live)
    o.value += was.ipc.segments[i].segsz / was.page();
}
void total_forgets_marked(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::shm_info || !ok(o)) return;
  const auto total = static_cast<program::ShmTotal>(op.small);
  const bool pages = total == program::ShmTotal::pages;
  if (!pages && total != program::ShmTotal::segments) return;
  for (std::uint32_t i : was.ipc.of(was.processes[op.proc]).live) {
    const ShmidKernel& k = was.ipc.segments[i];
    if (k.perm.mode & kShmDest) o.value -= pages ? was.up(k.segsz) / was.page() : 1;
  }
}

constexpr Fault kFaults[] = {
    {"shm-info-rounds-down", "SHM_INFO counts whole pages only", kTotal, nullptr, total_rounds_down, true},
    {"shm-info-forgets-marked",
     "SHM_INFO does not count segments that are marked for removal",
     kTotal,
     nullptr,
     total_forgets_marked,
     true,
     {},
     true},
    {"mmap-failed-fixed-unmaps", "a MAP_FIXED that fails has removed what was there", kFixed, nullptr,
     failed_fixed_unmaps, true, "https://github.com/asterinas/asterinas/pull/2199", true},
    {"mremap-failed-cuts", "a growth that finds no room removes the last page", kGrow, nullptr,
     failed_growth_cuts, true, "https://github.com/asterinas/asterinas/pull/2199", true},
    {"shmat-failed-counts", "a failed attach counts", kAttach, nullptr, failed_attach_counts, true, {}, true},
    {"shmat-failed-lpid",
     "a failed attach stores the caller in shm_lpid",
     kAttachTime,
     nullptr,
     failed_attach_stamps,
     true,
     {},
     true},
    {"shmget-excl-sets-mode",
     "a creation that fails with EEXIST changes the mode",
     kExcl,
     nullptr,
     failed_create_sets_mode,
     false,
     {},
     true},
    {"set-denied-sets-mode",
     "an IPC_SET that is denied changes the mode",
     kSet,
     nullptr,
     denied_set_sets_mode,
     true,
     {},
     true},
    {"mprotect-denied-upgrades",
     "an mprotect that is denied has changed the first mapping",
     kProtect,
     nullptr,
     denied_upgrade_upgrades,
     true,
     {},
     true},
    {"read-ignores-protection",
     "read(2) writes into read-only memory",
     kCopy,
     kernel_write_ignores_protection,
     protections_return,
     true,
     {},
     true},
    {"write-ignores-none",
     "write(2) reads memory that must not be accessed",
     kCopy,
     kernel_read_ignores_none,
     protections_return,
     true,
     {},
     true},
    {"transfer-short-fails",
     "a transfer that stops at a bad page moves nothing and fails",
     kShort,
     nullptr,
     short_transfer_fails,
     true,
     {},
     true},
    {"mmap-size-frozen", "what a file gains after mmap cannot be accessed through the mapping", kFrozen,
     nullptr, size_frozen, true, "https://github.com/gramineproject/gramine/pull/1818", true},
    {"shmat-tail-faults",
     "the rest of the last page of a segment cannot be read",
     kTail,
     nullptr,
     segment_tail_faults,
     true,
     {},
     true},
    {"truncate-mapped-busy",
     "a mapped file cannot be cut",
     kBusy,
     nullptr,
     mapped_cannot_shrink,
     true,
     {},
     true},
    {"open-trunc-mapped-ignored",
     "O_TRUNC does nothing to a mapped file",
     kOTrunc,
     open_keeps_mapped,
     nullptr,
     false,
     {},
     true},
    {"mmap-length-rounded-down",
     "mmap rounds its length down",
     kLength,
     length_rounded_down,
     nullptr,
     false,
     {},
     false},
    {"mmap-populate-fails",
     "MAP_POPULATE beyond the end of a file fails",
     kPopulate,
     nullptr,
     populate_fails_beyond,
     true,
     {},
     false},
};

}  // namespace

std::span<const Fault> leftover_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
