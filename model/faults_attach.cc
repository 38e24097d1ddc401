// Faults of shmat and shmdt.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

namespace shmat = program::shmat;

constexpr int kEINVAL = 22;

Vma* attached(World& w, const Op& op, const Outcome& o) {
  return op.code == OpCode::shmat && ok(o) ? actor(w, op).memory.find(o.value) : nullptr;
}

constexpr C kCount[] = {C::shmat_fork_inherited,
                        C::shmat_nattch,
                        C::shmdt_nattch,
                        C::shmat_multiple,
                        C::sysv_life_marked_dies_with_last,
                        C::sysv_life_until_removed,
                        C::shmctl_gone_id,
                        C::shmat_removed_id,
                        C::shmctl_rmid_unattached,
                        C::sysv_life_survives_exit,
                        C::shmctl_rmid_dest_flag,
                        C::shmat_exit_detaches,
                        C::shmdt_last_of_marked,
                        C::shmctl_rmid_key_freed,
                        C::shmdt_split_count,
                        C::shmdt_munmap_equivalent,
                        C::shmctl_rmid_marked_usable,
                        C::shmat_marked_still_attachable};
void counts_processes(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = attached(w, op, o);
  if (!v) return;
  bool second = false;
  for_attaches(was.processes[op.proc],
               [&](std::uint32_t s, const Vma&) { second |= static_cast<std::int32_t>(s) == v->segment; });
  if (second) --w.ipc.segments[static_cast<std::size_t>(v->segment)].nattch;
}

constexpr C kReadOnly[] = {C::shmat_rdonly, C::access_write_protected, C::proc_maps_row,
                           C::access_syscall_efault};
void read_only_is_writable(const World&, World& w, const Op& op, Outcome& o) {
  if (Vma* v = attached(w, op, o)) v->prot |= program::kProtWrite;
}

constexpr C kUpgrade[] = {C::shmat_rdonly_no_upgrade, C::mprotect_shared_upgrade_denied};
void read_only_upgradable(const World&, World& w, const Op& op, Outcome& o) {
  if (Vma* v = attached(w, op, o)) v->may_write = true;
}

constexpr C kRemap[] = {C::shmat_remap};
void remap_ignored(World&, Op& op) {
  bool given = op.addr.base || op.addr.pages;
  if (op.code == OpCode::shmat && given) op.flags &= ~shmat::kRemap;
}

constexpr C kOccupied[] = {C::shmat_occupied};
void occupied_replaced(World& w, Op& op) {
  if (op.code == OpCode::shmat && runs(w, op) && w.value(op.addr) % w.page() == 0 && w.value(op.addr) != 0) {
    op.flags |= shmat::kRemap;
  }
}

constexpr C kRound[] = {C::shmat_rnd, C::shmat_occupied, C::shmat_explicit_addr};
void rounds_up(World&, Op& op) {
  if (op.code != OpCode::shmat || !(op.flags & shmat::kRound) || op.addr.bytes <= 0) return;
  op.addr.bytes = 0;
  ++op.addr.pages;
}

constexpr C kUnaligned[] = {C::shmat_unaligned};
void unaligned_accepted(World&, Op& op) {
  if (op.code == OpCode::shmat && op.addr.bytes != 0) op.flags |= shmat::kRound;
}

constexpr C kMarked[] = {C::shmat_marked_still_attachable, C::shmat_null_addr, C::shmat_explicit_addr,
                         C::shmat_remap};
void marked_refused(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = attached(w, op, o);
  if (!v || !(w.ipc.segments[static_cast<std::size_t>(v->segment)].perm.mode & kShmDest)) return;
  refuse(was, w, o, kEINVAL);
}

constexpr C kAtime[] = {C::shmat_atime};
void no_atime(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = attached(w, op, o);
  if (v)
    w.ipc.segments[static_cast<std::size_t>(v->segment)].atim =
        was.ipc.segments[static_cast<std::size_t>(v->segment)].atim;
}

constexpr C kLpid[] = {C::shmat_lpid, C::shmdt_dtime_lpid};
void no_lpid(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = attached(w, op, o);
  if (v)
    w.ipc.segments[static_cast<std::size_t>(v->segment)].lprid =
        was.ipc.segments[static_cast<std::size_t>(v->segment)].lprid;
}

constexpr C kPermission[] = {C::shmat_rw_needs_both, C::shmat_rdonly,     C::shmat_exec_flag,
                             C::perm_class_user,     C::perm_class_group, C::perm_class_other,
                             C::shmat_invalid_addr};
