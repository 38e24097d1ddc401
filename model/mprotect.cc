// mprotect(2): checks in the order of do_mprotect_pkey; a range with a hole is changed up to the hole.
#include "model/map_limit.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEACCES = 13, kENOMEM = 12, kEINVAL = 22;

// Changes the protection of mapped pages in [low, high), which are contiguous. Splits only where it changes.
void protect(World& w, Process& p, Step& s, std::uint64_t low, std::uint64_t high, std::uint8_t prot) {
  std::uint8_t who = index_of(w, p);
  for (std::uint64_t at = low; at < high;) {
    const Vma* v = p.memory.find(at);
    std::uint64_t end = std::min(v->high, high);
    if (v->prot != prot) {
      // What is locked stays as it is when stores become possible: the pages are brought in and copied now.
      const bool populates = v->locked && !v->on_fault && !v->shared && !(v->prot & program::kProtWrite) &&
                             (prot & program::kProtWrite);
      w.change_part(who, at, end, s.when, [=](Vma& part) { part.prot = prot; });
      if (populates) note_populated(w, *p.memory.find(at));
      if (populates && s.profile >= Profile::defacto) w.populate_copies(*p.memory.find(at), at, end);
    }
    at = end;
  }
}

// How far the change gets: up to a hole, or to a mapping that must not become what is asked for.
struct Extent {
  std::uint64_t end;
  bool hole = false;
  const Vma* denied = nullptr;  // that mapping
};
// A mapping that must not get what it does not have: PROT_WRITE by its descriptor, PROT_EXEC by its mount.
bool must_not_get(const Vma& v, std::uint8_t prot) {
  return ((prot & program::kProtWrite) && !v.may_write) || ((prot & program::kProtExec) && !v.may_exec);
}
Extent extent(const Process& p, std::uint64_t low, std::uint64_t high, std::uint8_t prot) {
  std::uint64_t at = low;
  for (std::size_t i = p.memory.first_above(low); at < high; ++i) {
    if (i == p.memory.vmas().size() || p.memory.vmas()[i].low > at) return {at, true};
    const Vma& v = p.memory.vmas()[i];
    if (must_not_get(v, prot)) return {at, false, &v};
    at = std::min(v.high, high);
  }
  return {at};
}

// What demands that the change ends at a mapping.
C clause_of_stop(const Vma& v, std::uint8_t prot) {
  if (!(prot & program::kProtWrite) || v.may_write) return C::mprotect_noexec_denied;
  if (v.segment >= 0) return C::shmat_rdonly_no_upgrade;
  // Through a descriptor that can write only a seal denies it.
  return v.writable_file ? C::seal_write_ro_mapping : C::mprotect_shared_upgrade_denied;
}

// What demands that a range which begins with this mapping gets the protection.
C clause_of_grant(const Vma* first, std::uint8_t prot) {
  if (first && first->segment >= 0) return C::shmat_like_mmap;
  if (!(prot & program::kProtWrite)) return C::mprotect_sets;
  const bool of_file = first && !first->shared && first->inode >= 0;
  return of_file && !first->writable_file ? C::mprotect_private_upgrade : C::mprotect_shared_upgrade_allowed;
}

// The change of one mapping after the other, as far as they can be divided.
Progress undivided_errors(const World& w, const Process& p, Step& s, Extent& e, std::uint64_t low,
                          std::uint8_t prot) {
  Progress progress = change_within(w, p, low, e.end, [=](Vma& v) {
    const bool other = v.prot != prot;
    v.prot = prot;
    return other;
  });
  if (progress.limited == Limited::yes) {
    e = {progress.end};
    s.must(kENOMEM, C::mprotect_map_limit);
  } else if (progress.limited == Limited::perhaps) {
    s.may(kENOMEM, Freedom::map_merge);
  }
  return progress;
}

}  // namespace

void rule_mprotect(World& w, Process& p, Step& s) {
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = w.up(length);
  std::uint8_t grows = s.op.small & (program::kProtGrowsDown | program::kProtGrowsUp);
  std::uint8_t prot = s.op.small & 7;
  if (grows == (program::kProtGrowsDown | program::kProtGrowsUp)) s.must(kEINVAL, C::mprotect_invalid_prot);
  if (low % w.page() != 0) s.must(kEINVAL, C::mprotect_unaligned);
  if (length == 0 && !s.must_fail()) {
    // An unknown bit is not looked at when there is nothing to change.
    bool bad_prot = (s.op.small & program::kProtUnknown) || grows;
    if (bad_prot && !s.exact()) s.may(kEINVAL, Freedom::which_error);
    s.failed(C::mprotect_len_zero);
    return;
  }
  bool wraps = low + pages <= low;
  if (wraps) s.must(kENOMEM, kEINVAL, C::mprotect_unmapped);
  if (s.op.small & program::kProtUnknown) s.must(kEINVAL, C::mprotect_invalid_prot);
  Extent e{low};
  Progress progress{low};
  if (!wraps && low % w.page() == 0) {
    e = extent(p, low, low + pages, prot);
    if (grows) {
      // No mapping of ours grows. Linux looks for one below the end of the range, or at its start, first.
      bool down = grows == program::kProtGrowsDown;
      bool any = occupied(w, p, low, down ? low + pages : low + 1);
      if (any)
        s.must(kEINVAL, kENOMEM, C::mprotect_invalid_prot);
      else
        s.must(kENOMEM, kEINVAL, C::mprotect_unmapped);
    }
    if (!s.must_fail()) progress = undivided_errors(w, p, s, e, low, prot);
    if (e.denied) s.must(kEACCES, clause_of_stop(*e.denied, prot));
    if (e.hole) s.must(kENOMEM, C::mprotect_unmapped);
  }
  bool stopped = e.hole || e.denied || progress.limited == Limited::yes;
  bool partial = e.end > low && stopped && !grows && !(s.op.small & program::kProtUnknown);
  bool apply_prefix = partial;
  if (partial && !s.exact()) {
    int pick = s.choose(2, Freedom::partial_protection);
    if (pick < 0) return;
    apply_prefix = pick == 0;
  }
  C success = clause_of_grant(p.memory.find(low), prot);
  if (s.saw(kENOMEM)) success = p.other_mappings ? C::mprotect_map_limit : C::mprotect_unmapped;
  bool failed = s.failed(success);
  if (failed && perhaps_limited(s, progress, kENOMEM)) return s.lose_quietly(Freedom::map_merge);
  if (failed && !cut_at_start(w, p, s, progress)) return;
  if (failed && !apply_prefix) return;
  protect(w, p, s, low, failed ? e.end : low + pages, prot);
}

}  // namespace shmcheck::model
