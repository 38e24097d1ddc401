// Scenarios of what is refused: files that are append-only, and huge pages where there are none.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Allocate;
using program::AppendOnly;
using program::map::kAnonymous;
using program::map::kHuge;
using program::map::kPrivate;
using program::map::kShared;

void set_append_only(Play& p, std::uint8_t who, std::uint8_t path, AppendOnly how) {
  Op op = make_op(OpCode::chattr, who, path);
  op.small = static_cast<std::uint8_t>(how);
  p.step(op);
}

std::uint8_t open_again(Play& p, std::uint8_t who, std::uint8_t path) {
  using namespace program::openflag;
  Op op = make_op(OpCode::open, who, path);
  op.result = p.s.fresh_file(who);
  op.small = p.dice.pick<std::uint8_t>({1, 1, 1, 0, 2});
  op.flags = p.dice.pick({kAppend, kAppend, kAppend, 0U, kTrunc, kAppend | kTrunc, kCreat});
  p.step(op);
  return op.result;
}

void second_name(Play& p, std::uint8_t who, std::uint8_t path) {
  Op op = make_op(p.dice.chance(50) ? OpCode::rename : OpCode::link, who, path);
  op.byte = p.s.path();
  if (op.code == OpCode::rename && p.dice.chance(30)) std::swap(op.object, op.byte);
  p.step(op);
}

// What the attribute takes from those who had the file open or mapped, and from those who come later.
void append_only(Play& p) {
  if (!p.s.options.allows(OpCode::chattr)) return;
  const std::uint8_t a = p.someone(), f = p.file(a, p.ragged(2));
  const std::uint8_t path = p.path_of(a, f);
  const Quantity m = p.map(a, f, pages(2), kShared);
  p.fill(a, m, 2);
  if (p.dice.chance(15)) p.become(p.partner(a).value_or(a), 1);
  set_append_only(p, a, path, AppendOnly::on);
  const std::uint8_t b = p.partner(a).value_or(a), g = p.dice.chance(70) ? open_again(p, b, path) : f;
  for (int i = 0; i < 4; ++i) {
    const std::uint8_t who = p.dice.chance(60) ? b : a, file = p.dice.chance(60) ? g : f;
    switch (p.dice.below(10)) {
      case 0:
      case 1:
      case 2: {
        const auto prot = p.dice.pick<std::uint8_t>({3, 3, 1, 0});
        p.map(who, file, pages(2), p.dice.chance(75) ? kShared : kPrivate, prot);
        break;
      }
      case 3:
        p.resize(a, f, p.nearly(p.dice.pick({1, 3})));
        break;
      case 4: {
        const Allocate how = p.dice.pick({Allocate::punch, Allocate::extend, Allocate::keep, Allocate::zero});
        const Quantity length = p.nearly(1);
        p.allocate(who, file, pages(p.dice.pick({0, 1})), length, how);
        break;
      }
      case 5:
        second_name(p, who, path);
        break;
      case 6:
        p.unlink(who, path);
        break;
      case 7:
        p.dice.chance(50) ? p.age(a, f) : p.advise(a, m, pages(1), program::Advice::remove);
        break;
      case 8:
        if (p.dice.chance(50)) {
          const Quantity length = p.nearly(1);
          p.write(who, file, pages(p.dice.pick({0, 1})), length);
        } else {
          p.remap(a, m, pages(1), pages(1));
        }
        break;
      default: {
        const AppendOnly how = p.dice.pick({AppendOnly::off, AppendOnly::on});
        set_append_only(p, p.dice.chance(70) ? a : b, path, how);
        break;
      }
    }
  }
  p.store(a, m);
  if (p.dice.chance(60)) set_append_only(p, a, path, AppendOnly::off);
  p.read(a, f, 2);
}

// By which descriptors of an append-only file it may be mapped, and how.
void append_only_mapped(Play& p) {
  if (!p.s.options.allows(OpCode::chattr)) return;
  const std::uint8_t a = p.someone(), f = p.file(a, pages(1));
  const std::uint8_t path = p.path_of(a, f);
  set_append_only(p, a, path, AppendOnly::on);
  Op op = make_op(OpCode::open, a, path);
  op.result = p.s.fresh_file(a);
  op.small = 1;
  op.flags = program::openflag::kAppend;
  p.step(op);
  const std::uint32_t type = p.dice.chance(70) ? kShared : kPrivate;
  p.map(a, op.result, pages(1), type, p.dice.pick<std::uint8_t>({3, 3, 1}));
  set_append_only(p, a, path, AppendOnly::off);
}

// A memory file of huge pages has seals and a size, whatever there is of them.
void huge_file(Play& p) {
  using namespace program::seal;
  const std::uint8_t a = p.someone();
  const std::uint8_t f =
      p.memory_file(a, program::memfd::kHuge | (p.dice.chance(80) ? program::memfd::kSealing : 0U));
  const int whole = static_cast<int>(p.s.world().facts().huge_page / p.s.page());
  for (int i = 0; i < 3; ++i) {
    if (p.dice.chance(60)) {
      const int bytes = p.dice.pick({0, 0, 0, 1, -1});
      p.truncate(a, f, pages(whole * p.dice.pick({0, 1, 1, 2}), bytes));
    } else {
      p.seal(a, f, p.dice.pick({kShrink, kGrow, kSeal, kWrite, kShrink | kGrow, kFutureWrite}));
    }
    if (p.dice.chance(50)) p.size(a, f);
  }
  p.step(make_op(OpCode::seals, a, f));
  p.size(a, f);
  p.close(a, f);
}

// Mappings and segments of huge pages, by those who may have them and those who may not.
void huge_pages(Play& p) {
  const std::uint8_t a = p.someone();
  if (p.dice.chance(60)) p.become(a, static_cast<std::uint8_t>(p.dice.between(1, 2)));
  for (int i = 0; i < 2; ++i) {
    const Quantity size = p.dice.pick({pages(1), pages(2, 1), pages(0, 1), pages(0)});
    if (p.dice.chance(50)) {
      Op op = make_op(OpCode::mmap, a, program::kFileNone);
      op.result = p.s.fresh_mapping();
      op.len = size;
      op.small = 3;
      op.flags = kAnonymous | kHuge | p.shared_or_private();
      op.off = pages(p.dice.pick({0, 0, 0, 1, 512}));
      p.step(op);
    } else {
      using namespace program::shmget;
      const std::uint32_t flags = kHuge | p.dice.pick({kCreat, kCreat, kCreat | kExcl, 0U});
      p.segment(a, size, p.dice.chance(50) ? std::uint8_t{0} : p.some_key(), 0600, flags);
    }
  }
}

constexpr Scenario kScenarios[] = {append_only, append_only, append_only_mapped,
                                   huge_file,   huge_pages,  huge_pages};

}  // namespace

std::span<const Scenario> refusal_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness
