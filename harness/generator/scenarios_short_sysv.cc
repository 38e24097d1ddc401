// Short scenarios of segments: few choices, and straight to a state that the longer ones reach seldom.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Limit;
using program::ShmCommand;
namespace at = program::shmat;
namespace get = program::shmget;

// kernel.shmmax is a number of bytes, and for segments that are made.
void of_limited_size(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key();
  const Quantity most = pages(2, p.dice.pick({0, 0, -100, 1, 2000}));
  const bool before = p.dice.chance(30);
  if (before) p.segment(a, plus(most, p.dice.pick({0, 1})), key);
  p.limit(a, Limit::shmmax, before ? plus(most, -1) : most);
  if (before) p.segment(a, p.dice.pick({pages(0), pages(1), most}), key, 0600, 0);
  const std::uint8_t s = p.segment(a, plus(most, 0, p.dice.pick({0, 0, 1, 8, 90})), before ? 0 : key);
  p.stat(a, s);
}

// A segment counts until it is destroyed, marked or not.
void counted_until_destroyed(Play& p) {
  const std::uint8_t a = p.someone(), s = p.segment(a, pages(2, -1), 0);
  const Quantity m = p.attach(a, s);
  p.control(a, s, ShmCommand::rmid);
  const model::Ipc& ipc = p.s.world().ipc;
  const model::IpcIds& ids = ipc.of(p.s.process(a));
  const bool in_pages = p.dice.chance(70);
  const int present =
      in_pages ? static_cast<int>(ipc.pages(ids, p.s.world().page())) : static_cast<int>(ids.in_use());
  p.limit(a, in_pages ? Limit::shmall : Limit::shmmni, pages(0, present + p.dice.pick({0, 0, 1})));
  p.segment(a, pages(1), 0);
  p.detach(a, m);
  const std::uint8_t t = p.segment(a, pages(p.dice.pick({1, 2, 2})), 0);
  p.stat(a, t);
}

// Forced removal, and who made a segment, never attached it, and goes, by one of the ways to go.
void left_by_its_maker(Play& p) {
  const std::uint8_t a = p.someone();
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const bool joins = p.dice.chance(40);
  std::optional<std::uint8_t> c = joins ? p.child(a) : std::nullopt;
  if (c) p.unshare(*c);
  const bool forced = p.dice.chance(75);
  if (forced) p.limit(a, Limit::rmid_forced, pages(0, 1));
  const std::uint8_t key = p.s.key(), s = p.segment(*b, p.nearly(1), key, 0666);
  if (p.dice.chance(20)) p.control(a, s, ShmCommand::stat);
  if (c)
    p.join(*b, *c);
  else if (p.dice.chance(60))
    p.unshare(*b);
  else
    p.leave(*b);
  p.stat(a, s);
  if (!forced) p.limit(a, Limit::rmid_forced, pages(0, 1));
  if (c) p.leave(*b);
  p.stat(a, s);
}

// Whoever attached last takes it along, if that is how it is while he goes.
void left_by_its_last(Play& p) {
  const std::uint8_t a = p.someone(), key = p.s.key(), s = p.segment(a, p.nearly(1), key, 0666);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.limit(a, Limit::rmid_forced, pages(0, 1));
  const Quantity m = p.attach(*b, s);
  if (p.dice.chance(40)) p.limit(a, Limit::rmid_forced, pages(0, 0));
  switch (p.dice.below(4)) {
    case 0:
      p.exec(*b);
      break;
    case 1:
      p.detach(*b, m);
      break;
    default:
      p.leave(*b);
      break;
  }
  p.stat(a, s);
}

// An id that has had its time, while its index is in use again.
void with_a_stale_id(Play& p) {
  if (!p.s.world().facts().next_id) return;
  const std::uint8_t a = p.someone();
  const Quantity id = pages(8 * static_cast<int>(p.dice.below(2)));
  p.limit(a, Limit::next_id, id);
  const std::uint8_t s = p.segment(a, pages(1), 0);
  p.control(a, s, ShmCommand::rmid);
  p.limit(a, Limit::next_id, plus(id, 8));
  const std::uint8_t t = p.segment(a, pages(1), 0);
  switch (p.dice.below(5)) {
    case 0:
      p.store(a, p.attach(a, s));
      break;
    case 1:
      p.control(a, s, ShmCommand::set, 1, 0640);
      break;
    default:
      p.control(a, s, p.dice.pick({ShmCommand::lock, ShmCommand::rmid}));
      break;
  }
  p.stat(a, t);
}

