// Bringing any op into the form that is written down: every field in its range, nothing in those that are not
// used.
#include "program/op.h"

namespace shmcheck::program {
namespace {

// An index below the count. Of processes, one that names none falls on a usual one.
std::uint8_t normal_index(std::uint8_t index, NameKind kind, unsigned count) {
  if (kind == NameKind::process && index >= count) count = kUsualProcesses;
  return static_cast<std::uint8_t>(index % count);
}

// Objects have special indices beyond the names.
unsigned object_count(const OpSpec& s) {
  unsigned count = name_count(s.object_kind);
  if (s.object_kind == NameKind::file || s.object_kind == NameKind::segment) count += 2;
  if (s.object_kind == NameKind::object) count += 1;
  return count;
}

std::int16_t clamp_symmetric(std::int16_t v) {
  return v == INT16_MIN ? INT16_MAX : v;
}

Quantity normal_quantity(Quantity q, bool mapping_allowed) {
  unsigned bases = mapping_allowed ? kBases : static_cast<unsigned>(Base::mapping);
  q.base = static_cast<std::uint8_t>(q.base % bases);
  q.pages = clamp_symmetric(q.pages);
  q.bytes = clamp_symmetric(q.bytes);
  // `top` is outside for every target, but how much below it is inside differs.
  if (q.base == static_cast<std::uint8_t>(Base::top)) {
    q.pages = static_cast<std::int16_t>(q.pages < 0 ? -q.pages : q.pages);
    q.bytes = static_cast<std::int16_t>(q.bytes < 0 ? -q.bytes : q.bytes);
  }
  // A length is small or hopeless, never what a machine could just about provide.
  if (!mapping_allowed && q.base == static_cast<std::uint8_t>(Base::arena)) q.base = 0;
  return q;
}

Quantity normal_small_len(Quantity q) {
  q.base = 0;
  q.pages = static_cast<std::int16_t>(static_cast<std::uint16_t>(q.pages) % (kMaxIoPages + 1));
  q.bytes = clamp_symmetric(q.bytes);
  // A total must lie in 0 … kMaxIoPages pages for every page size.
  if (q.pages == 0 && q.bytes < 0) q.bytes = static_cast<std::int16_t>(-q.bytes);
  if (q.pages > 0 && q.bytes <= -4096) q.bytes = static_cast<std::int16_t>(q.bytes % 4096);
  if (q.pages >= static_cast<int>(kMaxIoPages) - 8 && q.bytes > 0)
    q.bytes = static_cast<std::int16_t>(-(q.bytes % 4096));
  return q;
}

std::uint32_t flag_mask(std::span<const NamedValue> names) {
  std::uint32_t mask = 0;
  for (const NamedValue& n : names) mask |= n.value;
  return mask;
}

std::uint8_t& small_of(Op& op, Slot slot) {
  return slot == Slot::small ? op.small : op.byte;
}

void copy_argument(const Op& from, Op& to, const OpSpec& s, const Arg& arg) {
  Op source = from;
  switch (arg.kind) {
    case ArgKind::object:
      to.object = normal_index(from.object, s.object_kind, object_count(s));
      break;
    case ArgKind::quantity:
      // Lengths and offsets never start from a mapping: only addresses do.
      to.*quantity_of(arg.slot) =
          normal_quantity(source.*quantity_of(arg.slot), arg.slot == Slot::addr || arg.slot == Slot::to);
      break;
    case ArgKind::small_len:
      to.len = normal_small_len(from.len);
      break;
    case ArgKind::prot:
      to.small = from.small & 63;
      break;
    case ArgKind::flags:
      to.flags = from.flags & flag_mask(arg.names);
      break;
    case ArgKind::choice:
      small_of(to, arg.slot) = static_cast<std::uint8_t>(small_of(source, arg.slot) % arg.names.size());
      break;
    case ArgKind::mode:
      to.mode = from.mode & 0777;
      break;
    case ArgKind::byte:
    case ArgKind::status:
      to.byte = from.byte;
      break;
    case ArgKind::key:
      to.byte = static_cast<std::uint8_t>(from.byte % kKeys);
      break;
    case ArgKind::user:
      to.byte = static_cast<std::uint8_t>(from.byte % kUsers);
      break;
    case ArgKind::access_size:
      to.small = from.small % 4;
      break;
    case ArgKind::bytes: {
      to.small = from.small % 4;
      unsigned bits = 8U << to.small;
      to.value = bits == 64 ? from.value : from.value & ((std::uint64_t{1} << bits) - 1);
      break;
    }
  }
}

}  // namespace

void normalize(Op& op) {
  Op out;
  out.code = static_cast<OpCode>(static_cast<std::uint8_t>(op.code) % kOpCodes);
  const OpSpec& s = spec(out.code);
  out.proc = normal_index(op.proc, NameKind::process, kProcesses);
  out.result = normal_index(op.result, s.result_name, name_count(s.result_name));
  for (const Arg& arg : s.args) copy_argument(op, out, s, arg);
  op = out;
}

}  // namespace shmcheck::program
