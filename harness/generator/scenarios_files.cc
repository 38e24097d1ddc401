// Scenarios of mapped files: sharing, end of file and slack, truncation under mappings, lifetime.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Access;
using program::map::kFixed;
using program::map::kPrivate;
using program::map::kShared;

void share_then_fork_then_store(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2));
  Quantity m = p.map(a, f, pages(2), kShared);
  std::optional<std::uint8_t> b = p.child(a);
  if (!b) return;
  p.store(*b, plus(m, 0, 8));
  p.load(a, plus(m, 0, 8));
  p.store(a, plus(m, 1));
  p.peek(*b, m, 2);
  p.read(a, f, 2);
}

void private_copy_then_truncate(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(3));
  Quantity m = p.map(a, f, pages(3), kPrivate);
  p.fill(a, m, static_cast<int>(p.dice.between(1, 3)));
  p.resize(a, f, p.ragged(1));
  p.peek(a, m, 3);
  p.resize(a, f, p.ragged(3));
  p.peek(a, m, 3);
  p.read(a, f, 4);
}

void two_views_of_one_page(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(3));
  Quantity whole = p.map(a, f, pages(3), kShared);
  Quantity second = p.map(a, f, pages(1), p.shared_or_private(), 3, pages(1));
  p.store(a, plus(whole, 1, p.dice.pick({0, 8, 100})));
  p.peek(a, second, 1);
  p.store(a, plus(second, 0, p.dice.pick({0, 16, 200})));
  p.peek(a, whole, 3);
  p.write(a, f, pages(1, 4), pages(0, 64));
  p.peek(a, second, 1);
}

void slack_then_extension(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(static_cast<int>(p.dice.below(2)) + 1));
  Quantity m = p.map(a, f, pages(4), kShared);
  const model::Inode* inode = p.s.inode(a, f);
  if (!inode) return;
  std::uint64_t size = inode->size;
  if (size > 8 * p.s.page()) return;
  Quantity end = p.s.say_bytes(size);
  p.store(a, plus(m, end.pages, end.bytes + p.dice.pick({0, 0, 1, 8})));
  if (p.dice.chance(30)) p.sync(a, m, pages(3));
  if (p.dice.chance(40)) p.size(a, f);
  if (p.dice.chance(30)) p.peek(a, m, 3);
  p.resize(a, f, p.dice.pick({plus(end, 1), plus(end, 0, 20), pages(end.pages + 2)}));
  p.peek(a, m, 4);
  p.read(a, f, 4);
}

void beyond_the_end(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(1));
  Quantity m = p.map(a, f, pages(4), p.shared_or_private());
  p.peek(a, m, 4);
  p.store(a, plus(m, 2));
  p.resize(a, f, p.ragged(3));
  p.store(a, plus(m, 2));
  p.peek(a, m, 4);
  p.resize(a, f, p.dice.pick({pages(0), pages(1), p.ragged(1)}));
  p.peek(a, m, 4);
}

void unlinked_but_mapped(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(1)), path = p.path_of(a, f);
  Quantity m = p.map(a, f, pages(2), p.shared_or_private());
  p.unlink(a, path);
  if (p.dice.chance(60)) p.close(a, f);
  p.store(a, plus(m, 0, 40));
  Op op = make_op(OpCode::open, a, path);
  op.result = p.s.fresh_file(a);
  op.small = 1;
  op.flags = program::openflag::kCreat;
  op.mode = 0666;
  p.step(op);
  p.write(a, op.result, {}, pages(1));
  p.peek(a, m, 2);
  p.read(a, op.result, 2);
}

void remapped_later(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2));
  Quantity m = p.map(a, f, pages(2), kShared);
  p.fill(a, m, 2);
  p.unmap(a, m, pages(2));
  p.read(a, f, 2);
  std::optional<std::uint8_t> b = p.partner(a);
  Quantity again = p.map(b.value_or(a), f, pages(2), p.shared_or_private());
  p.peek(b.value_or(a), again, 2);
}

void truncated_by_open(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2));
  Quantity m = p.map(a, f, pages(2), p.shared_or_private());
  p.fill(a, m, 2);
  Op op = make_op(OpCode::open, p.partner(a).value_or(a));
  op.object = p.path_of(a, f);
  op.result = p.s.fresh_file(op.proc);
  op.small = 1;
  op.flags = program::openflag::kTrunc;
  p.step(op);
  p.peek(a, m, 2);
  p.truncate(a, f, pages(2));
  p.peek(a, m, 2);
}

void read_only_descriptor(Play& p) {
  std::uint8_t a = p.someone(), rw = p.file(a, p.ragged(2));
  Op op = make_op(OpCode::open, a);
  op.object = p.path_of(a, rw);
  op.result = p.s.fresh_file(a);
  op.small = p.dice.pick<std::uint8_t>({0, 0, 2});
  p.step(op);
  const auto prot = p.dice.pick<std::uint8_t>({1, 1, 3, 0, 2});
  Quantity m = p.map(a, op.result, pages(3), p.shared_or_private(), prot);
  if (p.dice.chance(60)) m = p.piece(a, m);
  p.protect(a, m, pages(1), p.dice.pick<std::uint8_t>({3, 3, 2, 1}));
  p.store(a, m);
  p.read(a, rw, 2);
  p.write(a, op.result, {}, pages(0, 16));
  p.peek(a, m, 2);
}

