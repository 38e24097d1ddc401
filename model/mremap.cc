// mremap(2): resizing, moving and duplicating one mapping, in the order of do_mremap.
#include "model/mremap.h"

#include <algorithm>

#include "model/map_limit.h"
#include "model/rlimit.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEAGAIN = 11, kENOMEM = 12, kEFAULT = 14, kEINVAL = 22;

Remapping request_of(World& w, const Op& op) {
  using namespace program::mremap;
  std::uint64_t old_exact = w.value(op.len), new_exact = w.value(op.off);
  return {w.value(op.addr),
          w.up(old_exact),
          w.up(new_exact),
          w.value(op.to),
          old_exact,
          new_exact,
          (op.flags & kFixed) != 0,
          (op.flags & kMayMove) != 0,
          (op.flags & kDontUnmap) != 0,
          (op.flags & kUnknown) != 0};
}

// 6.17 checks all arguments before it changes anything.
bool since_617(const World& w) {
  return w.facts().release >= program::release(6, 17);
}

// From 5.16 on until then an unmapped source is found out before the new range is looked at (mremap of huge
// pages came with an early vma_lookup()).
bool looks_source_up_early(const World& w) {
  return w.facts().release >= program::release(5, 16) && !since_617(w);
}

void argument_errors(World& w, const Process& p, Step& s, const Remapping& r) {
  std::uint64_t top = w.facts().top;
  if (r.new_length >= top && since_617(w)) s.must(kEINVAL, kENOMEM, C::mremap_einval);
  if (r.unknown || r.address % w.page() != 0 || r.new_length == 0) s.must(kEINVAL, C::mremap_einval);
  if (r.fixed && !r.may_move) s.must(kEINVAL, C::mremap_fixed_errors);
  bool resizes = since_617(w) ? r.old_length != r.new_length : r.old_exact != r.new_exact;
  if (r.dont_unmap && (!r.may_move || resizes)) s.must(kEINVAL, C::mremap_einval);
  if (!r.moves_to() || s.must_fail()) return;
  if (looks_source_up_early(w) && !p.memory.find(r.address)) s.must(kEFAULT, C::mremap_unmapped);
  bool beyond = r.new_length > top || r.to > top - r.new_length;
  bool overlap = r.address + r.old_length > r.to && r.to + r.new_length > r.address;
  if (r.to % w.page() != 0 || beyond || overlap) s.must(kEINVAL, C::mremap_fixed_errors);
  // Looked at before anything is unmapped: mm/mremap.c, check_mremap_params.
  move_limit_errors(w, p, s, 5);
}

// What the old range is, once the arguments are right.
enum class Source { nothing, one, several };
Source source_of(const Process& p, const Remapping& r) {
  const Vma* v = p.memory.find(r.address);
  if (!v) return Source::nothing;
  return r.length_in_one() > v->high - r.address ? Source::several : Source::one;
}

// A copy of [address, address + length) of a vma, `new_length` long, elsewhere. Private pages move along.
Vma moved(World& w, Vma& v, const Remapping& r, std::uint64_t length, std::uint64_t low) {
  std::uint64_t first = v.page_offset + (r.address - v.low) / w.page();
  // Numbered anew, by its address (mm/vma.c, copy_vma).
  bool untouched = v.inode < 0 && !v.touched;
  ObjectBytes tail = v.copies.split(first, w.page());
  ObjectBytes rest = tail.split(first + length / w.page(), w.page());
  ObjectBytes head = std::move(v.copies);
  v.copies = ObjectBytes();
  Vma copy = v;
  v.copies = std::move(head);
  v.copies.append(std::move(rest));
  copy.copies = std::move(tail);
  copy.low = low;
  copy.high = low + r.new_length;
  copy.page_offset = untouched ? low / w.page() : first;
  return copy;
}

// Locked memory grows by pages that are there at once.
void populate_growth(World& w, Process& p, Vma& v, std::uint64_t from) {
  bool populated = v.locked && !v.on_fault;
  if (populated) w.populate_copies(v, from, v.high), note_populated(w, v), w.note_reached(p, from);
  bool backed = w.backed(v, v.object_offset(v.high - 1, w.page()));
  if (!populated || v.prot == 0 || !backed) v.resident_by = C::none;
}

