// mremap(2): resizing, moving and duplicating one mapping, in the order of do_mremap.
//
// Which neighbouring vmas the kernel has merged is not tracked, so a range that reaches beyond its vma into
// equal neighbours may be refused or not; if it is not, they were one.
#include <fmt/format.h>

#include "model/map_limit.h"
#include "model/merging.h"
#include "model/rlimit.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEAGAIN = 11, kENOMEM = 12, kEFAULT = 14, kEINVAL = 22;

// What is not locked any more where locked memory is left behind: all that the kernel has made one with it,
// its own mapping, or the range alone, which is divided from the rest before it moves.
enum class Unlocked { merged, mapping, range };

struct Request {
  std::uint64_t address, old_length, new_length, to;
  std::uint64_t old_exact, new_exact;  // before rounding
  bool fixed, may_move, dont_unmap, unknown;
  Unlocked unlocked = Unlocked::merged;
  bool moves_to() const { return fixed || dont_unmap; }
};

Request request_of(World& w, const Op& op) {
  using namespace program::mremap;
  auto round = [&](std::uint64_t v) { return (v + w.page() - 1) & ~std::uint64_t{w.page() - 1}; };
  std::uint64_t old_exact = w.value(op.len), new_exact = w.value(op.off);
  return {w.value(op.addr),
          round(old_exact),
          round(new_exact),
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

void argument_errors(World& w, const Process& p, Step& s, const Request& r) {
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
Source source_of(const Process& p, const Request& r) {
  const Vma* v = p.memory.find(r.address);
  if (!v) return Source::nothing;
  // What is cut off first does not have to lie in the mapping.
  std::uint64_t length = r.moves_to() ? std::min(r.old_length, r.new_length) : r.old_length;
  return length > v->high - r.address ? Source::several : Source::one;
}

// The index behind the last vma that the one at the index may be one with.
std::size_t end_of_merged(const World& w, const Process& p, std::size_t first) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t i = first + 1;
  while (i < vmas.size() && may_be_one(vmas[i - 1], vmas[i], w.page())) ++i;
  return i;
}

// Whether the old range lies in vmas that may be one.
bool may_lie_in_one(const World& w, const Process& p, const Request& r) {
  std::size_t i = p.memory.first_above(r.address);
  std::uint64_t length = r.moves_to() ? std::min(r.old_length, r.new_length) : r.old_length;
  return p.memory.vmas()[end_of_merged(w, p, i) - 1].high - r.address >= length;
}

// Whether the kernel may have merged the mapping at an address with a neighbour.
bool may_be_part(const World& w, const Process& p, std::uint64_t address) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t i = p.memory.first_above(address);
  return (i > 0 && may_be_one(vmas[i - 1], vmas[i], w.page())) || end_of_merged(w, p, i) > i + 1;
}

// Whether a move of each mapping of the range by itself would number some anew that a move of the whole would
// not.
bool numbered_apart(const Process& p, const Request& r) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  std::size_t first = p.memory.first_above(r.address);
  for (std::size_t i = first; i < vmas.size() && vmas[i].low < r.address + r.old_length; ++i) {
    if (vmas[i].touched != vmas[first].touched) return true;
  }
  return false;
}

// The kernel took them for one, so they are.
void merge(World& w, Process& p, const Request& r) {
  std::vector<Vma>& vmas = p.memory.vmas();
  // Only what the range reaches is known to be one.
  const std::uint64_t end = r.address + (r.moves_to() ? std::min(r.old_length, r.new_length) : r.old_length);
  std::size_t first = p.memory.first_above(r.address), last = first + 1;
  while (last < vmas.size() && vmas[last].low < end) ++last;
  for (std::size_t i = first + 1; i < last; ++i) {
    // What has been stored to keeps its numbers.
    if (vmas[first].copies.empty())
      vmas[first].page_offset = vmas[i].page_offset - (vmas[i].low - vmas[first].low) / w.page();
    vmas[first].high = vmas[i].high;
    vmas[first].dirtied |= vmas[i].dirtied;
    if (vmas[i].resident_by == C::none) vmas[first].resident_by = C::none;
    vmas[first].touched |= vmas[i].touched;
    vmas[first].copies.append(std::move(vmas[i].copies));
    vmas[first].older.insert(vmas[first].older.end(), vmas[i].older.begin(), vmas[i].older.end());
  }
  vmas.erase(vmas.begin() + static_cast<std::ptrdiff_t>(first) + 1,
             vmas.begin() + static_cast<std::ptrdiff_t>(last));
}

// A copy of [address, address + length) of a vma, `new_length` long, elsewhere. Private pages move along.
Vma moved(World& w, Vma& v, const Request& r, std::uint64_t length, std::uint64_t low) {
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

// The copy, too, may be one with what was left behind, if it lies beside it.
void unlock(const World& w, Process& p, const Request& r) {
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
    vmas[i].locked = vmas[i].on_fault = false;
    vmas[i].resident_by = C::none;
  }
}

