// Scenarios of a process that has nearly as many mappings as vm.max_map_count allows.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

// A process that may make few mappings more, or none, and is to divide one.
void crowded(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t segment = p.segment(a, pages(2), p.s.key());
  const std::uint32_t type = p.shared_or_private();
  Quantity m = p.dice.chance(70) ? p.anonymous(a, 4, type) : p.map(a, p.file(a, pages(4)), pages(4), type);
  p.fill(a, m, 1);
  p.crowd(a, p.dice.pick({1U, 1U, 1U, 2U, 2U, 3U, 5U}));
  if (p.dice.chance(25)) a = p.child(a).value_or(a);
  for (int i = 0; i < 4; ++i) {
    Quantity part = plus(m, p.dice.pick({0, 1, 1, 1, 2}));
    switch (p.dice.below(9)) {
      case 0:
      case 1:
        p.anonymous(a, 1, p.shared_or_private());
        break;
      case 2:
        p.attach(a, segment);
        break;
      case 3:
      case 4: {
        const int length = p.dice.pick({1, 1, 1, 2, 4});
        p.unmap(a, p.dice.chance(20) ? m : part, pages(length));
        if (p.dice.chance(40)) p.peek(a, m, 4);
        break;
      }
      case 5:
      case 6: {
        const auto prot = p.dice.pick<std::uint8_t>({0, 1, 1, 3});
        p.protect(a, part, pages(p.dice.pick({1, 1, 2})), prot);
        if (p.dice.chance(60)) p.peek(a, m, 4);
        break;
      }
      case 7:
        if (p.dice.chance(50))
          p.advise(a, part, pages(1), p.dice.pick({program::Advice::dontfork, program::Advice::random}));
        else
          p.lock(a, part, pages(1));
        break;
      default:
        p.move(a, part, pages(1), pages(p.dice.pick({1, 2})), program::mremap::kMayMove);
        break;
    }
  }
  p.peek(a, m, 4);
}

constexpr Scenario kScenarios[] = {crowded};

}  // namespace

std::span<const Scenario> crowd_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
