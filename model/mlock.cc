// mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2), and what they account. In the order of
// mm/mlock.c, do_mlock.
#include <optional>
#include <set>
#include <utility>

#include "model/map_limit.h"
#include "model/memory.h"
#include "model/rlimit.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kENOMEM = 12, kEINVAL = 22;

Pages pages_of(World& w, const Op& op) {
  std::uint64_t address = w.value(op.addr), low = w.down(address);
  std::uint64_t length = w.value(op.len) + (address - low);
  return {low, low + w.up(length)};
}

// Calls act(from, to) for each mapped part that the change would change, until it returns false.
template <typename Change, typename Act>
void for_each_changed(const Process& p, std::uint64_t low, std::uint64_t high, Change change, Act act) {
  for (std::uint64_t at = low; at < high;) {
    std::size_t i = p.memory.first_above(at);
    if (i == p.memory.vmas().size() || p.memory.vmas()[i].low >= high) return;
    const Vma& v = p.memory.vmas()[i];
    std::uint64_t from = std::max(v.low, at), to = std::min(v.high, high);
    Vma changed = v;
    change(changed);
    if ((changed.locked != v.locked || changed.on_fault != v.on_fault) && !act(from, to)) return;
    at = to;
  }
}

template <typename Change>
void change_mapped(World& w, Process& p, Step& s, std::uint64_t low, std::uint64_t high, Change change) {
  std::uint8_t who = index_of(w, p);
  for_each_changed(p, low, high, change, [&](std::uint64_t from, std::uint64_t to) {
    w.change_part(who, from, to, s.when, change);
    return true;
  });
}

// Whatever was locked before is faulted in again, too.
void note_all_populated(World& w, Process& p, const Pages& range) {
  for (const Vma& v : p.memory.vmas())
    if (v.low < range.high && range.low < v.high) note_populated(w, v), w.note_reached(p, v.low);
}

template <typename Change>
bool would_change(const Process& p, std::uint64_t low, std::uint64_t high, Change change) {
  bool any = false;
  for_each_changed(p, low, high, change, [&](std::uint64_t, std::uint64_t) { return !(any = true); });
  return any;
}

void limit_errors(World& w, Process& p, Step& s, const Pages& range) {
  may_lock_errors(p, s, C::mlock_limit);
  std::uint64_t again = 0;
  for (const Vma& v : p.memory.vmas()) {
    std::uint64_t low = std::max(v.low, range.low), high = std::min(v.high, range.high);
    if (v.locked && low < high) again += high - low;
  }
  memlock_errors(w, p, s, range.high - range.low - again, kENOMEM, C::mlock_limit);
}

// What the user has locked of segments does not count here.
bool separate_limits(const World& w, const Process& p, std::uint64_t bytes) {
  std::uint64_t segments = locked_segments(w, p.cred);
  return !p.cred.machine && segments > 0 && segments + p.memory.locked_bytes() + bytes > p.memlock;
}

// How far a call that meets a hole gets: Linux changes what lies before it (D16). Ends that come to the same
// are one choice. Nothing: return at once.
template <typename Change>
std::optional<std::uint64_t> changed_until(const Process& p, Step& s, const Pages& range, std::uint64_t hole,
                                           Change change) {
  if (s.exact() || hole >= range.high) return hole;
  std::uint64_t ends[3] = {hole};
  int count = 1;
  if (would_change(p, range.low, hole, change)) ends[count++] = range.low;
  if (would_change(p, hole, range.high, change)) ends[count++] = range.high;
  if (count == 1) return hole;
  int pick = s.choose(count, Freedom::documented_alternative);
  if (pick < 0) return std::nullopt;
  return ends[pick];
}

bool shows_part(const Vma& v, const Vma& of, std::uint64_t page) {
  const std::uint64_t first = of.page_offset, last = first + (of.high - of.low) / page;
  return v.shared && v.inode == of.inode && v.page_offset < last &&
         first < v.page_offset + (v.high - v.low) / page;
}

// Who has pages locked that this range of the process shows unlocked: that must not have changed.
void note_locked_otherwise(World& w, const Process& p, const Pages& range) {
  for (const Vma& of : p.memory.vmas()) {
    if (!of.shared || of.inode < 0 || of.low >= range.high || of.high <= range.low) continue;
    for (Process& other : w.processes) {
      const bool locks = std::ranges::any_of(
          other.memory.vmas(), [&](const Vma& v) { return v.locked && shows_part(v, of, w.page()); });
      if (locks) other.lock_clause = C::mlock_per_mapping;
    }
  }
}

