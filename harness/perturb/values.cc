// Lies about single numbers: addresses, ids, counts, loaded bytes, process ids.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

constexpr std::uint64_t kMinusOne = ~std::uint64_t{0};

// --- addresses
bool address_neighbour(Draw& d, Outcome& o) {
  o.value += d.dice.pick<std::uint64_t>({1, 2, kMinusOne}) * d.facts().page_size;
  return true;
}
bool address_remote(Draw& d, Outcome& o) {
  o.value = remote_address(d);
  return true;
}
bool address_unaligned(Draw& d, Outcome& o) {
  o.value += d.dice.pick<std::uint64_t>({1, 8, 512});
  return true;
}
bool address_low(Draw& d, Outcome& o) {
  return replace(d.dice, o.value, {std::uint64_t{0}, std::uint64_t{d.facts().page_size}});
}
bool address_beyond(Draw& d, Outcome& o) {
  const std::uint64_t page = d.facts().page_size;
  return replace(d.dice, o.value, {d.facts().top, d.facts().top + page, kMinusOne / page * page});
}
bool address_taken(Draw& d, Outcome& o) {
  return replace(d.dice, o.value, earlier_values(d, ResultKind::address));
}
bool address_own(Draw& d, Outcome& o) {
  if (d.facts().own.empty()) return false;
  return replace(d.dice, o.value, {pick(d.dice, d.facts().own).low});
}

// --- ids
bool id_other(Draw& d, Outcome& o) {
  o.value += d.dice.pick<std::uint64_t>({1, 32768, 5});
  return true;
}
bool id_taken(Draw& d, Outcome& o) {
  return replace(d.dice, o.value, earlier_values(d, ResultKind::id));
}
bool id_impossible(Draw& d, Outcome& o) {
  return replace(d.dice, o.value, {kMinusOne, std::uint64_t{1} << 31, std::uint64_t{0xffff'ffff}});
}

// --- counts
bool count_more(Draw& d, Outcome& o) {
  o.value += d.dice.pick<std::uint64_t>({1, d.facts().page_size});
  return true;
}
bool count_less(Draw& d, Outcome& o) {
  if (o.value == 0) return false;
  return replace(d.dice, o.value, {o.value - 1, o.value / 2, std::uint64_t{0}});
}
bool count_impossible(Draw&, Outcome& o) {
  o.value = kMinusOne;
  return true;
}

// --- loaded bytes
unsigned loaded_bytes(const Draw& d) {
  return 1U << d.op().small;
}
bool value_bit(Draw& d, Outcome& o) {
  o.value ^= std::uint64_t{1} << d.dice.below(8 * loaded_bytes(d));
  return true;
}
bool value_byte(Draw& d, Outcome& o) {
  const unsigned shift = 8 * d.dice.below(loaded_bytes(d));
  const std::uint64_t byte = o.value >> shift & 0xff;
  std::uint64_t other = byte;
  if (!replace(d.dice, other, {std::uint64_t{0}, std::uint64_t{0xff}, (byte + 1) & 0xff})) return false;
  o.value = (o.value & ~(std::uint64_t{0xff} << shift)) | other << shift;
  return true;
}
bool value_order(Draw& d, Outcome& o) {
  const unsigned bytes = loaded_bytes(d);
  std::uint64_t turned = 0;
  for (unsigned i = 0; i < bytes; ++i) turned |= (o.value >> 8 * i & 0xff) << 8 * (bytes - 1 - i);
  return turned != o.value && (o.value = turned, true);
}
bool value_wide(Draw& d, Outcome& o) {
  if (loaded_bytes(d) == 8) return false;
  o.value |= std::uint64_t{1} << 8 * loaded_bytes(d);
  return true;
}

// --- process ids
bool pid_other(Draw& d, Outcome& o) {
  o.value += 1 + d.dice.below(100);
  return true;
}
bool pid_taken(Draw& d, Outcome& o) {
  std::vector<std::uint64_t> ids = earlier_values(d, ResultKind::pid);
  ids.push_back(d.trace.root_pid);
  return replace(d.dice, o.value, std::move(ids));
}
bool pid_impossible(Draw& d, Outcome& o) {
  return replace(d.dice, o.value, {std::uint64_t{0}, kMinusOne, std::uint64_t{1} << 31});
}

constexpr std::uint16_t kAddress = result_bit(ResultKind::address),
                        kId = result_bit(ResultKind::id) | result_bit(ResultKind::shm_at),
                        kCount = result_bit(ResultKind::count), kValue = result_bit(ResultKind::value),
                        kPid = result_bit(ResultKind::pid);

constexpr Perturbation kTable[] = {
    {"address-near", "address", "an address some pages beside", kOk, kAddress, address_neighbour},
    {"address-remote", "address", "an address far from all others", kOk, kAddress, address_remote},
    {"address-unaligned", "address-impossible", "an address within a page", kOk, kAddress, address_unaligned},
    {"address-low", "address", "address 0 or that of the second page", kOk, kAddress, address_low},
    {"address-beyond", "address-impossible", "an address outside user space", kOk, kAddress, address_beyond},
    {"address-taken", "address", "the address of another mapping", kOk, kAddress, address_taken},
    {"address-own", "address-impossible", "an address of the executor's memory", kOk, kAddress, address_own},
    {"id", "id", "another id", kOk, kId, id_other},
    {"id-taken", "id", "the id of another segment", kOk, kId, id_taken},
    {"id-impossible", "id-impossible", "a negative id, or more than 32 bits", kOk, kId, id_impossible},
    {"count-more", "count", "more bytes", kOk, kCount, count_more},
    {"count-less", "count", "fewer bytes", kOk, kCount, count_less},
    {"count-impossible", "count-impossible", "2^64-1 bytes", kOk, kCount, count_impossible},
    {"value-bit", "bytes", "one bit of what was loaded", kOk, kValue, value_bit},
    {"value-byte", "bytes", "one byte of what was loaded", kOk, kValue, value_byte},
    {"value-order", "bytes", "what was loaded, backwards", kOk, kValue, value_order},
    {"value-wide", "form", "more bytes than were loaded", kOk, kValue, value_wide},
    {"pid", "pid", "another process id", kOk, kPid, pid_other},
    {"pid-taken", "pid", "the process id of another process", kOk, kPid, pid_taken},
    {"pid-impossible", "pid-impossible", "0, -1 or 2^31", kOk, kPid, pid_impossible},
};

}  // namespace

std::span<const Perturbation> value_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness
