// Faults that show only where a mapping or an attach has been divided, moved, or made twice.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

// The vma of the past that an operation on [low, high) cut in its middle, or null.
const Vma* cut_in_middle(const World& was, const Op& op) {
  if (!runs(was, op)) return nullptr;
  std::uint64_t low = was.value(op.addr), high = low + was.up(was.value(op.len));
  const Vma* v = was.processes[op.proc].memory.find(low);
  return v && low > v->low && high > low && high < v->high ? v : nullptr;
}

// The piece behind what a munmap or mprotect cut out, or null.
Vma* tail_of_cut(const World& was, World& w, const Op& op, const Outcome& o, OpCode code) {
  if (op.code != code || !ok(o) || !cut_in_middle(was, op)) return nullptr;
  Vma* tail = actor(w, op).memory.find(was.value(op.addr) + was.up(was.value(op.len)));
  const Vma* before = was.processes[op.proc].memory.find(was.value(op.addr));
  return tail && tail->low > before->low ? tail : nullptr;
}

constexpr C kOffset[] = {C::munmap_partial,         C::access_read,           C::private_isolated,
                         C::proc_maps_row,          C::share_mapping_to_read, C::access_beyond_object,
                         C::access_syscall_efault,  C::share_fork_anon,       C::eof_straddling_access,
                         C::share_write_to_mapping, C::munmap_keeps_data};
void tail_restarts(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* tail = tail_of_cut(was, w, op, o, OpCode::munmap);
  if (!tail || tail->inode < 0 || tail->segment >= 0) return;
  tail->page_offset = was.processes[op.proc].memory.find(was.value(op.addr))->page_offset;
  tail->copies = ObjectBytes();
}

constexpr C kTailPrivate[] = {C::remap_file_pages_order,
                              C::munmap_partial,
                              C::access_read,
                              C::share_fork_anon,
                              C::share_mapping_to_read,
                              C::proc_maps_row,
                              C::fork_shared_both_ways,
                              C::share_aliases,
                              C::mprotect_sets,
                              C::share_write_to_mapping,
                              C::private_isolated,
                              C::private_fork_isolated,
                              C::madvise_remove,
                              C::mremap_duplicate_no_maymove};
void protected_tail_is_private(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* tail = tail_of_cut(was, w, op, o, OpCode::mprotect);
  if (tail && tail->segment < 0 && tail->inode >= 0) tail->shared = false;
}

constexpr C kTailUpgrade[] = {C::shmat_rdonly_no_upgrade, C::mprotect_shared_upgrade_denied};
void tail_upgradable(const World& was, World& w, const Op& op, Outcome& o) {
  if (Vma* tail = tail_of_cut(was, w, op, o, OpCode::munmap)) tail->may_write = true;
}

constexpr C kTailCopies[] = {C::munmap_partial, C::private_isolated, C::private_fork_isolated,
                             C::access_read};
void tail_loses_copies(const World& was, World& w, const Op& op, Outcome& o) {
  Vma* tail = tail_of_cut(was, w, op, o, OpCode::munmap);
  if (tail && !tail->shared) tail->copies = ObjectBytes();
}

constexpr C kForkPieces[] = {C::fork_mapping_inherited,
                             C::fork_address_inherited,
                             C::access_unmapped,
                             C::access_read,
                             C::access_write,
                             C::shmat_shared,
                             C::proc_maps_row,
                             C::shmat_fork_inherited,
                             C::shmat_nattch,
                             C::access_syscall_efault,
                             C::share_fork_anon,
                             C::access_beyond_object,
                             C::access_none,
                             C::access_write_protected,
                             C::private_isolated,
                             C::private_fork_isolated,
                             C::mmap_create_partial_page_len};
