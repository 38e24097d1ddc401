// Faults of private copies, of mremap and of madvise.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

namespace map = program::map;

constexpr C kPrivate[] = {C::remap_file_pages_einval,
                          C::trunc_tail_private_kept,
                          C::private_page_granular_freeze,
                          C::private_isolated,
                          C::access_read,
                          C::share_mapping_to_read,
                          C::proc_maps_row,
                          C::mmap_fd_read_only_private_write,
                          C::access_write,
                          C::mmap_fd_read_only_shared_write,
                          C::mmap_fd_write_only,
                          C::mprotect_private_upgrade,
                          C::private_fork_isolated,
                          C::madvise_remove_not_shared_writable,
                          C::mremap_duplicate_private};
void private_is_shared(World& w, Op& op) {
  bool file = op.code == OpCode::mmap && !(op.flags & map::kAnonymous) && runs(w, op);
  if (!file || (op.flags & (map::kShared | map::kPrivate)) != map::kPrivate) return;
  OpenFile* f = descriptor(w, op);
  if (f && f->writable) op.flags ^= map::kShared | map::kPrivate;
}

constexpr C kShared[] = {C::proc_map_files,
                         C::proc_smaps_shared,
                         C::proc_status_rss,
                         C::remap_file_pages_order,
                         C::mremap_duplicate_shared,
                         C::share_fork_anon,
                         C::fork_shared_both_ways,
                         C::private_fork_isolated,
                         C::access_read,
                         C::proc_maps_row,
                         C::madvise_dontneed_shared,
                         C::access_beyond_object,
                         C::madvise_remove,
                         C::mremap_shared_anon_fixed_size,
                         C::madvise_free_shared,
                         C::mremap_duplicate_no_maymove};
void shared_anonymous_is_private(World&, Op& op) {
  constexpr std::uint32_t type = map::kShared | map::kPrivate;
  if (op.code != OpCode::mmap || !(op.flags & map::kAnonymous) || (op.flags & type) != map::kShared) return;
  op.flags ^= type;
}

constexpr C kLeak[] = {C::private_discard, C::private_isolated,      C::private_fork_isolated,
                       C::access_read,     C::share_mapping_to_read, C::mmap_fd_read_only_private_write};
void private_store_leaks(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = private_store(was, op, o);
  if (!v || v->inode < 0) return;
  auto byte = static_cast<std::uint8_t>(op.value);
  w.write_object(static_cast<std::uint32_t>(v->inode), v->object_offset(was.value(op.addr), w.page()), &byte,
                 1);
}

constexpr C kCow[] = {C::private_isolated, C::private_initial_content, C::private_page_granular_freeze,
                      C::fork_private_snapshot};
void copy_is_zero(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = private_store(was, op, o);
  if (!v || v->inode < 0) return;
  std::uint64_t offset = v->object_offset(was.value(op.addr), w.page()), size = std::uint64_t{1} << op.small;
  if (v->copies.find(offset / w.page()) || w.down(offset) != w.down(offset + size - 1)) return;
  Vma* now = actor(w, op).memory.find(was.value(op.addr));
  std::uint8_t bytes[8];
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(op.value >> (8 * i));
  now->copies.put(offset / w.page(), PageRef());
  now->copies.write(offset, bytes, size, w.page());
}

void kernel_write_leaks(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::pread_to || !ok(o) || o.value == 0) return;
  std::uint64_t address = was.value(op.addr);
  Vma* v = actor(w, op).memory.find(address);
  if (!v || v->shared || v->inode < 0) return;
  std::uint64_t offset = v->object_offset(address, w.page());
  std::uint8_t byte = w.load(*v, offset);
  w.write_object(static_cast<std::uint32_t>(v->inode), offset, &byte, 1);
}

constexpr C kSnapshot[] = {C::private_fork_isolated, C::fork_private_snapshot, C::private_isolated};
void store_reaches_relatives(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = private_store(was, op, o);
  if (!v) return;
  std::uint64_t address = was.value(op.addr);
  auto byte = static_cast<std::uint8_t>(op.value);
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    if (i == op.proc || w.processes[i].life != Life::alive) continue;
    Vma* other = w.processes[i].memory.find(address);
    bool same = other && !other->shared && other->id == v->id && other->page_offset == v->page_offset;
    if (same) w.store(*other, other->object_offset(address, w.page()), &byte, 1);
  }
}

constexpr C kTruncated[] = {C::trunc_shrink_private, C::access_beyond_object, C::trunc_regrow_zero,
                            C::private_isolated, C::access_syscall_efault};
