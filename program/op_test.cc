// The op table, normalization and the byte form.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "program/bytes.h"
#include "program/op_text.h"
#include "program/random_test.h"

namespace shmcheck::program {
namespace {

TEST(OpTable, NamesAreUniqueWordsWithHelp) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i <= kOpCodes; ++i) {
    const OpSpec& s = spec(static_cast<OpCode>(i));
    EXPECT_TRUE(names.insert(s.name).second) << s.name;
    EXPECT_EQ(s.name.find_first_of(" =#"), std::string_view::npos) << s.name;
    EXPECT_FALSE(s.help.empty()) << s.name;
  }
}

TEST(OpTable, PositionalArgumentsComeFirstAndAreRequired) {
  for (unsigned i = 0; i <= kOpCodes; ++i) {
    bool labelled = false;
    for (const Arg& arg : spec(static_cast<OpCode>(i)).args) {
      if (!arg.label.empty()) labelled = true;
      EXPECT_TRUE(!arg.label.empty() || (arg.required && !labelled)) << spec(static_cast<OpCode>(i)).name;
    }
  }
}

TEST(OpTable, LabelsAndSlotsAreUsedOncePerOperation) {
  for (unsigned i = 0; i <= kOpCodes; ++i) {
    const OpSpec& s = spec(static_cast<OpCode>(i));
    std::set<std::string_view> labels;
    std::set<Slot> slots;
    for (const Arg& arg : s.args) {
      EXPECT_TRUE(arg.label.empty() || labels.insert(arg.label).second) << s.name << ' ' << arg.label;
      EXPECT_TRUE(slots.insert(arg.slot).second) << s.name << ' ' << arg.label;
      // `bytes` fills value and small.
      EXPECT_TRUE(arg.kind != ArgKind::bytes || slots.insert(Slot::small).second) << s.name;
    }
  }
}

TEST(OpTable, ChoicesAreNumberedFromZeroWithoutGaps) {
  for (unsigned i = 0; i <= kOpCodes; ++i) {
    for (const Arg& arg : spec(static_cast<OpCode>(i)).args) {
      if (arg.kind != ArgKind::choice) continue;
      for (std::size_t n = 0; n < arg.names.size(); ++n)
        EXPECT_EQ(arg.names[n].value, n) << arg.names[n].name;
    }
  }
}

TEST(OpTable, AnArgumentThatNamesAPathIsASecondPath) {
  for (unsigned i = 0; i <= kOpCodes; ++i) {
    const OpSpec& s = spec(static_cast<OpCode>(i));
    const bool names_path = std::any_of(s.args.begin(), s.args.end(), [](const Arg& arg) {
      return arg.kind == ArgKind::choice && arg.slot == Slot::byte && arg.names[0].name == "n0";
    });
    EXPECT_EQ(has_second_path(static_cast<OpCode>(i)), names_path) << s.name;
  }
}

TEST(Normalize, IsIdempotentOnAnyRecord) {
  Dice dice(1);
  for (int i = 0; i < 100'000; ++i) {
    std::uint8_t record[kRecordBytes];
    for (std::uint8_t& b : record)
      b = static_cast<std::uint8_t>(dice.one_in(3) ? dice.odd_number() : dice.any());
    Op op = decode_record(record);
    Op again = op;
    normalize(again);
    ASSERT_EQ(again, op) << to_text(op);
  }
}

// The total of a short length lies within the limit for every page size that Linux has.
TEST(Normalize, KeepsShortLengthsWithinTheirLimitForEveryPageSize) {
  Dice dice(2);
  for (int i = 0; i < 100'000; ++i) {
    Op op;
    op.code = OpCode::contents;
    op.len.pages = static_cast<std::int16_t>(dice.odd_number());
    op.len.bytes = static_cast<std::int16_t>(dice.odd_number());
    normalize(op);
    for (std::int64_t page : {4096, 16384, 65536}) {
      std::int64_t total = op.len.pages * page + op.len.bytes;
      ASSERT_GE(total, 0) << to_text(op);
      ASSERT_LE(total, kMaxIoPages * page) << to_text(op);
    }
  }
}

// Made-up programs would hardly name a process that lives otherwise.
TEST(Normalize, AByteThatNamesNoProcessFallsOnAUsualOne) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    Op op;
    op.code = OpCode::kill;
    op.proc = op.object = static_cast<std::uint8_t>(byte);
    normalize(op);
    if (byte < kProcesses)
      EXPECT_EQ(op.proc, byte);
    else
      EXPECT_LT(op.proc, kUsualProcesses);
    EXPECT_EQ(op.object, op.proc);
  }
}

TEST(Bytes, EveryByteStringDecodesAndEncodesCanonically) {
  Dice dice(3);
  for (int i = 0; i < 20'000; ++i) {
    Program program = decode(dice.bytes(6 * kRecordBytes));
    std::vector<std::uint8_t> bytes = encode(program);
    ASSERT_EQ(decode(bytes), program);
    Program exact;
    ASSERT_EQ(decode_exact(bytes, exact), "");
    ASSERT_EQ(exact, program);
  }
}

TEST(Bytes, AProgramStopsAtItsLimit) {
  std::vector<std::uint8_t> bytes(1 + (kMaxOps + 1) * kRecordBytes, 0);
  bytes[0] = kByteVersion;
  EXPECT_EQ(decode(bytes).ops.size(), kMaxOps);
  Program program;
  EXPECT_EQ(decode_exact(bytes, program), "the program has more than 16384 ops");
}

TEST(Bytes, ExactDecodingSaysWhatIsWrong) {
  Program program;
  EXPECT_EQ(decode_exact({}, program), "the program is empty: not even a version byte");
  std::vector<std::uint8_t> bytes(1 + 2 * kRecordBytes, 0);
  EXPECT_EQ(decode_exact(bytes, program), "the program has byte form version 0, this build reads version 1");
  bytes[0] = kByteVersion;
  EXPECT_EQ(decode_exact(bytes, program), "");
  bytes[1 + kRecordBytes + 1] = 200;  // p200
  EXPECT_EQ(decode_exact(bytes, program), "byte 42 (record 1) is not what a canonical program has there");
  bytes.pop_back();
  EXPECT_EQ(decode_exact(bytes, program), "the program ends inside record 1");
}

}  // namespace
}  // namespace shmcheck::program
