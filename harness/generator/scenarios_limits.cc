// Scenarios of what a process locks, maps and writes up to its limits; of file pages in another order; of
// code, special files and file times.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Resource;
using program::map::kAnonymous;
using program::map::kLocked;
using program::map::kPopulate;
using program::map::kPrivate;
using program::map::kShared;

// A process without privileges: a child that has become another user, where programs have other users.
std::optional<std::uint8_t> unprivileged(Play& p) {
  std::optional<std::uint8_t> child = p.child(p.someone());
  if (child) p.become(*child, p.dice.pick<std::uint8_t>({1, 1, 2}));
  return child;
}

// The new mapping is looked at for what makes it resident.
void ahead(Play& p, std::uint8_t a, int n) {
  std::uint32_t extra = p.dice.pick({0U, 0U, kLocked, kPopulate, kPopulate | program::map::kNonBlock});
  const auto prot = p.dice.pick<std::uint8_t>({3, 3, 1, 0});
  Quantity m = p.anonymous(a, n, p.shared_or_private() | extra, prot);
  p.count_locked(a);
  p.count_resident(a, m, n);
}

void locked_ahead(Play& p) {
  using namespace program::mlockall;
  std::uint8_t a = p.someone();
  if (p.dice.chance(50)) p.anonymous(a, 2, p.shared_or_private());
  p.lock_all(a, p.dice.pick({kFuture, kFuture, kCurrent | kFuture, kCurrent, kFuture | kOnFault}));
  p.count_locked(a);
  ahead(p, a, 2);
  if (p.dice.chance(30)) p.attach(a, p.segment(a, pages(2), p.s.key()));
  if (p.dice.chance(30)) {
    if (std::optional<std::uint8_t> b = p.child(a)) ahead(p, *b, 1);
  }
  if (p.dice.chance(60)) p.unlock_all(a);
  ahead(p, a, 1);
}

// Pages of a file that nothing has copied follow it.
void waits_for_the_touch(Play& p) {
  using namespace program::mlockall;
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, pages(2));
  Quantity m = p.map(a, f, pages(2), kPrivate);
  p.lock_all(a, p.dice.pick({kCurrent | kOnFault, kCurrent | kFuture | kOnFault, kCurrent}));
  if (p.dice.chance(60)) m = p.map(a, f, pages(2), kPrivate | p.dice.pick({0U, kPopulate}));
  p.write(a, f, pages(0), pages(2));
  p.peek(a, m, 2);
  p.count_locked(a);
}

void locked_apart(Play& p) {
  std::optional<std::uint8_t> user = unprivileged(p);
  if (!user) return;
  p.rlimit(*user, Resource::memlock, p.dice.pick({pages(2), pages(2), pages(3)}));
  Quantity m = p.anonymous(*user, 2, p.shared_or_private());
  std::uint8_t s = p.segment(*user, pages(2), p.s.key());
  bool first = p.dice.chance(50);
  if (first) p.control(*user, s, program::ShmCommand::lock);
  p.lock(*user, m, pages(2));
  if (!first) p.control(*user, s, program::ShmCommand::lock);
  p.stat(*user, s);
  p.count_locked(*user);
}

void populated(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, p.dice.pick({pages(3), pages(2, -100)}));
  Quantity m = p.map(a, f, pages(3), kShared | kPopulate);
  p.count_resident(a, m, 3);
  if (p.dice.chance(40)) p.truncate(a, f, pages(1));
  if (p.dice.chance(40))
    p.advise(a, m, pages(3), p.dice.pick({program::Advice::dontneed, program::Advice::pageout}));
  p.count_resident(a, m, 3);
}

void within_memlock(Play& p) {
  std::optional<std::uint8_t> user = unprivileged(p);
  if (!user) return;
  std::uint8_t a = *user;
  p.rlimit(a, Resource::memlock, p.dice.pick({pages(2), pages(2), pages(1), pages(0), pages(2, -1)}));
  Quantity m = p.anonymous(a, 3, p.shared_or_private());
  if (p.dice.chance(40)) {
    std::uint8_t s = p.segment(a, pages(2), p.s.key());
    p.control(a, s, program::ShmCommand::lock);
  }
  p.lock(a, m, pages(p.dice.pick({1, 2, 3})));
  if (p.dice.chance(40)) p.move(a, m, pages(3), pages(4), program::mremap::kMayMove);
  const std::uint32_t type = p.shared_or_private();
  p.anonymous(a, p.dice.pick({1, 2}), type | kLocked);
  if (p.dice.chance(40))
    p.lock_all(a, p.dice.pick({program::mlockall::kFuture, program::mlockall::kCurrent}));
  p.anonymous(a, 1, p.shared_or_private());
  p.count_locked(a);
}

void within_address_space(Play& p) {
  std::uint8_t a = p.dice.chance(50) ? p.child(p.someone()).value_or(p.someone()) : p.someone();
  Quantity m = p.anonymous(a, 2, p.shared_or_private());
  p.fill(a, m, 2);
  p.rlimit(a, Resource::address_space, p.dice.pick({pages(1), pages(2), pages(3), pages(0)}));
  for (int i = 0; i < 2; ++i) {
    switch (p.dice.below(5)) {
      case 0: {
        const std::uint32_t type = p.shared_or_private();
        p.anonymous(a, p.dice.pick({1, 2, 3}), type);
        break;
      }
      case 1: {
        const std::uint32_t type = p.shared_or_private();
        p.map_at(a, program::kFileNone, m, pages(p.dice.pick({2, 3})),
                 type | kAnonymous | program::map::kFixed);
        break;
      }
      case 2: {
        const std::uint8_t key = p.s.key();
        p.attach(a, p.segment(a, pages(p.dice.pick({1, 2})), key));
        break;
      }
      case 3:
        p.unmap(a, m, pages(1));
        break;
      default: {
        const std::uint32_t extra = p.dice.pick({0U, 0U, program::mremap::kDontUnmap});
        m = p.move(a, m, pages(2), pages(p.dice.pick({3, 4, 2})), program::mremap::kMayMove | extra);
        break;
      }
    }
    p.peek(a, m, 3);
  }
}