void truncate_keeps_copies(const World& was, World& w, const Op& op, Outcome& o) {
  if ((op.code != OpCode::ftruncate && op.code != OpCode::truncate) || !ok(o)) return;
  for (std::size_t p = 0; p < w.processes.size(); ++p) {
    std::vector<Vma>& vmas = w.processes[p].memory.vmas();
    for (std::size_t i = 0; i < vmas.size(); ++i) {
      if (!vmas[i].shared && vmas[i].inode >= 0) vmas[i].copies = was.processes[p].memory.vmas()[i].copies;
    }
  }
}

// --- mremap
Vma* remapped(World& w, const Op& op, const Outcome& o) {
  return op.code == OpCode::mremap && ok(o) ? actor(w, op).memory.find(o.value) : nullptr;
}

constexpr C kMoved[] = {C::mremap_lock_kept,
                        C::proc_smaps_shared,
                        C::proc_status_rss,
                        C::share_aliases,
                        C::mremap_content_kept,
                        C::private_isolated,
                        C::access_read,
                        C::shmat_shared,
                        C::proc_maps_row,
                        C::share_fork_anon,
                        C::share_mapping_to_read,
                        C::private_fork_isolated,
                        C::mremap_duplicate_shared,
                        C::madvise_remove,
                        C::fork_shared_both_ways,
                        C::remap_file_pages_order,
                        C::mremap_duplicate_no_maymove};
void moved_is_private(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = remapped(w, op, o);
  if (v && v->shared && v->segment < 0 && o.value != was.value(op.addr)) v->shared = false;
}

constexpr C kApart[] = {C::remap_file_pages_order,
                        C::mmap_anon_dev_zero,
                        C::share_unrelated,
                        C::share_immediate,
                        C::share_aliases,
                        C::share_mapping_to_read,
                        C::share_ro_sees_rw,
                        C::fork_shared_both_ways,
                        C::proc_maps_row,
                        C::share_write_to_mapping,
                        C::access_read,
                        C::exit_file_data_kept,
                        C::madvise_remove,
                        C::private_fork_isolated,
                        C::private_later_file_changes,
                        C::mmap_fd_read_only_shared_write,
                        C::private_isolated,
                        C::mprotect_shared_upgrade_denied};
void shared_file_is_private(World& w, Op& op) {
  bool file = op.code == OpCode::mmap && !(op.flags & map::kAnonymous) && runs(w, op);
  if (file && (op.flags & (map::kShared | map::kPrivate)) == map::kShared)
    op.flags ^= map::kShared | map::kPrivate;
}

constexpr C kAttachedApart[] = {C::proc_smaps_shared,
                                C::proc_map_files_sysv,
                                C::remap_file_pages_order,
                                C::shmat_shared,
                                C::shmat_multiple,
                                C::share_fork_anon,
                                C::access_read,
                                C::proc_maps_row,
                                C::fork_shared_both_ways,
                                C::sysv_life_overwrite_kept,
                                C::mremap_duplicate_shared,
                                C::shmdt_data_stays,
                                C::proc_sysvipc_rss_bytes,
                                C::shmctl_shm_info_rss,
                                C::madvise_dontneed_shared};
void attach_is_private(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmat || o.kind != OutcomeKind::ok) return;
  if (Vma* v = actor(w, op).memory.find(o.value)) v->shared = false;
}

void move_loses_copies(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* v = remapped(w, op, o);
  if (v && !v->shared && o.value != was.value(op.addr)) v->copies = ObjectBytes();
}

constexpr C kOldRange[] = {
    C::mremap_old_range_gone, C::access_unmapped,       C::proc_maps_row,  C::proc_maps_unmapped_gone,
    C::access_syscall_efault, C::mmap_create_hint_free, C::mremap_grow,    C::shmat_null_addr,
    C::mmap_create_null_addr, C::mprotect_unmapped,     C::msync_unmapped, C::madvise_hole,
    C::mremap_unmapped,       C::mmap_limit_rlimit_as};
void old_range_stays(const World& was, World& w, const Op& op, Outcome& o) {
  if (!remapped(w, op, o) || o.value == was.value(op.addr) || (op.flags & program::mremap::kDontUnmap))
    return;
  const Vma* old = was.processes[op.proc].memory.find(was.value(op.addr));
  Process& p = actor(w, op);
  if (old && old->segment < 0 && !p.memory.overlaps(old->low, old->high)) p.memory.insert(*old);
}

