#include "program/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program/bytes.h"
#include "program/text.h"

namespace shmcheck::program {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::vector<Outcome> SomeOutcomes() {
  std::vector<Outcome> all(5);
  all[0] = {.before = 1'700'000'000, .after = 1'700'000'000, .words = {}};
  all[1] = {
      .kind = OutcomeKind::error, .error = 22, .before = 1'700'000'000, .after = 1'700'000'001, .words = {}};
  all[2] = {.kind = OutcomeKind::signal,
            .signal = 7,
            .code = 2,
            .address = 0x2000001000,
            .before = 1'700'000'001,
            .after = 1'700'000'001,
            .words = {}};
  all[3] = {.value = ~std::uint64_t{0}, .before = 5, .after = 4, .words = {1, 2, ~std::uint64_t{0}}};
  all[4] = {.kind = OutcomeKind::timeout, .before = 4, .after = 4, .words = {}};
  return all;
}

TEST(Frame, OutcomesSurviveTheirWayThroughAResult) {
  Result sent{4711, SomeOutcomes()}, back;
  EXPECT_EQ(decode_result(encode_result(sent), back), "");
  EXPECT_EQ(back, sent);
}

TEST(Frame, AnOkInTheSameSecondIsOneByte) {
  std::vector<Outcome> all(2);
  EXPECT_EQ(encode_result({1, all}).size() + 1, encode_result({1, std::vector<Outcome>(3)}).size());
}

TEST(Frame, NoPrefixOfAResultIsAResult) {
  std::vector<std::uint8_t> bytes = encode_result({1, SomeOutcomes()});
  Result back;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_NE(decode_result(std::span(bytes).first(n), back), "") << n << " bytes";
  }
  bytes.push_back(0);
  EXPECT_THAT(decode_result(bytes, back), HasSubstr("goes on after its last record"));
}

TEST(Frame, ARecordThatDoesNotFitLeavesTheResultAsItWas) {
  std::vector<std::uint8_t> room(kResultHeadBytes + kRecordHeadBytes + 7);
  ResultCursor cursor;
  const std::uint64_t words[] = {1};
  EXPECT_FALSE(append_record(room, cursor, {}, words));
  EXPECT_EQ(cursor.used, kResultHeadBytes);
  EXPECT_TRUE(append_record(room, cursor, {}, {}));
  EXPECT_EQ(cursor.records, 1U);
}

TEST(Frame, TheReaderCutsAStreamThatComesByteByByte) {
  std::vector<Frame> sent = {{FrameType::output, 7, {'h', 'i'}}, quit_frame(8)};
  std::vector<Frame> got;
  FrameReader reader;
  for (const Frame& frame : sent) {
    for (std::uint8_t byte : encode_frame(frame)) {
      reader.feed({&byte, 1});
      Frame next;
      if (reader.next(next)) got.push_back(next);
    }
  }
  EXPECT_EQ(got, sent);
}

// Every single flipped bit is noticed, or leaves the reader waiting for a longer frame.
TEST(Frame, NoFlippedBitGoesUnnoticed) {
  const std::vector<std::uint8_t> bytes = encode_frame({FrameType::output, 7, {'h', 'i'}});
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::uint8_t> damaged = bytes;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
    FrameReader reader;
    reader.feed(damaged);
    Frame frame;
    EXPECT_FALSE(reader.next(frame)) << "bit " << bit;
  }
}

TEST(Frame, RequestsHoldWhatTheExecutorReads) {
  Program program;
  program.ops.resize(1);
  Frame run = run_frame(3, 1, program);
  EXPECT_EQ(run.payload[0], 1);
  Program back;
  EXPECT_EQ(decode_exact(std::span(run.payload).subspan(1), back), "");
  EXPECT_EQ(back, program);
  const std::string argv[] = {"a", "", "bc"};
  EXPECT_THAT(command_frame(4, 258, argv).payload, ElementsAre(2, 1, 0, 0, 'a', 0, 0, 'b', 'c', 0));
}

