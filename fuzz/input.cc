#include "fuzz/input.h"

#include <algorithm>
#include <array>
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

using Record = std::array<std::uint8_t, kRecordBytes>;

// A record that means something: most bytes small, since small numbers name things.
Record random_record(std::minstd_rand& random) {
  Record bytes;
  for (std::uint8_t& b : bytes) {
    std::uint32_t r = static_cast<std::uint32_t>(random() >> 4);
    b = static_cast<std::uint8_t>((r & 7) < 4 ? 0 : (r & 7) < 7 ? (r >> 3) % 8 : r >> 3);
  }
  bytes[0] = static_cast<std::uint8_t>(random() % kOpCodes);
  bytes[1] = static_cast<std::uint8_t>(random() % 3);
  return bytes;
}

// What the bytes of a record mean, as a program writes it.
void canonical(Record& record) {
  encode_record(decode_record(record.data()), record.data());
}

void mutate(std::vector<Record>& records, std::minstd_rand& random) {
  auto any = [&] { return static_cast<std::ptrdiff_t>(random() % records.size()); };
  auto place = [&] { return static_cast<std::ptrdiff_t>(random() % (records.size() + 1)); };
  std::uint32_t how = records.empty() ? 0 : static_cast<std::uint32_t>(random() >> 5) % 6;
  switch (how) {
    case 0: {
      Record fresh = random_record(random);
      canonical(fresh);
      records.insert(records.begin() + place(), fresh);
      return;
    }
    case 1:
      records.erase(records.begin() + any());
      return;
    case 2: {
      Record copy = records[static_cast<std::size_t>(any())];
      records.insert(records.begin() + place(), copy);
      return;
    }
    case 3:
      std::swap(records[static_cast<std::size_t>(any())], records[static_cast<std::size_t>(any())]);
      return;
    default: {  // some bytes of one record, from a fresh one
      Record& record = records[static_cast<std::size_t>(any())];
      Record fresh = random_record(random);
      canonical(fresh);
      std::size_t from = 1 + random() % (kRecordBytes - 1), count = 1 + random() % 4;
      std::copy_n(fresh.data() + from, std::min(count, kRecordBytes - from), record.data() + from);
      canonical(record);
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
  std::vector<fuzz::Record> records;
  records.reserve(size / kRecordBytes + 4);
  for (std::size_t at = 1; at < size; at += kRecordBytes) {
    std::copy_n(data + at, std::min(kRecordBytes, size - at), records.emplace_back().data());
  }
  for (std::size_t count = 1 + random() % 3; count > 0; --count) fuzz::mutate(records, random);
  if (max_size == 0) return 0;
  records.resize(std::min(records.size(), (max_size - 1) / kRecordBytes));
  data[0] = first;
  if (!records.empty()) std::memcpy(data + 1, records.data(), records.size() * kRecordBytes);
  return 1 + records.size() * kRecordBytes;
}
