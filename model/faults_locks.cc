// Faults of memory locks.
#include "model/fault_tools.h"
#include "model/rlimit.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::Advice;

bool is_locked(const World& w, const Op& op) {
  const Process& p = w.processes[op.proc];
  if (p.life != Life::alive || !w.bound(op.addr)) return false;
  std::uint64_t low = w.value(op.addr), high = low + w.up(w.value(op.len));
  return std::ranges::any_of(p.memory.vmas(),
                             [=](const Vma& v) { return v.locked && v.low < high && low < v.high; });
}

void unlock_range(World& w, const Op& op) {
  std::uint64_t low = w.value(op.addr), high = low + w.up(w.value(op.len));
  for (Vma& v : actor(w, op).memory.vmas()) {
    if (v.low < high && low < v.high) v.locked = v.on_fault = false;
  }
}

// --- what a lock refuses
constexpr C kDropped[] = {C::madvise_dontneed_locked, C::mlock_accounting, C::mlock_no_stacking,
                          C::mlock_resident};
void advice_drops_locked(World& w, Op& op) {
  bool drops = advises(op, Advice::dontneed) || advises(op, Advice::remove);
  if (drops && is_locked(w, op)) unlock_range(w, op);
}
constexpr C kInvalidated[] = {C::msync_invalidate_locked};
void invalidate_ignores_locks(World&, Op& op) {
  if (op.code == OpCode::msync) op.flags &= ~program::msync::kInvalidate;
}

// --- what is locked
constexpr C kCounted[] = {C::mlock_accounting,         C::mlock_unaligned,         C::mlock_failure_no_change,
                          C::mlock_no_stacking,        C::mremap_lock_kept,        C::munmap_unlocks,
                          C::fork_locks_not_inherited, C::msync_invalidate_locked, C::madvise_dontneed_locked,
                          C::mlock_resident,           C::mlock_unmapped,          C::mlock_wrap};
void one_page_less(World& w, Op& op) {
  if (op.code != OpCode::mlock || !runs(w, op)) return;
  std::uint64_t low = w.value(op.addr), length = w.value(op.len);
  if (low % w.page() != 0 && length > 0 && length <= w.page()) op.addr.bytes = 0;
}
void locks_nothing_over_a_hole(const World& was, World& w, const Op& op, Outcome& o) {
  constexpr int kENOMEM = 12;
  if (op.code != OpCode::mlock || !failed_with(o, kENOMEM)) return;
  for (Vma& v : actor(w, op).memory.vmas()) {
    const Vma* before = was.processes[op.proc].memory.find(v.low);
    if (before) v.locked = before->locked, v.on_fault = before->on_fault;
  }
}
void munlock_needs_two(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::munlock || !ok(o)) return;
  const Vma* before = was.processes[op.proc].memory.find(was.value(op.addr));
  Vma* v = vma_at(w, op);
  if (before && v && before->locked && before->low < v->low) v->locked = true;
}
constexpr C kInherited[] = {C::fork_locks_not_inherited, C::msync_invalidate_locked,
                            C::madvise_dontneed_locked, C::madvise_remove, C::madvise_hole};
void child_inherits_locks(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  const Process& parent = w.processes[op.proc];
  for (Vma& v : w.processes[op.result].memory.vmas()) {
    const Vma* of_parent = parent.memory.find(v.low);
    if (of_parent) v.locked = of_parent->locked, v.on_fault = of_parent->on_fault;
  }
}
constexpr C kMoved[] = {C::munmap_unlocks,          C::mremap_lock_kept, C::msync_invalidate_locked,
                        C::madvise_dontneed_locked, C::mlock_resident,   C::mlock_accounting};
void move_unlocks(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o)) return;
  Vma* v = actor(w, op).memory.find(o.value);
  if (v) v->locked = v->on_fault = false;
}
constexpr C kOnFault[] = {C::access_demand,           C::mlock2_onfault,     C::private_later_file_changes,
                          C::private_initial_content, C::mlock_inaccessible, C::private_page_granular_freeze,
                          C::proc_smaps_flags};
void onfault_faults_in(World&, Op& op) {
  if (op.code == OpCode::mlock && op.flags == program::mlock::kOnFault) op.flags = 0;
}

// --- what cannot be locked
constexpr C kRefused[] = {C::mlock_inaccessible, C::mlock_unmapped};
void beyond_end_accepted(const World&, World&, const Op& op, Outcome& o) {
  constexpr int kENOMEM = 12;
  if (op.code == OpCode::mlock && failed_with(o, kENOMEM)) succeed(o);
}
constexpr C kResident[] = {C::mlock_resident, C::mlock_stays, C::mlockall_future, C::mmap_flag_populate,
                           C::mmap_flag_locked};
bool looks_at_a_lock(const World& w, const Op& op) {
  const std::uint64_t low = w.value(op.addr), high = low + w.up(w.value(op.len));
  return std::ranges::any_of(w.processes[op.proc].memory.vmas(), [=](const Vma& v) {
    return v.resident_by != C::none && v.low < high && low < v.high;
  });
}
void not_resident(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::mincore && ok(o) && o.value > 1 && looks_at_a_lock(w, op)) --o.value;
}

constexpr C kSegmentsApart[] = {C::proc_vmlck};
void locked_counts_segments(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::locked || !ok(o)) return;
  o.value += locked_by_segments(was, was.processes[op.proc]);
}

