// Scenarios of storage: what reaches it, and the file system on it, which is unmounted and mounted again.
#include <utility>
#include <vector>

#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Access;
using program::map::kPrivate;
using program::map::kShared;

void fsync(Play& p, std::uint8_t a, std::uint8_t file) {
  p.flush(a, file, p.dice.chance(50));
}

void look_at_storage(Play& p, std::uint8_t a, std::uint8_t file, int n) {
  Op op = make_op(OpCode::stored, a, file);
  op.len = pages(n);
  p.step(op);
}

// Stores on their way to storage: written for certain, in part, or not.
void stored(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(3)), b = p.partner(a).value_or(a);
  Quantity m = p.map(a, f, pages(4), kShared, p.dice.pick<std::uint8_t>({3, 3, 3, 1}));
  p.fill(a, m, 3);
  if (p.dice.chance(40)) fsync(p, a, f);
  if (p.dice.chance(40)) p.fill(b, p.map(b, f, pages(3), kPrivate), 2);
  for (int i = 0; i < 3; ++i) {
    switch (p.dice.below(7)) {
      case 0:
      case 1: {
        const int length = p.dice.pick({1, 2, 3, 4});
        p.sync(a, plus(m, p.dice.pick({0, 0, 1})), pages(length));
        break;
      }
      case 2:
        fsync(p, p.dice.chance(50) ? a : b, f);
        break;
      case 3:
        p.resize(b, f, p.dice.pick({pages(1, 100), pages(2, -100), pages(3, 50), pages(4)}));
        if (p.dice.chance(60)) fsync(p, b, f);
        break;
      case 4:
        p.unmap(a, plus(m, 1), pages(1));
        break;
      case 5: {
        const Quantity length = p.dice.pick({pages(0, 16), pages(1)});
        p.write(b, f, p.dice.pick({pages(0), pages(1, 7), pages(2)}), length);
        break;
      }
      default: {
        const model::Inode* inode = p.s.inode(a, f);
        bool at_end = inode && inode->size < 4 * p.s.page() && p.dice.chance(50);
        Quantity end = at_end ? p.s.say_bytes(inode->size) : pages(p.dice.pick({0, 1, 2}));
        p.store(a, plus(m, end.pages, end.bytes + p.dice.pick({0, 8, 80})));
        if (p.dice.chance(30)) fsync(p, a, f);
        break;
      }
    }
    if (p.dice.chance(70)) look_at_storage(p, a, f, 4);
  }
  look_at_storage(p, a, f, 4);
}

// What has reached storage and is cut off there, or goes there through a mapping that cannot be stored
// through.
void cut_on_storage(Play& p) {
  std::uint8_t a = p.someone(), f = p.file(a, p.ragged(3));
  Quantity m = p.map(a, f, pages(3), kShared, p.dice.pick<std::uint8_t>({3, 1}));
  p.write(a, f, pages(0), pages(3));
  if (p.dice.chance(50)) {
    fsync(p, a, f);
    p.truncate(a, f, p.dice.pick({pages(1), pages(1, 100), pages(2, -100)}));
    fsync(p, p.partner(a).value_or(a), f);
  } else {
    p.protect(a, m, pages(3), p.dice.pick<std::uint8_t>({1, 1, 0}));
    p.sync(a, m, pages(3));
  }
  look_at_storage(p, a, f, 3);
}

// Closes every file of the directory, in every process, and perhaps takes the mappings of files away.
void let_go(Play& p, bool unmaps) {
  for (std::uint8_t a = 0; a < program::kProcesses; ++a) {
    if (p.s.process(a).life != model::Life::alive) continue;
    for (std::uint8_t f = 0; f < program::kFiles; ++f) {
      const model::Inode* inode = p.s.inode(a, f);
      if (inode && !inode->memfd && !inode->posix) p.close(a, f);
    }
    if (!unmaps) continue;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const model::Vma& v : p.s.process(a).memory.vmas()) {
      if (v.inode >= 0 && v.segment < 0) ranges.emplace_back(v.low, v.high - v.low);
    }
    for (auto [low, length] : ranges) {
      if (std::optional<Quantity> where = p.s.say(low)) p.unmap(a, *where, p.s.say_bytes(length));
    }
  }
}

// What was stored is there again when the file system is, which stays while it is used.
void unmounted(Play& p) {
  if (!p.s.options.allows(OpCode::remount)) return;
  std::uint8_t a = p.someone(), b = p.partner(a).value_or(a);
  Access access = p.dice.chance(80) ? Access::read_write : Access::read_only;
  std::uint8_t f = p.file(a, p.ragged(2), access);
  std::uint8_t path = p.path_of(a, f);
  Quantity m = p.map(a, f, pages(2), p.dice.chance(80) ? kShared : kPrivate,
                     access == Access::read_only ? std::uint8_t{1} : std::uint8_t{3});
  p.fill(a, m, 2);
  if (p.dice.chance(20)) p.sync(a, m, pages(1));
  if (p.dice.chance(30)) p.remount(b, program::Remount::again);
  let_go(p, p.dice.chance(60));
  p.remount(p.dice.chance(85) ? a : b, program::Remount::again);
  if (p.dice.chance(40)) {
    let_go(p, true);
    p.remount(a, program::Remount::again);
  }
  Op op = make_op(OpCode::open, b, path);
  op.result = p.s.fresh_file(b);
  op.small = static_cast<std::uint8_t>(access);
  p.step(op);
  p.read(b, op.result, 3);
  p.peek(
      b,
      p.map(b, op.result, pages(2), kShared, access == Access::read_only ? std::uint8_t{1} : std::uint8_t{3}),
      2);
  p.size(b, op.result);
}

// What could still be written keeps the file system writable, and nothing else does.
void made_read_only(Play& p) {
  if (!p.s.options.allows(OpCode::remount)) return;
  std::uint8_t a = p.someone(), b = p.partner(a).value_or(a);
  const bool writes = p.dice.chance(50);
  std::uint8_t f = p.file(a, pages(1), writes ? Access::read_write : Access::read_only);
  const std::uint8_t prot = writes ? p.dice.pick<std::uint8_t>({3, 1}) : std::uint8_t{1};
  p.map(a, f, pages(1), p.dice.chance(80) ? kShared : kPrivate, prot);
  if (p.dice.chance(20)) p.remount(b, program::Remount::read_only);
  let_go(p, false);
  p.remount(b, program::Remount::read_only);
  if (p.dice.chance(30)) let_go(p, true);
  p.remount(a, p.dice.chance(70) ? program::Remount::read_only : program::Remount::again);
}

// What fills it up is open for writing until all of it is given back.
void full(Play& p) {
  if (!p.s.options.allows(OpCode::remount)) return;
  std::uint8_t a = p.someone(), b = p.partner(a).value_or(a), f = p.file(a, p.ragged(2));
  if (p.dice.chance(50)) p.fill(a, p.map(a, f, pages(2), kShared), 2);
  p.fill_up(b, program::Room::none);
  if (p.dice.chance(50)) p.write(a, f, pages(2), pages(1));
  let_go(p, true);
  p.remount(a, p.dice.pick({program::Remount::again, program::Remount::read_only}));
  if (p.dice.chance(70)) p.fill_up(a, program::Room::all);
  p.remount(b, program::Remount::again);
}

constexpr Scenario kScenarios[] = {
    stored, cut_on_storage, unmounted, unmounted, made_read_only, made_read_only, full,
};

}  // namespace

std::span<const Scenario> storage_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
