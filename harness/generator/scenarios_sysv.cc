// Scenarios of System V segments: attach counts, removal, keys, permissions, divided attaches.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::ShmCommand;
namespace at = program::shmat;
namespace get = program::shmget;

void counted_over_fork_and_death(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity m = p.attach(a, s);
  std::optional<std::uint8_t> b = p.child(a);
  p.stat(a, s);
  if (!b) return;
  switch (p.dice.below(3)) {
    case 0:
      p.detach(*b, m);
      break;
    case 1:
      p.attach(*b, s);
      [[fallthrough]];
    default:
      p.leave(*b);
      break;
  }
  p.stat(p.someone(), s);
  p.detach(a, m);
  p.stat(p.someone(), s);
}

void removed_while_attached(Play& p) {
  std::uint8_t a = p.someone(), key = p.some_key(), s = p.segment(a, p.nearly(1), key);
  Quantity m = p.attach(a, s);
  p.store(a, m);
  p.control(a, s, ShmCommand::rmid);
  p.stat(a, s);
  const std::uint32_t flags = p.dice.pick({get::kCreat, get::kCreat | get::kExcl, 0U});
  std::uint8_t again = p.segment(a, p.nearly(p.dice.pick({1, 2})), key, 0600, flags);
  p.peek(a, p.attach(a, again), 1);
  Quantity second = p.attach(p.partner(a).value_or(a), s);
  p.store(a, second);
  p.peek(a, m, 1);
  p.detach(a, m);
  p.stat(p.someone(), s);
}

void gone_with_the_last(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key);
  Quantity m = p.attach(a, s);
  std::optional<std::uint8_t> b = p.child(a);
  p.control(a, s, ShmCommand::rmid);
  p.detach(a, m);
  p.stat(a, s);
  if (!b) return;
  p.store(*b, m);
  if (p.dice.chance(50)) {
    p.leave(*b);
  } else {
    p.detach(*b, m);
  }
  p.stat(p.someone(), s);
  p.attach(p.someone(), s);
}

void divided_then_detached(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(3), key);
  Quantity m = p.attach(a, s);
  p.fill(a, m, 3);
  int piece = p.dice.pick({0, 1, 1, 2});
  if (p.dice.chance(60)) {
    p.unmap(a, plus(m, piece), pages(1));
  } else {
    p.protect(a, plus(m, piece), pages(1), p.dice.pick<std::uint8_t>({0, 1}));
  }
  p.stat(a, s);
  if (p.dice.chance(25)) p.child(a);
  p.detach(a, plus(m, p.dice.pick({0, 0, 0, 1, 2})));
  p.peek(a, m, 3);
  p.stat(a, s);
}

void covered_by_another(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity where = p.arena(4);
  Quantity m = p.attach_at(a, s, where, at::kRemap);
  const int length = p.dice.pick({1, 2});
  p.map_at(a, program::kFileNone, plus(where, p.dice.pick({0, 1})), pages(length),
           program::map::kAnonymous | program::map::kPrivate | program::map::kFixed);
  p.stat(a, s);
  p.store(a, plus(m, 1));
  p.detach(a, m);
  p.peek(a, where, 3);
  p.stat(a, s);
}

void attached_over(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity where = p.arena(4);
  p.map_at(a, program::kFileNone, where, pages(3),
           program::map::kAnonymous | program::map::kPrivate | program::map::kFixed);
  p.fill(a, where, 3);
  const std::uint32_t flags = p.dice.pick({0U, at::kRemap, at::kRemap | at::kRound, at::kRound});
  const int bytes = p.dice.pick({0, 0, 100});
  Quantity m = p.attach_at(a, s, plus(where, p.dice.pick({0, 1, -1}), bytes), flags);
  p.store(a, m);
  p.stat(a, s);
  p.peek(a, where, 3);
}

void attached_twice(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key, 0666);
  Quantity m = p.attach(a, s), n = p.attach(a, s, p.dice.chance(40) ? at::kReadOnly : 0U);
  p.store(a, plus(m, 1));
  p.peek(a, n, 2);
  p.store(a, n);
  p.stat(a, s);
  p.detach(a, p.dice.chance(50) ? m : n);
  p.peek(a, m, 2);
  p.peek(a, n, 2);
  p.stat(a, s);
}

void read_only_attach(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(3), key);
  Quantity m = p.attach(a, s, at::kReadOnly);
  p.store(a, m);
  if (p.dice.chance(30)) p.protect(a, plus(m, 1), pages(1), p.dice.pick<std::uint8_t>({0, 1}));
  m = p.dice.chance(50) ? p.piece(a, m) : plus(m, p.dice.pick({0, 0, 1, 2}));
  p.protect(a, m, pages(1), p.dice.pick<std::uint8_t>({3, 3, 2, 1, 0}));
  p.store(a, m);
  p.peek(a, m, 1);
}

