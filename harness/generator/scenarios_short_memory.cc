// Short scenarios of memory and files: few choices, and straight to a state that the longer ones reach
// seldom.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Access;
using program::Advice;
using program::Allocate;
using program::Resource;
using program::map::kAnonymous;
using program::map::kFixed;
using program::map::kPrivate;
using program::map::kShared;

// What cannot be stored to cannot be made writable, whatever it is a piece of.
void read_only_piece(Play& p) {
  const std::uint8_t a = p.someone();
  Quantity m;
  if (p.dice.chance(50)) {
    const std::uint8_t s = p.segment(a, pages(3), p.s.key());
    m = p.attach(a, s, program::shmat::kReadOnly);
  } else {
    const std::uint8_t f = p.file(a, pages(3));
    Op op = make_op(OpCode::open, a);
    op.object = p.path_of(a, f);
    op.result = p.s.fresh_file(a);
    p.step(op);
    m = p.map(a, op.result, pages(3), kShared, 1);
  }
  const int gone = p.dice.pick({0, 1, 1});
  p.unmap(a, plus(m, gone), pages(1));
  const Quantity rest = plus(m, 2);
  if (p.dice.chance(80)) p.protect(a, rest, pages(1), p.dice.pick<std::uint8_t>({3, 3, 2}));
  p.store(a, rest);
}

// One page, three processes: who stores has his own then, and the others keep theirs.
void a_page_of_three(Play& p) {
  const std::uint8_t a = p.someone();
  Quantity m;
  switch (p.dice.below(4)) {
    case 0:
      m = p.map(a, p.file(a, pages(2)), pages(2), kPrivate);
      break;
    case 1: {
      const std::uint8_t f = p.memory_file(a);
      p.truncate(a, f, pages(2));
      m = p.map(a, f, pages(2), kPrivate);
      break;
    }
    default:
      m = p.anonymous(a, 2, kPrivate);
      break;
  }
  p.fill(a, m, 2);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const std::optional<std::uint8_t> c = p.child(p.dice.pick({a, *b}));
  const std::uint8_t third = c.value_or(a);
  if (p.dice.chance(50)) p.protect(p.dice.pick({a, *b, third}), m, pages(2), 1);
  const std::uint8_t who = p.dice.pick({a, *b, third});
  p.fill(who, m, 2);
  for (const std::uint8_t other : {a, *b, third}) p.peek(other, m, 2);
}

// What a child is given, taken from it, given back, and given to its own child.
void handed_down(Play& p) {
  const std::uint8_t a = p.someone();
  const bool wipe = p.dice.chance(50);
  const Quantity m = p.anonymous(a, 2, wipe ? kPrivate : p.shared_or_private());
  p.fill(a, m, 2);
  p.advise(a, m, pages(1), wipe ? Advice::wipeonfork : Advice::dontfork);
  if (p.dice.chance(wipe ? 20 : 60)) p.advise(a, m, pages(2), wipe ? Advice::keeponfork : Advice::dofork);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.peek(*b, m, 2);
  if (!wipe) return;
  p.fill(*b, m, 2);
  if (const std::optional<std::uint8_t> c = p.child(*b)) p.peek(*c, m, 2);
}

// Copies of a file's pages, and what gives them up, or does not.
void copies_given_up(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, pages(2));
  const bool anonymous = p.dice.chance(30);
  const Quantity m = anonymous ? p.anonymous(a, 2, kPrivate) : p.map(a, f, pages(2), kPrivate);
  p.fill(a, m, 2);
  const bool hidden = p.dice.chance(30);
  if (hidden) p.protect(a, m, pages(2), 0);
  switch (anonymous ? p.dice.pick({0U, 1U}) : p.dice.pick({0U, 0U, 1U, 2U})) {
    case 0:
      p.advise(a, m, pages(2), Advice::dontneed);
      break;
    case 1:
      p.map_at(a, program::kFileNone, m, pages(p.dice.pick({1, 2})), kAnonymous | kPrivate | kFixed);
      break;
    default:
      p.allocate(a, f, pages(0), pages(2), Allocate::punch);
      break;
  }
  if (hidden) p.protect(a, m, pages(2), 3);
  p.peek(a, m, 2);
}