void child_lacks_second_piece(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  std::vector<Vma>& vmas = w.processes[op.result].memory.vmas();
  for (std::size_t i = 1; i < vmas.size(); ++i) {
    bool piece = vmas[i].inode >= 0 && vmas[i].inode == vmas[i - 1].inode && vmas[i].segment < 0 &&
                 vmas[i].page_offset > vmas[i - 1].page_offset;
    if (!piece) continue;
    vmas.erase(vmas.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

// --- attaches
constexpr C kDetach[] = {C::shmdt_nattch,
                         C::shmdt_detaches,
                         C::shmdt_after_partial_unmap,
                         C::access_unmapped,
                         C::proc_maps_unmapped_gone,
                         C::proc_maps_row,
                         C::shmat_nattch,
                         C::access_syscall_efault,
                         C::shmdt_bad_addr,
                         C::shmdt_split_count,
                         C::shmctl_rmid_unattached,
                         C::shmctl_gone_id,
                         C::sysv_life_marked_dies_with_last,
                         C::shmat_removed_id,
                         C::proc_maps_sysv_name,
                         C::sysv_life_until_removed};
void detach_first_piece_only(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  std::uint64_t address = was.value(op.addr);
  bool first = true;
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.segment < 0 || v.low < address || (v.low - address) / w.page() != v.page_offset) continue;
    if (actor(w, op).memory.find(v.low)) continue;
    if (!std::exchange(first, false)) {
      revive(was, w, static_cast<std::uint32_t>(v.segment));
      ++w.ipc.segments[static_cast<std::size_t>(v.segment)].nattch;
      actor(w, op).memory.insert(v);
    }
  }
}

constexpr C kHeadless[] = {C::shmdt_after_partial_unmap, C::shmdt_detaches};
void headless_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (v && v->segment >= 0) return;
  refuse(was, w, o, 22 /* EINVAL */);
}

constexpr C kNotAttach[] = {C::shmdt_bad_addr};
void detaches_any_mapping(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !failed_with(o, 22) || !runs(was, op)) return;
  std::uint64_t address = was.value(op.addr);
  const Vma* v = was.processes[op.proc].memory.find(address);
  if (!v || v->segment >= 0 || v->low != address) return;
  w.unmap(op.proc, v->low, v->high, {o.before, o.after});
  succeed(o);
}

constexpr C kNamed[] = {C::proc_maps_sysv_name};
void maps_without_id(const World&, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::maps || !ok(o)) return;
  for (std::size_t row = 0; row + program::kMapRowWords <= o.words.size(); row += program::kMapRowWords) {
    bool attach = (o.words[row + 2] >> 8 & 0xff) == static_cast<std::uint64_t>(program::MapObject::segment);
    if (attach) o.words[row + 4] = 0;
  }
}

constexpr C kMovedCount[] = {C::shmat_nattch,
                             C::shmdt_after_mremap,
                             C::sysv_life_marked_dies_with_last,
                             C::shmctl_gone_id,
                             C::shmat_removed_id,
                             C::sysv_life_until_removed,
                             C::shmctl_rmid_unattached,
                             C::shmdt_split_count,
                             C::sysv_life_survives_exit,
                             C::shmctl_rmid_dest_flag,
                             C::shmctl_stat_copies,
                             C::shmctl_rmid_marked_usable,
                             C::shmat_marked_still_attachable,
                             C::shmat_exit_detaches};
void moved_attach_not_counted(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o) || o.value == was.value(op.addr)) return;
  const Vma* v = actor(w, op).memory.find(o.value);
  if (v && v->segment >= 0) --w.ipc.segments[static_cast<std::size_t>(v->segment)].nattch;
}

constexpr C kRemapCount[] = {C::shmat_nattch,
                             C::shmat_remap,
                             C::sysv_life_marked_dies_with_last,
                             C::sysv_life_until_removed,
                             C::shmctl_gone_id,
                             C::shmctl_rmid_unattached,
                             C::shmat_removed_id};
void remap_forgets_detach(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmat || !ok(o) || !(op.flags & program::shmat::kRemap)) return;
  const Vma* now = actor(w, op).memory.find(o.value);
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (!now || v.segment < 0 || v.low < now->low || v.high > now->high) continue;
    revive(was, w, static_cast<std::uint32_t>(v.segment));
    ++w.ipc.segments[static_cast<std::size_t>(v.segment)].nattch;
  }
}

// --- moving and duplicating
constexpr C kMovedOffset[] = {C::mremap_content_kept,
                              C::access_read,
                              C::private_isolated,
                              C::proc_maps_row,
                              C::share_mapping_to_read,
                              C::access_beyond_object,
                              C::access_syscall_efault,
                              C::eof_straddling_access,
                              C::share_write_to_mapping,
                              C::access_write,
                              C::mremap_shared_anon_fixed_size};
void moved_restarts(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o) || o.value == was.value(op.addr)) return;
  Vma* v = actor(w, op).memory.find(o.value);
  if (v && v->inode >= 0 && v->segment < 0 && v->page_offset > 0) v->page_offset = 0;
}

