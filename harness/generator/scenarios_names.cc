// Scenarios of names: files that get others, and POSIX shared memory.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Access;
using program::map::kPrivate;
using program::map::kShared;

// A file gets another name, or another file its name, while it is mapped.
void renamed(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2)), g = p.file(a, pages(1));
  Quantity m = p.map(a, f, pages(2), p.shared_or_private()), n = p.map(a, g, pages(1), kShared);
  p.fill(a, m, 1);
  p.store(a, n);
  for (int i = 0; i < 2; ++i) {
    Op op = make_op(p.dice.chance(65) ? OpCode::rename : OpCode::link, a);
    op.object = p.path_of(a, p.dice.chance(65) ? f : g);
    op.byte = p.dice.chance(70) ? p.path_of(a, g) : p.s.path();
    p.step(op);
  }
  Op op = make_op(OpCode::open, p.partner(a).value_or(a));
  op.object = p.dice.chance(50) ? p.path_of(a, g) : p.s.path();
  op.result = p.s.fresh_file(op.proc);
  op.small = 1;
  p.step(op);
  Quantity again = p.map(op.proc, op.result, pages(2), p.shared_or_private());
  p.store(a, plus(m, 0, 16));
  p.peek(op.proc, again, 2);
  p.store(op.proc, plus(again, 0, 40));
  p.peek(a, m, 2);
  p.peek(a, n, 1);
  p.size(a, f);
}

// Memory files whose names say nothing of what they are.
void named_alike(Play& p) {
  std::uint8_t a = p.someone(), f[2];
  const auto name = static_cast<std::uint8_t>(p.dice.below(5));
  for (std::uint8_t& each : f) {
    Op op = make_op(OpCode::memfd, a);
    op.result = each = p.s.fresh_file(a);
    op.byte = p.dice.chance(60) ? name : static_cast<std::uint8_t>(p.dice.below(5));
    p.step(op);
  }
  p.write(a, f[0], {}, pages(1));
  for (std::uint8_t each : f) {
    Op op = make_op(OpCode::memfd_name, a);
    op.object = each;
    p.step(op);
    p.size(a, each);
  }
}

// What lies on a mount without execution cannot be executed, however it is asked for.
void without_execution(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t f = p.file(a, pages(2));
  auto prot = p.dice.pick<std::uint8_t>({7, 5, 3, 1});
  Quantity m = p.map(a, f, pages(2), p.shared_or_private(), prot);
  prot = p.dice.pick<std::uint8_t>({7, 5, 4});
  p.protect(a, m, pages(p.dice.pick({1, 2})), prot);
  p.peek(a, m, 2);
}

// --- POSIX shared memory

std::uint8_t shm_open(Play& p, std::uint8_t who, std::uint8_t object, std::uint32_t flags,
                      Access access = Access::read_write) {
  Op op = make_op(OpCode::shm_open, who);
  op.object = object;
  op.result = p.s.fresh_file(who);
  op.small = static_cast<std::uint8_t>(access);
  op.flags = flags;
  op.mode = p.dice.pick<std::uint16_t>({0600, 0600, 0666, 0644, 0444});
  p.step(op);
  return op.result;
}

void shm_unlink(Play& p, std::uint8_t who, std::uint8_t object) {
  p.step(make_op(OpCode::shm_unlink, who, object));
}

