// Spoiling: one argument of a sensible op is changed, whatever the op is. The table of operations says which
// arguments there are.
#include "harness/generator/scene.h"

namespace shmcheck::harness {
namespace {

using program::Arg;
using program::ArgKind;
using program::Base;
using program::NameKind;
using program::Slot;

void spoil_address(Scene& s, Op& op, Quantity& q) {
  switch (s.dice.below(10)) {
    case 0:
    case 1:
      q = plus(q, 0, 1);
      break;
    case 2:
      q = plus(q, 0, -1);
      break;
    case 3:
      q = plus(q, s.dice.pick({1, -1}));
      break;
    case 4:
      q = pages(0, s.dice.pick({0, 0, 1, -1}));
      break;
    case 5:
      q = from(Base::top, s.dice.pick({0, 0, -1, 1, -2}));
      break;
    case 6:
      q = s.place();
      break;
    case 7:
      q = pages(s.dice.pick({-1, -2, 1}));  // the last pages of all, or the second
      break;
    default:
      q = s.address(op.proc);
      break;
  }
}

void spoil_number(Scene& s, Quantity& q) {
  switch (s.dice.below(9)) {
    case 0:
    case 1:
      q = pages(0);
      break;
    case 2:
      q = plus(q, 0, 1);
      break;
    case 3:
      q = plus(q, 0, -1);
      break;
    case 4:
      q = plus(q, s.dice.pick({1, -1}));
      break;
    case 5:
      q = from(Base::half, s.dice.pick({0, 0, -1, 1}));
      break;
    case 6:
      q = from(Base::top, s.dice.pick({0, -1, 1}));
      break;
    case 7: {  // nearly 2^64
      const int bytes = s.dice.pick({0, -1});
      q = pages(s.dice.pick({-1, 0, -2}), bytes);
      break;
    }
    default:
      q = s.size(8);
      break;
  }
}

void spoil_object(Scene& s, Op& op, NameKind kind) {
  switch (kind) {
    case NameKind::file:
      op.object = static_cast<std::uint8_t>(s.dice.below(program::kFiles + 2));
      break;
    case NameKind::segment:
      op.object = static_cast<std::uint8_t>(s.dice.below(program::kSegments + 2));
      break;
    case NameKind::object:
      op.object = static_cast<std::uint8_t>(s.dice.below(program::kObjects + 1));
      break;
    case NameKind::path:
      op.object = static_cast<std::uint8_t>(s.dice.below(s.swarm.paths + 1));
      break;
    default:
      op.object = static_cast<std::uint8_t>(s.dice.below(program::kUsualProcesses));
      break;
  }
}

void spoil_flags(Scene& s, Op& op, const Arg& arg) {
  if (arg.names.empty()) return;
  switch (s.dice.below(4)) {
    case 0:
      op.flags = 0;
      break;
    case 1:  // any subset
      op.flags = 0;
      for (const program::NamedValue& n : arg.names) op.flags |= s.dice.chance(50) ? n.value : 0;
      break;
    default:
      op.flags ^= arg.names[s.dice.below(static_cast<std::uint32_t>(arg.names.size()))].value;
      break;
  }
}

void spoil_argument(Scene& s, Op& op, const Arg& arg, NameKind object_kind) {
  switch (arg.kind) {
    case ArgKind::object:
      return spoil_object(s, op, object_kind);
    case ArgKind::quantity:
      if (arg.slot == Slot::addr || arg.slot == Slot::to)
        return spoil_address(s, op, op.*quantity_of(arg.slot));
      return spoil_number(s, op.*quantity_of(arg.slot));
    case ArgKind::small_len: {
      const int bytes = s.dice.pick({0, 1, -1});
      op.len = pages(static_cast<int>(s.dice.below(9)), bytes);
      return;
    }
    case ArgKind::prot:
      op.small ^= static_cast<std::uint8_t>(1U << s.dice.below(6));
      return;
    case ArgKind::flags:
      return spoil_flags(s, op, arg);
    case ArgKind::mode:
      op.mode = static_cast<std::uint16_t>(s.dice.below(01000));
      return;
    case ArgKind::choice:
    case ArgKind::key:
    case ArgKind::user:
    case ArgKind::access_size:
      (arg.slot == Slot::small ? op.small : op.byte) = static_cast<std::uint8_t>(s.dice.below(16));
      return;
    case ArgKind::byte:
    case ArgKind::bytes:
    case ArgKind::status:
      return;
  }
}

// Ops whose spoilt form would only take the program away from where it is.
bool worth_spoiling(OpCode code) {
  return code != OpCode::exit && code != OpCode::kill && code != OpCode::setid && code != OpCode::fork &&
         code != OpCode::unshare;
}

}  // namespace

void spoil(Scene& s, Op& op) {
  if (!worth_spoiling(op.code)) return;
  const program::OpSpec& spec = program::spec(op.code);
  if (spec.args.empty()) return;
  for (int changes = s.dice.chance(80) ? 1 : 2; changes > 0; --changes) {
    const Arg& arg = spec.args[s.dice.below(static_cast<std::uint32_t>(spec.args.size()))];
    spoil_argument(s, op, arg, spec.object_kind);
  }
}

}  // namespace shmcheck::harness