// A mapping that cannot be divided ends the work as a hole does, and documents want nothing changed then
// either (D16). The hole is moved to it.
template <typename Change>
Progress undivided_errors(const World& w, const Process& p, Step& s, const Pages& range, std::uint64_t& hole,
                          Change change) {
  Progress progress = change_within(w, p, range.low, hole, [&](Vma& v) {
    const Vma was = v;
    change(v);
    return v.locked != was.locked || v.on_fault != was.on_fault;
  });
  if (progress.limited == Limited::yes) {
    hole = progress.end;
    s.must(kENOMEM, C::mmap_limit_map_count);
  } else if (progress.limited == Limited::perhaps) {
    s.may(kENOMEM, Freedom::map_merge);
  }
  return progress;
}

}  // namespace

std::uint64_t first_refused(World& w, Process& p, std::uint64_t low, std::uint64_t high) {
  // Pages of files that those before need storage for.
  std::set<std::pair<std::int32_t, std::uint64_t>> taken;
  for (std::uint64_t at = low; at < high; at += w.page()) {
    const Vma* v = p.memory.find(at);
    if (v->prot == 0) return at;
    const std::uint64_t offset = v->object_offset(at, w.page()), index = offset / w.page();
    if (!v->shared && v->copies.find(index)) continue;
    const bool again = taken.contains({v->inode, index});
    if (!again && !w.can_be_had(*v, offset, false, taken.size())) return at;
    if (v->inode < 0 || !w.of_full(w.object_of(*v))) continue;
    if (!w.object_of(*v).accessed.contains(index)) taken.insert({v->inode, index});
  }
  return high;
}

void populate(World& w, Process& p, std::uint64_t low, std::uint64_t high, C clause) {
  for (std::uint64_t at = low; at < high;) {
    Vma& v = *p.memory.find(at);
    std::uint64_t to = std::min(v.high, high);
    w.populate_copies(v, at, to);
    // What is there in part only is not told apart.
    bool whole = at == v.low && to == v.high;
    v.resident_by = whole && v.shared == (v.inode >= 0) ? clause : C::none;
    at = to;
  }
}

void rule_mlock(World& w, Process& p, Step& s) {
  Pages range = pages_of(w, s.op);
  bool on_fault = (s.op.flags & program::mlock::kOnFault) != 0;
  if (s.op.flags & program::mlock::kUnknown) s.must(kEINVAL, C::mlock2_bad_flag);
  limit_errors(w, p, s, range);
  bool limited = s.must_fail(), wraps = range.high < range.low;
  if (wraps) s.must(kEINVAL, C::mlock_wrap);
  if (w.value(s.op.addr) % w.page() != 0 && s.profile == Profile::posix)
    s.may(kEINVAL, Freedom::documented_alternative);
  std::uint64_t hole = wraps ? range.high : p.memory.first_hole(range.low, range.high);
  auto lock = [=](Vma& v) { v.locked = true, v.on_fault = on_fault; };
  Progress progress{hole};
  if (!s.must_fail()) progress = undivided_errors(w, p, s, range, hole, lock);
  // Only rounding the start down may be what makes the range reach a hole.
  bool by_rounding = hole < range.high && hole - range.low >= w.up(w.value(s.op.len));
  if (hole < range.high && progress.limited != Limited::yes)
    s.must(kENOMEM, by_rounding ? C::mlock_unaligned : C::mlock_unmapped);
  std::optional<std::uint64_t> end = limited ? hole : changed_until(p, s, range, hole, lock);
  if (!end) return;
  std::uint64_t refused =
      hole >= range.high && !on_fault && !wraps ? first_refused(w, p, range.low, range.high) : range.high;
  if (refused < range.high) {
    if (s.exact() || w.access(p, refused, false).kind != Access::Kind::protection)
      s.must(kENOMEM, C::mlock_inaccessible);
    else
      s.may(kENOMEM, Freedom::documented_alternative);
  }
  C success = separate_limits(w, p, range.high - range.low) ? C::limit_mlock_rlimit_separate
              : on_fault                                    ? C::mlock2_onfault
                                                            : C::mlock_resident;
  bool failed = s.failed(success);
  if (limited || wraps) return;
  if (failed && perhaps_limited(s, progress, kENOMEM)) return s.lose_quietly(Freedom::map_merge);
  if (failed && !cut_at_start(w, p, s, progress)) return;
  // It may have been the limit, with which nothing is begun.
  if (failed && p.lock_count_off && !p.cred.machine && !s.running()) {
    bool otherwise = hole < range.high || refused < range.high;
    if (otherwise) s.lose_quietly(Freedom::lock_count);
    return;
  }
  p.lock_clause = failed ? C::mlock_failure_no_change : C::mlock_accounting;
  change_mapped(w, p, s, range.low, *end, lock);
  // Nothing is faulted in if a part was not mapped; else what was locked before is, too.
  if (on_fault || hole < range.high) return;
  note_all_populated(w, p, range);
  if (s.profile >= Profile::defacto) populate(w, p, range.low, refused, C::mlock_resident);
}

