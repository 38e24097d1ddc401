// The channel: damaged and foreign frames, requests in advance, commands, ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "executor/driver.h"
#include "program/bytes.h"

namespace shmcheck::executor {
namespace {

using program::Frame;
using program::FrameType;
using ::testing::HasSubstr;

std::string text_of(const Frame& frame) {
  return {frame.payload.begin(), frame.payload.end()};
}

Frame any_run() {
  return program::run_frame(7, 0, program::Program{});
}

struct Damage {
  const char* name;
  std::size_t at;
  std::uint8_t flip;
  program::FrameFault fault;
};

TEST(Channel, DamagedFramesGetASentenceAndEndTheSession) {
  const Damage kDamages[] = {{"magic", 0, 1, program::FrameFault::magic},
                             {"protocol", 6, 3, program::FrameFault::protocol},
                             {"type", 5, 0x80, program::FrameFault::type},
                             {"length", 15, 0x80, program::FrameFault::length},
                             {"sequence", 8, 1, program::FrameFault::checksum},
                             {"payload", program::kFrameHeaderBytes, 1, program::FrameFault::checksum}};
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.name);
    Driver driver(executor());
    std::vector<std::uint8_t> bytes = program::encode_frame(any_run());
    bytes[damage.at] = static_cast<std::uint8_t>(bytes[damage.at] ^ damage.flip);
    driver.send_bytes(bytes);
    Frame answer = driver.receive();
    EXPECT_EQ(answer.type, FrameType::error);
    EXPECT_EQ(text_of(answer), sentence(damage.fault));
    EXPECT_TRUE(driver.at_end());
    EXPECT_EQ(driver.wait(), 0);
  }
}

TEST(Channel, RequestsThatMakeNoSenseGetASentenceAndTheSessionGoesOn) {
  Driver driver(executor());
  std::vector<std::uint8_t> not_canonical = {0, program::kByteVersion};
  not_canonical.resize(2 + program::kRecordBytes, 0xff);
  const std::pair<Frame, const char*> kRequests[] = {
      {{FrameType::run, 1, {}}, "names no file system"},
      {{FrameType::run, 2, {200, program::kByteVersion}}, "names no file system"},
      {{FrameType::run, 3, {0}}, "byte form version"},
      {{FrameType::run, 4, {0, program::kByteVersion + 1}}, "byte form version"},
      {{FrameType::run, 5, {0, program::kByteVersion, 1}}, "not a number of ops"},
      {{FrameType::run, 6, not_canonical}, "record 0 is not what a canonical program has there"},
      {{FrameType::result, 7, {}}, "no business"},
      {{FrameType::command, 8, {0, 0}}, "no time limit and argv"},
      {{FrameType::command, 9, {0, 0, 0, 0, 'x'}}, "no time limit and argv"},
  };
  for (const auto& [request, words] : kRequests) {
    driver.send(request);
    Frame answer = driver.receive();
    EXPECT_EQ(answer.type, FrameType::error) << words;
    EXPECT_EQ(answer.sequence, request.sequence);
    EXPECT_THAT(text_of(answer), HasSubstr(words));
  }
  expect_trace(driver, "p0 unlink n0 -> ENOENT\n");
}

TEST(Channel, ManyRequestsInAdvanceAreAnsweredInOrder) {
  Driver driver(executor());
  constexpr std::uint32_t kRequests = 500;
  std::vector<std::uint8_t> all;
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    std::vector<std::uint8_t> one = program::encode_frame(program::run_frame(i, 0, program::Program{}));
    all.insert(all.end(), one.begin(), one.end());
  }
  driver.send_bytes(all);
  driver.close_input();
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    Frame answer = driver.receive();
    ASSERT_EQ(answer.type, FrameType::result);
    ASSERT_EQ(answer.sequence, i);
  }
  EXPECT_TRUE(driver.at_end());
  EXPECT_EQ(driver.wait(), 0);
}

TEST(Channel, QuitEndsTheExecutor) {
  Driver driver(executor());
  driver.send(program::quit_frame(1));
  EXPECT_TRUE(driver.at_end());
  EXPECT_EQ(driver.wait(), 0);
}

TEST(Channel, OutcomesThatDoNotFitAreAnError) {
  // 64 pages of bytes that differ from their neighbours are 2 MiB of runs; eight times that is too much.
  std::string lines =
      "p0 open f0 n0 access=rw flags=creat mode=600\np0 mmap m0 - len=64p prot=rw flags=private,anon\n";
  program::Program program = std::get<program::Program>(program::parse_program(lines, "test"));
  program::Op store, contents;
  store.code = program::OpCode::store;
  store.small = 3;
  store.value = 0x0001000100010001;
  store.addr.base = static_cast<std::uint8_t>(program::Base::mapping);
  contents.code = program::OpCode::contents;
  contents.addr.base = store.addr.base;
  contents.len.pages = 24;
  for (int at = 0; at < 24 * 4096; at += 8) {
    store.addr.pages = static_cast<std::int16_t>(at / 4096);
    store.addr.bytes = static_cast<std::int16_t>(at % 4096);
    program.ops.push_back(store);
  }
  for (int i = 0; i < 24; ++i) program.ops.push_back(contents);
  Driver& driver = shared_driver();
  driver.send(program::run_frame(70, 0, program));
  Frame answer = driver.receive();
  EXPECT_EQ(answer.type, FrameType::error);
  EXPECT_THAT(text_of(answer), HasSubstr("do not fit"));
  expect_trace(driver, "p0 unlink n0 -> ENOENT\n");
}

TEST(Command, ItsOutputAndItsEndComeBack) {
  const std::string good[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3"};
  EXPECT_EQ(run_command(shared_driver(), good), "out\nerr\n -> status 3");
  const std::string killed[] = {"/bin/sh", "-c", "kill -9 $$"};
  EXPECT_EQ(run_command(shared_driver(), killed), " -> signal 9");
  const std::string missing[] = {"/no/such/command"};
  EXPECT_EQ(run_command(shared_driver(), missing), "/no/such/command: ENOENT\n -> status 127");
  expect_trace(shared_driver(), "p0 unlink n0 -> ENOENT\n");
}

TEST(Command, GoesOnAfterItsOutputWasClosed) {
  const std::string argv[] = {"/bin/sh", "-c",
                              "exec >&- 2>&-; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; exit 5"};
  EXPECT_EQ(run_command(shared_driver(), argv), " -> status 5");
}

TEST(Command, HasNeitherItsTimeNorItsChildrenAfterItsLimit) {
  const std::string argv[] = {"/bin/sh", "-c", "echo on; sleep 1000 & sleep 1000"};
  EXPECT_EQ(run_command(shared_driver(), argv, 50), "on\n -> time limit 9");
  const std::string left[] = {"/bin/sh", "-c", "sleep 1000 & echo gone"};
  EXPECT_EQ(run_command(shared_driver(), left), "gone\n -> status 0");
}

TEST(Command, MayUseEveryCpuAndAUsualMask) {
  const std::string argv[] = {"/bin/sh", "-c", "nproc; umask"};
  const std::string cpus = std::to_string(sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_EQ(run_command(shared_driver(), argv), cpus + "\n0022\n -> status 0");
}

TEST(CommandLine, IsRefusedWithASentence) {
  for (std::string option :
       {"--nonsense", "--cpu=x", "--dir=usr=/", "--uids=1", "--op-timeout-ms=0", "--in"}) {
    Driver driver(executor({option}), false);
    EXPECT_EQ(driver.wait(), 2) << option;
  }
}

}  // namespace
}  // namespace shmcheck::executor
