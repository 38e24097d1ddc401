// Faults of mmap, munmap, mprotect and of the end of files.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Access;
namespace map = program::map;

constexpr int kEFAULT = 14, kEINVAL = 22, kENOMEM = 12;

bool is_mmap(const Op& op) {
  return op.code == OpCode::mmap;
}

// --- mmap
constexpr C kNoReplace[] = {C::mmap_fixed_noreplace};
void noreplace_ignored(World&, Op& op) {
  constexpr std::uint32_t kValidate = map::kShared | map::kPrivate;
  bool asked = is_mmap(op) && (op.flags & map::kNoReplace) && (op.flags & kValidate) != kValidate;
  if (asked) op.flags = (op.flags & ~map::kNoReplace) | map::kFixed;
}

constexpr C kOffset[] = {C::mmap_create_offset_unaligned};
void offset_rounded_down(World&, Op& op) {
  if (is_mmap(op) && op.off.bytes > 0) op.off.bytes = 0;
}

constexpr C kReadOnlyWrite[] = {C::mmap_fd_read_only_shared_write, C::mmap_fd_write_only,
                                C::mprotect_shared_upgrade_denied};
void read_only_descriptor_writable(World& w, Op& op) {
  if (!is_mmap(op) || !runs(w, op)) return;
  if (OpenFile* f = descriptor(w, op)) f->writable = true;
}
void read_only_descriptor_again(const World& was, World& w, const Op& op, Outcome&) {
  if (!is_mmap(op) || !runs(w, op)) return;
  if (OpenFile* f = descriptor(w, op))
    f->writable = was.open_files[static_cast<std::size_t>(f - w.open_files.data())].writable;
}

constexpr C kWriteOnly[] = {C::mmap_fd_write_only};
void write_only_descriptor_mappable(World& w, Op& op) {
  if (!is_mmap(op) || !runs(w, op)) return;
  if (OpenFile* f = descriptor(w, op)) f->readable = true;
}

constexpr C kOffsetIgnored[] = {C::mmap_create_returns_start,
                                C::access_read,
                                C::access_beyond_object,
                                C::private_isolated,
                                C::proc_maps_row,
                                C::access_syscall_efault,
                                C::share_mapping_to_read,
                                C::access_write,
                                C::share_write_to_mapping,
                                C::mremap_shared_anon_fixed_size};
void offset_ignored(World&, Op& op) {
  bool file = is_mmap(op) && !(op.flags & map::kAnonymous);
  if (file && op.off.base == 0 && op.off.pages > 0) op.off.pages = 0;
}

constexpr C kHint[] = {C::mmap_create_null_addr, C::mmap_create_hint_occupied,
                       C::mmap_create_hint_below_minimum};
void hint_replaces(World& w, Op& op) {
  if (!is_mmap(op) || !runs(w, op) || (op.flags & (map::kFixed | map::kNoReplace))) return;
  std::uint64_t hint = w.value(op.addr);
  if (hint % w.page() == 0 && actor(w, op).memory.find(hint)) op.flags |= map::kFixed;
}

constexpr C kAnonZero[] = {C::mmap_anon_zero, C::share_fork_anon, C::private_fork_isolated, C::access_read};
void anonymous_dirty(const World&, World& w, const Op& op, Outcome& o) {
  if (!is_mmap(op) || !ok(o) || !(op.flags & map::kAnonymous)) return;
  Vma* v = actor(w, op).memory.find(o.value);
  std::uint8_t dirt = 0x5a;
  if (v) w.store(*v, v->object_offset(o.value, w.page()) + 1, &dirt, 1);
}

constexpr C kFixedDetach[] = {C::shmat_nattch,
                              C::shmdt_munmap_equivalent,
                              C::sysv_life_marked_dies_with_last,
                              C::sysv_life_until_removed,
                              C::shmat_atime,
                              C::shmat_exit_detaches};
void fixed_forgets_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (is_mmap(op) && ok(o)) keep_attaches(was, w);
}

// --- munmap
constexpr C kRounded[] = {
    C::shmdt_munmap_equivalent, C::munmap_len_rounded,      C::munmap_removes,        C::access_unmapped,
    C::proc_maps_row,           C::proc_maps_unmapped_gone, C::shmat_nattch,          C::shmdt_dtime_lpid,
    C::msync_unmapped,          C::mprotect_unmapped,       C::mmap_create_hint_free, C::munmap_unlocks,
    C::shmat_explicit_addr,     C::shmdt_implicit_times,    C::shmdt_split_count};