void rule_munlock(World& w, Process& p, Step& s) {
  Pages range = pages_of(w, s.op);
  bool wraps = range.high < range.low;
  if (wraps) s.must(kEINVAL, C::mlock_wrap);
  if (w.value(s.op.addr) % w.page() != 0 && s.profile == Profile::posix)
    s.may(kEINVAL, Freedom::documented_alternative);
  std::uint64_t hole = wraps ? range.high : p.memory.first_hole(range.low, range.high);
  auto unlock = [](Vma& v) { v.unlock(); };
  Progress progress{hole};
  if (!s.must_fail()) progress = undivided_errors(w, p, s, range, hole, unlock);
  if (hole < range.high && progress.limited != Limited::yes) s.must(kENOMEM, C::mlock_unmapped);
  std::optional<std::uint64_t> end = changed_until(p, s, range, hole, unlock);
  if (!end) return;
  bool failed = s.failed(C::mlock_no_stacking);
  if (wraps) return;
  if (failed && perhaps_limited(s, progress, kENOMEM)) return s.lose_quietly(Freedom::map_merge);
  if (failed && !cut_at_start(w, p, s, progress)) return;
  p.lock_clause = failed ? C::mlock_failure_no_change : C::mlock_no_stacking;
  change_mapped(w, p, s, range.low, *end, unlock);
  note_locked_otherwise(w, p, {range.low, *end});
}

void rule_mlockall(World& w, Process& p, Step& s) {
  using namespace program::mlockall;
  const std::uint32_t flags = s.op.flags;
  if (flags == 0 || flags == kOnFault || (flags & kUnknown)) s.must(kEINVAL, C::mlockall_flags);
  may_lock_errors(p, s, C::mlock_limit);
  if ((flags & kCurrent) && !p.cred.machine) {
    // The limit is compared with all that is mapped, the executor's own memory included.
    if (mapped_within(p, 0, UINT64_MAX) > p.memlock)
      s.must(kENOMEM, C::mlock_limit);
    else
      s.may(kENOMEM, Freedom::uncounted);
  }
  if (s.failed(C::mlockall_flags)) return;
  p.lock_future = (flags & kFuture) != 0;
  p.lock_future_on_fault = p.lock_future && (flags & kOnFault) != 0;
  if (!(flags & kCurrent)) return;
  bool on_fault = (flags & kOnFault) != 0;
  p.lock_clause = C::mlock_accounting;
  for (Vma& v : p.memory.vmas()) {
    v.locked = true, v.on_fault = on_fault;
    if (!on_fault) note_populated(w, v), w.note_reached(p, v.low);
  }
  if (on_fault || s.profile < Profile::defacto) return;
  // A page that cannot be had ends the work on its mapping only, and is no error (__mm_populate).
  for (std::size_t i = 0; i < p.memory.vmas().size(); ++i) {
    std::uint64_t low = p.memory.vmas()[i].low, high = p.memory.vmas()[i].high;
    populate(w, p, low, first_refused(w, p, low, high), C::mlock_resident);
  }
}

void rule_munlockall(World&, Process& p, Step& s) {
  if (s.failed(C::mlock_no_stacking)) return;
  p.lock_clause = p.lock_future ? C::mlockall_future : C::mlock_no_stacking;
  p.lock_future = p.lock_future_on_fault = false;
  for (Vma& v : p.memory.vmas()) v.unlock();
}

void lock_at_creation(World& w, Process& p, const Step& s, std::uint64_t low, bool asked, bool populated) {
  Vma& v = *p.memory.find(low);
  v.locked = asked || p.lock_future;
  v.on_fault = p.lock_future_on_fault;
  if (v.locked) p.lock_clause = p.lock_future ? C::mlockall_future : C::mmap_flag_locked;
  // With MCL_ONFAULT not even MAP_POPULATE faults pages in (mm/gup.c, populate_vma_page_range).
  bool faults_in = !v.on_fault && (populated || v.locked);
  if (faults_in) note_populated(w, v), w.note_reached(p, low);
  if (!faults_in || s.profile < Profile::defacto) return;
  C clause = p.lock_future ? C::mlockall_future : populated ? C::mmap_flag_populate : C::mmap_flag_locked;
  std::uint64_t high = v.high;
  populate(w, p, low, first_refused(w, p, low, high), clause);
}

void rule_locked(World& w, Process& p, Step& s) {
  if (s.failed(C::mlock_accounting)) return;
  std::uint64_t bytes = p.memory.locked_bytes();
  const std::uint64_t of_segments = locked_by_segments(w, p);
  if (p.lock_count_off) {
    s.chosen(bytes, Freedom::lock_count);
    return s.uses(Freedom::lock_count);
  }
  if (of_segments > 0) s.applies(C::proc_vmlck);
  const bool counted = of_segments > 0 && !s.running() && s.seen().value == bytes + of_segments;
  s.returns(bytes, counted ? C::proc_vmlck : p.lock_clause);
  if (s.report().diverged) s.adopted();  // a wrong count changes no mapping
}

}  // namespace shmcheck::model
