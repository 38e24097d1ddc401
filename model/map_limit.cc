#include "model/map_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/merging.h"

namespace shmcheck::model {
namespace {

constexpr int kENOMEM = 12;

struct Count {
  std::int64_t low, high;
};

// Of all mappings of a process that has been brought near the limit.
Count count_of(const World& w, const Process& p) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  Count count{static_cast<std::int64_t>(*p.other_mappings), static_cast<std::int64_t>(*p.other_mappings)};
  for (std::size_t i = 0; i < vmas.size(); ++i) {
    ++count.high;
    if (i == 0 || !may_be_one(vmas[i - 1], vmas[i], w.page())) ++count.low;
  }
  return count;
}

Limited compared(const Count& count, std::int64_t limit) {
  return count.low >= limit ? Limited::yes : count.high >= limit ? Limited::perhaps : Limited::no;
}

std::int64_t limit_of(const World& w) {
  return static_cast<std::int64_t>(w.facts().max_map_count);
}

// Whether the process has at least as many mappings as the limit and `more`.
Limited has_mappings(const World& w, const Process& p, std::int64_t more) {
  if (!p.other_mappings) return Limited::no;
  return compared(count_of(w, p), limit_of(w) + more);
}

void state(Step& s, Limited limited, int other, C clause) {
  if (limited == Limited::yes)
    s.must(kENOMEM, other == 0 ? kENOMEM : other, clause);
  else if (limited == Limited::perhaps)
    s.may(kENOMEM, Freedom::map_merge);
}

// Whether two neighbours are one, or are made one when the first of them or the second changes.
bool may_join(const Vma& a, const Vma& b, std::uint32_t page) {
  const bool pieces = a.segment >= 0 && a.attach == b.attach && a.high == b.low;
  return pieces || may_be_one(a, b, page);
}

// What the change of a part adds to the number of mappings.
struct Cuts {
  bool head = false, tail = false;          // for certain
  bool may_head = false, may_tail = false;  // only if the kernel has merged the mapping with its neighbour
  bool may_join = false;                    // with a neighbour that is equal then; no cut is needed there
  int fewest() const { return may_join ? 0 : (head ? 1 : 0) + (tail ? 1 : 0); }
  int most() const { return (head || may_head ? 1 : 0) + (tail || may_tail ? 1 : 0); }
};

// `before`: the mapping in front of the part as it is by then, or null.
Cuts cuts_of(const World& w, const std::vector<Vma>& vmas, std::size_t i, const Vma& part,
             const Vma* before) {
  const Vma& v = vmas[i];
  Cuts cuts;
  cuts.head = part.low > v.low;
  cuts.tail = part.high < v.high;
  const Vma* behind = i + 1 < vmas.size() ? &vmas[i + 1] : nullptr;
  if (!cuts.head && before) {
    cuts.may_head = may_join(*before, v, w.page());
    cuts.may_join = may_join(*before, part, w.page());
  }
  if (!cuts.tail && behind) {
    cuts.may_tail = may_join(v, *behind, w.page());
    cuts.may_join |= may_join(part, *behind, w.page());
  }
  return cuts;
}

}  // namespace

// Linux grants a mapping while there are no more than the limit, so that one which is merged is granted, too
// (mm/mmap.c, do_mmap). Documents do not speak of the one by which it is exceeded.
void mapping_limit_errors(const World& w, const Process& p, Step& s, int other, C clause) {
  const Limited exceeded = has_mappings(w, p, 1);
  state(s, exceeded, other, clause);
  if (s.exact() || exceeded == Limited::yes || has_mappings(w, p, 0) == Limited::no) return;
  s.may(kENOMEM, Freedom::map_limit);
  if (other != 0) s.may(other, Freedom::map_limit);
}

