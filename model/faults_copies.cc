// Faults of private pages and of advice that show only in a certain state: after a fork, a change of
// protection, a read.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Advice;

// Whether two private mappings show the same page of memory, not yet copied for either since a fork.
bool same_page(const Vma& a, const Vma& b, std::uint64_t index) {
  const PageRef *p = a.copies.find(index), *q = b.copies.find(index);
  return p && q && p->bytes() && p->bytes() == q->bytes();
}

// --- fork
constexpr C kForked[] = {C::fork_private_snapshot, C::private_fork_isolated, C::private_isolated};
void read_only_not_copied(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = private_store(was, op, o);
  if (!v) return;
  std::uint64_t address = was.value(op.addr), index = v->object_offset(address, w.page()) / w.page();
  auto byte = static_cast<std::uint8_t>(op.value);
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    if (i == op.proc || w.processes[i].life != Life::alive) continue;
    const Vma* before = was.processes[i].memory.find(address);
    if (!before || before->shared || (before->prot & program::kProtWrite) || !same_page(*v, *before, index))
      continue;
    Vma* other = w.processes[i].memory.find(address);
    w.store(*other, other->object_offset(address, w.page()), &byte, 1);
  }
}

constexpr C kRefork[] = {C::access_write, C::fork_private_snapshot, C::private_fork_isolated,
                         C::fork_mapping_inherited};
void third_user_cannot_copy(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = private_store(was, op, o);
  if (!v || v->low > was.value(op.addr)) return;
  std::uint64_t address = was.value(op.addr), index = v->object_offset(address, w.page()) / w.page();
  int users = 0;
  for (const Process& p : was.processes) {
    const Vma* other = p.life == Life::alive ? p.memory.find(address) : nullptr;
    users += other && !other->shared && same_page(*v, *other, index) ? 1 : 0;
  }
  if (users >= 3 && accessed(was, op, o)) take_signal(was, w, op, o, kSIGSEGV, kAccErr);
}

constexpr C kChildZero[] = {C::fork_mapping_inherited, C::private_isolated, C::private_initial_content,
                            C::private_fork_isolated, C::access_read};
void child_reads_zero(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) {
    if (v.shared || v.inode < 0) continue;
    for (std::uint64_t at = v.low; at < v.high && at < v.low + 16 * w.page(); at += w.page()) {
      std::uint64_t offset = v.object_offset(at, w.page());
      if (w.backed(v, offset) && !v.copies.find(offset / w.page()))
        v.copies.put(offset / w.page(), PageRef());
    }
  }
}

constexpr C kSnapshot[] = {C::proc_smaps_shared, C::share_fork_anon,       C::fork_shared_both_ways,
                           C::access_read,       C::private_fork_isolated, C::madvise_dontneed_shared,
                           C::share_immediate};
void shared_anonymous_copied(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  std::int32_t from = -1, to = -1;
  for (Vma& v : w.processes[op.result].memory.vmas()) {
    if (v.inode < 0 || w.object_of(v).kind != InodeKind::shared_anonymous) continue;
    if (v.inode != from) {
      from = v.inode;
      to = static_cast<std::int32_t>(w.inodes.size());
      Inode copy = w.inodes[static_cast<std::size_t>(from)];
      w.inodes.push_back(std::move(copy));
    }
    v.inode = to;
  }
}

constexpr C kDoFork[] = {C::proc_smaps_flags,     C::fork_address_inherited, C::fork_dontfork,
                         C::access_unmapped,      C::fork_mapping_inherited, C::access_syscall_efault,
                         C::proc_maps_row,        C::shmat_nattch,           C::shmat_fork_inherited,
                         C::shmat_dontfork,       C::private_isolated,       C::private_fork_isolated,
                         C::share_fork_anon,      C::shmat_shared,           C::access_read,
                         C::access_beyond_object, C::access_write,           C::access_none};
void dofork_ignored(World&, Op& op) {
  if (advises(op, Advice::dofork)) op.small = static_cast<std::uint8_t>(Advice::willneed);
}

// --- advice
constexpr C kDontNeed[] = {C::madvise_dontneed_locked, C::madvise_dontneed_private_anon,
                           C::madvise_dontneed_private_file, C::private_isolated, C::private_fork_isolated};
void dontneed_skips_none(World& w, Op& op) {
  if (!advises(op, Advice::dontneed)) return;
  Vma* v = vma_at(w, op);
  if (v && v->prot == 0) op.small = static_cast<std::uint8_t>(Advice::willneed);
}

