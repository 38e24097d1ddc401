// Scenarios of what an IPC namespace has of its own: limits, forced removal, keys and ids.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::ShmCommand;
namespace get = program::shmget;

void look_at_limit(Play& p, std::uint8_t who, program::Limit which) {
  Op op = make_op(OpCode::limits, who);
  op.small = static_cast<std::uint8_t>(which);
  p.step(op);
}

// What goes by itself while forced removal is on, or when it is switched on.
void removed_by_force(Play& p) {
  std::uint8_t a = p.someone(), maker = p.dice.chance(60) ? p.partner(a).value_or(a) : a;
  bool first = p.dice.chance(50);
  if (first) p.limit(a, program::Limit::rmid_forced, pages(0, 1));
  std::uint8_t key = p.s.key(), s = p.segment(maker, p.nearly(2), key, 0666);
  Quantity m{};
  bool attached = p.dice.chance(60);
  if (attached) m = p.attach(a, s);
  if (maker != a && p.dice.chance(70)) p.dice.chance(45) ? p.unshare(maker) : p.leave(maker);
  p.stat(a, s);
  if (!first) p.limit(a, program::Limit::rmid_forced, pages(0, 1));
  if (p.dice.chance(20)) p.limit(a, program::Limit::rmid_forced, pages(0, 0));
  p.stat(p.someone(), s);
  if (attached) {
    p.store(a, m);
    std::optional<std::uint8_t> b = p.dice.chance(40) ? p.child(a) : std::nullopt;
    const bool last = b && p.dice.chance(60);
    p.detach(a, m);
    if (last) p.leave(*b);
  } else if (p.dice.chance(50)) {
    p.attach_at(a, s, p.dice.chance(50) ? p.arena(2) : pages(0, 1), 0);
  }
  p.stat(p.someone(), s);
  if (p.dice.chance(40)) p.segment(p.someone(), pages(1), key, 0600, 0);
}

// Creation at the edge of a limit, with a segment that is marked and one that is gone.
void at_the_limit(Play& p) {
  using program::Limit;
  std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(2), key);
  Quantity m = p.attach(a, s);
  auto which = p.dice.pick({Limit::shmmax, Limit::shmall, Limit::shmmni});
  const model::Ipc& ipc = p.s.world().ipc;
  const model::IpcIds& ids = ipc.of(p.s.process(a));
  auto present = static_cast<int>(which == Limit::shmall ? ipc.pages(ids, p.s.world().page()) : ids.in_use());
  p.limit(a, which,
          which == Limit::shmmax ? pages(2, p.dice.pick({0, 0, -1, 1}))
                                 : pages(0, present + p.dice.pick({0, 1, 1, 2})));
  key = p.s.key();
  const int bytes = p.dice.pick({0, 0, 1, -1});
  p.segment(a, pages(p.dice.pick({1, 2, 2}), bytes), key);
  p.control(a, s, ShmCommand::rmid);
  key = p.s.key();
  p.segment(a, pages(p.dice.pick({1, 2})), key);
  p.detach(a, m);
  key = p.s.key();
  std::uint8_t last = p.segment(a, pages(p.dice.pick({1, 2, 3})), key);
  p.stat(a, last);
}

// Two namespaces: the same keys and ids, limits and forced removal of each, attaches over the edge.
void apart(Play& p) {
  using program::Limit;
  std::uint8_t a = p.someone(), key = p.some_key(), s = p.segment(a, p.nearly(2), key, 0666);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  Quantity m{};
  const bool attached = p.dice.chance(60);
  if (attached) m = p.attach(*b, s), p.store(*b, m);
  const Limit which = p.dice.pick({Limit::rmid_forced, Limit::shmmni});
  const bool limits = p.dice.chance(40);
  if (limits) p.limit(a, which, pages(0, 1));
  std::uint8_t own = s;
  if (p.dice.chance(40)) {
    const std::uint8_t own_key = p.s.key();
    own = p.segment(*b, p.nearly(1), own_key);
  }
  p.unshare(*b);
  if (p.dice.chance(limits ? 60 : 20))
    look_at_limit(p, *b, limits ? which : p.dice.pick({Limit::shmmax, Limit::shmall}));
  const std::uint8_t either = p.dice.pick({s, own});
  p.stat(p.dice.pick({a, *b}), either);
  // With or without creating it.
  const std::uint32_t flags = p.dice.pick({get::kCreat, get::kCreat | get::kExcl, 0U});
  std::uint8_t t = p.segment(*b, p.nearly(p.dice.pick({1, 2, 3})), key, 0600, flags);
  switch (p.dice.below(5)) {
    case 0:
      p.limit(*b, p.dice.pick({Limit::rmid_forced, Limit::shmmni, Limit::shmall}), pages(0, 1));
      p.segment(p.dice.pick({a, *b}), pages(1), 0);
      break;
    case 1: {
      const std::uint8_t segment = p.dice.pick({s, t});
      p.attach(p.dice.pick({a, *b}), segment);
      break;
    }
    case 2: {
      const ShmCommand command = p.dice.pick({ShmCommand::rmid, ShmCommand::lock});
      const std::uint8_t segment = p.dice.pick({s, t});
      p.control(p.dice.pick({a, *b}), segment, command);
      break;
    }
    case 3:
      if (std::optional<std::uint8_t> c = p.child(*b)) {
        p.segment(*c, pages(0), key, 0600, 0);
        p.store(*c, p.attach(*c, t));
        if (p.dice.chance(30)) p.unshare(*c);
      }
      break;
    default:
      p.peek(*b, p.attach(*b, t), 1);
      break;
  }
  p.s.look_at_segments();
  if (attached) {
    p.peek(*b, m, 2);
    p.dice.chance(50) ? p.detach(*b, m) : p.leave(*b);
  }
  p.stat(a, s);
}

