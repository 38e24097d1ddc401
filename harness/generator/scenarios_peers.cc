// Scenarios of memory that several have: what one does to it, and what of that the others must not notice.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::map::kShared;
using program::mremap::kMayMove;

// Pages that all who map them have from one object, and that are there only once somebody has touched them.
Quantity shared_memory(Play& p, std::uint8_t a, int n) {
  if (p.dice.chance(50)) return p.anonymous(a, n, kShared);
  return p.attach(a, p.segment(a, pages(n), 0));
}

void locked_by_both(Play& p) {
  const std::uint8_t a = p.someone();
  const Quantity m = shared_memory(p, a, 2);
  const std::optional<std::uint8_t> b = p.dice.chance(60) ? p.child(a) : std::nullopt;
  const std::uint8_t other = b.value_or(a);
  const Quantity n = b ? m : p.move(a, m, pages(0), pages(2), kMayMove);
  p.lock(a, m, p.dice.pick({pages(2), pages(1)}));
  p.lock(other, n, pages(2));
  p.unlock(other, p.dice.pick({n, plus(n, 1)}), pages(1));
  p.count_locked(a);
  if (b) p.count_locked(other);
  if (p.dice.chance(30)) p.sync(a, m, pages(2));
}

void brought_in_by_others(Play& p) {
  const std::uint8_t a = p.someone();
  const Quantity m = shared_memory(p, a, 3);
  if (p.dice.chance(50)) p.count_resident(a, m, 3);
  const std::uint8_t b = p.child(a).value_or(a);
  for (int i = 0; i < 2; ++i) {
    const Quantity where = plus(m, p.dice.pick({0, 1, 2}));
    if (p.dice.chance(70))
      p.store(p.dice.chance(70) ? b : a, where);
    else
      p.load(b, where);
  }
  if (p.dice.chance(20))
    p.advise(b, m, pages(3), p.dice.pick({program::Advice::dontneed, program::Advice::remove}));
  p.count_resident(p.dice.chance(70) ? a : b, m, 3);
}

void looked_at_by_a_stranger(Play& p) {
  const std::uint8_t a = p.someone();
  const std::uint8_t f = p.file(a, pages(3));
  const Quantity m = p.map(a, f, pages(3), p.shared_or_private(), 1);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.become(*b, p.dice.pick<std::uint8_t>({1, 2}));
  p.count_resident(*b, m, 3);
}

void finally_sealed(Play& p) {
  using namespace program::seal;
  const std::uint8_t a = p.someone();
  Op op = make_op(OpCode::memfd, a);
  op.flags = program::memfd::kSealing;
  op.result = p.s.fresh_file(a);
  const std::uint8_t f = op.result;
  p.step(op);
  p.truncate(a, f, p.dice.pick({pages(2), pages(3), pages(2, 100)}));
  const Quantity m = p.map(a, f, pages(2), kShared);
  p.seal(a, f, kShrink | kSeal);
  const std::uint8_t b = p.partner(a).value_or(a);
  if (p.dice.chance(50)) p.truncate(b, f, p.dice.pick({pages(0), pages(1), pages(2)}));
  const Quantity where = plus(m, p.dice.pick({0, 1, 1}));
  if (p.dice.chance(50))
    p.load(a, where);
  else
    p.store(a, where);
  p.peek(a, m, 2);
}

constexpr Scenario kScenarios[] = {
    locked_by_both,
    brought_in_by_others,
    looked_at_by_a_stranger,
    finally_sealed,
};

}  // namespace

std::span<const Scenario> peer_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
