// mincore(2).
#include <fmt/format.h>

#include "model/rules.h"

namespace shmcheck::model {

void rule_mincore(World& w, Process& p, Step& s) {
  constexpr int kENOMEM = 12, kEINVAL = 22;
  std::uint64_t address = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t high = address + ((length + w.page() - 1) & ~std::uint64_t{w.page() - 1});
  if (address % w.page() != 0) s.must(kEINVAL, C::mincore_errors);
  bool outside = high < address || address >= w.facts().top || address + length > w.facts().top;
  if (outside || (high > address && !p.memory.covers(address, high))) s.must(kENOMEM, C::mincore_errors);
  if (s.failed(C::mincore_vector)) return;
  // Which pages are resident is the kernel's choice, but for locked ones. Those that a mapping was only
  // populated with may be absent where memory is scarce, says the document.
  std::uint64_t pages = (high - address) / w.page(), least = 0;
  bool shown = true;
  C by = C::none;
  for (Vma& v : p.memory.vmas()) {
    std::uint64_t from = std::max(v.low, address), to = std::min(v.high, high);
    bool demanded = v.resident_by != C::none && (v.locked || s.profile >= Profile::defacto);
    if (!demanded || from >= to) continue;
    least += (to - from) / w.page();
    by = v.resident_by;
    shown = shown && v.shown_resident;
    v.shown_resident = v.shown_resident || (from == v.low && to == v.high);
  }
  std::uint64_t seen = s.chosen(least, Freedom::residency);
  if (least < pages) s.uses(Freedom::residency);
  C clause = least == 0 ? C::mincore_vector : shown && by == C::mlock_resident ? C::mlock_stays : by;
  s.applies(clause);
  if (s.running() || (seen >= least && seen <= pages)) return;
  s.diverge(clause, fmt::format("{} to {} pages", least, pages), fmt::format("{}", seen));
  s.adopted();  // whatever is resident, the bytes are the same
}

}  // namespace shmcheck::model