void division_errors(const World& w, const Process& p, Step& s, std::uint64_t low, std::uint64_t high,
                     C clause) {
  const Limited reached = has_mappings(w, p, 0);
  const std::vector<Vma>& vmas = p.memory.vmas();
  const std::size_t i = p.memory.first_above(low);
  if (reached == Limited::no || low >= high || i == vmas.size() || vmas[i].low > low) return;
  if (vmas[i].low < low && high < vmas[i].high) return state(s, reached, 0, clause);
  // Within what may be one mapping.
  std::size_t last = i;
  while (last + 1 < vmas.size() && vmas[last].high < high && may_be_one(vmas[last], vmas[last + 1], w.page()))
    ++last;
  const bool before = vmas[i].low < low || (i > 0 && may_be_one(vmas[i - 1], vmas[i], w.page()));
  const bool behind = high < vmas[last].high || (high == vmas[last].high && last + 1 < vmas.size() &&
                                                 may_be_one(vmas[last], vmas[last + 1], w.page()));
  if (before && behind) state(s, Limited::perhaps, 0, clause);
}

void move_limit_errors(const World& w, const Process& p, Step& s, std::int64_t room) {
  const Limited limited = has_mappings(w, p, -room);
  if (limited == Limited::no) return;
  if (s.exact())
    state(s, limited, 0, C::mmap_limit_map_count);
  else
    s.may(kENOMEM, Freedom::map_limit);
}

Progress change_within(const World& w, const Process& p, std::uint64_t low, std::uint64_t high,
                       const std::function<bool(Vma&)>& change) {
  Progress result{high};
  if (!p.other_mappings || low >= high) return result;
  Count count = count_of(w, p);
  const std::int64_t limit = limit_of(w);
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::optional<Vma> before;  // as it is by then
  const std::size_t first = p.memory.first_above(low);
  if (first > 0) before = vmas[first - 1];
  for (std::size_t i = first; i < vmas.size() && vmas[i].low < high; ++i) {
    Vma part = vmas[i];
    if (!change(part)) {
      before = vmas[i];
      continue;
    }
    part.low = std::max(low, part.low);
    part.high = std::min(high, part.high);
    part.page_offset += (part.low - vmas[i].low) / w.page();
    const Cuts cuts = cuts_of(w, vmas, i, part, before ? &*before : nullptr);
    // The last cut is refused if there are so many then.
    if (cuts.fewest() > 0 && count.low + cuts.fewest() - 1 >= limit) {
      const bool one_of_two = cuts.head && cuts.tail && count.low < limit;
      const Limited cut = count.high < limit ? Limited::yes : Limited::perhaps;
      return {part.low, Limited::yes, one_of_two ? cut : Limited::no};
    }
    if (cuts.most() > 0 && count.high + cuts.most() - 1 >= limit) result.limited = Limited::perhaps;
    // At either end it may come to be one with what is there.
    count.low += cuts.fewest() - (cuts.may_join ? 2 : 0);
    count.high += cuts.most();
    before = part;
  }
  return result;
}

bool cut_at_start(World& w, const Process& p, Step& s, const Progress& progress) {
  bool cut = progress.cut_at_start != Limited::no;
  if (progress.cut_at_start == Limited::perhaps) {
    const int pick = s.choose(2, Freedom::map_merge);
    if (pick < 0) return false;
    cut = pick == 0;
  }
  if (cut) w.split_at(index_of(w, p), progress.end, s.when);
  return true;
}

// What is left is granted while there are no more mappings than the limit, as above.
void rule_crowd(World& w, Process& p, Step& s) {
  if (s.failed(C::none)) return;
  p.other_mappings = 0;
  const Count own = count_of(w, p);
  std::uint64_t shown = static_cast<std::uint64_t>(own.high);
  if (own.low == own.high) {
    s.returns(shown, C::proc_maps_row);
    if (s.report().diverged) s.adopted();
  } else {
    shown = s.chosen(shown, Freedom::map_merge);
    s.expect(static_cast<std::int64_t>(shown) >= own.low && shown <= static_cast<std::uint64_t>(own.high),
             C::proc_maps_row, [&] { return fmt::format("{} to {}", own.low, own.high); });
  }
  p.other_mappings = w.facts().max_map_count + 1 - program::mappings_left(s.op.small) - shown;
}

}  // namespace shmcheck::model
