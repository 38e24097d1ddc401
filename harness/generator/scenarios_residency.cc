// Scenarios of what /proc shows of residency: who has which pages mapped, and as what they count.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::map::kPrivate;
using program::map::kShared;
using program::mremap::kFixed;
using program::mremap::kMayMove;

constexpr int kPages = 3;

Quantity shared_memory(Play& p, std::uint8_t a) {
  switch (p.dice.below(4)) {
    case 0:
      return p.attach(a, p.segment(a, pages(kPages), 0));
    case 1:
      return p.map(a, p.file(a, pages(kPages)), pages(kPages), kShared);
    default:
      return p.anonymous(a, kPages, kShared);
  }
}

// Two that have pages locked, until one of them gives up some, or ends.
void mapped_by_two(Play& p) {
  const std::uint8_t a = p.someone();
  const Quantity m = shared_memory(p, a);
  p.lock(a, m, pages(kPages));
  if (p.dice.chance(30)) p.entry(a, m);
  const std::optional<std::uint8_t> b = p.dice.chance(80) ? p.child(a) : std::nullopt;
  const Quantity n = b ? m : p.move(a, m, pages(0), pages(kPages), kMayMove);
  const std::uint8_t other = b.value_or(a);
  if (p.dice.chance(40)) p.entry(other, n);
  const int length = p.dice.pick({1, 2, kPages});
  p.lock(other, plus(n, p.dice.pick({0, 0, 1})), pages(length));
  p.entry(p.dice.chance(70) ? a : other, m);
  if (p.dice.chance(50))
    p.leave(other);
  else
    p.unmap(other, n, p.dice.pick({pages(1), pages(kPages)}));
  p.entry(p.someone(), m);
}

// The flags of an entry: what is shared, what is locked.
void flagged(Play& p) {
  const std::uint8_t a = p.someone();
  const auto access = p.dice.pick({program::Access::read_only, program::Access::read_write});
  const std::uint8_t f = p.file(a, pages(kPages), access);
  const Quantity m = p.map(a, f, pages(kPages), p.dice.pick({kShared, kShared, kPrivate}), 1);
  p.entry(a, m);
  p.lock(a, plus(m, 1), pages(1), p.dice.chance(40) ? program::mlock::kOnFault : 0U);
  p.entry(a, plus(m, p.dice.pick({0, 1, 1})));
  const std::optional<std::uint8_t> b = p.child(a);
  if (b) p.entry(*b, plus(m, 1));
}

// What keeps the advice of a page, takes it back, or maps the page anew.
void advised_page_changes(Play& p, std::uint8_t a, Quantity page, program::Advice back) {
  switch (p.dice.below(6)) {
    case 0: {
      const Quantity to = p.arena(kPages);
      p.entry(a, p.move(a, page, pages(1), pages(1), kMayMove | kFixed, to));
      break;
    }
    case 1:
      p.protect(a, page, pages(1), program::kProtRead);
      break;
    case 2:
      p.advise(a, page, pages(1), back);
      break;
    case 3:
      p.lock(a, page, pages(1));
      break;
    case 4:
      p.remap(a, page, pages(1), pages(0));
      break;
    default:
      if (const std::optional<std::uint8_t> b = p.child(a)) p.entry(*b, page);
      break;
  }
}

// Advice that a mapping keeps is shown of it.
void advised(Play& p) {
  using program::Advice;
  const std::uint8_t a = p.someone();
  const bool wiped = p.dice.chance(30);
  const std::uint32_t more = wiped && p.dice.chance(30) ? program::map::kNoReserve : 0U;
  const Quantity m = wiped ? p.anonymous(a, kPages, kPrivate | more) : shared_memory(p, a);
  const Advice hint = p.dice.pick({Advice::random, Advice::sequential, Advice::dontfork});
  const Advice advice = wiped ? Advice::wipeonfork : hint;
  const Advice back = wiped ? Advice::keeponfork : hint == Advice::dontfork ? Advice::dofork : Advice::normal;
  const Quantity page = plus(m, 1);
  p.advise(a, page, pages(1), advice);
  const bool at_once = p.dice.chance(40);
  if (at_once) p.entry(a, page);
  advised_page_changes(p, a, page, back);
  p.entry(a, page);
}

// As what pages count, and that they do so wherever they move and until they are gone.
void counted(Play& p) {
  const std::uint8_t a = p.someone();
  const auto which = [&] {
    return p.dice.pick({program::ResidentSet::shared_memory, program::ResidentSet::shared_memory,
                        program::ResidentSet::file, program::ResidentSet::anonymous});
  };
  Quantity m = shared_memory(p, a);
  if (p.dice.chance(40)) p.count_set(a, which());
  p.lock(a, m, pages(kPages));
  p.count_set(a, which());
  if (p.dice.chance(60)) {
    const Quantity length = p.dice.pick({pages(kPages), pages(kPages), pages(2)});
    m = p.move(a, m, pages(kPages), length, kMayMove | kFixed, p.arena(kPages));
  }
  if (p.dice.chance(30)) p.unmap(a, plus(m, 1), pages(1));
  p.count_set(a, which());
  p.count_set(a, program::ResidentSet::shared_memory);
}

// What was stored to and is locked is counted, before and after whatever keeps it.
void counted_as_private(Play& p) {
  const std::uint8_t a = p.someone();
  Quantity m = p.anonymous(a, kPages, kPrivate);
  const bool stored_first = p.dice.chance(50);
  if (!stored_first) p.lock(a, m, pages(kPages));
  p.store(a, plus(m, 1));
  if (stored_first) p.lock(a, m, pages(kPages));
  switch (p.dice.below(5)) {
    case 0: {
      const Quantity to = p.arena(kPages);
      m = p.move(a, m, pages(kPages), pages(kPages), kMayMove | kFixed, to);
      break;
    }
    case 1:
      p.protect(a, m, pages(kPages), program::kProtRead);
      break;
    case 2:
      p.child(a);
      break;
    case 3:
      p.unmap(a, m, pages(1));
      break;
    default:
      break;
  }
  p.count_set(a, program::ResidentSet::anonymous);
  p.entry(a, plus(m, 1));
}

// What somebody else has brought in is not mapped by who has only attached it.
void not_reached(Play& p) {
  const std::uint8_t a = p.someone(), s = p.segment(a, pages(kPages), p.s.key(), 0666);
  p.fill(a, p.attach(a, s), kPages);
  const std::uint8_t b = p.partner(a).value_or(a);
  const Quantity m = p.attach(b, s);
  if (p.dice.chance(30)) p.load(b, m);
  p.entry(b, m);
  p.count_set(b, program::ResidentSet::shared_memory);
}

constexpr Scenario kScenarios[] = {
    not_reached, mapped_by_two, flagged, counted, advised, counted_as_private,
};

}  // namespace

std::span<const Scenario> residency_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