TEST(Frame, WhatARestartedMachineGoesOnWithComesToItWhole) {
  const auto program =
      std::get<Program>(parse_program("p0 shmget s3 key=k1 size=1p flags=creat\n"
                                      "p0 shmat m2 s3\n"
                                      "p0 shmget s4 key=k2 size=1p\n"
                                      "p0 reboot p0\n",
                                      "test"));
  Result result{4711, std::vector<Outcome>(3)};
  result.outcomes[0].value = 98304;
  result.outcomes[1].value = 0x7f0000000000;
  result.outcomes[2].kind = OutcomeKind::error;
  const std::vector<std::uint8_t> records = encode_result(result);
  Frame frame = resume_frame(5, 2, records, bindings_of(program, result.outcomes), program);
  EXPECT_EQ(frame.type, FrameType::resume);
  Resume back;
  ASSERT_TRUE(decode_resume(frame.payload, back));
  EXPECT_EQ(back.file_system, 2);
  EXPECT_THAT(back.result, ElementsAreArray(records));
  EXPECT_EQ(back.bindings.mappings_bound, 1U << 2);
  EXPECT_EQ(back.bindings.mapping[2], 0x7f0000000000U);
  EXPECT_EQ(back.bindings.segments_bound, 1U << 3);
  EXPECT_EQ(back.bindings.segment[3], 98304);
  Program ops;
  EXPECT_EQ(decode_exact(back.program, ops), "");
  EXPECT_EQ(ops, program);
  const std::size_t parts = frame.payload.size() - back.program.size();
  for (std::size_t n = 0; n < parts; ++n)
    EXPECT_FALSE(decode_resume(std::span(frame.payload).first(n), back)) << n << " bytes";
}

TEST(Frame, OfARaceARestartedMachineHasTheIdThatSomebodyGot) {
  const auto program =
      std::get<Program>(parse_program("p0 race_shmget s1 key=k1 size=1p flags=creat,excl\n"
                                      "p0 race_shmget s2 key=k1 size=1p flags=creat,excl\n"
                                      "p0 reboot p0\n",
                                      "test"));
  std::vector<Outcome> outcomes(2);
  const auto add = [](Outcome& o, const Racer& r) {
    o.words.insert(o.words.end(), {r.pid, pack_how(r), r.value});
  };
  constexpr std::uint16_t kEEXIST = 17;
  add(outcomes[0], {101, OutcomeKind::error, kEEXIST, 0, 0});
  add(outcomes[0], {102, OutcomeKind::ok, 0, 0, 98304});
  for (std::uint64_t pid : {103, 104}) add(outcomes[1], {pid, OutcomeKind::error, kEEXIST, 0, 0});
  const Bindings bindings = bindings_of(program, outcomes);
  EXPECT_EQ(bindings.segments_bound, 1U << 1);
  EXPECT_EQ(bindings.segment[1], 98304);
}

TEST(Frame, HelloIsFactsAndAbsences) {
  std::string text = std::string("\1\0\0\0", 4) + "facts page=4096\nabsent ext4: no image\nfacts page=1\n";
  auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  Hello hello;
  EXPECT_EQ(decode_hello(bytes, hello), "");
  EXPECT_THAT(hello.facts, ElementsAre("page=4096", "page=1"));
  EXPECT_THAT(hello.absent, ElementsAre("ext4: no image"));
  text[0] = 2;
  EXPECT_EQ(decode_hello(bytes, hello), "the executor speaks protocol 2, this host speaks 1");
}

TEST(Frame, ExitedSaysHow) {
  Exited exited;
  const std::uint8_t killed[] = {1, 9};
  EXPECT_EQ(decode_exited(killed, exited), "");
  EXPECT_EQ(exited.how, End::signal);
  EXPECT_EQ(exited.number, 9);
  EXPECT_NE(decode_exited(std::span(killed).first(1), exited), "");
}

}  // namespace
}  // namespace shmcheck::program