// Locked memory grows by pages that are there at once.
void populate_growth(World& w, Vma& v, std::uint64_t from) {
  bool populated = v.locked && !v.on_fault;
  if (populated) w.populate_copies(v, from, v.high), note_populated(w, v);
  bool backed = w.backed(v, v.object_offset(v.high - 1, w.page()));
  if (!populated || v.prot == 0 || !backed) v.resident_by = C::none;
}

void resize_in_place(World& w, Process& p, Step& s, const Request& r, std::uint8_t who) {
  if (p.memory.find(r.address) && p.memory.find(r.address)->locked) p.lock_clause = C::mremap_lock_kept;
  if (r.new_length < r.old_length) {
    w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
  } else {
    Vma* v = p.memory.find(r.address);
    if (r.new_length > r.old_length && v) {
      v->high = r.address + r.new_length;
      populate_growth(w, *v, r.address + r.old_length);
    }
  }
  w.mapping_names[s.op.result] = r.address;
}

void move(World& w, Process& p, Step& s, Request r, std::uint64_t low, std::uint8_t who) {
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
  Vma copy = moved(w, *v, r, kept, low);
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
  if (r.new_length > r.old_length) populate_growth(w, *p.memory.find(low), low + r.old_length);
}

// Where a move over several mappings stops: at an attach, whose file places its mappings itself (mm/mremap.c,
// vma_multi_allowed).
std::uint64_t end_of_move(const Process& p, const Request& r) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  for (std::size_t i = p.memory.first_above(r.address); i < vmas.size(); ++i) {
    if (vmas[i].low >= r.address + r.old_length) break;
    if (vmas[i].segment >= 0) return std::max(r.address, vmas[i].low);
  }
  return r.address + r.old_length;
}

// Moves each mapping of the range, up to `end`, on its own, with the gaps between them.
void move_each(World& w, Process& p, Step& s, const Request& r, std::uint64_t end, std::uint8_t who) {
  for (std::uint64_t at = r.address; at < end;) {
    std::size_t i = p.memory.first_above(at);
    if (i == p.memory.vmas().size() || p.memory.vmas()[i].low >= end) break;
    Request part = r;
    part.address = std::max(at, p.memory.vmas()[i].low);
    at = std::min(end, p.memory.vmas()[i].high);
    part.old_length = part.new_length = at - part.address;
    move(w, p, s, part, r.to + (part.address - r.address), who);
  }
  Request done = r;
  done.old_length = end - r.address;
  if (r.dont_unmap && done.old_length > 0) unlock(w, p, done);
}

// Growing without a new address: in place if there is room behind, else elsewhere.
bool room_behind(const World& w, const Process& p, const Request& r) {
  const Vma* v = p.memory.find(r.address);
  if (v->high - r.address != r.old_length) return false;
  // The kernel asks for the whole, old and new, as if it were mapped there anew (mm/mremap.c,
  // vma_expandable).
  if (v->low < w.facts().min_address && !p.cred.machine) return false;
  std::uint64_t end = r.address + r.new_length;
  return end > r.address && end <= w.facts().top && !occupied(w, p, v->high, end);
}

}  // namespace