void munmap_rounds_down(World& w, Op& op) {
  if (op.code == OpCode::munmap && op.len.pages > 0 && op.len.bytes > 0 && w.page() > 1) op.len.bytes = 0;
}

constexpr C kSeveral[] = {
    C::shmdt_munmap_equivalent, C::munmap_removes,        C::access_unmapped,       C::proc_maps_row,
    C::proc_maps_unmapped_gone, C::access_syscall_efault, C::shmat_nattch,          C::shmdt_dtime_lpid,
    C::msync_unmapped,          C::mprotect_unmapped,     C::mmap_create_hint_free, C::shmat_explicit_addr,
    C::shmdt_implicit_times};
void munmap_first_only(World& w, Op& op) {
  if (op.code != OpCode::munmap || !runs(w, op)) return;
  std::uint64_t low = w.value(op.addr), length = w.value(op.len);
  Process& p = actor(w, op);
  std::size_t i = p.memory.first_above(low);
  if (low % w.page() || i >= p.memory.vmas().size() || length > w.facts().top - low) return;
  std::uint64_t end = p.memory.vmas()[i].high;
  if (end > low && end - low < length && (end - low) / w.page() < 0x7fff) {
    op.len = {0, static_cast<std::int16_t>((end - low) / w.page()), 0};
  }
}

constexpr C kHole[] = {C::munmap_not_mapped};
void munmap_hole_fails(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::munmap || !ok(o)) return;
  std::uint64_t low = was.value(op.addr);
  if (!was.processes[op.proc].memory.overlaps(low, low + w.up(was.value(op.len)))) fail(o, kEINVAL);
}

// --- mprotect
constexpr C kWhole[] = {C::shmdt_split_count, C::mprotect_sets,
                        C::access_none,       C::access_write_protected,
                        C::access_write,      C::access_read,
                        C::proc_maps_row,     C::access_syscall_efault,
                        C::private_isolated,  C::private_fork_isolated,
                        C::share_fork_anon,   C::shmat_shared,
                        C::shmat_nattch,      C::mprotect_shared_upgrade_denied,
                        C::mlock_resident};
void mprotect_whole_vma(World& w, Op& op) {
  if (op.code != OpCode::mprotect || op.small > 7) return;
  Vma* v = vma_at(w, op);
  std::uint64_t low = v ? w.value(op.addr) : 0, length = w.value(op.len);
  if (!v || low % w.page() || length == 0 || length > v->high - low) return;
  op.addr.pages =
      static_cast<std::int16_t>(op.addr.pages - static_cast<std::int16_t>((low - v->low) / w.page()));
  op.len = {0, static_cast<std::int16_t>((v->high - v->low) / w.page()), 0};
}

constexpr C kUpgrade[] = {C::mprotect_shared_upgrade_denied, C::shmat_rdonly_no_upgrade,
                          C::seal_write_ro_mapping};
void mprotect_upgrade_allowed(World& w, Op& op) {
  if (op.code != OpCode::mprotect || !runs(w, op)) return;
  for (Vma& v : actor(w, op).memory.vmas()) v.may_write = true;
}

constexpr C kPastHole[] = {C::mprotect_unmapped,     C::access_none,      C::access_write_protected,
                           C::access_write,          C::access_read,      C::proc_maps_row,
                           C::access_syscall_efault, C::private_isolated, C::private_fork_isolated,
                           C::shmat_shared,          C::share_fork_anon,  C::shmat_nattch};
void mprotect_goes_on_past_hole(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !failed_with(o, kENOMEM) || !runs(was, op)) return;
  std::uint64_t low = w.value(op.addr), high = low + w.up(w.value(op.len));
  if (high <= low) return;
  w.split_at(op.proc, high, {o.before, o.after});
  for (Vma& v : actor(w, op).memory.vmas()) {
    if (v.low >= low && v.high <= high && v.may_write) v.prot = op.small & 7;
  }
}