void unchecked(World& w, Op& op) {
  if (op.code == OpCode::shmat && runs(w, op)) actor(w, op).cred.capable = true;
}
void recheck(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::shmat) actor(w, op).cred.capable = was.processes[op.proc].cred.capable;
}

constexpr C kShort[] = {C::shmat_whole_segment,     C::access_unmapped,           C::shmat_shared,
                        C::proc_maps_row,           C::access_syscall_efault,     C::shmat_nattch,
                        C::shmat_occupied,          C::mprotect_unmapped,         C::msync_unmapped,
                        C::mmap_fixed_noreplace,    C::mmap_create_hint_occupied, C::madvise_hole,
                        C::mremap_several_mappings, C::eof_straddling_access,     C::proc_maps_sysv_name,
                        C::mmap_create_null_addr,   C::shmdt_split_count,         C::madvise_populate_read};
void last_page_missing(const World&, World& w, const Op& op, Outcome& o) {
  Vma* v = attached(w, op, o);
  bool odd = v && w.ipc.segments[static_cast<std::size_t>(v->segment)].segsz % w.page() != 0;
  if (odd && v->high - v->low > w.page()) v->high -= w.page();
}

// --- shmdt
void detach_keeps_count(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::shmdt && ok(o)) keep_attaches(was, w);
}

constexpr C kBadAddress[] = {C::shmdt_bad_addr, C::shmdt_unaligned, C::shmdt_detaches};
void inside_accepted(World& w, Op& op) {
  if (op.code != OpCode::shmdt) return;
  Vma* v = vma_at(w, op);
  std::uint64_t address = v ? w.value(op.addr) : 0;
  if (!v || v->segment < 0 || address % w.page() || address == v->low || v->page_offset != 0) return;
  op.addr.pages =
      static_cast<std::int16_t>(op.addr.pages - static_cast<std::int16_t>((address - v->low) / w.page()));
}

void unaligned_detach_accepted(World&, Op& op) {
  if (op.code == OpCode::shmdt && op.addr.bytes > 0) op.addr.bytes = 0;
}

constexpr C kDtime[] = {C::shmdt_dtime_lpid};
void no_dtime(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i)
    w.ipc.segments[i].dtim = was.ipc.segments[i].dtim;
}

constexpr C kStays[] = {C::shmdt_data_stays,
                        C::shmctl_stat_copies,
                        C::shmat_null_addr,
                        C::shmctl_gone_id,
                        C::sysv_life_survives_exit,
                        C::sysv_life_until_removed,
                        C::shmat_removed_id,
                        C::shmget_lookup,
                        C::shmget_noent,
                        C::shmctl_rmid_marked_usable,
                        C::shmat_marked_still_attachable,
                        C::shmctl_shm_stat,
                        C::shmctl_shm_info,
                        C::shmat_explicit_addr,
                        C::shmat_remap,
                        C::proc_sysvipc_listing};
void last_detach_destroys(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (std::uint32_t i = 0; i < w.ipc.segments.size(); ++i) {
    const ShmidKernel& k = w.ipc.segments[i];
    if (!k.destroyed && k.nattch == 0 && k.atim.newest().low != 0) w.destroy_segment(i, C::shmctl_gone_id);
  }
}

constexpr C kOthers[] = {
    C::shmdt_nattch,   C::shmdt_detaches,    C::access_unmapped,     C::proc_maps_unmapped_gone,
    C::proc_maps_row,  C::shmat_shared,      C::shmat_nattch,        C::access_syscall_efault,
    C::shmdt_bad_addr, C::mprotect_unmapped, C::mmap_fixed_noreplace};
void detaches_all_of_process(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (w.ipc.segments[i].nattch == was.ipc.segments[i].nattch) continue;
    std::vector<Vma>& vmas = actor(w, op).memory.vmas();
    std::size_t before = vmas.size();
    std::erase_if(vmas, [=](const Vma& v) { return v.segment == static_cast<std::int32_t>(i); });
    w.ipc.segments[i].nattch -= static_cast<std::int64_t>(before - vmas.size());
  }
}

constexpr C kSplit[] = {C::shmat_nattch,
                        C::shmdt_split_count,
                        C::sysv_life_marked_dies_with_last,
                        C::shmctl_gone_id,
                        C::shmat_removed_id,
                        C::sysv_life_until_removed,
                        C::shmctl_rmid_marked_usable,
                        C::shmat_marked_still_attachable,
                        C::shmat_exit_detaches,
                        C::limit_rmid_forced_detach};