void fork_drops_residency(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mincore || !ok(o) || o.value < 1 || !looks_at_a_lock(w, op)) return;
  const bool forked = std::ranges::any_of(w.processes, [](const Process& p) { return p.born != 0; });
  if (forked) --o.value;
}

constexpr C kOfOne[] = {C::mlock_per_mapping, C::mlock_no_stacking, C::msync_invalidate_locked,
                        C::madvise_dontneed_locked};
void unlocks_all_mappings(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::munlock || !ok(o)) return;
  const std::uint64_t low = was.value(op.addr), high = low + w.up(was.value(op.len));
  for (const Vma& of : was.processes[op.proc].memory.vmas()) {
    if (!of.shared || of.inode < 0 || of.low >= high || of.high <= low) continue;
    for (Process& p : w.processes) {
      for (Vma& v : p.memory.vmas()) {
        const bool itself = &p == &w.processes[op.proc] && v.id == of.id;
        if (v.inode == of.inode && !itself) v.unlock();
      }
    }
  }
}

// --- what mincore shows
template <typename F>
void for_objects(const World& was, const Op& op, F f) {
  const std::uint64_t low = was.value(op.addr), high = low + was.up(was.value(op.len));
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    const std::uint64_t from = std::max(v.low, low), to = std::min(v.high, high);
    if (from >= to || v.inode < 0 || v.resident_by != C::none) continue;
    const std::uint64_t first = v.object_offset(from, was.page()) / was.page();
    f(was.object_of(v), first, first + (to - from) / was.page());
  }
}

constexpr C kOfOthers[] = {C::mincore_shared_cache, C::access_demand};
void own_page_table_only(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::mincore || !ok(o)) return;
  for_objects(was, op, [&](const Inode& object, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) {
      if (object.touched.contains(i) && !object.may_be_touched_by(op.proc, i)) --o.value;
    }
  });
}
constexpr C kDemand[] = {C::access_demand};
void all_comes_at_once(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::mincore || !ok(o)) return;
  for_objects(was, op, [&](const Inode& object, std::uint64_t first, std::uint64_t last) {
    if (object.kind != InodeKind::shared_anonymous || object.populated) return;
    for (std::uint64_t i = first; i < last; ++i) o.value += object.touched.contains(i) ? 0U : 1U;
  });
}
constexpr C kHidden[] = {C::mincore_privacy};
void strangers_see_residency(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::mincore || !ok(o)) return;
  const Credentials& cred = was.processes[op.proc].cred;
  for_objects(was, op, [&](const Inode& file, std::uint64_t first, std::uint64_t last) {
    if (hides_residency(file, cred)) o.value -= last - first;
  });
}

constexpr Fault kFaults[] = {
    {"madvise-drops-locked", "MADV_DONTNEED and MADV_REMOVE unlock and drop locked pages", kDropped,
     advice_drops_locked, nullptr, false},
    {"msync-invalidate-ignores-locks", "MS_INVALIDATE of locked memory succeeds", kInvalidated,
     invalidate_ignores_locks, nullptr, false},
    {"locked-counts-segments", "VmLck has the attached segments that SHM_LOCK has locked", kSegmentsApart,
     nullptr, locked_counts_segments, true},
    {"mlock-unaligned-one-page",
     "mlock of an unaligned range ends where the length says, from the page's start", kCounted, one_page_less,
     nullptr, false},
    {"mlock-hole-locks-nothing", "mlock over a hole locks nothing", kCounted, nullptr,
     locks_nothing_over_a_hole, true},
    {"munlock-keeps-tail",
     "munlock of the end of a locked mapping does nothing",
     kCounted,
     nullptr,
     munlock_needs_two,
     true,
     {},
     true},
    {"fork-keeps-locks", "a child inherits memory locks", kInherited, nullptr, child_inherits_locks, false},
    {"mremap-unlocks",
     "a locked mapping that moves or grows is not locked any more",
     kMoved,
     nullptr,
     move_unlocks,
     false,
     {},
     true},
    {"mlock-onfault-faults-in",
     "MLOCK_ONFAULT faults the pages in",
     kOnFault,
     onfault_faults_in,
     nullptr,
     false,
     {},
     true},
    {"mlock-failure-succeeds", "mlock returns 0 where it could not lock everything", kRefused, nullptr,
     beyond_end_accepted, false},
    {"fork-drops-residency",
     "a fork makes a locked page leave memory",
     kResident,
     nullptr,
     fork_drops_residency,
     false,
     {},
     true},
    {"munlock-unlocks-all-mappings",
     "munlock unlocks the pages in every mapping that shows them",
     kOfOne,
     nullptr,
     unlocks_all_mappings,
     true,
     {},
     true},
    {"mincore-own-page-table", "mincore leaves pages out that only others have touched", kOfOthers, nullptr,
     own_page_table_only, true},
    {"mmap-anonymous-prefaulted", "all pages of shared anonymous memory are there from the beginning",
     kDemand, nullptr, all_comes_at_once, true},
    {"mincore-tells-strangers",
     "mincore shows who may not write to a file which of its pages are not resident",
     kHidden,
     nullptr,
     strangers_see_residency,
     true,
     {},
     true},
    {"mlock-leaves-a-page-out", "one locked page is not resident", kResident, nullptr, not_resident, false},
};

}  // namespace

std::span<const Fault> lock_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