void within_file_size(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, p.dice.pick({pages(1), pages(2), pages(1, -100)}));
  Quantity m = p.map(a, f, pages(3), kShared);
  p.store(a, m);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.rlimit(*b, Resource::file_size, p.dice.pick({pages(2), pages(1), pages(2, -100)}));
  p.resize(*b, f, p.dice.pick({pages(2), pages(3), pages(1)}));
  if (p.dice.chance(50)) p.write(*b, f, p.dice.pick({pages(1), pages(2)}), pages(1));
  p.peek(a, m, 3);
  p.size(a, f);
}

// Mostly shared, as what is rearranged must be.
Quantity four_pages(Play& p, std::uint8_t a) {
  if (p.dice.chance(40)) return p.anonymous(a, 4, kShared);
  const std::uint32_t type = p.dice.chance(90) ? kShared : kPrivate;
  return p.map(a, p.file(a, pages(4)), pages(4), type);
}

void rearranged(Play& p) {
  std::uint8_t a = p.someone();
  bool attach = p.dice.chance(30);
  Quantity m = attach ? p.attach(a, p.segment(a, pages(4), p.s.key())) : four_pages(p, a);
  p.fill(a, m, 4);
  if (p.dice.chance(25)) {
    const auto prot = p.dice.pick<std::uint8_t>({1, 0});
    p.protect(a, plus(m, p.dice.pick({0, 1, 2})), pages(1), prot);
  }
  for (int i = 0; i < 2; ++i) {
    const int offset = p.dice.pick({0, 1, 2, 3, 5}), length = p.dice.pick({1, 1, 2, 4});
    p.remap(a, plus(m, p.dice.pick({0, 1, 2, 3})), pages(length), pages(offset));
    p.peek(a, m, 4);
  }
  p.store(a, plus(m, 1));
  if (std::optional<std::uint8_t> b = p.partner(a)) p.peek(*b, m, 4);
  if (attach && p.dice.chance(50)) p.detach(a, m);
}

void executed(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t prot = p.dice.pick<std::uint8_t>({7, 7, 3});
  const bool anonymous = p.dice.chance(60);
  const std::uint32_t type = p.shared_or_private();
  Quantity m =
      anonymous ? p.anonymous(a, 2, type, prot) : p.map(a, p.file(a, pages(2, -100)), pages(2), type, prot);
  p.put_return(a, m);
  p.call(a, m);
  if (p.dice.chance(50)) p.protect(a, m, pages(1), p.dice.pick<std::uint8_t>({4, 5, 1, 0}));
  std::uint8_t b = p.dice.chance(40) ? p.child(a).value_or(a) : a;
  const int bytes = p.dice.pick({0, 0, 1});
  p.call(b, plus(m, p.dice.pick({0, 0, 0, 1}), bytes));
  p.protect(b, m, pages(1), p.dice.pick<std::uint8_t>({5, 1, 7}));
  p.call(b, m);
}

// Two mappings of the device of zeros, which have nothing in common.
void zeros(Play& p) {
  std::uint8_t a = p.someone();
  Quantity m[2];
  for (Quantity& each : m) {
    Op op = make_op(OpCode::mmap, a);
    op.result = p.s.fresh_mapping();
    op.object = program::kFileNone;
    op.len = pages(2);
    op.small = 3;
    op.flags = kShared;
    op.byte = static_cast<std::uint8_t>(program::MapSource::zero);
    p.step(op);
    each = at_mapping(op.result);
  }
  p.store(a, m[0]);
  p.peek(a, m[1], 2);
  if (std::optional<std::uint8_t> b = p.partner(a)) p.peek(*b, m[0], 2);
}

void aged(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, pages(2));
  const bool mapped_later = p.dice.chance(40);
  if (mapped_later) p.age(a, f);
  Quantity m = p.map(a, f, pages(2), p.shared_or_private());
  if (mapped_later) p.times(a, f);
  for (int i = 0; i < 2; ++i) {
    p.age(a, f);
    if (p.dice.chance(70)) p.store(a, plus(m, p.dice.pick({0, 1})));
    if (p.dice.chance(20)) p.read(a, f, 1);
    if (p.dice.chance(20)) p.load(a, m);
    p.times(a, f);
    if (p.dice.chance(50)) p.sync(a, m, pages(2));
  }
}

void shifted(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, p.dice.pick({pages(4), pages(3, 100), pages(3, -100)}));
  Quantity m = p.map(a, f, pages(5), p.shared_or_private());
  p.fill(a, m, 3);
  const auto how = p.dice.pick({program::Allocate::collapse, program::Allocate::insert});
  const int length = p.dice.pick({1, 1, 2});
  p.allocate(a, f, pages(p.dice.pick({0, 1, 2})), pages(length), how);
  p.peek(a, m, 5);
  p.read(a, f, 5);
  p.size(a, f);
}

constexpr Scenario kScenarios[] = {
    locked_ahead,
    waits_for_the_touch,
    locked_apart,
    populated,
    within_memlock,
    within_address_space,
    within_file_size,
    rearranged,
    rearranged,
    executed,
    zeros,
    aged,
    aged,
    shifted,
};

}  // namespace

std::span<const Scenario> limit_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