void resize_in_place(World& w, Process& p, Step& s, const Remapping& r, std::uint8_t who) {
  if (p.memory.find(r.address) && p.memory.find(r.address)->locked) p.lock_clause = C::mremap_lock_kept;
  if (r.new_length < r.old_length) {
    w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
  } else {
    Vma* v = p.memory.find(r.address);
    if (r.new_length > r.old_length && v) {
      v->high = r.address + r.new_length;
      populate_growth(w, p, *v, r.address + r.old_length);
    }
  }
  w.mapping_names[s.op.result] = r.address;
}

void move(World& w, Process& p, Step& s, Remapping r, std::uint64_t low, std::uint8_t who) {
  if (r.fixed) w.unmap(who, low, low + r.new_length, s.when);
  if (r.new_length < r.old_length) {
    w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
    r.old_length = r.new_length;
  }
  Vma* v = p.memory.find(r.address);
  if (!v) return;
  std::uint64_t kept = std::min(r.old_length, r.new_length);
  if (r.unlocked == Unlocked::range) {
    w.split_at(who, r.address, s.when);
    w.split_at(who, r.address + kept, s.when);
    v = p.memory.find(r.address);
  }
  const bool left_new = is_left_new(w, p, *v, r, kept);
  Vma copy = moved(w, *v, r, kept, low);
  if (left_new) v->touched = false;
  bool locked = copy.locked;
  if (r.dont_unmap || r.old_length == 0) copy.id = w.next_vma++;
  copy.event = {C::mremap_content_kept, w.steps};
  copy.made = w.steps;
  bool joins = copy.segment >= 0 && w.join_neighbour(who, copy);
  if (copy.segment >= 0 && !joins)
    w.open_attach(static_cast<std::uint32_t>(copy.segment), who, s.when, false);
  if (!r.dont_unmap && r.old_length > 0) w.unmap(who, r.address, r.address + r.old_length, s.when);
  if (!joins) p.memory.insert(std::move(copy));
  if (locked) p.lock_clause = C::mremap_lock_kept;
  if (joins) return;
  if (r.new_length > r.old_length) populate_growth(w, p, *p.memory.find(low), low + r.old_length);
}

// Moves each mapping of the range, up to `end`, on its own, with the gaps between them.
void move_each(World& w, Process& p, Step& s, const Remapping& r, std::uint64_t end, std::uint8_t who) {
  for (std::uint64_t at = r.address; at < end;) {
    std::size_t i = p.memory.first_above(at);
    if (i == p.memory.vmas().size() || p.memory.vmas()[i].low >= end) break;
    Remapping part = r;
    part.address = std::max(at, p.memory.vmas()[i].low);
    at = std::min(end, p.memory.vmas()[i].high);
    part.old_length = part.new_length = at - part.address;
    move(w, p, s, part, r.to + (part.address - r.address), who);
  }
  Remapping done = r;
  done.old_length = end - r.address;
  if (r.dont_unmap && done.old_length > 0) unlock_rest(w, p, done);
}

// Growing without a new address: in place if there is room behind, else elsewhere.
bool room_behind(const World& w, const Process& p, const Remapping& r) {
  const Vma* v = p.memory.find(r.address);
  if (v->high - r.address != r.old_length) return false;
  // The kernel asks for the whole, old and new, as if it were mapped there anew (mm/mremap.c,
  // vma_expandable).
  if (v->low < w.facts().min_address && !p.cred.machine) return false;
  std::uint64_t end = r.address + r.new_length;
  return end > r.address && end <= w.facts().top && !occupied(w, p, v->high, end);
}

// What the call comes to, as far as its arguments and the old range decide it.
struct Plan {
  Source source;
  const Vma* v;                // what lies at the old address, or null
  bool shrinks_in_place;       // whatever the range lies in
  bool several;                // the range lies in several mappings, and is moved as it is or refused
  bool moves_all;              // it is moved as it is: since 6.17
  std::uint64_t stop = 0;      // where such a move stops
  bool covers_source;          // the new range covers the old address
  bool target_too_low;         // the new range is not allowed
  bool refused_first = false;  // so it is found out about the first of several mappings
  bool no_space = false;       // RLIMIT_AS has none for what is added
  bool in_place = false;
  bool grows(const Remapping& r) const { return source == Source::one && r.new_length > r.old_length; }
};