constexpr C kDuplicate[] = {
    C::mremap_duplicate_shared,    C::proc_smaps_shared,      C::proc_status_rss, C::access_read,
    C::share_mapping_to_read,      C::share_aliases,          C::proc_maps_row,   C::share_fork_anon,
    C::private_isolated,           C::share_write_to_mapping, C::madvise_remove,  C::remap_file_pages_order,
    C::mremap_duplicate_no_maymove};
void duplicate_is_copy(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o) || was.value(op.len) != 0) return;
  Vma* v = actor(w, op).memory.find(o.value);
  if (v && v->segment < 0) v->shared = false;
}

constexpr C kShrink[] = {C::access_beyond_mapping, C::mremap_shrink,           C::access_unmapped,
                         C::proc_maps_row,         C::proc_maps_unmapped_gone, C::access_syscall_efault,
                         C::mmap_fixed_noreplace,  C::mmap_create_hint_free,   C::shmat_nattch,
                         C::shmat_explicit_addr,   C::mprotect_unmapped,       C::msync_unmapped,
                         C::madvise_hole,          C::fork_mapping_inherited,  C::munmap_unlocks,
                         C::access_syscall_short};
void shrink_keeps_tail(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o) || o.value != was.value(op.addr)) return;
  const Vma* v = was.processes[op.proc].memory.find(o.value);
  Vma* now = actor(w, op).memory.find(o.value);
  if (!v || !now || v->segment >= 0 || v->high <= now->high) return;
  std::uint64_t end = o.value + was.up(was.value(op.len));
  if (end == v->high && !actor(w, op).memory.overlaps(now->high, v->high)) *now = *v;
}

constexpr Fault kFaults[] = {
    {"munmap-tail-restarts", "what is left behind a hole shows the file from the mapping's start again",
     kOffset, nullptr, tail_restarts, true, "https://github.com/lunixbochs/usercorn/issues/287", true},
    {"mprotect-tail-private", "the part of a shared mapping behind one with another protection is private",
     kTailPrivate, nullptr, protected_tail_is_private, true,
     "https://github.com/phoenix-rtos/phoenix-rtos-kernel/pull/817 (splitting entries)", true},
    {"munmap-tail-upgradable",
     "what is left behind a hole may be made writable",
     kTailUpgrade,
     nullptr,
     tail_upgradable,
     true,
     {},
     true},
    {"munmap-tail-loses-copies",
     "what is left of a private mapping behind a hole loses its stores",
     kTailCopies,
     nullptr,
     tail_loses_copies,
     true,
     {},
     true},
    {"fork-loses-second-piece",
     "the child lacks the second piece of a divided mapping",
     kForkPieces,
     nullptr,
     child_lacks_second_piece,
     false,
     {},
     true},
    {"shmdt-first-piece-only", "shmdt removes only the first piece of a divided attach", kDetach, nullptr,
     detach_first_piece_only, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986", true},
    {"maps-without-id", "/proc/PID/maps shows an attach without the id of its segment", kNamed, nullptr,
     maps_without_id, false},
    {"shmdt-headless-refused", "an attach that lost its first page cannot be detached", kHeadless, nullptr,
     headless_refused, true, "https://github.com/asterinas/asterinas/pull/2157", true},
    {"shmdt-any-mapping", "shmdt removes whatever is mapped at the address", kNotAttach, nullptr,
     detaches_any_mapping, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986", false},
    {"mremap-attach-not-counted", "an attach that moves is counted off, but not on", kMovedCount, nullptr,
     moved_attach_not_counted, true, "https://github.com/DragonOS-Community/DragonOS/pull/1986", true},
    {"shmat-remap-forgets-detach",
     "SHM_REMAP over an attach does not count a detach",
     kRemapCount,
     nullptr,
     remap_forgets_detach,
     true,
     {},
     true},
    {"mremap-moved-restarts", "a moved file mapping shows the file from its start", kMovedOffset, nullptr,
     moved_restarts, true, "https://github.com/void-linux/void-packages/issues/57156 (qemu-user's mremap)",
     true},
    {"mremap-duplicate-is-copy", "duplicating a shared mapping makes a private one", kDuplicate, nullptr,
     duplicate_is_copy, true, "https://github.com/rcore-os/tgoskits/pull/217", true},
    {"mremap-shrink-keeps-tail",
     "shrinking in place unmaps nothing",
     kShrink,
     nullptr,
     shrink_keeps_tail,
     true,
     {},
     false},
};

}  // namespace

std::span<const Fault> piece_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