constexpr C kNone[] = {C::access_none, C::mprotect_violation, C::proc_maps_row, C::access_syscall_efault,
                       C::access_write_protected};
void none_is_readable(World&, Op& op) {
  bool sets = op.code == OpCode::mmap || op.code == OpCode::mprotect;
  if (sets && op.small == 0) op.small = program::kProtRead;
}

// --- end of file
constexpr C kBeyond[] = {C::trunc_shrink_faults,    C::trunc_shrink_private,          C::eof_one_byte_file,
                         C::mmap_create_empty_file, C::mremap_shared_anon_fixed_size, C::access_beyond_object,
                         C::eof_straddling_access,  C::pshm_open_create_empty};
void beyond_reads_zero(const World&, World&, const Op& op, Outcome& o) {
  if (op.code == OpCode::load && o.kind == OutcomeKind::signal && o.signal == kSIGBUS) {
    succeed(o);
    o.value = 0;
  }
}

void one_page_too_many(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::load || o.kind != OutcomeKind::signal || o.signal != kSIGBUS) return;
  const Vma* v = was.processes[op.proc].memory.find(o.address);
  if (!v || v->inode < 0) return;
  std::uint64_t size = w.object_of(*v).size;
  if (size > 0 && size % w.page() == 0 && w.down(v->object_offset(o.address, w.page())) == size) {
    succeed(o);
    o.value = 0;
  }
}

void sigbus_without_code(const World&, World&, const Op&, Outcome& o) {
  if (o.kind == OutcomeKind::signal && o.signal == kSIGBUS) o.code = 1;
}

constexpr C kAddress[] = {C::access_beyond_object, C::access_unmapped, C::access_none,
                          C::access_write_protected};
void fault_address_of_page(const World&, World& w, const Op&, Outcome& o) {
  if (o.kind == OutcomeKind::signal) o.address = w.down(o.address);
}

constexpr C kSizeChanged[] = {C::mmap_sizes_never_change_file, C::slack_size_unchanged, C::slack_not_readable,
                              C::access_beyond_object};
void slack_store_extends(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::store || !ok(o)) return;
  std::uint64_t address = was.value(op.addr);
  const Vma* v = was.processes[op.proc].memory.find(address);
  if (!v || !v->shared || v->inode < 0) return;
  Inode& inode = w.object_of(*v);
  std::uint64_t end = v->object_offset(address, w.page()) + (std::uint64_t{1} << op.small);
  if (inode.kind == InodeKind::file && end > inode.size) inode.size = std::min(end, w.up(inode.size));
}

bool truncates(const Op& op) {
  return op.code == OpCode::ftruncate || op.code == OpCode::truncate;
}

std::uint32_t truncated_inode(const World& w, const Op& op) {
  if (op.code == OpCode::truncate) return static_cast<std::uint32_t>(w.paths[op.object]);
  return w.open_files[static_cast<std::size_t>(w.processes[op.proc].files[op.object])].inode;
}

constexpr C kRegrow[] = {C::trunc_regrow_zero,     C::trunc_tail_zeroed, C::access_read,
                         C::share_mapping_to_read, C::private_isolated,  C::slack_zero_filled};
void truncate_keeps_pages(const World& was, World& w, const Op& op, Outcome& o) {
  if (!truncates(op) || !ok(o)) return;
  std::uint32_t i = truncated_inode(was, op);
  if (w.inodes[i].size < was.inodes[i].size) w.inodes[i].bytes = was.inodes[i].bytes;
}

void truncate_keeps_tail(const World& was, World& w, const Op& op, Outcome& o) {
  if (!truncates(op) || !ok(o)) return;
  std::uint32_t i = truncated_inode(was, op);
  std::uint64_t size = w.inodes[i].size;
  if (size >= was.inodes[i].size || size % w.page() == 0) return;
  const PageRef* page = was.inodes[i].bytes.find(size / w.page());
  if (page) w.inodes[i].bytes.put(size / w.page(), *page);
}

constexpr C kStale[] = {C::share_write_to_mapping, C::access_read, C::share_mapping_to_read,
                        C::private_isolated, C::private_later_file_changes};
