// Scenarios of storage: what files have of it, and a file system that is full.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Allocate;
using program::map::kShared;

void blocks(Play& p, std::uint8_t who, std::uint8_t file) {
  p.step(make_op(OpCode::blocks, who, file));
}

// A file of a page and some bytes, and a hole of three.
std::uint8_t sparse(Play& p, std::uint8_t who) {
  const std::uint8_t f = p.file(who, p.nearly(1));
  p.truncate(who, f, p.nearly(4));
  return f;
}

void counted(Play& p) {
  const std::uint8_t a = p.someone(), f = sparse(p, a);
  const Quantity m = p.map(a, f, pages(4), p.dice.chance(80) ? kShared : program::map::kPrivate);
  for (int i = 0; i < 3; ++i) {
    const Quantity page = plus(m, p.dice.pick({0, 1, 2, 3}));
    switch (p.dice.below(6)) {
      case 0:
        p.load(a, page);
        break;
      case 1:
        p.store(a, page);
        break;
      case 2:
        p.store(a, page);
        p.sync(a, m, pages(4));
        break;
      case 3: {
        const Allocate how =
            p.dice.pick({Allocate::punch, Allocate::punch, Allocate::extend, Allocate::keep});
        const Quantity length = p.nearly(2);
        const int bytes = p.dice.pick({0, 0, 100});
        p.allocate(a, f, pages(p.dice.pick({0, 1, 2}), bytes), length, how);
        break;
      }
      case 4:
        p.advise(a, page, pages(1), program::Advice::remove);
        break;
      default:
        p.resize(a, f, p.nearly(p.dice.pick({1, 2, 5})));
        break;
    }
    if (p.dice.chance(70)) blocks(p, a, f);
  }
  blocks(p, a, f);
}

void given_back(Play& p, std::uint8_t who, std::uint8_t file) {
  if (p.dice.chance(40)) return p.truncate(who, file, p.nearly(p.dice.pick({0, 1})));
  if (p.dice.chance(40)) return p.allocate(who, file, pages(0), pages(2), Allocate::punch);
  p.unlink(who, p.path_of(who, file));
}

void full(Play& p) {
  const std::uint8_t a = p.someone(), f = sparse(p, a), b = p.partner(a).value_or(a);
  const Quantity m = p.map(a, f, pages(4), p.dice.chance(80) ? kShared : program::map::kPrivate);
  if (p.dice.chance(60)) p.store(a, plus(m, 1));
  if (p.dice.chance(50)) {
    const Allocate how = p.dice.pick({Allocate::extend, Allocate::keep});
    p.allocate(a, f, pages(p.dice.pick({1, 2, 4})), pages(2), how);
  }
  p.fill_up(b, program::Room::none);
  for (int i = 0; i < 4; ++i) {
    const int page = p.dice.pick({0, 1, 2, 3});
    switch (p.dice.below(7)) {
      case 0:
        p.load(a, plus(m, page));
        break;
      case 1:
        p.write(a, f, pages(page), p.dice.pick({pages(0, 16), pages(1), pages(2)}));
        break;
      case 2:
        p.allocate(a, f, pages(page), pages(1), Allocate::extend);
        break;
      case 3:
        if (p.dice.chance(50)) given_back(p, a, f);
        break;
      default:
        p.store(a, plus(m, page));
        break;
    }
  }
  p.size(a, f);
  if (p.dice.chance(50)) p.peek(b, m, 4);
  p.fill_up(a, program::Room::all);
  p.store(a, plus(m, 2));
  blocks(p, a, f);
  p.read(a, f, 4);
}

// What a hole gives back shows at once, where nothing else has been allocated since.
void holed(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, p.nearly(3));
  const Quantity m = p.map(a, f, pages(3), kShared);
  blocks(p, a, f);
  if (p.dice.chance(50)) {
    const int length = p.dice.pick({1, 2});
    p.advise(a, plus(m, p.dice.pick({0, 1})), pages(length), program::Advice::remove);
  } else {
    const Quantity length = p.nearly(2);
    p.allocate(a, f, pages(p.dice.pick({0, 1})), length, Allocate::punch);
  }
  blocks(p, a, f);
}

// What was allocated is stored to when nothing else is left.
void allocated_then_full(Play& p) {
  const std::uint8_t a = p.someone(), f = sparse(p, a);
  const Quantity m = p.map(a, f, pages(4), kShared);
  const Quantity length = p.nearly(2);
  p.allocate(a, f, pages(p.dice.pick({1, 2})), length, Allocate::extend);
  p.fill_up(a, program::Room::none);
  for (int page : {1, 2, 3}) p.store(a, plus(m, page, 8));
  p.size(a, f);
  if (p.dice.chance(50)) p.fill_up(a, program::Room::all);
}

constexpr Scenario kScenarios[] = {counted, holed, holed, full, full, allocated_then_full};

}  // namespace

std::span<const Scenario> space_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
