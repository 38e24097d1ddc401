// Scenarios of address spaces: fork and exit, overlaps, protection, mremap, madvise.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Advice;
using program::map::kAnonymous;
using program::map::kFixed;
using program::map::kNoReplace;
using program::map::kPrivate;
using program::map::kShared;
using program::mremap::kMayMove;

constexpr std::uint32_t kMoveFixed = kMayMove | program::mremap::kFixed;

// Anonymous memory, a file or a segment: what holds for one should be tried on all.
Quantity some_memory(Play& p, std::uint8_t a, int n) {
  switch (p.dice.below(4)) {
    case 0:
      return p.anonymous(a, n, kPrivate);
    case 1:
      return p.anonymous(a, n, kShared);
    case 2: {
      std::uint8_t f = p.file(a, p.dice.chance(50) ? pages(n) : pages(n, -100));
      return p.map(a, f, pages(n), p.shared_or_private());
    }
    default:
      return p.attach(a, p.segment(a, pages(n), p.s.key()));
  }
}

void fork_isolates_or_shares(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 2);
  p.fill(a, m, 2);
  const bool read_only = p.dice.chance(30);  // at the fork
  if (read_only) p.protect(a, m, pages(2), 1);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  if (read_only) p.protect(p.dice.chance(60) ? a : *b, m, pages(2), 3);
  std::uint8_t first = p.dice.chance(50) ? a : *b, second = first == a ? *b : a;
  p.store(first, m);
  p.peek(second, m, 2);
  p.store(second, plus(m, 1));
  p.peek(first, m, 2);
}

void generations(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 2);
  p.store(a, m);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  if (p.dice.chance(60)) p.store(*b, m);
  std::optional<std::uint8_t> c = p.child(*b);
  if (p.dice.chance(60)) p.leave(p.dice.chance(60) ? *b : a);
  if (!c) return;
  p.store(*c, plus(m, 0, 8));
  p.peek(*c, m, 2);
  p.peek(p.someone(), m, 2);
}

void mapped_after_fork(Play& p) {
  std::uint8_t a = p.someone();
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  Quantity m = some_memory(p, a, 2);
  p.store(a, m);
  p.peek(*b, m, 2);
  p.unmap(*b, m, pages(1));
  p.peek(a, m, 2);
}

void overlaps(Play& p) {
  std::uint8_t a = p.someone();
  Quantity where = p.arena(5);
  p.map_at(a, program::kFileNone, where, pages(4), p.shared_or_private() | kAnonymous | kFixed);
  p.fill(a, where, 4);
  std::uint32_t how = p.dice.pick({kFixed, kFixed, 0U, kNoReplace, kFixed | kNoReplace});
  int first = p.dice.pick({-1, 0, 1, 2, 3, 4});
  const std::uint32_t type = p.shared_or_private();
  p.map_at(a, program::kFileNone, plus(where, first), pages(p.dice.pick({1, 2})), type | kAnonymous | how);
  p.peek(a, plus(where, -1), 6);
}

// The same place again, and all of it.
void mapped_again(Play& p) {
  std::uint8_t a = p.someone();
  int n = p.dice.pick({1, 2});
  Quantity where = p.arena(n + 1);
  for (int i = 0; i < 2; ++i) {
    const bool of_file = !p.dice.chance(60);
    const std::uint32_t flags = p.shared_or_private() | kFixed;
    if (of_file) {
      p.map_at(a, p.file(a, pages(n)), where, pages(n), flags);
    } else {
      p.map_at(a, program::kFileNone, where, pages(n), flags | kAnonymous);
    }
    p.peek(a, where, n);
    p.fill(a, where, n);
  }
  p.peek(a, where, n);
}

void partial_unmap(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 3);
  p.fill(a, m, 3);
  p.unmap(a, plus(m, p.dice.pick({0, 1, 2})), pages(1));
  p.peek(a, m, 3);
  p.unmap(a, m, p.dice.pick({pages(3), pages(2), pages(0), pages(3, 1)}));
  p.peek(a, m, 3);
}