void pwrite_lost_for_mapped_pages(const World& was, World& w, const Op& op, Outcome& o) {
  bool writes = op.code == OpCode::pwrite || op.code == OpCode::pwrite_from;
  if (!writes || !ok(o)) return;
  std::uint32_t inode =
      was.open_files[static_cast<std::size_t>(was.processes[op.proc].files[op.object])].inode;
  for (const Process& p : was.processes) {
    for (const Vma& v : p.memory.vmas()) {
      if (v.inode == static_cast<std::int32_t>(inode)) w.inodes[inode].bytes = was.inodes[inode].bytes;
    }
  }
}

constexpr C kSlackRead[] = {C::proc_map_files_sysv, C::slack_not_readable};
void pread_returns_slack(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::pread || !ok(o) || o.words.empty()) return;
  if (w.inodes[descriptor(w, op)->inode].size % w.page() == 0) return;
  program::Run last = program::unpack_run(o.words.back());
  std::uint64_t got = 0;
  for (std::uint64_t word : o.words) got += program::unpack_run(word).length;
  if (got >= w.value(op.len)) return;
  ++last.length;
  o.words.back() = program::pack(last);
}

constexpr C kEfault[] = {C::access_syscall_efault, C::access_syscall_short};
void bad_buffer_ignored(const World&, World&, const Op& op, Outcome& o) {
  bool uses_memory = op.code == OpCode::pread_to || op.code == OpCode::pwrite_from;
  if (uses_memory && failed_with(o, kEFAULT)) succeed(o);
}

constexpr C kClose[] = {
    C::mmap_create_fd_close, C::munmap_close_not_unmap, C::access_unmapped,       C::access_read,
    C::access_write,         C::proc_maps_row,          C::private_isolated,      C::access_beyond_object,
    C::access_none,          C::access_write_protected, C::access_syscall_efault, C::mprotect_unmapped,
    C::msync_unmapped,       C::madvise_hole,           C::mremap_unmapped,       C::access_fault_default};
void close_unmaps(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::close || !ok(o)) return;
  std::uint32_t inode =
      was.open_files[static_cast<std::size_t>(was.processes[op.proc].files[op.object])].inode;
  std::vector<Vma>& vmas = actor(w, op).memory.vmas();
  std::erase_if(vmas, [=](const Vma& v) { return v.inode == static_cast<std::int32_t>(inode); });
}

constexpr C kUnlink[] = {C::mmap_create_file_reference, C::access_read, C::share_mapping_to_read,
                         C::private_isolated};
void unlink_empties(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::unlink && ok(o))
    w.inodes[static_cast<std::size_t>(was.paths[op.object])].bytes = ObjectBytes();
}

constexpr C kBothFlags[] = {C::msync_both_flags};
void msync_both_flags(World&, Op& op) {
  constexpr std::uint32_t both = program::msync::kAsync | program::msync::kSync;
  if (op.code == OpCode::msync && (op.flags & both) == both) op.flags &= ~program::msync::kAsync;
}

constexpr C kMsyncHole[] = {C::msync_unmapped};
void msync_hole_accepted(const World&, World&, const Op& op, Outcome& o) {
  if (op.code == OpCode::msync && failed_with(o, kENOMEM)) succeed(o);
}

constexpr C kStraddle[] = {C::access_write,         C::access_read,           C::shmat_shared,
                           C::private_isolated,     C::private_fork_isolated, C::share_fork_anon,
                           C::share_mapping_to_read};
void straddling_store_cut(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::store || !ok(o)) return;
  std::uint64_t address = was.value(op.addr), edge = w.down(address + (std::uint64_t{1} << op.small) - 1);
  if (edge <= address) return;
  Vma* v = actor(w, op).memory.find(edge);
  const Vma* before = was.processes[op.proc].memory.find(edge);
  if (!v || !before) return;
  std::uint64_t offset = v->object_offset(edge, w.page());
  World past = was;
  Vma copy = *before;
  std::uint8_t old = past.load(copy, offset);
  w.store(*v, offset, &old, 1);
}

