// mremap(2): resizing, moving and duplicating one mapping, in the order of do_mremap.
//
// Which neighbouring vmas the kernel has merged is not tracked, so a range that reaches beyond its vma into
// an equal neighbour may be refused or not.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEFAULT = 14, kEINVAL = 22;

struct Request {
  std::uint64_t address, old_length, new_length, to;
  std::uint64_t old_exact, new_exact;  // before rounding
  bool fixed, may_move, dont_unmap, unknown;
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
  if (r.dont_unmap && (!r.may_move || r.old_length != r.new_length)) s.must(kEINVAL, C::mremap_einval);
  if (!r.moves_to() || s.must_fail()) return;
  if (looks_source_up_early(w) && !p.memory.find(r.address)) s.must(kEFAULT, C::mremap_unmapped);
  bool beyond = r.new_length > top || r.to > top - r.new_length;
  bool overlap = r.address + r.old_length > r.to && r.to + r.new_length > r.address;
  if (r.to % w.page() != 0 || beyond || overlap) s.must(kEINVAL, C::mremap_fixed_errors);
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

bool equal_neighbour(const Process& p, const Request& r) {
  const Vma* v = p.memory.find(r.address);
  const Vma* next = v ? p.memory.find(v->high) : nullptr;
  return next && next->segment < 0 && v->segment < 0 && next->prot == v->prot && next->inode == v->inode &&
         next->shared == v->shared;
}

// A copy of [address, address + length) of a vma, `new_length` long, elsewhere. Private pages move along.
Vma moved(World& w, Vma& v, const Request& r, std::uint64_t length, std::uint64_t low) {
  std::uint64_t first = v.page_offset + (r.address - v.low) / w.page();
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
  copy.page_offset = first;
  return copy;
}

void resize_in_place(World& w, Process& p, Step& s, const Request& r, std::uint8_t who) {
  if (r.new_length < r.old_length) {
    w.unmap(who, r.address + r.new_length, r.address + r.old_length, s.when);
  } else {
    Vma* v = p.memory.find(r.address);
    if (r.new_length > r.old_length && v) v->high = r.address + r.new_length;
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
  Vma copy = moved(w, *v, r, kept, low);
  if (r.dont_unmap || r.old_length == 0) copy.id = w.next_vma++;
  bool joins = copy.segment >= 0 && w.join_neighbour(who, copy);
  if (copy.segment >= 0 && !joins)
    w.open_attach(static_cast<std::uint32_t>(copy.segment), who, s.when, false);
  if (!r.dont_unmap && r.old_length > 0) w.unmap(who, r.address, r.address + r.old_length, s.when);
  w.mapping_names[s.op.result] = low;
  if (!joins) p.memory.insert(std::move(copy));
}

// Since 6.17 a fixed move that does not resize takes every mapping of the range along, one by one, and keeps
// the gaps between them; an attach of a segment is not moved with others (remap_move(), vma_multi_allowed()).
bool moves_several(const World& w, const Process& p, const Request& r) {
  const Vma* v = p.memory.find(r.address);
  const Vma* next = p.memory.find(v->high);
  // Whether the kernel has joined two pieces of one attach is not always known.
  bool maybe_joined = v->segment >= 0 && next && next->attach == v->attach;
  return since_617(w) && r.fixed && r.new_length == r.old_length && !maybe_joined;
}

struct Piece {
  std::uint64_t low, high;
  bool movable;
};
std::vector<Piece> pieces_of(const Process& p, const Request& r) {
  std::vector<Piece> pieces;
  std::uint64_t end = r.address + r.old_length;
  for (std::size_t i = p.memory.first_above(r.address); i < p.memory.vmas().size(); ++i) {
    const Vma& v = p.memory.vmas()[i];
    if (v.low >= end) break;
    pieces.push_back({std::max(v.low, r.address), std::min(v.high, end), v.segment < 0});
  }
  return pieces;
}

void move_several(World& w, Process& p, Step& s, const Request& r, std::uint8_t who) {
  const std::vector<Piece> pieces = pieces_of(p, r);
  auto stuck = std::find_if(pieces.begin(), pieces.end(), [](const Piece& piece) { return !piece.movable; });
  if (stuck != pieces.end()) s.must(kEFAULT, C::mremap_several_mappings);
  if (!s.exact()) s.may(kEFAULT, Freedom::documented_alternative);
  const bool failed = s.failed(C::mremap_fixed);
  if (!failed) s.returns(r.to, C::mremap_fixed);
  // What was moved before the one that cannot be stays moved.
  const std::optional<std::uint64_t> name = w.mapping_names[s.op.result];
  const bool refused_whole = failed && stuck == pieces.end();
  for (auto piece = pieces.begin(); piece != stuck && !refused_whole; ++piece) {
    Request one = r;
    one.address = piece->low;
    one.old_length = one.new_length = piece->high - piece->low;
    move(w, p, s, one, r.to + (piece->low - r.address), who);
  }
  w.mapping_names[s.op.result] = failed ? name : r.to;
}

// Growing without a new address: in place if there is room behind, else elsewhere.
bool room_behind(const World& w, const Process& p, const Request& r) {
  const Vma* v = p.memory.find(r.address);
  if (v->high - r.address != r.old_length) return false;
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
  if (source == Source::nothing)
    s.must(kEFAULT, C::mremap_unmapped);
  else if (several && !s.must_fail() && moves_several(w, p, r)) {
    if (r.to < w.facts().min_address && !p.cred.capable) s.must(kEPERM, C::mmap_fixed_low_address_priv);
    move_several(w, p, s, r, who);
    return;
  } else if (several) {
    bool may_move_all = since_617(w) && r.fixed && r.new_length == r.old_length;
    if (!equal_neighbour(p, r) && !may_move_all)
      s.must(kEFAULT, C::mremap_several_mappings);
    else {
      s.may(kEFAULT, Freedom::map_merge);
      if (!r.moves_to() && !r.may_move) s.may(kENOMEM, Freedom::map_merge);
    }
  } else if (r.old_length == 0 && !v->shared) {
    s.must(kEINVAL, C::mremap_duplicate_private);
  }
  bool in_place = source == Source::one && !r.moves_to() &&
                  (shrinks_in_place || (r.old_length > 0 && room_behind(w, p, r)));
  bool huge = r.new_length >= w.facts().top;
  if (source == Source::one && !s.must_fail() && !in_place && !r.moves_to()) {
    if (!r.may_move)
      s.must(kENOMEM, r.old_length == 0 ? kEINVAL : 0,
             r.old_length == 0 ? C::mremap_duplicate_no_maymove : C::mremap_no_move_no_room);
    else if (huge)
      s.must(kENOMEM, kEINVAL, C::mremap_grow);
  }
  if (r.dont_unmap && v && (v->shared || v->inode >= 0) && !s.exact())
    s.may(kEINVAL, Freedom::documented_alternative);
  // With old length 0 nothing keeps the target from covering the source, which is then unmapped first.
  bool covers_source = r.fixed && r.address >= r.to && r.address - r.to < r.new_length;
  bool refused_before = s.must_fail();
  if (covers_source && source != Source::nothing) s.must(kEFAULT, C::mremap_unmapped);
  if (r.fixed && r.to < w.facts().min_address && !p.cred.capable)
    s.must(kEPERM, C::mmap_fixed_low_address_priv);
  bool target_goes =
      r.fixed && source != Source::nothing && (since_617(w) ? covers_source && !refused_before : true);
  C success = r.fixed ? C::mremap_fixed : r.new_length > r.old_length ? C::mremap_grow : C::mremap_shrink;
  if (s.failed(r.old_length == 0 ? C::mremap_duplicate_shared : success)) {
    if (target_goes) w.unmap(who, r.to, r.to + r.new_length, s.when);
    if (several && r.fixed && r.new_length == r.old_length && since_617(w)) s.lose_quietly();
    return;
  }
  if (several || (shrinks_in_place && source == Source::several)) {
    if (!s.running() && several) {
      s.lose_quietly();
      return;
    }
    if (several) return;
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
  move(w, p, s, r, low, who);
}

}  // namespace shmcheck::model
