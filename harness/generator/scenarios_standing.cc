// Scenarios of segments that are seen from PID and user namespaces.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::ShmCommand;
using program::Unshare;

// Process ids of segments where those who made, attached and detached are, and where they are not.
void seen_by_the_first(Play& p) {
  if (!p.s.world().facts().pid_namespaces) return;
  const std::uint8_t a = p.someone();
  std::uint8_t key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0666);
  Quantity m{};
  const bool inherited = p.dice.chance(50);
  if (inherited) m = p.attach(a, s);
  const std::optional<std::uint8_t> b = p.child(a, program::ForkInto::new_pids);
  if (!b) return;
  if (p.dice.chance(40)) {
    key = p.s.key();
    s = p.segment(*b, p.nearly(1), key, 0666);
  }
  const std::uint8_t who = p.dice.pick({a, *b, *b});
  switch (p.dice.below(inherited ? 3 : 2)) {
    case 0:
      m = p.attach(who, s);
      break;
    case 1:
      break;
    default:
      p.detach(who, m);
      break;
  }
  p.look_at(p.dice.pick({a, *b, *b}), s);
  if (p.dice.chance(40)) p.look_at(p.dice.pick({a, *b}), s);
  if (p.dice.chance(30)) p.leave(*b);
  if (p.dice.chance(30)) p.look_at(a, s);
}

// Root of a user namespace among the segments of others, and in an IPC namespace of his own.
void root_of_nobody(Play& p) {
  if (!p.s.world().facts().user_namespaces || !p.s.world().facts().ipc_namespaces) return;
  const std::uint8_t a = p.someone();
  std::uint16_t mode = p.dice.pick<std::uint16_t>({0600, 0644, 0666, 0});
  std::uint8_t key = p.some_key(), s = p.segment(a, p.nearly(1), key, mode);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  if (p.dice.chance(60)) p.become(*b, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  if (p.dice.chance(50)) {
    key = p.s.key();
    s = p.segment(*b, p.nearly(1), key, mode);
  }
  p.unshare(*b, Unshare::user);
  const bool apart = p.dice.chance(50);
  if (apart) {
    p.unshare(*b);
    mode = p.dice.pick<std::uint16_t>({0, 0, 0400, 0600});
    key = p.some_key();
    s = p.segment(*b, p.nearly(1), key, mode);
  }
  switch (apart ? p.dice.pick({0U, 0U, 0U, 2U, 4U}) : p.dice.pick({0U, 1U, 2U, 2U, 3U, 4U})) {
    case 0:
      p.attach(*b, s);
      break;
    case 1:
      p.control(*b, s, p.dice.pick({ShmCommand::rmid, ShmCommand::lock, ShmCommand::unlock}));
      break;
    case 2:
      p.control(*b, s, ShmCommand::set, static_cast<std::uint8_t>(p.dice.below(program::kOwners)), 0640);
      break;
    case 3:
      p.segment(*b, pages(0), 1, 0600, 0);
      break;
    default:
      break;
  }
  p.look_at(*b, s);
  if (p.dice.chance(50)) p.look_at(p.dice.pick({a, *b}), s);
}

constexpr Scenario kScenarios[] = {seen_by_the_first, root_of_nobody, root_of_nobody};

}  // namespace

std::span<const Scenario> standing_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