constexpr C kGrown[] = {C::mremap_shared_anon_fixed_size, C::access_beyond_object, C::access_syscall_efault};
void grown_object_grows(const World&, World& w, const Op& op, Outcome& o) {
  Vma* v = remapped(w, op, o);
  if (!v || v->inode < 0) return;
  Inode& inode = w.object_of(*v);
  std::uint64_t end = v->object_offset(v->high - 1, w.page()) + 1;
  if (inode.kind != InodeKind::file) inode.size = std::max(inode.size, end);
}

// --- madvise
constexpr C kDontNeed[] = {C::madvise_dontneed_shared, C::access_read,           C::shmat_shared,
                           C::share_fork_anon,         C::share_mapping_to_read, C::private_isolated};
void dontneed_drops_shared(const World& was, World& w, const Op& op, Outcome& o) {
  if (!advises(op, program::Advice::dontneed) || !ok(o)) return;
  Vma* v = actor(w, op).memory.find(was.value(op.addr));
  if (!v || !v->shared) return;
  std::uint64_t index = v->object_offset(w.down(was.value(op.addr)), w.page()) / w.page();
  w.object_of(*v).bytes.drop(index, index + 1);
}

constexpr C kDontNeedKeeps[] = {C::madvise_dontneed_locked, C::madvise_dontneed_private_anon,
                                C::madvise_dontneed_private_file, C::private_isolated,
                                C::private_fork_isolated};
void dontneed_ignored(World&, Op& op) {
  if (advises(op, program::Advice::dontneed)) op.small = static_cast<std::uint8_t>(program::Advice::willneed);
}

constexpr C kRemove[] = {C::madvise_dontneed_locked,
                         C::madvise_remove,
                         C::punch_frees,
                         C::access_read,
                         C::shmat_shared,
                         C::share_fork_anon,
                         C::share_mapping_to_read,
                         C::madvise_remove_not_shared_writable,
                         C::private_isolated};
void remove_ignored(World&, Op& op) {
  if (advises(op, program::Advice::remove)) op.small = static_cast<std::uint8_t>(program::Advice::willneed);
}

constexpr Fault kFaults[] = {
    {"private-is-shared", "a private mapping of a writable descriptor is shared", kPrivate, private_is_shared,
     nullptr, false},
    {"shared-file-is-private", "a shared mapping of a file is private", kApart, shared_file_is_private,
     nullptr, false},
    {"shmat-is-private", "an attach is a private copy of the segment", kAttachedApart, nullptr,
     attach_is_private, false},
    {"shared-anonymous-is-private", "shared anonymous memory is private", kShared,
     shared_anonymous_is_private, nullptr, false},
    {"private-store-leaks", "a store to a private mapping reaches the file", kLeak, nullptr,
     private_store_leaks, true},
    {"private-copy-is-zero", "the first store to a private page loses the file's bytes around it", kCow,
     nullptr, copy_is_zero, true},
    {"private-kernel-write-leaks", "read(2) into a private mapping reaches the file", kLeak, nullptr,
     kernel_write_leaks, true},
    {"private-store-reaches-relatives", "a private store is seen by the other side of a fork", kSnapshot,
     nullptr, store_reaches_relatives, true},
    {"truncate-keeps-copies", "private copies of pages cut off survive", kTruncated, nullptr,
     truncate_keeps_copies, true},
    {"mremap-makes-private", "a shared mapping that moves becomes private", kMoved, nullptr, moved_is_private,
     true, "https://github.com/rcore-os/tgoskits/pull/263"},
    {"mremap-loses-copies", "a private mapping that moves loses its stores", kMoved, nullptr,
     move_loses_copies, true, "https://github.com/cloudius-systems/osv/pull/1432"},
    {"mremap-old-stays", "the old range stays mapped after a move", kOldRange, nullptr, old_range_stays,
     true},
    {"mremap-grows-object", "growing a mapping grows a fixed-size object", kGrown, nullptr,
     grown_object_grows, false},
    {"dontneed-drops-shared", "MADV_DONTNEED on a shared mapping drops data", kDontNeed, nullptr,
     dontneed_drops_shared, true, "https://github.com/sysprog21/elfuse/pull/3"},
    {"dontneed-ignored", "MADV_DONTNEED keeps private pages", kDontNeedKeeps, dontneed_ignored, nullptr,
     false, "https://github.com/nanovms/nanos/pull/2152"},
    {"remove-ignored", "MADV_REMOVE does nothing", kRemove, remove_ignored, nullptr, false},
};

}  // namespace

std::span<const Fault> private_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