void protect_a_part(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 3);
  p.fill(a, m, 3);
  const auto prot = p.dice.pick<std::uint8_t>({0, 1, 2, 4, 5});
  const Quantity length = p.dice.pick({pages(1), pages(2), pages(0, 1)});
  p.protect(a, plus(m, p.dice.pick({0, 1, 2})), length, prot);
  p.fill(a, m, 3);
  if (std::optional<std::uint8_t> b = p.partner(a)) p.peek(*b, m, 3);
  p.protect(a, m, pages(3), p.dice.pick<std::uint8_t>({3, 1}));
  p.store(a, plus(m, 1));
  p.peek(a, m, 3);
  if (p.dice.chance(40)) p.step(make_op(OpCode::maps, a));
}

void moved(Play& p) {
  std::uint8_t a = p.someone();
  int n = p.dice.pick({2, 3});
  Quantity m = some_memory(p, a, n);
  p.fill(a, m, n);
  std::uint32_t flags = p.dice.pick({kMayMove, kMoveFixed, kMoveFixed, 0U});
  const Quantity to = p.arena(5);
  Quantity moved = p.move(a, m, pages(n), pages(n + p.dice.pick({-1, 0, 1, 2})), flags, to);
  p.store(a, moved);
  p.peek(a, moved, n + 2);
  p.peek(a, m, n);
  if (std::optional<std::uint8_t> b = p.partner(a)) p.peek(*b, moved, n);
}

void moved_a_part(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 3);
  p.fill(a, m, 3);
  Quantity to = p.dice.chance(50) ? p.arena(4) : some_memory(p, a, 2);
  const std::uint32_t flags = kMoveFixed | (p.dice.chance(20) ? program::mremap::kDontUnmap : 0U);
  const int length = p.dice.pick({1, 2});
  Quantity moved = p.move(a, plus(m, p.dice.pick({0, 1, 2})), pages(1), pages(length), flags, to);
  p.store(a, plus(moved, 0, 8));
  p.peek(a, moved, 2);
  p.peek(a, m, 3);
}

void duplicated(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 2);
  p.fill(a, m, 2);
  Quantity copy = p.move(a, m, pages(0), pages(p.dice.pick({1, 2, 3})), kMayMove);
  p.store(a, copy);
  p.peek(a, m, 2);
  p.store(a, plus(m, 0, 16));
  p.peek(a, copy, 2);
}

void grown_in_place(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 2);
  p.fill(a, m, 2);
  const std::uint32_t flags = p.dice.pick({0U, 0U, kMayMove});
  p.move(a, m, pages(2), pages(p.dice.pick({1, 3, 4})), flags);
  p.fill(a, m, 3);
  p.peek(a, m, 4);
}

void discarded(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = p.dice.chance(40) ? p.anonymous(a, 3, kPrivate) : some_memory(p, a, 3);
  p.fill(a, m, 3);
  std::optional<std::uint8_t> b;
  if (p.dice.chance(60)) b = p.child(a);
  const bool hidden = p.dice.chance(40);
  if (hidden) p.protect(a, m, pages(3), p.dice.pick<std::uint8_t>({0, 0, 0, 1}));
  const Advice advice = p.dice.pick({Advice::dontneed, Advice::dontneed, Advice::remove, Advice::free});
  const Quantity length = p.dice.pick({pages(1), pages(2), pages(0, 1)});
  p.advise(a, plus(m, p.dice.pick({0, 1})), length, advice);
  if (hidden) p.protect(a, m, pages(3), 3);
  p.peek(a, m, 3);
  if (b) p.peek(*b, m, 3);
  p.store(a, plus(m, 1));
  if (b) p.peek(*b, m, 3);
}