// A segment that one stranger made and another one owns.
void given_away(Play& p) {
  std::uint8_t a = p.someone(), key = p.some_key();
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  auto maker = static_cast<std::uint8_t>(p.dice.between(1, 2));
  p.become(*b, maker);
  std::uint8_t s = p.segment(*b, p.nearly(1), key, 0600);
  std::uint8_t giver = p.dice.chance(50) ? a : *b;
  p.control(giver, s, ShmCommand::set, p.dice.chance(70) ? static_cast<std::uint8_t>(3 - maker) : maker,
            0640);
  std::optional<std::uint8_t> c = p.child(a);
  if (c) p.become(*c, static_cast<std::uint8_t>(3 - maker));
  for (int i = 0; i < 3; ++i) {
    std::uint8_t who = c && p.dice.chance(50) ? *c : *b;
    const auto owner = static_cast<std::uint8_t>(p.dice.below(3));
    p.control(who, s, p.dice.pick({ShmCommand::set, ShmCommand::lock, ShmCommand::stat, ShmCommand::rmid}),
              owner, 0604);
  }
  p.stat(a, s);
}

void looked_up(Play& p) {
  std::uint8_t a = p.someone(), key = p.some_key(), s = p.segment(a, p.nearly(2), key, 0640);
  std::uint8_t b = p.partner(a).value_or(a);
  const std::uint32_t flags = p.dice.pick({0U, 0U, get::kCreat, get::kCreat | get::kExcl, get::kExcl});
  const auto mode = p.dice.pick<std::uint16_t>({0, 0600, 0666, 0400});
  const Quantity size = p.dice.pick({pages(0), pages(1), pages(2), pages(2, 1), pages(3)});
  std::uint8_t again = p.segment(b, size, key, mode, flags);
  p.store(a, p.attach(a, s));
  p.peek(b, p.attach(b, again), 2);
  p.stat(b, again);
}

void strangers(Play& p) {
  std::uint8_t a = p.someone(), key = p.some_key();
  std::uint16_t mode =
      p.dice.pick<std::uint16_t>({0600, 0604, 0606, 0666, 0640, 0444, 0000, 0006, 0060, 0602});
  std::uint8_t s = p.segment(a, p.nearly(1), key, mode);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.become(*b, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  if (p.dice.chance(30)) {
    p.control(a, s, ShmCommand::set, static_cast<std::uint8_t>(p.dice.below(3)), mode);
    p.stat(a, s);
  }
  for (int i = 0; i < 3; ++i) {
    switch (p.dice.below(9)) {
      case 7:
        p.by_index(*b, s, p.dice.chance(50));
        break;
      case 8:
        p.control(*b, s, ShmCommand::stat, 0, 0, program::shmctl::kBadBuffer);
        break;
      case 0:
        p.segment(*b, pages(0), key, p.dice.pick<std::uint16_t>({0, 0400, 0600, 0200}), 0);
        break;
      case 1:
        p.store(*b, p.attach(*b, s));
        break;
      case 2:
        p.load(*b, p.attach(*b, s, at::kReadOnly));
        break;
      case 3:
        p.stat(*b, s);
        break;
      case 4:
        p.control(*b, s, ShmCommand::rmid);
        break;
      case 5:
        p.control(*b, s, ShmCommand::set, static_cast<std::uint8_t>(p.dice.below(3)), 0666);
        break;
      default:
        p.control(*b, s, p.dice.chance(50) ? ShmCommand::lock : ShmCommand::unlock);
        break;
    }
  }
  p.stat(a, s);
}

// One of the group that a segment is given to, or that it was made by, asks for what its class has and for
// what another one has.
void of_the_group(Play& p) {
  std::uint8_t a = p.someone(), key = p.some_key();
  const auto maker = static_cast<std::uint8_t>(p.dice.between(0, 2));
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const std::uint8_t by = maker == 0 ? a : *b;
  if (maker != 0) p.become(*b, maker);
  const auto mode = p.dice.pick<std::uint16_t>({0640, 0604, 0660, 0606, 0060, 0646, 0664, 0444});
  std::uint8_t s = p.segment(by, p.nearly(1), key, mode);
  const auto given = static_cast<std::uint8_t>((maker + p.dice.between(1, 2)) % program::kUsers);
  const bool gives = p.dice.chance(60);
  if (gives) p.control(by, s, ShmCommand::set, program::owner(maker, given), mode);
  std::optional<std::uint8_t> c = p.child(a);
  if (!c) return;
  p.join_group(*c, maker == 1 ? 2 : 1, gives && p.dice.chance(50) ? given : maker);
  for (int i = 0; i < 3; ++i) {
    switch (p.dice.below(5)) {
      case 0:
        p.segment(*c, pages(0), key, p.dice.pick<std::uint16_t>({0400, 0600, 0040, 0060, 0006}), 0);
        break;
      case 1:
        p.store(*c, p.attach(*c, s));
        break;
      case 2:
        p.load(*c, p.attach(*c, s, at::kReadOnly));
        break;
      case 3:
        p.control(*c, s, p.dice.pick({ShmCommand::set, ShmCommand::rmid, ShmCommand::lock}));
        break;
      default:
        p.stat(*c, s);
        break;
    }
  }
}

// As often as there are names for it, or nearly so.
void attached_often(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0600);
  for (int i = 0; i < 8; ++i) p.attach_at(a, s, Quantity{}, p.dice.chance(20) ? at::kReadOnly : 0U);
  p.stat(a, s);
}

