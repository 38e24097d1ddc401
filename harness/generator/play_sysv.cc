// Steps of segments and IPC namespaces.
#include "harness/generator/play.h"

namespace shmcheck::harness {

using program::ShmCommand;

std::uint8_t Play::segment(std::uint8_t p, Quantity size, std::uint8_t key, std::uint16_t mode,
                           std::uint32_t flags) {
  Op op = make_op(OpCode::shmget, p);
  op.result = s.fresh_segment();
  op.byte = key;
  op.len = size;
  op.mode = mode;
  op.flags = flags;
  step(op);
  return op.result;
}

Quantity Play::attach(std::uint8_t p, std::uint8_t segment, std::uint32_t flags) {
  Quantity where;
  if (dice.chance(s.swarm.placed)) where = arena(4), flags |= program::shmat::kRemap;
  return attach_at(p, segment, where, flags);
}

Quantity Play::attach_at(std::uint8_t p, std::uint8_t segment, Quantity where, std::uint32_t flags) {
  Op op = make_op(OpCode::shmat, p, segment);
  op.result = s.fresh_mapping();
  op.addr = where;
  op.flags = flags;
  step(op);
  return at_mapping(op.result);
}

void Play::detach(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::shmdt, p);
  op.addr = where;
  step(op);
}

void Play::control(std::uint8_t p, std::uint8_t segment, ShmCommand command, std::uint8_t owner,
                   std::uint16_t mode, std::uint32_t flags) {
  Op op = make_op(OpCode::shmctl, p, segment);
  op.small = static_cast<std::uint8_t>(command);
  op.byte = owner;
  op.mode = mode;
  op.flags = flags;
  step(op);
}

void Play::by_index(std::uint8_t p, std::uint8_t segment, bool any) {
  Op op = make_op(OpCode::shm_stat, p, segment);
  if (any) op.flags = program::shmstat::kAny;
  step(op);
}

void Play::unshare(std::uint8_t p, program::Unshare what) {
  Op op = make_op(OpCode::unshare, p);
  op.small = static_cast<std::uint8_t>(what);
  step(op);
}

void Play::look_at(std::uint8_t p, std::uint8_t segment) {
  switch (dice.below(3)) {
    case 0:
      return step(make_op(OpCode::sysvipc, p));
    case 1:
      return by_index(p, segment, dice.chance(50));
    default:
      return control(p, segment, ShmCommand::stat);
  }
}

std::uint8_t Play::race_for_segment(std::uint8_t p, Quantity size, std::uint8_t key, std::uint32_t flags) {
  Op op = make_op(OpCode::race_shmget, p);
  op.result = s.fresh_segment();
  op.byte = key;
  op.len = size;
  op.mode = 0600;
  op.flags = flags;
  step(op);
  return op.result;
}

void Play::race_for_attach(std::uint8_t p, std::uint8_t segment, program::Against against) {
  Op op = make_op(OpCode::race_shmat, p, segment);
  op.small = static_cast<std::uint8_t>(against);
  step(op);
}

void Play::join(std::uint8_t p, std::uint8_t other) {
  Op op = make_op(OpCode::setns, p, other);
  op.small = static_cast<std::uint8_t>(dice.below(2));
  step(op);
}

void Play::limit(std::uint8_t p, program::Limit which, Quantity value) {
  Op op = make_op(OpCode::limit, p);
  op.small = static_cast<std::uint8_t>(which);
  op.len = value;
  step(op);
}

}  // namespace shmcheck::harness