void kept_from_children(Play& p) {
  std::uint8_t a = p.someone();
  const bool wipe = p.dice.chance(50);
  Quantity m = wipe ? p.anonymous(a, 2, program::map::kPrivate) : some_memory(p, a, 2);
  p.fill(a, m, 2);
  p.advise(a, plus(m, p.dice.pick({0, 1})), pages(1), wipe ? Advice::wipeonfork : Advice::dontfork);
  if (p.dice.chance(35))
    p.advise(a, m, pages(2), p.dice.chance(80) == wipe ? Advice::keeponfork : Advice::dofork);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.peek(*b, m, 2);
  p.fill(*b, m, 2);
  p.peek(a, m, 2);
  std::optional<std::uint8_t> c = p.child(*b);
  if (c) p.peek(*c, m, 2);
}

void synced(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 3);
  p.fill(a, m, 3);
  if (p.dice.chance(40)) p.unmap(a, plus(m, 1), pages(1));
  const Quantity length = p.dice.pick({pages(3), pages(1), pages(4), pages(0), pages(0, 1)});
  p.sync(a, plus(m, p.dice.pick({0, 0, 1, -1})), length);
  p.peek(a, m, 3);
}

void death_by_fault(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 2);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.store(*b, m);
  Op op = make_op(p.dice.chance(50) ? OpCode::load : OpCode::store, *b);
  op.addr = p.dice.pick({plus(m, 2), plus(m, -1), pages(0)});
  op.byte = p.dice.pick<std::uint8_t>({1, 1, 2, 3});
  p.step(op);
  p.peek(a, m, 2);
}

void locked(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m = some_memory(p, a, 3);
  if (p.dice.chance(40)) p.fill(a, m, 2);
  if (p.dice.chance(20)) p.protect(a, plus(m, 1), pages(2), p.dice.pick<std::uint8_t>({0, 1}));
  int first = p.dice.pick({0, 0, 1});
  const std::uint32_t flags = p.dice.chance(25) ? program::mlock::kOnFault : 0U;
  const int length = p.dice.pick({1, 2, 3, 4});
  p.lock(a, plus(m, first, p.dice.pick({0, 0, 100})), pages(length), flags);
  if (p.dice.chance(30)) p.count_resident(a, m, 3);
  p.count_locked(a);
  for (int i = 0; i < 2; ++i) {
    switch (p.dice.below(8)) {
      case 0:
        p.advise(a, m, pages(3),
                 p.dice.pick({Advice::dontneed, Advice::remove, Advice::free, Advice::pageout}));
        break;
      case 1: {
        Op op = make_op(OpCode::msync, a);
        op.addr = m;
        op.len = pages(3);
        op.flags = program::msync::kInvalidate | p.dice.pick({0U, program::msync::kSync});
        p.step(op);
        break;
      }
      case 2:
        m = p.move(a, m, pages(3), pages(p.dice.pick({2, 3, 4})), kMayMove);
        break;
      case 3:
        p.unmap(a, plus(m, 1), pages(1));
        break;
      case 4: {
        const Quantity part = p.dice.pick({pages(1), pages(2), pages(0, 1)});
        p.unlock(a, plus(m, p.dice.pick({0, 1})), part);
        break;
      }
      case 5:
        if (std::optional<std::uint8_t> b = p.child(a)) p.count_locked(*b);
        break;
      case 6:
        p.protect(a, m, pages(2), p.dice.pick<std::uint8_t>({0, 1, 3}));
        break;
      default:
        p.lock(a, m, pages(3));
        break;
    }
    p.count_locked(a);
  }
  p.peek(a, m, 3);
}

constexpr Scenario kScenarios[] = {
    fork_isolates_or_shares,
    generations,
    mapped_after_fork,
    overlaps,
    mapped_again,
    partial_unmap,
    protect_a_part,
    moved,
    moved_a_part,
    duplicated,
    grown_in_place,
    discarded,
    synced,
    kept_from_children,
    death_by_fault,
    locked,
    locked,
};

}  // namespace

std::span<const Scenario> memory_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
