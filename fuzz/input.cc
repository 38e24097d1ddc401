#include "fuzz/input.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "program/bytes.h"

namespace shmcheck::fuzz {
namespace {

using namespace shmcheck::program;

// Longer programs and longer transfers find nothing that shorter ones do not, and cost time.
constexpr std::size_t kMostOps = 64;
constexpr std::int16_t kMostPages = 8;

bool moves_contents(OpCode code) {
  return code == OpCode::contents || code == OpCode::pread || code == OpCode::pwrite ||
         code == OpCode::pread_to || code == OpCode::pwrite_from;
}

// A record that means something: most bytes small, since small numbers name things.
Op random_record(std::minstd_rand& random) {
  std::uint8_t bytes[kRecordBytes];
  for (std::uint8_t& b : bytes) {
    std::uint32_t r = static_cast<std::uint32_t>(random() >> 4);
    b = static_cast<std::uint8_t>((r & 7) < 4 ? 0 : (r & 7) < 7 ? (r >> 3) % 8 : r >> 3);
  }
  bytes[0] = static_cast<std::uint8_t>(random() % kOpCodes);
  bytes[1] = static_cast<std::uint8_t>(random() % 3);
  return decode_record(bytes);
}

void mutate(Program& program, std::minstd_rand& random) {
  auto any = [&] { return static_cast<std::ptrdiff_t>(random() % program.ops.size()); };
  auto place = [&] { return static_cast<std::ptrdiff_t>(random() % (program.ops.size() + 1)); };
  std::uint32_t how = program.ops.empty() ? 0 : static_cast<std::uint32_t>(random() >> 5) % 6;
  switch (how) {
    case 0:
      program.ops.insert(program.ops.begin() + place(), random_record(random));
      return;
    case 1:
      program.ops.erase(program.ops.begin() + any());
      return;
    case 2: {
      Op copy = program.ops[static_cast<std::size_t>(any())];
      program.ops.insert(program.ops.begin() + place(), copy);
      return;
    }
    case 3:
      std::swap(program.ops[static_cast<std::size_t>(any())], program.ops[static_cast<std::size_t>(any())]);
      return;
    default: {  // some bytes of one record, from a fresh one
      Op& op = program.ops[static_cast<std::size_t>(any())];
      std::uint8_t was[kRecordBytes], fresh[kRecordBytes];
      encode_record(op, was);
      encode_record(random_record(random), fresh);
      std::size_t from = 1 + random() % (kRecordBytes - 1), count = 1 + random() % 4;
      for (std::size_t i = from; i < std::min(from + count, kRecordBytes); ++i) was[i] = fresh[i];
      op = decode_record(was);
      return;
    }
  }
}

}  // namespace

Program program_of(std::span<const std::uint8_t> bytes) {
  Program program = decode(bytes);
  if (program.ops.size() > kMostOps) program.ops.resize(kMostOps);
  for (Op& op : program.ops) {
    if (!moves_contents(op.code)) continue;
    op.len.pages %= kMostPages + 1;
    normalize(op);  // 9 pages less 5 bytes became less than nothing
  }
  return program;
}

}  // namespace shmcheck::fuzz

using namespace shmcheck;
using namespace shmcheck::program;

// Weak: an engine that has none of its own gets along without.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::minstd_rand random(seed + 1);
  bool by_bytes = random() % 4 == 0 && LLVMFuzzerMutate != nullptr;
  if (by_bytes) return LLVMFuzzerMutate(data, size, max_size);
  std::uint8_t first = size > 0 ? data[0] : kByteVersion;
  if (random() % 16 == 0) first = static_cast<std::uint8_t>(random() >> 7);
  Program program = decode({data, size});
  for (std::size_t count = 1 + random() % 3; count > 0; --count) fuzz::mutate(program, random);
  std::vector<std::uint8_t> bytes = encode(program);
  bytes[0] = first;
  std::size_t whole =
      std::min(bytes.size(), max_size < 1 ? 0 : 1 + (max_size - 1) / kRecordBytes * kRecordBytes);
  std::memcpy(data, bytes.data(), whole);
  return whole;
}
