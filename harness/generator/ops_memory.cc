// Builders of the ops on mappings and what they show.
#include "harness/generator/ops.h"

namespace shmcheck::harness {
namespace {

using model::Vma;
using program::Base;
using program::kProtExec;
using program::kProtRead;
using program::kProtWrite;

constexpr std::uint8_t kReadWrite = kProtRead | kProtWrite;

std::uint8_t some_prot(Scene& s) {
  std::uint32_t how = s.dice.below(20);
  if (how < 11) return kReadWrite;
  if (how < 15) return kProtRead;
  if (how < 17) return 0;
  return static_cast<std::uint8_t>(s.dice.below(8));
}

// An offset into a file or mapping object.
Quantity some_offset(Scene& s) {
  if (s.dice.chance(60)) return pages(0);
  return pages(static_cast<int>(s.dice.below(4)));
}

void place_mapping(Scene& s, Op& op) {
  std::optional<Quantity> where = some_place(s, op.proc);
  if (!where) return;
  op.addr = *where;
  op.flags |= s.dice.pick({program::map::kFixed, program::map::kFixed, program::map::kFixed, 0U,
                           program::map::kNoReplace, program::map::kFixed | program::map::kNoReplace});
  bool exact = (op.flags & (program::map::kFixed | program::map::kNoReplace)) != 0;
  if (!exact && s.dice.chance(30)) op.addr = plus(op.addr, 0, s.dice.pick({1, -1, 100}));
}

// Flags that few programs use, and files that are none.
void special_request(Scene& s, Op& op) {
  using namespace program::map;
  if (s.dice.chance(70)) {
    op.flags |= s.dice.pick({kLocked, kLocked, kPopulate, kPopulate | kNonBlock, kGrowsDown, kHuge, kLegacy});
    return;
  }
  op.flags &= ~kAnonymous;
  op.object = program::kFileNone;
  op.byte = s.dice.pick<std::uint8_t>({1, 1, 1, 2, 3, 4});
  if (s.dice.chance(80)) op.flags = (op.flags & ~kPrivate) | kShared;
}

Op with_stretch(Scene& s, OpCode code, std::uint8_t p) {
  Op op = make_op(code, p);
  if (std::optional<Stretch> r = s.stretch(p)) {
    op.addr = r->addr;
    op.len = r->len;
  } else {
    op.addr = s.address(p);
    op.len = pages(static_cast<int>(s.dice.between(1, 4)));
  }
  return op;
}

std::uint8_t some_action(Scene& s) {
  return s.dice.below(24) == 0 ? static_cast<std::uint8_t>(s.dice.below(4)) : std::uint8_t{0};
}

}  // namespace

Op build_mmap(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::mmap, p);
  op.result = s.fresh_mapping();
  op.flags = s.dice.chance(55) ? program::map::kShared : program::map::kPrivate;
  if (!s.has_file(p) || s.dice.chance(30)) {
    op.object = program::kFileNone;
    op.flags |= program::map::kAnonymous;
    op.off = s.dice.chance(90) ? pages(0) : some_offset(s);
  } else {
    op.object = s.file(p);
    op.off = some_offset(s);
  }
  op.len = s.dice.chance(50) ? s.size(4) : pages(static_cast<int>(s.dice.between(1, 4)));
  op.small = some_prot(s);
  if (s.dice.chance(10))
    op.flags |= s.dice.pick({program::map::kPopulate, program::map::kNoReserve, program::map::kStack,
                             program::map::kUnknown, program::map::kShared | program::map::kPrivate});
  if (s.dice.chance(8)) special_request(s, op);
  place_mapping(s, op);
  return op;
}

Op build_munmap(Scene& s, std::uint8_t p) {
  return with_stretch(s, OpCode::munmap, p);
}

Op build_mprotect(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mprotect, p);
  op.small = some_prot(s);
  return op;
}

Op build_msync(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::msync, p);
  op.flags = s.dice.below(8);
  return op;
}

