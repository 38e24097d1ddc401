// mincore(2).
#include <fmt/format.h>

#include "model/blame.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kENOMEM = 12, kEINVAL = 22;

// How many pages of a range must and may be resident, and what demands the first.
struct Residency {
  std::uint64_t least = 0, most = 0;
  std::uint64_t locked = 0, shown_to_all = 0, touched = 0, by_others = 0;  // of `least`
  C locked_by = C::none;
  bool shown = true;  // mincore has shown before what is locked
};

// What is locked or was brought in as a whole. Those pages that a mapping was only populated with may be
// absent where memory is scarce, says the document.
bool add_demanded(Step& s, Vma& v, std::uint64_t pages, bool whole, Residency& r) {
  if (v.resident_by == C::none || (!v.locked && s.profile < Profile::defacto)) return false;
  r.least += pages, r.most += pages, r.locked += pages;
  r.locked_by = v.resident_by;
  r.shown = r.shown && v.shown_resident;
  v.shown_resident = v.shown_resident || whole;
  return true;
}

// Pages of an object that has them only once something has brought them in. That what was touched stays, and
// that no neighbour comes with it, no document says.
void add_object(const World& w, const Step& s, const Inode& o, std::uint64_t first, std::uint64_t last,
                Residency& r) {
  const bool defacto = s.profile >= Profile::defacto, linux = s.profile >= Profile::linux;
  for (std::uint64_t i = first; defacto && i < last; ++i) {
    if (!o.touched.contains(i)) continue;
    ++r.least, ++r.touched;
    r.by_others += o.may_be_touched_by(s.op.proc, i) ? 0 : 1;
  }
  const bool unknown = o.populated || w.facts().shmem_huge;
  if (!unknown && defacto)
    r.most += o.accessed.count(first, last);
  else if (unknown || !linux || o.accessed.size() > 0)
    r.most += last - first;
}

Residency residency(World& w, Process& p, Step& s, std::uint64_t low, std::uint64_t high) {
  Residency r;
  for (Vma& v : p.memory.vmas()) {
    const std::uint64_t from = std::max(v.low, low), to = std::min(v.high, high);
    if (from >= to) continue;
    const std::uint64_t pages = (to - from) / w.page(), first = v.object_offset(from, w.page()) / w.page();
    if (v.inode >= 0 && hides_residency(w.object_of(v), p.cred)) {
      // All of it is said to be resident.
      r.most += pages;
      if (s.exact()) r.least += pages, r.shown_to_all += pages;
    } else if (add_demanded(s, v, pages, from == v.low && to == v.high, r)) {
      continue;
    } else if (const Inode* o = w.memory_object(v)) {
      add_object(w, s, *o, first, first + pages, r);
    } else {
      r.most += pages;
    }
  }
  return r;
}

C clause_of_lock(const Residency& r) {
  return r.shown && r.locked_by == C::mlock_resident ? C::mlock_stays : r.locked_by;
}

void note(Step& s, const Residency& r, std::uint64_t pages) {
  s.applies(r.least == 0 && r.most == pages ? C::mincore_vector : C::none);
  if (r.locked > 0) s.applies(clause_of_lock(r));
  if (r.shown_to_all > 0) s.applies(C::mincore_privacy);
  if (r.by_others > 0) s.applies(C::mincore_shared_cache);
  if (r.touched > r.by_others || r.most < pages) s.applies(C::access_demand);
}

C blame(const Residency& r, std::uint64_t seen) {
  if (seen > r.most) return C::access_demand;
  if (r.locked > 0) return clause_of_lock(r);
  if (r.shown_to_all > 0) return C::mincore_privacy;
  // As if only the caller's page table had been looked at.
  return r.by_others > 0 && seen + r.by_others >= r.least ? C::mincore_shared_cache : C::access_demand;
}

}  // namespace

bool hides_residency(const Inode& inode, const Credentials& cred) {
  return inode.kind == InodeKind::file && !cred.capable_over(inode) && cred.uid != inode.uid &&
         !file_access(inode, cred, 2);
}

void rule_mincore(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t high = address + w.up(length);
  if (address % w.page() != 0) s.must(kEINVAL, C::mincore_errors);
  bool outside = high < address || address >= w.facts().top || address + length > w.facts().top;
  if (outside || (high > address && !p.memory.covers(address, high))) s.must(kENOMEM, C::mincore_errors);
  const C lost = blame_of_choice(w, s.op.proc, address, high - address, C::mincore_vector);
  if (s.failed(s.saw(kENOMEM) ? lost : C::mincore_vector)) return;
  const Residency r = residency(w, p, s, address, high);
  std::uint64_t seen = s.chosen(r.least, Freedom::residency);
  if (r.least < r.most) s.uses(Freedom::residency);
  if (s.running()) return;
  note(s, r, (high - address) / w.page());
  if (seen >= r.least && seen <= r.most) return;
  s.diverge(blame(r, seen), fmt::format("{} to {} pages", r.least, r.most), fmt::format("{}", seen));
  s.adopted();  // whatever is resident, the bytes are the same
}

}  // namespace shmcheck::model