Plan plan_of(const World& w, const Process& p, const Remapping& r) {
  Plan plan{};
  plan.source = source_of(p, r);
  plan.v = p.memory.find(r.address);
  plan.shrinks_in_place = !r.moves_to() && r.new_length <= r.old_length;
  plan.several = plan.source == Source::several && !plan.shrinks_in_place;
  plan.moves_all = plan.several && since_617(w) && r.fixed && r.new_length == r.old_length;
  // With old length 0 nothing keeps the target from covering the source.
  plan.covers_source =
      plan.source != Source::nothing && r.fixed && r.address >= r.to && r.address - r.to < r.new_length;
  plan.target_too_low = r.fixed && r.to < w.facts().min_address && !p.cred.machine;
  return plan;
}

// What the kernel has merged, and what it unlocks. To count locked memory rightly, stable releases of 2026
// divide it before MREMAP_DONTUNMAP leaves it behind. False: this world has yet to be told.
bool settle_merged(World& w, Process& p, Step& s, Remapping& r, Plan& plan) {
  const bool merges = plan.several && (!plan.moves_all || numbered_apart(p, r)) && may_lie_in_one(w, p, r);
  const bool divides = r.dont_unmap && plan.v && plan.v->locked && (merges || plan.source == Source::one);
  if (!merges && !divides) return true;
  Unlocked unlocked[4] = {Unlocked::merged};
  int count = 1;
  if (merges) unlocked[count++] = Unlocked::merged;
  if (divides) unlocked[count++] = Unlocked::range;
  if (divides && may_be_part(w, p, r.address)) unlocked[count++] = Unlocked::mapping;
  const int pick = s.choose(count, merges ? Freedom::map_merge : Freedom::lock_count);
  if (pick < 0) return false;
  r.unlocked = unlocked[pick];
  if (merges && pick > 0) {
    merge_range(w, p, r);
    plan.v = p.memory.find(r.address);
    plan.source = Source::one;
    plan.several = plan.moves_all = false;
  }
  return true;
}

void source_errors(const World& w, const Process& p, Step& s, const Remapping& r, Plan& plan) {
  plan.stop = plan.moves_all ? end_of_move(p, r) : 0;
  // What covers its source unmaps it first; before 6.17 also before anything was found out about it.
  if (plan.covers_source && !since_617(w)) s.must(kEFAULT, C::mremap_unmapped);
  // The first of several mappings looks for its new place before anything is found out about the next.
  plan.refused_first = plan.moves_all && plan.stop > r.address && plan.target_too_low;
  if (plan.source == Source::nothing)
    s.must(kEFAULT, C::mremap_unmapped);
  else if (plan.refused_first)
    s.must(kEPERM, C::mmap_fixed_low_address_priv);
  else if (plan.moves_all && !s.exact())
    s.may(kEFAULT, Freedom::documented_alternative);
  else if (plan.several && (!plan.moves_all || plan.stop < r.address + r.old_length))
    s.must(kEFAULT, C::mremap_several_mappings);
  else if (!plan.several && r.old_length == 0 && !plan.v->shared)
    s.must(kEINVAL, C::mremap_duplicate_private);
}

// False: the op is over.
bool limit_errors(const World& w, const Process& p, Step& s, const Remapping& r, Plan& plan) {
  const std::uint64_t growth = plan.grows(r) ? r.new_length - r.old_length : 0;
  if (growth > 0 && plan.v->locked) memlock_errors(w, p, s, growth, kEAGAIN, C::mremap_locked_limit);
  // A range that is moved onto is cleared before, if the pages are not needed for growing.
  const std::uint64_t cleared = r.fixed ? mapped_within(p, r.to, r.to + r.new_length) : 0;
  const bool clears_first = r.dont_unmap || !since_617(w);
  const std::uint64_t more = r.dont_unmap ? r.old_length : growth;
  plan.no_space = more > 0 && !fits_address_space(p, more, clears_first ? cleared : 0);
  if (plan.no_space && plan.source == Source::one) s.must(kENOMEM, C::mmap_limit_rlimit_as);
  // How many of several mappings are left behind before there is no more space, no document says.
  if (!plan.no_space || plan.source != Source::several || !plan.moves_all) return true;
  s.may(kENOMEM, Freedom::documented_alternative);
  if (!s.failed(C::mremap_dontunmap)) s.returns(r.to, C::mremap_fixed);
  if (!s.report().diverged) s.lose_quietly(Freedom::documented_alternative);
  return false;
}