// An owner that is none is refused, and nothing of what else is asked for happens.
void given_to_nobody(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0600);
  using program::owner;
  constexpr std::uint8_t none = program::kOwnerNone;
  if (p.dice.chance(20)) p.control(a, s, ShmCommand::rmid);
  p.control(a, s, ShmCommand::set,
            p.dice.pick({none, owner(none, 1), owner(0, none), owner(1, none), owner(none, none)}), 0640);
  p.stat(a, s);
}

void mode_changed(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0600);
  Quantity m = p.attach(a, s);
  const auto mode = p.dice.pick<std::uint16_t>({0400, 0666, 0000, 0777});
  p.control(a, s, ShmCommand::set, p.dice.pick<std::uint8_t>({0, 1, 2}), mode);
  p.stat(a, s);
  p.store(a, m);
  p.stat(p.partner(a).value_or(a), s);
  p.control(a, s, p.dice.pick({ShmCommand::lock, ShmCommand::unlock, ShmCommand::rmid}));
  p.stat(a, s);
}

void counts_return(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key);
  Quantity where = p.arena(3);
  for (int i = 0; i < 3; ++i) {
    const std::uint32_t flags = p.dice.pick({0U, at::kRemap, at::kReadOnly});
    p.attach_at(a, s, plus(where, 0, p.dice.pick({0, 1})), flags);
  }
  p.stat(a, s);
  for (int i = 0; i < 2; ++i) p.detach(a, plus(where, p.dice.pick({0, 0, 1})));
  p.stat(a, s);
}

void data_outlives_attaches(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity m = p.attach(a, s);
  p.fill(a, m, 2);
  p.detach(a, m);
  std::uint8_t b = p.partner(a).value_or(a);
  Quantity n = p.attach(b, s);
  p.peek(b, n, 2);
  p.leave(b);
  std::uint8_t c = p.someone();
  p.peek(c, p.attach(c, s, at::kReadOnly), 2);
}

void moved_attach(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity m = p.attach(a, s);
  p.store(a, m);
  Quantity old_length = p.dice.pick({pages(2), pages(2), pages(1), pages(0)});
  const Quantity to = p.arena(4);
  const std::uint32_t flags = program::mremap::kMayMove | (p.dice.chance(60) ? program::mremap::kFixed : 0U);
  const int new_length = p.dice.pick({1, 2, 3});
  Quantity moved = p.move(a, m, old_length, pages(new_length), flags, to);
  p.stat(a, s);
  p.store(a, plus(moved, 1));
  p.detach(a, p.dice.chance(70) ? moved : m);
  p.stat(a, s);
  p.peek(a, m, 2);
}

// An image takes all attaches with it, whichever way they were divided, and nothing else.
void replaced_by_an_image(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity m = p.attach(a, s);
  p.store(a, m);
  if (p.dice.chance(40)) p.attach(a, s, p.dice.chance(50) ? at::kReadOnly : 0U);
  if (p.dice.chance(30)) p.protect(a, m, pages(1), 1);
  std::optional<std::uint8_t> b = p.child(a);
  if (p.dice.chance(40)) p.control(a, s, ShmCommand::rmid);
  p.exec(b && p.dice.chance(60) ? *b : a);
  p.stat(p.someone(), s);
  p.peek(a, m, 2);
  p.exec(a);
  p.stat(p.someone(), s);
  if (p.dice.chance(50)) p.peek(a, p.attach(a, s), 2);
}

// An attach outlives the right to make it: it is used, divided or detached by one who could not attach any
// more.
void right_withdrawn(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key, 0600);
  Quantity m = p.attach(a, s, p.dice.chance(20) ? at::kReadOnly : 0U);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.become(*b, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  if (p.dice.chance(50)) p.store(*b, m);
  if (p.dice.chance(40)) p.peek(*b, m, 2);
  p.detach(*b, m);
  p.stat(a, s);
}

// Which of two mistakes is told: a buffer that cannot be used, or a segment that is gone or somebody else's.
void two_mistakes(Play& p) {
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0600);
  if (p.dice.chance(60)) {
    p.control(a, s, ShmCommand::rmid);
  } else if (std::optional<std::uint8_t> b = p.child(a)) {
    a = *b;
    p.become(a, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  }
  p.control(a, s, p.dice.pick({ShmCommand::set, ShmCommand::stat}), 0, 0600, program::shmctl::kBadBuffer);
}

constexpr Scenario kScenarios[] = {
    counted_over_fork_and_death,
    removed_while_attached,
    gone_with_the_last,
    divided_then_detached,
    covered_by_another,
    attached_over,
    attached_twice,
    read_only_attach,
    given_away,
    looked_up,
    strangers,
    mode_changed,
    counts_return,
    data_outlives_attaches,
    moved_attach,
    replaced_by_an_image,
    right_withdrawn,
    two_mistakes,
    of_the_group,
    of_the_group,
    given_to_nobody,
    attached_often,
};

}  // namespace

std::span<const Scenario> sysv_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