Op build_madvise(Scene& s, std::uint8_t p) {
  using program::Advice;
  Op op = with_stretch(s, OpCode::madvise, p);
  Advice advice =
      s.dice.pick({Advice::dontneed, Advice::dontneed, Advice::dontneed, Advice::remove, Advice::remove,
                   Advice::dontfork, Advice::dontfork, Advice::dofork, Advice::populate_read,
                   Advice::populate_write, Advice::wipeonfork, Advice::keeponfork});
  op.small =
      s.dice.chance(75) ? static_cast<std::uint8_t>(advice) : static_cast<std::uint8_t>(s.dice.below(16));
  return op;
}

Op build_mremap(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mremap, p);
  op.result = s.fresh_mapping();
  switch (s.dice.below(8)) {
    case 0:
      op.off = op.len;
      break;
    case 1:
    case 2:
      op.off = plus(op.len, s.dice.pick({1, 1, 2, 3}));
      break;
    case 3:
    case 4:
      op.off = plus(op.len, -1);
      break;
    case 5:  // a second view of a shared object
      op.off = op.len;
      op.len = pages(0);
      break;
    default:
      op.off = s.size(5);
      break;
  }
  op.flags = s.dice.pick({0U, program::mremap::kMayMove, program::mremap::kMayMove,
                          program::mremap::kMayMove | program::mremap::kFixed,
                          program::mremap::kMayMove | program::mremap::kDontUnmap,
                          program::mremap::kMayMove | program::mremap::kFixed | program::mremap::kDontUnmap});
  if ((op.flags & program::mremap::kDontUnmap) != 0) op.off = op.len;
  if ((op.flags & program::mremap::kFixed) != 0) op.to = some_place(s, p).value_or(s.place());
  return op;
}

Op build_mlock(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mlock, p);
  if (s.dice.chance(25)) op.flags = program::mlock::kOnFault;
  if (s.dice.chance(15)) op.addr = plus(op.addr, 0, s.dice.pick({1, 100, -1}));
  return op;
}

Op build_munlock(Scene& s, std::uint8_t p) {
  return with_stretch(s, OpCode::munlock, p);
}

Op build_mincore(Scene& s, std::uint8_t p) {
  Op op = build_contents(s, p);
  op.code = OpCode::mincore;
  op.small = 0;
  return op;
}

Op build_smaps(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::smaps, p);
  op.addr = s.address(p);
  return op;
}

Op build_remap(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::remap, p);
  op.off = some_offset(s);
  if (s.dice.chance(10)) op.flags = program::map::kNonBlock;
  return op;
}

// Mostly where code is, and may be executed.
Op build_call(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::call, p);
  op.addr = s.address(p);
  const Vma* v = s.dice.chance(75) ? s.vma(p) : nullptr;
  std::optional<Quantity> low = v ? s.say(v->low) : std::nullopt;
  if (!low) return op;
  op.addr = *low;
  if (s.dice.chance(80)) {
    Op permit = make_op(OpCode::mprotect, p);
    permit.addr = *low;
    permit.len = pages(1);
    permit.small = kReadWrite | kProtExec;
    s.act_exactly(permit);
  }
  Op put = make_op(OpCode::store, p);
  put.addr = *low;
  put.value = kReturnCode;
  s.act_exactly(put);
  return op;
}

Op build_load(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::load, p);
  op.addr = s.address(p);
  op.small = static_cast<std::uint8_t>(s.dice.below(4));
  op.byte = some_action(s);
  return op;
}

Op build_store(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::store, p);
  op.addr = s.address(p);
  op.small = static_cast<std::uint8_t>(s.dice.below(4));
  op.value = 0x0101010101010101U * s.fill();
  // Bytes that differ show their order.
  if (s.dice.chance(15)) op.value ^= 0x0706050403020100U;
  op.byte = some_action(s);
  return op;
}

Op build_contents(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::contents, p);
  op.small = s.dice.chance(s.swarm.by_kernel) ? 1 : 0;
  if (const Vma* v = s.vma(p)) {
    auto count = static_cast<int>(std::min<std::uint64_t>((v->high - v->low) / s.page(), 16));
    if (std::optional<Quantity> low = s.say(v->low)) {
      op.addr = plus(*low, s.dice.pick({0, 0, 0, -1}));
      op.len = pages(count, s.dice.pick({0, 0, 1}));
      return op;
    }
  }
  op.addr = from(Base::arena);
  op.len = pages(static_cast<int>(s.swarm.window));
  return op;
}

}  // namespace shmcheck::harness