void split_not_counted(const World& was, World& w, const Op& op, Outcome& o) {
  bool divides = op.code == OpCode::munmap || op.code == OpCode::mprotect;
  if (!divides || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    ShmidKernel& k = w.ipc.segments[i];
    if (!k.destroyed && k.nattch > was.ipc.segments[i].nattch) k.nattch = was.ipc.segments[i].nattch;
  }
}

constexpr C kUnmapCount[] = {
    C::shmat_nattch,           C::shmdt_munmap_equivalent, C::sysv_life_marked_dies_with_last,
    C::shmctl_gone_id,         C::shmat_removed_id,        C::sysv_life_until_removed,
    C::shmctl_rmid_unattached, C::shmat_exit_detaches};
void munmap_keeps_count(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::munmap && ok(o)) keep_attaches(was, w);
}

constexpr C kBreak[] = {C::shmat_brk};
void attach_moves_break(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::brk || !ok(o)) return;
  for_attaches(actor(w, op), [&](std::uint32_t, const Vma& v) { o.value += v.high - v.low; });
}

constexpr C kMany[] = {C::limit_no_shmseg};
constexpr int kEMFILE = 24;
constexpr std::size_t kMost = 4;
void few_attaches(const World& was, World& w, const Op& op, Outcome& o) {
  const bool beyond = was.processes[op.proc].memory.attached() >= kMost;
  if (op.code == OpCode::shmat && ok(o) && beyond) refuse(was, w, o, kEMFILE);
}

constexpr Fault kFaults[] = {
    {"shmat-counts-processes", "a second attach in the same process is not counted", kCount, nullptr,
     counts_processes, true, "https://github.com/rcore-os/tgoskits/pull/1514"},
    {"shmat-read-only-writable", "SHM_RDONLY attaches for writing", kReadOnly, nullptr, read_only_is_writable,
     false},
    {"shmat-read-only-upgradable", "a read-only attach can be made writable", kUpgrade, nullptr,
     read_only_upgradable, false},
    {"shmat-remap-ignored", "SHM_REMAP is ignored", kRemap, remap_ignored, nullptr, false,
     "https://github.com/CTSRD-CHERI/cheribsd/issues/2698"},
    {"shmat-occupied-replaced", "an attach at an occupied address replaces what is there", kOccupied,
     occupied_replaced, nullptr, false},
    {"shmat-rounds-up", "SHM_RND rounds up", kRound, rounds_up, nullptr, false},
    {"shmat-unaligned-accepted", "an unaligned address is rounded without SHM_RND", kUnaligned,
     unaligned_accepted, nullptr, false},
    {"shmat-marked-refused", "a segment marked for removal cannot be attached", kMarked, nullptr,
     marked_refused, true},
    {"shmat-no-atime", "shmat does not set shm_atime", kAtime, nullptr, no_atime, true},
    {"shmat-no-lpid", "shmat does not set shm_lpid", kLpid, nullptr, no_lpid, true},
    {"shmat-unchecked", "shmat checks no permission", kPermission, unchecked, recheck, true},
    {"shmat-last-page-missing", "the last, incomplete page of a segment is not attached", kShort, nullptr,
     last_page_missing, false},
    {"shmdt-keeps-count", "shmdt does not lower the attach count", kCount, nullptr, detach_keeps_count, true},
    {"shmdt-inside-accepted", "an address inside an attach detaches it", kBadAddress, inside_accepted,
     nullptr, false},
    {"shmdt-unaligned-accepted", "an unaligned address detaches", kBadAddress, unaligned_detach_accepted,
     nullptr, false},
    {"shmdt-no-dtime", "shmdt does not set shm_dtime", kDtime, nullptr, no_dtime, true},
    {"shmdt-destroys", "the last shmdt destroys the segment", kStays, nullptr, last_detach_destroys, false},
    {"shmdt-detaches-all", "shmdt removes every attach of the segment in the process", kOthers, nullptr,
     detaches_all_of_process, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986"},
    {"split-not-counted", "dividing an attach does not count its pieces", kSplit, nullptr, split_not_counted,
     true},
    {"munmap-keeps-count", "munmap of an attach does not lower the attach count", kUnmapCount, nullptr,
     munmap_keeps_count, true},
    {"shmat-moves-break", "attaches are put where the heap is", kBreak, nullptr, attach_moves_break, false},
    {"shmat-few-per-process",
     "a process can have four attaches and no more",
     kMany,
     nullptr,
     few_attaches,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> attach_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