constexpr Fault kFaults[] = {
    {"mmap-noreplace-ignored", "MAP_FIXED_NOREPLACE replaces what is there", kNoReplace, noreplace_ignored,
     nullptr, false, "https://github.com/google/gvisor/pull/14008"},
    {"mmap-offset-rounded-down", "an unaligned offset is rounded instead of refused", kOffset,
     offset_rounded_down, nullptr, false},
    {"mmap-read-only-writable", "a read-only descriptor can be mapped shared and writable", kReadOnlyWrite,
     read_only_descriptor_writable, read_only_descriptor_again, true},
    {"mmap-write-only-mappable", "a write-only descriptor can be mapped", kWriteOnly,
     write_only_descriptor_mappable, nullptr, false},
    {"mmap-offset-ignored", "a file mapping always begins at offset 0", kOffsetIgnored, offset_ignored,
     nullptr, false},
    {"mmap-hint-replaces", "an occupied hint replaces the mapping there", kHint, hint_replaces, nullptr,
     false, "https://github.com/mattias800/prosper/issues/137"},
    {"mmap-anonymous-dirty", "new anonymous memory is not all zero", kAnonZero, nullptr, anonymous_dirty,
     false},
    {"mmap-fixed-forgets-detach", "MAP_FIXED over an attach does not count a detach", kFixedDetach, nullptr,
     fixed_forgets_detach, true},
    {"munmap-rounds-down", "munmap rounds its length down", kRounded, munmap_rounds_down, nullptr, false},
    {"munmap-first-only", "munmap stops after the first mapping of the range", kSeveral, munmap_first_only,
     nullptr, false, "https://github.com/SerenityOS/serenity/issues/175"},
    {"munmap-hole-fails", "munmap of nothing fails", kHole, nullptr, munmap_hole_fails, true},
    {"mprotect-whole-vma", "mprotect of a part changes the whole mapping", kWhole, mprotect_whole_vma,
     nullptr, false, "https://github.com/bitwiseworks/libcx/issues/27"},
    {"mprotect-upgrade-allowed", "a shared mapping of a read-only descriptor can be made writable", kUpgrade,
     mprotect_upgrade_allowed, nullptr, false},
    {"mprotect-past-hole", "mprotect goes on behind a hole", kPastHole, nullptr, mprotect_goes_on_past_hole,
     true},
    {"prot-none-readable", "PROT_NONE means PROT_READ", kNone, none_is_readable, nullptr, false},
    {"eof-reads-zero", "a load beyond the end of the object reads zero", kBeyond, nullptr, beyond_reads_zero,
     false},
    {"eof-one-page-too-many", "a file of whole pages has one more accessible page", kBeyond, nullptr,
     one_page_too_many, true},
    {"eof-si-code", "SIGBUS beyond the object carries si_code 1", kBeyond, nullptr, sigbus_without_code,
     false},
    {"fault-address-of-page", "si_addr is the start of the page", kAddress, nullptr, fault_address_of_page,
     false},
    {"slack-store-extends", "a store behind the end of a file makes it longer", kSizeChanged, nullptr,
     slack_store_extends, true},
    {"truncate-keeps-pages", "bytes cut off come back when the file grows", kRegrow, nullptr,
     truncate_keeps_pages, true},
    {"truncate-keeps-tail", "the rest of the last page is not zeroed", kRegrow, nullptr, truncate_keeps_tail,
     true},
    {"pwrite-lost-for-mapped", "a write to a mapped file does not reach its pages", kStale, nullptr,
     pwrite_lost_for_mapped_pages, true, "https://github.com/AlessandroSangiuliano/Uros/issues/277"},
    {"pread-returns-slack", "a read at the end of a file returns a byte too many", kSlackRead, nullptr,
     pread_returns_slack, false},
    {"bad-buffer-ignored", "a transfer with a bad buffer says it moved nothing, without an error", kEfault,
     nullptr, bad_buffer_ignored, false},
    {"close-unmaps", "closing the descriptor removes its mappings", kClose, nullptr, close_unmaps, true},
    {"unlink-empties", "unlinking a mapped file drops its bytes", kUnlink, nullptr, unlink_empties, true},
    {"msync-both-flags", "MS_SYNC with MS_ASYNC is accepted", kBothFlags, msync_both_flags, nullptr, false},
    {"msync-hole-accepted", "msync over a hole succeeds", kMsyncHole, nullptr, msync_hole_accepted, false},
    {"store-straddling-cut", "a store over a page edge loses a byte behind it", kStraddle, nullptr,
     straddling_store_cut, true},
};

}  // namespace

std::span<const Fault> memory_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