// Just what a seal forbids, or what it does not.
void against_a_seal(Play& p) {
  using namespace program::seal;
  const std::uint8_t a = p.someone(), f = p.memory_file(a);
  p.truncate(a, f, pages(2));
  const auto seal = p.dice.pick({kGrow, kGrow, kWrite, kWrite, kWrite, kFutureWrite, kFutureWrite, kShrink});
  std::optional<Quantity> m;
  if (seal != kWrite) m = p.map(a, f, pages(2), kShared);
  if (seal == kWrite && p.dice.chance(50)) m = p.map(a, f, pages(2), kPrivate);
  if (m) p.store(a, *m);
  p.seal(a, f, seal);
  const std::uint8_t b = p.dice.chance(30) ? p.partner(a).value_or(a) : a;
  switch (seal) {
    case kGrow:
      if (p.dice.chance(40))
        p.write(b, f, p.dice.pick({pages(2), pages(2, -8)}), pages(0, 16));
      else if (p.dice.chance(50))
        p.allocate(b, f, pages(1), pages(2), Allocate::extend);
      else
        p.truncate(b, f, pages(3));
      break;
    case kShrink:
      p.resize(b, f, pages(1));
      break;
    default:
      switch (p.dice.below(4)) {
        case 0:
          p.write(b, f, pages(0), pages(0, 16));
          break;
        case 1:
          p.allocate(b, f, pages(0), pages(1), Allocate::punch);
          break;
        case 2: {
          const auto prot = p.dice.pick<std::uint8_t>({3, 1});
          const Quantity n = p.map(b, f, pages(1), kShared, prot);
          if (prot == 1) p.protect(b, n, pages(1), 3);
          p.store(b, n);
          break;
        }
        default:
          if (m) p.store(a, plus(*m, 1));
          break;
      }
      break;
  }
  p.size(a, f);
  p.read(a, f, 3);
}

// At RLIMIT_AS: what asks for more, what asks for none, and the same by a child.
void no_more_address_space(Play& p) {
  const std::uint8_t a = p.someone();
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const Quantity m = p.anonymous(*b, 2, p.shared_or_private());
  p.rlimit(*b, Resource::address_space, pages(p.dice.pick({0, 0, 1})));
  const std::uint8_t who = p.dice.chance(40) ? p.child(*b).value_or(*b) : *b;
  switch (p.dice.below(4)) {
    case 0:
      p.anonymous(who, p.dice.pick({1, 2}), kPrivate);
      break;
    case 1:
      p.map_at(who, program::kFileNone, m, pages(p.dice.pick({2, 2, 3})), kPrivate | kAnonymous | kFixed);
      break;
    default:
      p.move(who, m, pages(2), pages(p.dice.pick({3, 4})), program::mremap::kMayMove);
      break;
  }
  p.peek(who, m, 2);
}

// Beyond RLIMIT_FSIZE nothing of the file changes, whoever looks at it.
void no_more_file(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, pages(1));
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.rlimit(*b, Resource::file_size, pages(p.dice.pick({1, 1, 2})));
  const Quantity size = p.dice.pick({pages(3), pages(2, 100)});
  if (p.dice.chance(60))
    p.truncate(*b, f, size);
  else
    p.resize(*b, f, size);
  p.size(a, f);
}

// MCL_FUTURE is of the process that asked for it, until it says otherwise.
void locked_for_the_future(Play& p) {
  using namespace program::mlockall;
  const std::uint8_t a = p.someone();
  p.lock_all(a, p.dice.pick({kFuture, kFuture, kCurrent | kFuture}));
  if (p.dice.chance(35)) p.unlock_all(a);
  const std::optional<std::uint8_t> b = p.child(a);
  const std::uint8_t who = b && p.dice.chance(70) ? *b : a;
  p.anonymous(who, 1, p.shared_or_private());
  p.count_locked(who);
}

// A descriptor of a segment's memory, which is there as long as that.
void memory_by_descriptor(Play& p) {
  const std::uint8_t a = p.someone(), s = p.segment(a, pages(1), p.s.key());
  const Quantity m = p.attach(a, s);
  p.store(a, m);
  Op open = make_op(OpCode::map_file, a);
  open.result = p.s.fresh_file(a);
  open.addr = m;
  p.step(open);
  p.control(a, s, program::ShmCommand::rmid);
  p.detach(a, m);
  p.read(a, open.result, 1);
}

