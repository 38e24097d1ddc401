// Steps of memory: mappings, what is done to them and through them.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {
// An op on a range of addresses.
Op over(OpCode code, std::uint8_t p, Quantity where, Quantity length) {
  Op op = make_op(code, p);
  op.addr = where;
  op.len = length;
  return op;
}
}  // namespace

Quantity Play::arena(int n) {
  auto window = static_cast<int>(s.swarm.window);
  auto room = static_cast<std::uint32_t>(window > n ? window - n + 1 : 1);
  return from(program::Base::arena, static_cast<int>(dice.below(room)));
}

Quantity Play::map(std::uint8_t p, std::uint8_t file, Quantity length, std::uint32_t flags, std::uint8_t prot,
                   Quantity offset) {
  Op op = make_op(OpCode::mmap, p, file);
  op.result = s.fresh_mapping();
  op.len = length;
  op.flags = flags;
  op.small = prot;
  op.off = offset;
  if (dice.chance(s.swarm.placed)) {
    op.addr = arena(length.pages + 1);
    op.flags |= program::map::kFixed;
  }
  step(op);
  return at_mapping(op.result);
}

Quantity Play::anonymous(std::uint8_t p, int n, std::uint32_t flags, std::uint8_t prot) {
  return map(p, program::kFileNone, pages(n), flags | program::map::kAnonymous, prot);
}

Quantity Play::map_at(std::uint8_t p, std::uint8_t file, Quantity where, Quantity length,
                      std::uint32_t flags) {
  Op op = make_op(OpCode::mmap, p, file);
  op.result = s.fresh_mapping();
  op.addr = where;
  op.len = length;
  op.flags = flags;
  op.small = program::kProtRead | program::kProtWrite;
  step(op);
  return at_mapping(op.result);
}

void Play::unmap(std::uint8_t p, Quantity where, Quantity length) {
  step(over(OpCode::munmap, p, where, length));
}

Quantity Play::piece(std::uint8_t p, Quantity three) {
  int gone = dice.pick({0, 1, 1, 2});
  unmap(p, plus(three, gone), pages(1));
  return plus(three, gone == 0 ? 1 : gone == 2 ? 0 : dice.pick({0, 2, 2}));
}

void Play::protect(std::uint8_t p, Quantity where, Quantity length, std::uint8_t prot) {
  Op op = over(OpCode::mprotect, p, where, length);
  op.small = prot;
  step(op);
}

void Play::advise(std::uint8_t p, Quantity where, Quantity length, program::Advice advice) {
  Op op = over(OpCode::madvise, p, where, length);
  op.small = static_cast<std::uint8_t>(advice);
  step(op);
}

void Play::sync(std::uint8_t p, Quantity where, Quantity length) {
  Op op = over(OpCode::msync, p, where, length);
  op.flags = dice.pick({program::msync::kSync, program::msync::kSync, program::msync::kAsync,
                        program::msync::kInvalidate, program::msync::kSync | program::msync::kInvalidate});
  step(op);
}

void Play::lock(std::uint8_t p, Quantity where, Quantity length, std::uint32_t flags) {
  Op op = over(OpCode::mlock, p, where, length);
  op.flags = flags;
  step(op);
}

void Play::unlock(std::uint8_t p, Quantity where, Quantity length) {
  step(over(OpCode::munlock, p, where, length));
}

void Play::lock_all(std::uint8_t p, std::uint32_t flags) {
  Op op = make_op(OpCode::mlockall, p);
  op.flags = flags;
  step(op);
}

void Play::unlock_all(std::uint8_t p) {
  step(make_op(OpCode::munlockall, p));
}

void Play::remap(std::uint8_t p, Quantity where, Quantity length, Quantity offset) {
  Op op = over(OpCode::remap, p, where, length);
  op.off = offset;
  step(op);
}

void Play::put_return(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::store, p);
  op.addr = where;
  op.value = kReturnCode;
  step(op);
}

void Play::call(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::call, p);
  op.addr = where;
  step(op);
}

void Play::count_locked(std::uint8_t p) {
  step(make_op(OpCode::locked, p));
}

void Play::entry(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::smaps, p);
  op.addr = where;
  step(op);
}

void Play::count_set(std::uint8_t p, program::ResidentSet which) {
  Op op = make_op(OpCode::rss, p);
  op.small = static_cast<std::uint8_t>(which);
  step(op);
}

void Play::count_resident(std::uint8_t p, Quantity where, int n) {
  step(over(OpCode::mincore, p, where, pages(n)));
}

Quantity Play::move(std::uint8_t p, Quantity where, Quantity old_length, Quantity new_length,
                    std::uint32_t flags, Quantity to) {
  Op op = make_op(OpCode::mremap, p);
  op.result = s.fresh_mapping();
  op.addr = where;
  op.len = old_length;
  op.off = new_length;
  op.flags = flags;
  op.to = to;
  step(op);
  return at_mapping(op.result);
}

void Play::store(std::uint8_t p, Quantity where) {
  if (s.has_file(p) && dice.chance(18)) {
    // The kernel stores, too: what a file holds is read into the memory.
    Op op = make_op(OpCode::pread_to, p, s.file(p));
    op.addr = where;
    op.len = dice.pick({pages(0, 8), pages(0, 100), pages(1)});
    op.off = dice.pick({pages(0), pages(0), pages(1), pages(0, 8)});
    return step(op);
  }
  Op op = make_op(OpCode::store, p);
  op.addr = where;
  op.small = static_cast<std::uint8_t>(dice.below(4));
  op.value = 0x0101010101010101U * s.fill();
  step(op);
}

void Play::load(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::load, p);
  op.addr = where;
  op.small = static_cast<std::uint8_t>(dice.below(4));
  step(op);
}

void Play::peek(std::uint8_t p, Quantity where, int n) {
  if (dice.chance(20) && s.world().bound(where)) {
    // Single loads at the edges instead of every byte.
    if (const model::Vma* found = s.process(p).memory.find(s.world().value(where))) {
      // A load may end the process, and its mappings with it.
      const model::Vma v = *found;
      for (int i = 0; i < 2; ++i) {
        if (std::optional<Quantity> q = s.say(s.spot(v))) load(p, *q);
      }
      return;
    }
  }
  Op op = over(OpCode::contents, p, where, pages(n));
  op.small = dice.chance(s.swarm.by_kernel) ? 1 : 0;
  step(op);
}

void Play::fill(std::uint8_t p, Quantity where, int n) {
  for (int i = 0; i < n; ++i) store(p, plus(where, i, dice.pick({0, 0, 8, 100})));
}

}  // namespace shmcheck::harness
