// Sessions with an executor that misbehaves: each ends in a sentence that says what happened.

#include "harness/session.h"

#include <gmock/gmock.h>

#include "program/text.h"

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;

program::Program small_program() {
  auto parsed = program::parse_program(
      "p0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 store m0 0x41\np0 load m0\n", "test");
  return std::get<program::Program>(std::move(parsed));
}

TargetSpec fake(const std::string& mode) {
  TargetSpec spec;
  EXPECT_EQ(parse_target("cmd:" FAKE_EXECUTOR " " + mode, {}, spec), "");
  return spec;
}

std::unique_ptr<Session> open(const std::string& mode, std::string& error,
                              milliseconds hello = milliseconds(20'000)) {
  SessionOptions options;
  options.hello_limit = hello;
  options.silence = milliseconds(1500);
  return Session::open(fake(mode), options, Deadline::never(), error);
}

Deadline soon() {
  return Deadline::in(milliseconds(20'000));
}

// --- before the hello: nothing was judged
// -------------------------------------------------------------------

struct NoHello {
  const char* mode;
  const char* sentence;
};
class NoHelloTest : public ::testing::TestWithParam<NoHello> {};

TEST_P(NoHelloTest, IsToldInASentence) {
  std::string error;
  EXPECT_EQ(open(GetParam().mode, error, milliseconds(1000)), nullptr);
  EXPECT_THAT(error, HasSubstr(GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(Modes, NoHelloTest,
                         ::testing::Values(NoHello{"silent", "no hello came"},
                                           NoHello{"old",
                                                   "the executor speaks protocol 2, this host speaks 1"},
                                           NoHello{"exits-at-once", "exited with status 7"},
                                           NoHello{"exits-at-once", "cannot find my head"},
                                           NoHello{"chatters", "the channel does not carry frames"},
                                           NoHello{"refuses", "no directory for files of programs"}));

TEST(Session, SaysWhatCannotBeStarted) {
  TargetSpec spec;
  ASSERT_EQ(parse_target("cmd:/no/such/program executor", {}, spec), "");
  std::string error;
  EXPECT_EQ(Session::open(spec, {}, soon(), error), nullptr);
  EXPECT_THAT(error, HasSubstr("cannot execute /no/such/program: No such file or directory"));
}

// --- after the hello
// ----------------------------------------------------------------------------------------

TEST(Session, GivesFactsAndAbsences) {
  std::string error;
  const auto session = open("good", error);
  ASSERT_NE(session, nullptr) << error;
  ASSERT_EQ(session->facts().size(), 1U);
  ASSERT_EQ(session->absent().size(), 1U);
  EXPECT_EQ(session->absent()[0].what, "ext4");
  EXPECT_EQ(session->absent()[0].evidence, "this is a fake");
}

TEST(Session, AnswersInTheOrderOfSubmission) {
  std::string error;
  const auto session = open("good", error);
  ASSERT_NE(session, nullptr) << error;
  std::vector<std::uint64_t> tickets;
  for (int i = 0; i < 20; ++i) tickets.push_back(session->submit(0, small_program()));
  for (const std::uint64_t ticket : tickets) {
    const auto answer = session->next(soon());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->ticket, ticket);
    EXPECT_TRUE(answer->complete()) << answer->sentence;
    ASSERT_EQ(answer->trace.steps.size(), 4U);
    EXPECT_EQ(answer->trace.steps[2].outcome.value, 0x41U);
  }
  EXPECT_FALSE(session->next(soon()));
}

struct Misbehaviour {
  const char* mode;
  Answer::End end;
  const char* sentence;
};
class MisbehaviourTest : public ::testing::TestWithParam<Misbehaviour> {};

// The first program is answered well, the second one not; the third is answered after a restart.
TEST_P(MisbehaviourTest, BelongsToTheProgramThatMetIt) {
  std::string error;
  const auto session = open(GetParam().mode, error);
  ASSERT_NE(session, nullptr) << error;
  session->submit(0, small_program());
  auto first = session->next(soon());
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->complete()) << first->sentence;
  for (int i = 0; i < 2; ++i) session->submit(0, small_program());
  auto second = session->next(soon());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->end, GetParam().end);
  EXPECT_THAT(second->sentence, HasSubstr(GetParam().sentence));
  if (GetParam().end != Answer::End::lost) return;
  EXPECT_NE(session->lost(), "");
  ASSERT_EQ(session->restart(soon()), "");
  auto third = session->next(soon());
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->complete()) << third->sentence;
}

using End = Answer::End;
INSTANTIATE_TEST_SUITE_P(
    Modes, MisbehaviourTest,
    ::testing::Values(Misbehaviour{"dies", End::lost, "was killed by signal 11"},
                      Misbehaviour{"exits", End::lost, "exited with status 3"},
                      Misbehaviour{"hangs", End::lost, "it hangs: no answer for"},
                      Misbehaviour{"garbage", End::lost, "the channel does not carry frames"},
                      Misbehaviour{"half-frame", End::lost, "exited with status 0"},
                      Misbehaviour{"reboots", End::lost, "which the program does not ask for"},
                      Misbehaviour{"panics", End::lost, "Kernel panic - not syncing: planted"},
                      Misbehaviour{"times-out", End::timeout, "step 1 of 3 did not finish in time"}));

TEST(Session, EndsAWaitWhenInterrupted) {
  SessionOptions options;
  bool asked = false;
  options.interrupted = [&asked] { return std::exchange(asked, true); };
  std::string error;
  const auto session = Session::open(fake("good"), options, soon(), error);
  // The first question comes while the hello is awaited.
  EXPECT_TRUE(session == nullptr || asked);
}

TEST(Session, ConformanceTestsThatCannotBeRunAreUnavailable) {
  std::string error;
  const auto session = open("good", error);
  ASSERT_NE(session, nullptr) << error;
  const auto executed = session->run_conformance({}, soon(), [](std::string_view) {});
  EXPECT_EQ(executed.end, Session::Executed::End::unavailable);
  EXPECT_THAT(executed.sentence, testing::HasSubstr("it names an executor of its own"));
}

}  // namespace
}  // namespace shmcheck::harness
