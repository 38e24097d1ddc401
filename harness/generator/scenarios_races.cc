// Scenarios of what several processes do at once to a key or a segment, and what is left behind them.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Against;
namespace get = program::shmget;

void for_a_key(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key();
  const std::uint32_t flags = p.dice.pick({get::kCreat, get::kCreat | get::kExcl});
  const std::uint8_t s = p.race_for_segment(a, p.nearly(1), key, flags);
  p.stat(a, s);
  if (p.dice.chance(30)) p.segment(a, pages(1), key, 0600, get::kCreat | get::kExcl);
  if (p.dice.chance(50)) p.control(a, s, program::ShmCommand::rmid);
}

void attached_and_left(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key(), s = p.segment(a, p.nearly(2), key);
  const bool keeps = p.dice.chance(60);
  const Quantity m = keeps ? p.attach(a, s) : Quantity{};
  if (keeps && p.dice.chance(50)) p.store(a, m);
  p.race_for_attach(p.partner(a).value_or(a), s, Against::fork);
  p.stat(a, s);
  if (keeps) p.detach(a, m);
  p.stat(a, s);
}

void attached_or_removed(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key(), s = p.segment(a, p.nearly(1), key);
  const Quantity m = p.attach(a, s);
  p.store(a, m);
  if (p.dice.chance(60)) p.detach(a, m);
  p.race_for_attach(p.partner(a).value_or(a), s, Against::rmid);
  p.stat(a, s);
}

constexpr Scenario kScenarios[] = {
    for_a_key,
    attached_and_left,
    attached_or_removed,
};

}  // namespace

std::span<const Scenario> race_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
