// Which vmas of an mremap(2)'s range may be one to the kernel, and what becomes of those that are several.
#include <algorithm>

#include "model/merging.h"
#include "model/mremap.h"

namespace shmcheck::model {
namespace {

// The index behind the last vma that the one at the index may be one with.
std::size_t end_of_merged(const World& w, const Process& p, std::size_t first) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t i = first + 1;
  while (i < vmas.size() && may_be_one(vmas[i - 1], vmas[i], w.page())) ++i;
  return i;
}

}  // namespace

bool may_lie_in_one(const World& w, const Process& p, const Remapping& r) {
  std::size_t i = p.memory.first_above(r.address);
  return p.memory.vmas()[end_of_merged(w, p, i) - 1].high - r.address >= r.length_in_one();
}

bool may_be_part(const World& w, const Process& p, std::uint64_t address) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t i = p.memory.first_above(address);
  return (i > 0 && may_be_one(vmas[i - 1], vmas[i], w.page())) || end_of_merged(w, p, i) > i + 1;
}

bool is_left_new(const World& w, const Process& p, const Vma& v, const Remapping& r, std::uint64_t length) {
  const bool whole = v.low == r.address && v.high == r.address + length;
  return r.dont_unmap && whole && w.facts().release >= program::release(5, 13) &&
         !may_be_part(w, p, r.address);
}

bool numbered_apart(const Process& p, const Remapping& r) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t first = p.memory.first_above(r.address);
  for (std::size_t i = first; i < vmas.size() && vmas[i].low < r.address + r.old_length; ++i) {
    if (vmas[i].touched != vmas[first].touched) return true;
  }
  return false;
}

void merge_range(World& w, Process& p, const Remapping& r) {
  std::vector<Vma>& vmas = p.memory.vmas();
  // Only what the range reaches is known to be one.
  const std::uint64_t end = r.address + r.length_in_one();
  std::size_t first = p.memory.first_above(r.address), last = first + 1;
  while (last < vmas.size() && vmas[last].low < end) ++last;
  Vma& whole = vmas[first];
  for (std::size_t i = first + 1; i < last; ++i) {
    Vma& part = vmas[i];
    // What has been stored to keeps its numbers.
    if (whole.copies.empty()) whole.page_offset = part.page_offset - (part.low - whole.low) / w.page();
    whole.high = part.high;
    whole.dirtied |= part.dirtied;
    if (part.resident_by == C::none) whole.resident_by = C::none;
    whole.touched |= part.touched;
    whole.reached |= part.reached;
    whole.copies.append(std::move(part.copies));
    whole.older.insert(whole.older.end(), part.older.begin(), part.older.end());
  }
  vmas.erase(vmas.begin() + static_cast<std::ptrdiff_t>(first) + 1,
             vmas.begin() + static_cast<std::ptrdiff_t>(last));
}

// The copy, too, may be one with what was left behind, if it lies beside it.
void unlock_rest(const World& w, Process& p, const Remapping& r) {
  std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t first = p.memory.first_above(r.address), last = first;
  while (last < vmas.size() && vmas[last].low < r.address + r.old_length) ++last;
  if (first == last) return;
  if (r.unlocked == Unlocked::merged) {
    last = end_of_merged(w, p, last - 1);
    while (first > 0 && may_be_one(vmas[first - 1], vmas[first], w.page())) --first;
  }
  for (std::size_t i = first; i < last; ++i) {
    p.lock_count_off |= vmas[i].locked;
    vmas[i].unlock();
  }
}

// At an attach, whose file places its mappings itself (mm/mremap.c, vma_multi_allowed).
std::uint64_t end_of_move(const Process& p, const Remapping& r) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  for (std::size_t i = p.memory.first_above(r.address); i < vmas.size(); ++i) {
    if (vmas[i].low >= r.address + r.old_length) break;
    if (vmas[i].segment >= 0) return std::max(r.address, vmas[i].low);
  }
  return r.address + r.old_length;
}

}  // namespace shmcheck::model