// Who has nothing in common with the maker but the name shares the object, while it has the name.
void object_by_name(Play& p) {
  using namespace program::openflag;
  std::uint8_t o = p.s.object(), a = p.someone(), b = p.partner(a).value_or(a);
  if (p.dice.chance(25)) p.become(b, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  std::uint8_t f = shm_open(p, a, o, kCreat | (p.dice.chance(20) ? kExcl : 0U));
  p.truncate(a, f, p.ragged(2));
  Quantity m = p.map(a, f, pages(2), kShared);
  p.fill(a, m, 2);
  if (p.dice.chance(30)) shm_unlink(p, p.dice.chance(50) ? a : b, o);
  Access access = p.dice.chance(30) ? Access::read_only : Access::read_write;
  std::uint8_t g = shm_open(p, b, o, p.dice.pick({0U, 0U, kCreat, kCreat | kExcl, kTrunc}), access);
  const std::uint8_t prot = access == Access::read_only && p.dice.chance(60) ? 1 : 3;
  Quantity n = p.map(b, g, pages(2), p.shared_or_private(), prot);
  p.peek(b, n, 2);
  p.store(b, plus(n, 0, 100));
  p.peek(a, m, 2);
  if (p.dice.chance(40)) p.truncate(b, g, p.dice.pick({pages(1), pages(3), pages(0)}));
  p.peek(a, m, 3);
  p.size(b, g);
  if (p.dice.chance(30)) p.exec(b), p.read(b, g, 1);
}

// All who had it go, or remove it and make it again.
void object_without_users(Play& p) {
  std::uint8_t o = p.s.object(), a = p.someone();
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  std::uint8_t f = shm_open(p, *b, o, program::openflag::kCreat);
  p.truncate(*b, f, pages(2));
  p.fill(*b, p.map(*b, f, pages(2), kShared), 2);
  bool removed = p.dice.chance(40);
  if (removed) shm_unlink(p, *b, o);
  if (!removed || p.dice.chance(30)) p.leave(*b);
  std::uint8_t g = shm_open(p, a, o, p.dice.chance(50) ? program::openflag::kCreat : 0U);
  p.size(a, g);
  if (p.dice.chance(30)) p.truncate(a, g, pages(2));
  p.peek(a, p.map(a, g, pages(2), kShared), 2);
}

// One of a file's group, and what that may do with it.
void file_of_a_group(Play& p) {
  std::uint8_t a = p.someone();
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  const bool object = p.dice.chance(40);
  Op make = make_op(object ? OpCode::shm_open : OpCode::open, a);
  make.object = object ? p.s.object() : p.s.path();
  make.result = p.s.fresh_file(a);
  make.small = 1;
  make.flags = program::openflag::kCreat;
  make.mode = p.dice.pick<std::uint16_t>({0640, 0604, 0660, 0606, 0060, 0664});
  p.step(make);
  p.write(a, make.result, pages(0), pages(1));
  p.join_group(*b, 1, p.dice.chance(80) ? 0 : 2);
  Op again = make;
  again.proc = *b;
  again.flags = 0;
  again.small = static_cast<std::uint8_t>(p.dice.below(2));
  again.result = p.s.fresh_file(*b);
  p.step(again);
  p.peek(*b, p.map(*b, again.result, pages(1), kShared, again.small == 0 ? 1 : 3), 1);
  if (p.dice.chance(40)) p.count_resident(*b, p.map(*b, again.result, pages(1), kShared, 1), 1);
}

// --- what is mapped, by way of its entry in /proc/self/map_files

void opened_by_mapping(Play& p) {
  std::uint8_t a = p.someone();
  std::uint8_t s = 0;
  Quantity m{};
  bool attached = false;
  switch (p.dice.below(5)) {
    case 0: {
      const std::uint32_t type = p.shared_or_private();
      m = p.map(a, p.file(a, p.ragged(2)), pages(2), type);
      break;
    }
    case 1: {
      const std::uint8_t f = p.memory_file(a);
      p.truncate(a, f, p.nearly(2));
      m = p.map(a, f, pages(2), p.shared_or_private());
      break;
    }
    case 2:
      m = p.anonymous(a, 2, p.shared_or_private());
      break;
    default: {
      const std::uint8_t key = p.s.key();
      s = p.segment(a, p.nearly(2), key, 0666);
      m = p.attach(a, s);
      attached = true;
      break;
    }
  }
  p.fill(a, m, 2);
  if (p.dice.chance(30)) {
    const auto prot = p.dice.pick<std::uint8_t>({0, 1});
    p.protect(a, plus(m, p.dice.pick({0, 1})), pages(1), prot);
  }
  std::uint8_t who = a;
  if (p.dice.chance(25)) {
    who = p.child(a).value_or(a);
    if (who != a && p.dice.chance(60)) p.become(who, 1);
  }
  Op open = make_op(OpCode::map_file, who);
  open.result = p.s.fresh_file(who);
  const int bytes = p.dice.pick({0, 0, 100});
  open.addr = plus(m, p.dice.pick({0, 0, 1, 2}), bytes);
  p.step(open);
  p.step(make_op(OpCode::descriptors, who));
  p.read(who, open.result, 2);
  if (p.dice.chance(40)) p.size(who, open.result);
  p.store(a, plus(m, 0, 16));
  if (attached) {
    p.stat(a, s);
    if (p.dice.chance(50)) p.control(a, s, program::ShmCommand::rmid);
    p.detach(a, m);
    p.stat(a, s);
  } else if (p.dice.chance(40)) {
    p.unmap(a, m, pages(2));
  }
  if (p.dice.chance(20)) p.exec(who), p.step(make_op(OpCode::descriptors, who));
  p.read(who, open.result, 2);
}

constexpr Scenario kScenarios[] = {
    renamed,     object_by_name,    object_by_name,  object_by_name,    object_without_users,
    named_alike, without_execution, file_of_a_group, opened_by_mapping, opened_by_mapping,
};

}  // namespace

std::span<const Scenario> name_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