constexpr C kDontNeedZero[] = {C::madvise_dontneed_private_file, C::private_isolated, C::private_discard,
                               C::private_initial_content, C::access_read};
void dontneed_zeroes_file(const World& was, World& w, const Op& op, Outcome& o) {
  if (!advises(op, Advice::dontneed) || !ok(o)) return;
  Vma* v = vma_at(w, op);
  if (!v || v->shared || v->inode < 0) return;
  std::uint64_t low = was.value(op.addr), high = std::min(v->high, low + was.up(was.value(op.len)));
  for (std::uint64_t at = low; at < high; at += w.page()) {
    std::uint64_t offset = v->object_offset(at, w.page());
    if (w.backed(*v, offset)) v->copies.put(offset / w.page(), PageRef());
  }
}

void dontneed_whole_vma(const World& was, World& w, const Op& op, Outcome& o) {
  if (!advises(op, Advice::dontneed) || !ok(o) || was.value(op.len) == 0) return;
  Vma* v = vma_at(w, op);
  if (v && !v->shared) v->copies = ObjectBytes();
}

constexpr C kPunch[] = {
    C::madvise_remove,        C::access_read,      C::shmat_shared,           C::share_fork_anon,
    C::share_mapping_to_read, C::private_isolated, C::share_write_to_mapping, C::private_initial_content,
    C::shmat_whole_segment};
void remove_one_page_more(const World& was, World& w, const Op& op, Outcome& o) {
  if (!advises(op, Advice::remove) || !ok(o)) return;
  Vma* v = vma_at(w, op);
  if (!v || v->inode < 0) return;
  std::uint64_t end = v->object_offset(was.value(op.addr) + was.up(was.value(op.len)), w.page()) / w.page();
  w.object_of(*v).bytes.drop(end, end + 1);
}

constexpr C kHole[] = {C::madvise_hole};
void hole_accepted(const World&, World&, const Op& op, Outcome& o) {
  bool populates = advises(op, Advice::populate_read) || advises(op, Advice::populate_write);
  if (op.code == OpCode::madvise && !populates && failed_with(o, 12 /* ENOMEM */)) succeed(o);
}

constexpr C kFree[] = {C::madvise_free_shared};
void free_accepts_files(const World& was, World& w, const Op& op, Outcome& o) {
  if (!advises(op, Advice::free) || !failed_with(o, 22) || !runs(was, op)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (v && v->inode >= 0 && was.value(op.addr) % w.page() == 0) succeed(o);
}

constexpr C kMsync[] = {C::msync_private, C::msync_invalidate_coherent, C::private_isolated, C::access_read};
void invalidate_drops_copies(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::msync || !ok(o) || !(op.flags & program::msync::kInvalidate)) return;
  Vma* v = vma_at(w, op);
  if (v && !v->shared && v->inode >= 0) v->copies = ObjectBytes();
}

// --- reading and truncation
constexpr C kFrozen[] = {C::private_later_file_changes, C::private_isolated, C::private_page_granular_freeze,
                         C::trunc_tail_zeroed};
void read_freezes_page(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::load || !ok(o)) return;
  Vma* v = vma_at(w, op);
  if (v && !v->shared && v->inode >= 0) w.copy_on_write(*v, v->object_offset(w.value(op.addr), w.page()));
}

constexpr C kTail[] = {C::trunc_tail_private_kept, C::private_isolated, C::trunc_shrink_private};
void truncate_zeroes_copies(const World& was, World& w, const Op& op, Outcome& o) {
  if ((op.code != OpCode::ftruncate && op.code != OpCode::truncate) || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    std::uint64_t size = w.inodes[i].size;
    if (size >= was.inodes[i].size || size % w.page() == 0) continue;
    for (Process& p : w.processes) {
      for (Vma& v : p.memory.vmas()) {
        bool copied = !v.shared && v.inode == static_cast<std::int32_t>(i) && v.copies.find(size / w.page());
        if (copied) v.copies.fill(size, 0, w.page() - size % w.page(), w.page());
      }
    }
  }
}

constexpr C kReplaced[] = {C::mmap_fixed_replaces, C::private_isolated, C::private_initial_content,
                           C::mmap_anon_zero, C::private_fork_isolated};