void rule_mremap(World& w, Process& p, Step& s) {
  Request r = request_of(w, s.op);
  std::uint8_t who = index_of(w, p);
  argument_errors(w, p, s, r);
  if (s.must_fail()) {
    s.failed(C::none);
    return;
  }
  Source source = source_of(p, r);
  const Vma* v = p.memory.find(r.address);
  bool shrinks_in_place = !r.moves_to() && r.new_length <= r.old_length;
  // A range over several mappings may be shrunk in place, moved as it is (6.17 and later), or is refused.
  bool several = source == Source::several && !shrinks_in_place;
  bool moves_all = several && since_617(w) && r.fixed && r.new_length == r.old_length;
  // To count it rightly, stable releases of 2026 divide locked memory before MREMAP_DONTUNMAP leaves it
  // behind.
  bool merges = several && (!moves_all || numbered_apart(p, r)) && may_lie_in_one(w, p, r);
  bool divides = r.dont_unmap && v && v->locked && (merges || source == Source::one);
  if (merges || divides) {
    Unlocked unlocked[4] = {Unlocked::merged};
    int count = 1;
    if (merges) unlocked[count++] = Unlocked::merged;
    if (divides) unlocked[count++] = Unlocked::range;
    if (divides && may_be_part(w, p, r.address)) unlocked[count++] = Unlocked::mapping;
    int pick = s.choose(count, merges ? Freedom::map_merge : Freedom::lock_count);
    if (pick < 0) return;
    r.unlocked = unlocked[pick];
    if (merges && pick > 0) {
      merge(w, p, r);
      v = p.memory.find(r.address);
      source = Source::one;
      several = moves_all = false;
    }
  }
  std::uint64_t stop = moves_all ? end_of_move(p, r) : 0;
  // With old length 0 nothing keeps the target from covering the source, which is then unmapped first; before
  // 6.17 also before anything was found out about it.
  bool covers_source = r.fixed && r.address >= r.to && r.address - r.to < r.new_length;
  if (covers_source && source != Source::nothing && !since_617(w)) s.must(kEFAULT, C::mremap_unmapped);
  // The first of several mappings looks for its new place before anything is found out about the next.
  bool refused_first = moves_all && stop > r.address && r.to < w.facts().min_address && !p.cred.machine;
  if (source == Source::nothing)
    s.must(kEFAULT, C::mremap_unmapped);
  else if (refused_first)
    s.must(kEPERM, C::mmap_fixed_low_address_priv);
  else if (moves_all && !s.exact())
    s.may(kEFAULT, Freedom::documented_alternative);
  else if (several && (!moves_all || stop < r.address + r.old_length))
    s.must(kEFAULT, C::mremap_several_mappings);
  else if (!several && r.old_length == 0 && !v->shared) {
    s.must(kEINVAL, C::mremap_duplicate_private);
  }
  bool grows = source == Source::one && r.new_length > r.old_length;
  if (grows && v->locked)
    memlock_errors(w, p, s, r.new_length - r.old_length, kEAGAIN, C::mremap_locked_limit);
  // A range that is moved onto is cleared before, if the pages are not needed for growing.
  std::uint64_t cleared = r.fixed ? mapped_within(p, r.to, r.to + r.new_length) : 0;
  bool clears_first = r.dont_unmap || !since_617(w);
  std::uint64_t more = r.dont_unmap ? r.old_length : grows ? r.new_length - r.old_length : 0;
  bool no_space = more > 0 && !fits_address_space(p, more, clears_first ? cleared : 0);
  if (no_space && source == Source::one) s.must(kENOMEM, C::mmap_limit_rlimit_as);
  // How many of several mappings are left behind before there is no more space, no document says.
  if (no_space && source == Source::several && moves_all)
    return s.lose_quietly(Freedom::documented_alternative);
  bool in_place = source == Source::one && !r.moves_to() &&
                  (shrinks_in_place || (r.old_length > 0 && room_behind(w, p, r)));
  bool huge = r.new_length >= w.facts().top;
  if (source == Source::one && !s.must_fail() && !in_place && !r.moves_to()) {
    if (!r.may_move)
      s.must(kENOMEM, r.old_length == 0 ? kEINVAL : 0,
             r.old_length == 0 ? C::mremap_duplicate_no_maymove : C::mremap_no_move_no_room);
    else if (huge)
      s.must(kENOMEM, kEINVAL, C::mremap_grow);
    else
      move_limit_errors(w, p, s, 3);
  }
  if (shrinks_in_place)
    division_errors(w, p, s, r.address + r.new_length, r.address + r.old_length, C::munmap_split_limit);
  if (r.dont_unmap && v && (v->shared || v->inode >= 0) && !s.exact())
    s.may(kEINVAL, Freedom::documented_alternative);
  bool refused_before = s.must_fail();
  if (covers_source && source != Source::nothing) s.must(kEFAULT, C::mremap_unmapped);
  bool refused_before_move = r.fixed && r.to < w.facts().min_address && !p.cred.machine;
  if (refused_before_move) s.must(kEPERM, C::mmap_fixed_low_address_priv);
  bool target_goes = r.fixed && source != Source::nothing &&
                     (since_617(w) ? (covers_source && !refused_before) || (no_space && r.dont_unmap) : true);
  const bool of_object = v && (v->shared || v->inode >= 0);
  C success = s.saw(kEFAULT)                ? C::mremap_unmapped
              : r.dont_unmap && of_object   ? C::mremap_dontunmap_shared
              : r.fixed                     ? C::mremap_fixed
              : r.new_length > r.old_length ? C::mremap_grow
                                            : C::mremap_shrink;
  // A new range that is not allowed is found out last, when its place has been cleared for the first mapping.
  bool refused_last =
      since_617(w) && refused_before_move && (!refused_before || refused_first) && !covers_source;
  if (s.failed(r.old_length == 0 ? C::mremap_duplicate_shared : success)) {
    std::uint64_t cleared = moves_all ? std::min(r.new_length, v->high - r.address) : r.new_length;
    if (target_goes || refused_last) w.unmap(who, r.to, r.to + cleared, s.when);
    // So is what a moving call cuts off; before 6.17 also before the rest was found not to lie in one
    // mapping.
    bool cuts = refused_last || (target_goes && !since_617(w) && !covers_source);
    if (cuts && r.old_length > r.new_length)
      w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
    // What was moved before it could not go on stays moved.
    if (moves_all && s.exact() && !refused_before_move)
      move_each(w, p, s, r, stop, who);
    else if (moves_all && !s.running() && !s.report().diverged)
      s.lose_quietly(Freedom::documented_alternative);
    return;
  }
  if (in_place || shrinks_in_place) {
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
                  [] { return std::string("a page-aligned address of a free range"); })) {
      return;
    }
  }
  if (moves_all)
    move_each(w, p, s, r, stop, who);
  else {
    move(w, p, s, r, low, who);
    if (r.dont_unmap) unlock(w, p, r);
  }
  w.mapping_names[s.op.result] = low;
}

}  // namespace shmcheck::model
