// mprotect(2): checks in the order of do_mprotect_pkey; a range with a hole is changed up to the hole.
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
      // What is locked stays as it is when stores become possible: the pages are copied now.
      bool copies = v->locked && !v->on_fault && !v->shared && !(v->prot & program::kProtWrite) &&
                    (prot & program::kProtWrite) && s.profile >= Profile::defacto;
      w.change_part(who, at, end, s.when, [=](Vma& part) { part.prot = prot; });
      if (copies) w.populate_copies(*p.memory.find(at), at, end);
    }
    at = end;
  }
}

// How far the change gets: up to a hole, or to a mapping that must not become writable.
struct Extent {
  std::uint64_t end;
  bool hole = false, denied = false;
};
Extent extent(const Process& p, std::uint64_t low, std::uint64_t high, bool write) {
  std::uint64_t at = low;
  for (std::size_t i = p.memory.first_above(low); at < high; ++i) {
    if (i == p.memory.vmas().size() || p.memory.vmas()[i].low > at) return {at, true, false};
    const Vma& v = p.memory.vmas()[i];
    if (write && !v.may_write) return {at, false, true};
    at = std::min(v.high, high);
  }
  return {at};
}

// What demands that a range which begins with this mapping gets the protection.
C clause_of_grant(const Vma* first, std::uint8_t prot) {
  if (first && first->segment >= 0) return C::shmat_like_mmap;
  if (!(prot & program::kProtWrite)) return C::mprotect_sets;
  const bool of_file = first && !first->shared && first->inode >= 0;
  return of_file && !first->writable_file ? C::mprotect_private_upgrade : C::mprotect_shared_upgrade_allowed;
}

}  // namespace

void rule_mprotect(World& w, Process& p, Step& s) {
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = (length + w.page() - 1) & ~std::uint64_t{w.page() - 1};
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
  if (!wraps && low % w.page() == 0) {
    e = extent(p, low, low + pages, (prot & program::kProtWrite) != 0);
    if (grows) {
      // No mapping of ours grows. Linux looks for one below the end of the range, or at its start, first.
      bool down = grows == program::kProtGrowsDown;
      bool any = occupied(w, p, low, down ? low + pages : low + 1);
      if (any)
        s.must(kEINVAL, kENOMEM, C::mprotect_invalid_prot);
      else
        s.must(kENOMEM, kEINVAL, C::mprotect_unmapped);
    }
    if (e.denied) {
      const Vma& v = *p.memory.find(e.end);
      // Through a descriptor that can write only a seal denies it.
      s.must(kEACCES, v.segment >= 0    ? C::shmat_rdonly_no_upgrade
                      : v.writable_file ? C::seal_write_ro_mapping
                                        : C::mprotect_shared_upgrade_denied);
    }
    if (e.hole) s.must(kENOMEM, C::mprotect_unmapped);
  }
  bool partial = e.end > low && (e.hole || e.denied) && !grows && !(s.op.small & program::kProtUnknown);
  bool apply_prefix = partial;
  if (partial && !s.exact()) {
    int pick = s.choose(2, Freedom::partial_protection);
    if (pick < 0) return;
    apply_prefix = pick == 0;
  }
  C success = clause_of_grant(p.memory.find(low), prot);
  bool failed = s.failed(s.saw(kENOMEM) ? C::mprotect_unmapped : success);
  if (failed && !apply_prefix) return;
  protect(w, p, s, low, failed ? e.end : low + pages, prot);
}

}  // namespace shmcheck::model