// Which pages of a file are resident is told to who may write to it.
void told_to_writers(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, pages(2));
  const std::uint8_t path = p.path_of(a, f);
  const std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.become(*b, p.dice.pick<std::uint8_t>({1, 2}));
  Op open = make_op(OpCode::open, *b, path);
  open.result = p.s.fresh_file(*b);
  p.step(open);
  p.count_resident(*b, p.map(*b, open.result, pages(2), kShared, 1), 2);
}

// What was stored behind the end is nowhere to be found later on.
void slack_on_its_way(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, p.dice.pick({pages(1, -100), pages(1, 17)}));
  const Quantity m = p.map(a, f, pages(2), kShared);
  const model::Inode* inode = p.s.inode(a, f);
  if (!inode || inode->size > 2 * p.s.page()) return;
  const Quantity end = p.s.say_bytes(inode->size);
  p.store(a, plus(m, end.pages, end.bytes + p.dice.pick({0, 8, 40})));
  if (p.dice.chance(50))
    p.sync(a, m, pages(2));
  else
    p.flush(a, f);
  Op look = make_op(OpCode::stored, a, f);
  look.len = pages(2);
  p.step(look);
  if (p.dice.chance(40)) {
    p.truncate(a, f, pages(2));
    p.read(a, f, 2);
  }
}

// A file that others have names for, or that is replaced under its users.
void under_another_name(Play& p) {
  const std::uint8_t a = p.someone(), f = p.file(a, pages(1)), g = p.file(a, pages(1));
  const Quantity m = p.map(a, f, pages(1), kShared);
  p.store(a, m);
  Op op = make_op(p.dice.chance(50) ? OpCode::rename : OpCode::link, a);
  op.object = p.path_of(a, op.code == OpCode::link ? f : g);
  op.byte = op.code == OpCode::link ? p.s.path() : p.path_of(a, f);
  p.step(op);
  if (op.code == OpCode::link) {
    Op open = make_op(OpCode::open, a, op.byte);
    open.result = p.s.fresh_file(a);
    open.small = static_cast<std::uint8_t>(Access::read_write);
    p.step(open);
    p.write(a, open.result, pages(0), pages(0, 16));
  }
  p.peek(a, m, 1);
  p.read(a, f, 1);
}

// What an entry of smaps says of a mapping, here and in a child, after what divides or moves it.
void told_in_its_entry(Play& p) {
  const std::uint8_t a = p.someone();
  const auto advice = p.dice.pick(
      {Advice::dontfork, Advice::wipeonfork, Advice::wipeonfork, Advice::random, Advice::sequential});
  const std::uint32_t type = advice == Advice::wipeonfork ? kPrivate : p.shared_or_private();
  const std::uint32_t reserves = p.dice.pick({0U, 0U, program::map::kNoReserve});
  Quantity m = p.anonymous(a, 3, type | reserves);
  p.advise(a, m, pages(p.dice.pick({1, 2, 3})), advice);
  std::uint8_t who = a;
  switch (p.dice.below(6)) {
    case 0:
      p.protect(a, m, pages(1), 1);
      break;
    case 1:
      m = p.move(a, m, pages(1), pages(1), program::mremap::kMayMove | program::mremap::kFixed, p.arena(2));
      break;
    case 2:
      p.unmap(a, plus(m, 1), pages(1));
      break;
    case 3:
    case 4:
      who = p.child(a).value_or(a);
      break;
    default:
      break;
  }
  p.entry(who, m);
}

constexpr Scenario kScenarios[] = {
    read_only_piece,       read_only_piece,    a_page_of_three,  a_page_of_three,       handed_down,
    copies_given_up,       copies_given_up,    against_a_seal,   against_a_seal,        no_more_address_space,
    no_more_address_space, no_more_file,       handed_down,      told_in_its_entry,     told_in_its_entry,
    told_to_writers,       told_to_writers,    slack_on_its_way, locked_for_the_future, memory_by_descriptor,
    memory_by_descriptor,  under_another_name,
};

}  // namespace

std::span<const Scenario> short_memory_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