void room_errors(const World& w, const Process& p, Step& s, const Remapping& r, Plan& plan) {
  plan.in_place = plan.source == Source::one && !r.moves_to() &&
                  (plan.shrinks_in_place || (r.old_length > 0 && room_behind(w, p, r)));
  if (plan.source == Source::one && !s.must_fail() && !plan.in_place && !r.moves_to()) {
    if (!r.may_move && r.old_length == 0)
      s.must(kENOMEM, kEINVAL, C::mremap_duplicate_no_maymove);
    else if (!r.may_move)
      s.must(kENOMEM, C::mremap_no_move_no_room);
    else if (r.new_length >= w.facts().top)
      s.must(kENOMEM, kEINVAL, C::mremap_grow);
    else
      move_limit_errors(w, p, s, 3);
  }
  if (plan.shrinks_in_place)
    division_errors(w, p, s, r.address + r.new_length, r.address + r.old_length, C::munmap_split_limit);
  const bool of_object = plan.v && (plan.v->shared || plan.v->inode >= 0);
  if (r.dont_unmap && of_object && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
}

C clause_of_grant(const Step& s, const Remapping& r, const Plan& plan) {
  if (s.saw(kEFAULT)) return C::mremap_unmapped;
  if (r.dont_unmap && plan.v && (plan.v->shared || plan.v->inode >= 0)) return C::mremap_dontunmap_shared;
  if (r.fixed) return C::mremap_fixed;
  return r.new_length > r.old_length ? C::mremap_grow : C::mremap_shrink;
}

// What a call that failed has done all the same. `refused_before`: something was wrong but the new range.
void leave_behind(World& w, Process& p, Step& s, const Remapping& r, const Plan& plan, bool refused_before) {
  const std::uint8_t who = index_of(w, p);
  const bool old_kernel = !since_617(w);
  const bool target_goes =
      r.fixed && plan.source != Source::nothing &&
      (old_kernel || (plan.covers_source && !refused_before) || (plan.no_space && r.dont_unmap));
  // A new range that is not allowed is found out last, when its place has been cleared for the first mapping.
  const bool refused_last =
      !old_kernel && plan.target_too_low && (!refused_before || plan.refused_first) && !plan.covers_source;
  const std::uint64_t cleared =
      plan.moves_all ? std::min(r.new_length, plan.v->high - r.address) : r.new_length;
  if (target_goes || refused_last) w.unmap(who, r.to, r.to + cleared, s.when);
  // So is what a moving call cuts off; before 6.17 also before the rest was found not to lie in one mapping.
  const bool cuts = refused_last || (target_goes && old_kernel && !plan.covers_source);
  if (cuts && r.old_length > r.new_length)
    w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
  // What was moved before it could not go on stays moved.
  if (plan.moves_all && s.exact() && !plan.target_too_low)
    move_each(w, p, s, r, plan.stop, who);
  else if (plan.moves_all && !s.running() && !s.report().diverged)
    s.lose_quietly(Freedom::documented_alternative);
}

}  // namespace

void rule_mremap(World& w, Process& p, Step& s) {
  Remapping r = request_of(w, s.op);
  const std::uint8_t who = index_of(w, p);
  argument_errors(w, p, s, r);
  if (s.must_fail()) {
    s.failed(C::none);
    return;
  }
  Plan plan = plan_of(w, p, r);
  if (!settle_merged(w, p, s, r, plan)) return;
  source_errors(w, p, s, r, plan);
  if (!limit_errors(w, p, s, r, plan)) return;
  room_errors(w, p, s, r, plan);
  const bool refused_before = s.must_fail();
  if (plan.covers_source) s.must(kEFAULT, C::mremap_unmapped);
  if (plan.target_too_low) s.must(kEPERM, C::mmap_fixed_low_address_priv);
  const C success = clause_of_grant(s, r, plan);
  if (s.failed(r.old_length == 0 ? C::mremap_duplicate_shared : success))
    return leave_behind(w, p, s, r, plan, refused_before);
  if (plan.in_place || plan.shrinks_in_place) {
    s.returns(r.address, success);
    resize_in_place(w, p, s, r, who);
    return;
  }
  std::uint64_t low = r.to;
  if (r.fixed) {
    s.returns(low, C::mremap_fixed);
  } else {
    low = s.chosen(free_range(w, p, r.new_length), Freedom::address);
    if (!s.expect(good_choice(w, p, low, r.new_length), success,
                  [] { return std::string("a page-aligned address of a free range"); }))
      return;
  }
  if (plan.moves_all) {
    move_each(w, p, s, r, plan.stop, who);
  } else {
    move(w, p, s, r, low, who);
    if (r.dont_unmap) unlock_rest(w, p, r);
  }
  w.mapping_names[s.op.result] = low;
}

}  // namespace shmcheck::model