// Somebody joins the namespace of somebody else, with an attach or as who has made a segment.
void joined(Play& p) {
  using program::Limit;
  std::uint8_t a = p.someone(), key = p.some_key();
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.unshare(*b);
  const bool forced = p.dice.chance(40);
  std::optional<std::uint8_t> c = p.dice.chance(forced ? 90 : 50) ? p.child(*b) : std::nullopt;
  if (forced) p.limit(*b, Limit::rmid_forced, pages(0, 1));
  if (p.dice.chance(20)) p.become(a, 1);
  const std::uint8_t there = p.segment(*b, p.nearly(1), key, 0666);
  const std::uint8_t who = p.dice.chance(forced ? 20 : 60) ? a : *b, whose = who == a ? *b : a;
  const std::uint8_t here = p.dice.chance(40) ? p.segment(a, p.nearly(2), key, 0666) : there;
  Quantity m{};
  const bool attached = p.dice.chance(forced ? 15 : 50);
  if (attached) m = p.attach(who, who == a ? here : there), p.store(who, m);
  p.join(who, whose);
  switch (p.dice.below(4)) {
    case 0:
      p.segment(who, pages(0), key, 0600, 0);
      break;
    case 1:
      p.stat(who, p.dice.pick({here, there}));
      break;
    case 2:
      p.peek(who, p.attach(who, p.dice.pick({here, there})), 1);
      break;
    default:
      look_at_limit(p, who, Limit::rmid_forced);
      break;
  }
  if (c) p.stat(*c, there);
  if (c && p.dice.chance(50)) p.segment(*c, pages(0), key, 0600, 0);
  if (attached) {
    p.peek(who, m, 1);
    p.dice.chance(50) ? p.detach(who, m) : p.leave(who);
  }
  if (c) p.stat(*c, there);
}

// An id that is asked for, gone, and asked for again, or its index with another sequence number.
void asked_for(Play& p) {
  using program::Limit;
  if (!p.s.world().facts().next_id) return at_the_limit(p);
  std::uint8_t a = p.someone();
  const auto index = static_cast<int>(p.dice.below(3));
  Quantity id = pages(8 * static_cast<int>(p.dice.below(3)), index);
  p.limit(a, Limit::next_id, id);
  std::uint8_t key = p.s.key(), s = p.segment(a, p.nearly(1), key);
  p.stat(a, s);
  if (p.dice.chance(80)) p.control(a, s, ShmCommand::rmid);
  p.limit(a, Limit::next_id, p.dice.chance(70) ? plus(id, 8) : id);
  key = p.s.key();
  const Quantity size = p.nearly(2);
  std::uint8_t t = p.segment(p.partner(a).value_or(a), size, key, 0666);
  p.stat(a, s);
  switch (p.dice.below(4)) {
    case 0:
      p.attach(a, s);
      break;
    case 1:
      p.control(a, s, p.dice.pick({ShmCommand::rmid, ShmCommand::lock, ShmCommand::lock}));
      break;
    case 2:
      p.by_index(a, s, p.dice.chance(50));
      break;
    default:
      p.segment(a, pages(1), 0);
      break;
  }
  p.stat(a, t);
  look_at_limit(p, a, Limit::next_id);
}

constexpr Scenario kScenarios[] = {removed_by_force, at_the_limit, apart,    apart,
                                   joined,           asked_for,    asked_for};

}  // namespace

std::span<const Scenario> ipcns_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
