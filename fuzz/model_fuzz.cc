// Any bytes are a program; what the model does with it, the judge allows, in every profile and on every kind
// of target that the facts describe.
//
// The first byte, where a program has its version, chooses profile and facts: it is not part of the program.
// The custom mutator only saves an engine the work of finding the edges of records.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "model/judge.h"
#include "model/machine.h"
#include "program/bytes.h"
#include "program/text.h"

using namespace shmcheck;
using namespace shmcheck::program;

namespace {

// Longer programs and longer transfers find nothing that shorter ones do not, and cost time.
constexpr std::size_t kMostOps = 64;
constexpr std::int16_t kMostPages = 8;

Facts facts_of(std::uint8_t choice) {
  static const FileSystem kFileSystems[] = {FileSystem::tmpfs, FileSystem::ext4, FileSystem::xfs,
                                            FileSystem::other};
  static const std::uint32_t kReleases[] = {release(6, 18), release(6, 1), release(5, 10), release(6, 12)};
  Facts facts = model::model_facts();
  facts.fs = kFileSystems[choice % 4];
  facts.release = kReleases[choice / 4 % 4];
  if (choice / 16 == 3) facts.page_size = facts.shmlba = 65536;
  return facts;
}

bool moves_contents(OpCode code) {
  return code == OpCode::contents || code == OpCode::pread || code == OpCode::pwrite ||
         code == OpCode::pread_to || code == OpCode::pwrite_from;
}

void complain(const char* what, const std::string& detail, const Trace& trace) {
  std::fprintf(stderr, "%s: %s\n%s\n", what, detail.c_str(), to_text(trace).c_str());
  std::abort();
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

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Program program = decode({data, size});
  if (program.ops.size() > kMostOps) program.ops.resize(kMostOps);
  for (Op& op : program.ops) {
    if (!moves_contents(op.code)) continue;
    op.len.pages %= kMostPages + 1;
    normalize(op);  // 9 pages less 5 bytes became less than nothing
  }
  Facts facts = facts_of(data[0] / 4);
  auto profile = static_cast<model::Profile>(data[0] % 4);
  Trace trace = model::run_program(program, facts);
  model::TraceVerdict verdict = model::judge_trace(trace, profile);
  if (const model::Finding* f = verdict.first()) {
    complain("the model's own outcome is refused",
             std::string(model::to_string(profile)) + ", step " + std::to_string(f->step) + ", " +
                 std::string(clauses::info(f->clause).id) + ": allowed " + f->allowed + ", seen " + f->seen,
             trace);
  }
  return 0;
}

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
  for (std::size_t count = 1 + random() % 3; count > 0; --count) mutate(program, random);
  std::vector<std::uint8_t> bytes = encode(program);
  bytes[0] = first;
  std::size_t whole =
      std::min(bytes.size(), max_size < 1 ? 0 : 1 + (max_size - 1) / kRecordBytes * kRecordBytes);
  std::memcpy(data, bytes.data(), whole);
  return whole;
}