void private_follows_until_written(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, pages(2));
  Quantity m = p.map(a, f, pages(2), kPrivate);
  if (p.dice.chance(50)) p.load(a, m);
  p.store(a, plus(m, 0, 100));
  p.write(a, f, pages(0), pages(2));
  p.peek(a, m, 2);
  std::optional<std::uint8_t> b = p.child(a);
  p.store(a, plus(m, 1));
  if (b) p.peek(*b, m, 2);
  p.read(a, f, 2);
}

void kernel_copies_at_edges(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2)), g = p.file(a, pages(2));
  Quantity m = p.map(a, f, pages(3), p.shared_or_private());
  if (p.dice.chance(40)) p.protect(a, plus(m, 1), pages(1), p.dice.pick<std::uint8_t>({0, 1}));
  for (OpCode code : {OpCode::pread_to, OpCode::pwrite_from}) {
    Op op = make_op(code, a);
    op.object = p.dice.chance(70) ? g : f;
    const int bytes = p.dice.pick({0, -16, 2000, 1});
    op.addr = plus(m, p.dice.pick({0, 1}), bytes);
    op.len = p.dice.pick({pages(0, 32), pages(1), pages(2), pages(3)});
    op.off = p.dice.pick({pages(0), pages(1), pages(0, 100)});
    p.step(op);
  }
  p.peek(a, m, 3);
  p.read(a, g, 4);
}

void offset_mappings(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(4));
  for (int i = 0; i < 4; ++i) p.write(a, f, pages(i), pages(0, 200));
  Quantity m = p.map(a, f, pages(2), kShared, 3, pages(p.dice.pick({1, 2, 3, 4})));
  p.store(a, plus(m, 1));
  p.peek(a, m, 2);
  Quantity where = p.arena(4);
  Quantity low = p.map_at(a, f, where, pages(4), kShared | kFixed);
  p.map_at(a, f, plus(where, 1), pages(1), p.shared_or_private() | kFixed);
  p.store(a, plus(low, 2));
  p.peek(a, low, 4);
  p.read(a, f, 5);
}

void punched(Play& p) {
  using program::Allocate;
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(3));
  std::uint32_t type = p.shared_or_private();
  Quantity m = p.map(a, f, pages(4), type);
  p.fill(a, m, static_cast<int>(p.dice.between(0, 3)));
  const Allocate how = p.dice.pick({Allocate::punch, Allocate::punch, Allocate::zero_keep, Allocate::zero});
  const Quantity length = p.dice.pick({pages(1), pages(2), pages(0, 50), pages(1, 100), pages(4)});
  p.allocate(a, f, p.dice.pick({pages(0), pages(1), pages(0, 100), pages(1, -1), pages(2, 17)}), length, how);
  p.peek(a, m, 4);
  p.read(a, f, 4);
  p.store(a, plus(m, 1));
  if (std::optional<std::uint8_t> b = p.partner(a)) p.peek(*b, m, 4);
  p.size(a, f);
}

void sealed(Play& p) {
  using namespace program::seal;
  std::uint8_t a = p.someone();
  std::uint8_t f = p.memory_file(a, p.dice.chance(90) ? program::memfd::kSealing : 0U);
  p.truncate(a, f, p.ragged(2));
  std::optional<Quantity> m;
  if (p.dice.chance(60)) {
    const auto prot = p.dice.pick<std::uint8_t>({3, 3, 1});
    m = p.map(a, f, pages(2), p.shared_or_private(), prot);
  }
  if (m) p.fill(a, *m, 1);
  std::uint8_t b = p.partner(a).value_or(a);
  p.seal(b, f,
         p.dice.pick(
             {kWrite, kWrite, kFutureWrite, kFutureWrite, kShrink, kGrow, kGrow, kShrink | kGrow, kSeal}));
  if (m && p.dice.chance(30)) {
    p.unmap(a, *m, pages(2));
    p.seal(b, f, kWrite);
  }
  if (m && p.dice.chance(50)) p.store(a, plus(*m, p.dice.pick({0, 1})));
  for (int i = 0; i < 3; ++i) {
    std::uint8_t who = p.dice.chance(50) ? a : b;
    switch (p.dice.below(6)) {
      case 0:
        p.write(who, f, p.dice.pick({pages(0), pages(1, 100), pages(2, -8), pages(2, -8)}), pages(0, 16));
        break;
      case 1:
        p.truncate(who, f, p.dice.pick({pages(1), pages(3), pages(2, 17)}));
        break;
      case 2: {
        Quantity n = p.map(who, f, pages(2), kShared, p.dice.pick<std::uint8_t>({1, 3}));
        p.protect(who, n, pages(2), 3);
        p.store(who, n);
        break;
      }
      case 3:
        p.allocate(who, f, pages(1), pages(2),
                   p.dice.pick({program::Allocate::punch, program::Allocate::extend}));
        break;
      case 4:
        p.seal(who, f, p.dice.pick({kSeal, kWrite, kGrow, kFutureWrite}));
        break;
      default:
        if (m) p.store(a, *m);
        break;
    }
  }
  p.step(make_op(OpCode::seals, a, f));
  p.read(a, f, 3);
  if (m) p.peek(a, *m, 2);
}

constexpr Scenario kScenarios[] = {
    share_then_fork_then_store,
    private_copy_then_truncate,
    two_views_of_one_page,
    slack_then_extension,
    beyond_the_end,
    unlinked_but_mapped,
    remapped_later,
    truncated_by_open,
    read_only_descriptor,
    private_follows_until_written,
    kernel_copies_at_edges,
    offset_mappings,
    punched,
    sealed,
    sealed,
    sealed,
};

}  // namespace

std::span<const Scenario> file_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
