// Builders of the ops on System V segments.
#include <algorithm>

#include "harness/generator/ops.h"

namespace shmcheck::harness {
namespace {

using model::Vma;

std::uint16_t some_mode(Scene& s) {
  return s.dice.pick<std::uint16_t>({0600, 0600, 0666, 0666, 0644, 0444, 0400, 0200, 0060, 0006, 0000, 0777});
}

}  // namespace

Op build_shmget(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shmget, p);
  op.result = s.fresh_segment();
  op.byte = s.key();
  op.len = s.size(5);
  op.mode = some_mode(s);
  // Of those who may not have them there are few.
  if (s.dice.chance(s.process(p).cred.machine ? 2 : 10)) op.flags |= program::shmget::kHuge;
  if (op.byte == 0) return op;
  bool present = s.key_in_use(op.byte);
  if (!present || s.dice.chance(40)) op.flags |= program::shmget::kCreat;
  if (s.dice.chance(present ? 15 : 40)) op.flags |= program::shmget::kExcl;
  if (present) op.len = s.dice.chance(50) ? pages(0) : s.size(3);
  return op;
}

Op build_shmat(Scene& s, std::uint8_t p) {
  namespace at = program::shmat;
  Op op = make_op(OpCode::shmat, p);
  op.object = s.segment();
  op.result = s.fresh_mapping();
  if (s.dice.chance(25)) op.flags |= at::kReadOnly;
  if (s.dice.chance(8)) op.flags |= at::kExec;
  if (std::optional<Quantity> where = some_place(s, p)) {
    op.addr = *where;
    if (s.dice.chance(30)) {
      op.flags |= at::kRound;
      op.addr = plus(op.addr, 0, s.dice.pick({0, 1, 100, -1}));
    }
    if (s.dice.chance(40)) op.flags |= at::kRemap;
  }
  return op;
}

Op build_race_shmget(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::race_shmget, p);
  op.result = s.fresh_segment();
  op.byte = std::max<std::uint8_t>(s.key(), 1);
  op.len = s.size(3);
  op.mode = some_mode(s);
  if (s.dice.chance(90)) op.flags |= program::shmget::kCreat;
  if (s.dice.chance(50)) op.flags |= program::shmget::kExcl;
  return op;
}

Op build_race_shmat(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::race_shmat, p);
  op.object = s.segment();
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_shmdt(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shmdt, p);
  op.addr = s.address(p);
  if (const Vma* v = s.attach_vma(p)) {
    // The start of the attach, though its first piece may be gone.
    std::uint64_t start = s.dice.chance(85) ? v->low - v->page_offset * s.page() : v->low;
    if (std::optional<Quantity> q = s.say(start)) op.addr = *q;
    // Not quite the start.
    std::uint32_t how = s.dice.below(12);
    if (how == 0) op.addr = plus(op.addr, s.dice.pick({1, 2, -1}));
    if (how == 1) op.addr = plus(op.addr, 0, s.dice.pick({1, -1, 100}));
  }
  return op;
}

Op build_shmctl(Scene& s, std::uint8_t p) {
  using program::ShmCommand;
  Op op = make_op(OpCode::shmctl, p);
  op.object = s.segment();
  ShmCommand command =
      s.dice.pick({ShmCommand::stat, ShmCommand::stat, ShmCommand::rmid, ShmCommand::rmid, ShmCommand::rmid,
                   ShmCommand::set, ShmCommand::set, ShmCommand::lock, ShmCommand::unlock});
  op.small = static_cast<std::uint8_t>(command);
  if (s.dice.chance(5)) op.flags = program::shmctl::kBadBuffer;
  if (command == ShmCommand::set) {
    op.mode = some_mode(s);
    op.byte = s.dice.pick<std::uint8_t>({0, 0, 1, 2});
    if (s.dice.chance(20))
      op.byte = static_cast<std::uint8_t>(s.dice.below(program::kOwners * (program::kOwners + 1U)));
  }
  return op;
}

Op build_shm_info(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shm_info, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(5));
  return op;
}

Op build_ipc_info(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::ipc_info, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(6));
  if (s.dice.chance(8)) op.byte = 1;
  return op;
}

// A segment's own index as a rule, or one beside it, free or not.
Op build_shm_stat(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shm_stat, p);
  op.object = s.segment();
  // Mostly one that was made: after a reboot, or in a namespace that was joined, only destroyed ones may be.
  if (!s.world().segment_names[op.object]) op.object = s.segment();
  op.byte = s.dice.pick<std::uint8_t>({0, 0, 0, 0, 1, 2});
  if (s.dice.chance(40)) op.flags = program::shmstat::kAny;
  return op;
}

Op build_sysvipc(Scene&, std::uint8_t p) {
  return make_op(OpCode::sysvipc, p);
}

// Near what is there already, so that the limit is met soon; at times so high that it is met no more.
Op build_limit(Scene& s, std::uint8_t p) {
  using program::Limit;
  Op op = make_op(OpCode::limit, p);
  auto limit = s.dice.pick({Limit::rmid_forced, Limit::rmid_forced, Limit::rmid_forced, Limit::shmmax,
                            Limit::shmall, Limit::shmmni, Limit::next_id});
  if (!s.world().facts().next_id && limit == Limit::next_id) limit = Limit::rmid_forced;
  op.small = static_cast<std::uint8_t>(limit);
  const model::IpcIds& ids = s.world().ipc.of(s.process(p));
  const std::uint64_t present = s.world().ipc.pages(ids, s.world().page());
  const bool roomy = s.dice.chance(25);
  switch (limit) {
    case Limit::shmmax:
      op.len = roomy ? from(program::Base::half) : s.size(3);
      break;
    case Limit::shmall:
      op.len = roomy ? from(program::Base::half)
                     : pages(0, static_cast<int>(present) + s.dice.pick({0, 1, 2, 3, -1}));
      break;
    case Limit::shmmni:
      op.len = pages(0, roomy ? 4096 : static_cast<int>(ids.in_use()) + s.dice.pick({0, 1, 1, 2, -1}));
      break;
    case Limit::next_id: {
      op.len = from(program::Base::half);
      if (roomy) break;
      // A few, so that indexes and ids are met again; a sequence number is 32768 of them.
      const auto index = static_cast<int>(s.dice.below(3));
      op.len = pages(s.dice.pick({0, 8, 16}), index);
      break;
    }
    case Limit::rmid_forced:
      op.len = pages(0, s.dice.pick({1, 1, 1, 1, 0, 2}));
      break;
  }
  return op;
}

Op build_limits(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::limits, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(program::kLimits));
  return op;
}

}  // namespace shmcheck::harness