// A key finds the segment that has it now, with the memory of that one.
void key_used_again(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key();
  const std::uint8_t s = p.segment(a, pages(1), key);
  const Quantity m = p.attach(a, s);
  p.store(a, m);
  p.control(a, s, ShmCommand::rmid);
  const std::uint8_t t = p.segment(a, pages(p.dice.pick({1, 1, 2})), key);
  p.peek(a, p.attach(a, t), 1);
  p.stat(a, t);
}

// One who has no right, or just the one that is needed.
void by_a_stranger(Play& p) {
  const std::uint8_t a = p.someone(), key = p.some_key();
  const auto mode = p.dice.pick<std::uint16_t>({0600, 0600, 0640, 0602, 0604, 0000});
  const std::uint8_t s = p.segment(a, pages(1), key, mode);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.become(*b, p.dice.pick<std::uint8_t>({1, 2}));
  switch (p.dice.below(7)) {
    case 0:
    case 1:
      return p.by_index(*b, s, true);
    case 2:
    case 3:
      return p.by_index(*b, s, false);
    case 4:
      return p.control(*b, s, ShmCommand::stat, 0, 0, program::shmctl::kBadBuffer);
    case 5:
      p.segment(*b, pages(1), 0, 0600, get::kCreat | get::kHuge);
      return;
    default:
      p.segment(*b, pages(0), key, 0600, 0);
      return p.control(*b, s, ShmCommand::stat);
  }
}

// Who made it and whose it is are two, and both may change and remove it; their groups are two as well.
void of_two_owners(Play& p) {
  const std::uint8_t a = p.someone();
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const bool by_group = p.dice.chance(50);
  const std::uint8_t maker = by_group ? 0 : 1;
  if (!by_group) p.become(*b, maker);
  const auto mode = p.dice.pick<std::uint16_t>({0640, 0660, 0604, 0600});
  const std::uint8_t by = by_group ? a : *b, s = p.segment(by, pages(1), 0, mode);
  p.control(by, s, ShmCommand::set, by_group ? program::owner(0, 2) : std::uint8_t{2}, mode);
  if (by_group) p.join_group(*b, 1, p.dice.pick<std::uint8_t>({0, 0, 2}));
  switch (p.dice.below(4)) {
    case 0:
      p.control(*b, s, ShmCommand::set, maker, 0606);
      break;
    case 1:
      p.control(*b, s, p.dice.pick({ShmCommand::rmid, ShmCommand::lock}));
      break;
    case 2:
      p.store(*b, p.attach(*b, s));
      break;
    default:
      p.load(*b, p.attach(*b, s, at::kReadOnly));
      break;
  }
  p.stat(by, s);
}

// SHM_LOCK is the segment's, not of who locked it, and nobody's locked memory.
void locked_by_one_who_goes(Play& p) {
  const std::uint8_t a = p.someone(), s = p.segment(a, pages(2), p.s.key(), 0666);
  p.attach(a, s);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.control(*b, s, ShmCommand::lock);
  p.count_locked(p.dice.chance(50) ? a : *b);
  if (p.dice.chance(50))
    p.leave(*b);
  else
    p.exec(*b);
  p.stat(a, s);
}

// What counts and what is allowed is told as it is now, where it is asked.
void told_as_it_is(Play& p) {
  const std::uint8_t a = p.someone();
  const auto which = p.dice.pick({Limit::shmmax, Limit::shmall, Limit::shmmni});
  std::uint8_t b = a;
  if (p.dice.chance(40)) {
    b = p.child(a).value_or(a);
    if (b != a) p.unshare(b);
  }
  const int bytes = p.dice.pick({0, 7});
  p.limit(b, which, pages(p.dice.pick({1, 4}), bytes));
  Op ask = make_op(OpCode::ipc_info, p.dice.pick({a, b, b}));
  ask.small = static_cast<std::uint8_t>(p.dice.below(6));
  p.step(ask);
}

constexpr Scenario kScenarios[] = {
    of_limited_size,   of_limited_size,  counted_until_destroyed, counted_until_destroyed, left_by_its_maker,
    left_by_its_maker, left_by_its_last, with_a_stale_id,         key_used_again,          by_a_stranger,
    by_a_stranger,     of_two_owners,    locked_by_one_who_goes,  told_as_it_is,
};

}  // namespace

std::span<const Scenario> short_sysv_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