void replaced_keeps_copies(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o)) return;
  Vma* v = actor(w, op).memory.find(o.value);
  const Vma* old = was.processes[op.proc].memory.find(o.value);
  bool alike = v && old && !v->shared && !old->shared && v->inode < 0 && old->inode < 0;
  if (alike && old->low == v->low && old->high == v->high) v->copies = old->copies;
}

constexpr C kKept[] = {C::private_discard, C::private_isolated, C::writeback_private_never};
void unmapping_writes_copies_back(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::munmap || !ok(o)) return;
  const std::uint64_t low = was.value(op.addr), high = low + w.up(was.value(op.len));
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.shared || v.inode < 0 || v.low < low || v.high > high) continue;
    const std::uint64_t pages = (v.high - v.low) / w.page();
    for (std::uint64_t i = v.page_offset; i < v.page_offset + pages; ++i) {
      const PageRef* copy = v.copies.find(i);
      if (copy) w.object_of(v).bytes.put(i, *copy);
    }
  }
}

constexpr Fault kFaults[] = {
    {"fork-read-only-not-copied", "a private page that the other side of a fork has read-only is not copied",
     kForked, nullptr, read_only_not_copied, true,
     "https://github.com/phoenix-rtos/phoenix-rtos-kernel/pull/608", true},
    {"fork-third-cannot-store", "a private page that three processes share cannot be stored to", kRefork,
     nullptr, third_user_cannot_copy, true, "https://github.com/nanvix/nanvix/issues/2512", true},
    {"fork-child-reads-zero", "a child's private file mapping reads zero where nothing was stored",
     kChildZero, nullptr, child_reads_zero, false, "https://github.com/cloudius-systems/osv/pull/1456", true},
    {"fork-copies-shared-anonymous", "the child gets a copy of shared anonymous memory", kSnapshot, nullptr,
     shared_anonymous_copied, false, "https://github.com/sysprog21/elfuse/pull/16", true},
    {"dofork-ignored",
     "MADV_DOFORK does not take MADV_DONTFORK back",
     kDoFork,
     dofork_ignored,
     nullptr,
     false,
     {},
     true},
    {"dontneed-skips-none", "MADV_DONTNEED does nothing to a PROT_NONE mapping", kDontNeed,
     dontneed_skips_none, nullptr, false, "https://github.com/sysprog21/elfuse/pull/3", true},
    {"dontneed-zeroes-file", "MADV_DONTNEED of a private file mapping makes it read zero", kDontNeedZero,
     nullptr, dontneed_zeroes_file, true, "https://github.com/penberg/chimera/pull/52", true},
    {"dontneed-whole-vma",
     "MADV_DONTNEED of a part drops the private pages of the whole mapping",
     kDontNeed,
     nullptr,
     dontneed_whole_vma,
     true,
     {},
     true},
    {"remove-one-page-more",
     "MADV_REMOVE removes the page behind its range, too",
     kPunch,
     nullptr,
     remove_one_page_more,
     true,
     {},
     true},
    {"madvise-hole-accepted", "advice over a hole succeeds", kHole, nullptr, hole_accepted, false,
     "https://github.com/sysprog21/elfuse/pull/3", false},
    {"madvise-free-files", "MADV_FREE of a file mapping succeeds", kFree, nullptr, free_accepts_files, true,
     "https://github.com/sysprog21/elfuse/pull/3", false},
    {"msync-invalidate-drops-copies",
     "MS_INVALIDATE drops the stores to a private mapping",
     kMsync,
     nullptr,
     invalidate_drops_copies,
     false,
     {},
     true},
    {"private-read-freezes",
     "a private page no longer follows its file once it was read",
     kFrozen,
     nullptr,
     read_freezes_page,
     false,
     {},
     true},
    {"truncate-zeroes-copies",
     "cutting a file within a page zeroes the rest of private copies",
     kTail,
     nullptr,
     truncate_zeroes_copies,
     true,
     {},
     true},
    {"munmap-writes-copies-back",
     "unmapping a private mapping writes what it has stored to the file",
     kKept,
     nullptr,
     unmapping_writes_copies_back,
     true,
     {},
     true},
    {"mmap-fixed-keeps-pages", "new anonymous memory at the place of old shows the old bytes", kReplaced,
     nullptr, replaced_keeps_copies, true, "https://github.com/YurtOS/yurtos-kernel/issues/688", true},
};

}  // namespace

std::span<const Fault> copy_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
