// The benchmark sees when a transfer is broken or a process ends, and leaves nothing behind.

#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "bench/ipc/message.h"
#include "bench/ipc/pair.h"
#include "bench/ipc/report.h"
#include "bench/ipc/ring.h"

namespace shmcheck::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::nanoseconds kShort{200'000};

int segments() {
  struct shm_info info = {};
  EXPECT_GE(::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)), 0);
  return info.used_ids;
}

int queues() {
  struct msginfo info = {};
  EXPECT_GE(::msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&info)), 0);
  return info.msgpool;
}

// A channel, a pipe unless it is told, with somebody in the middle.
class Meddled : public Channel {
 public:
  using Meddle = void (*)(std::byte* message, std::size_t size, std::uint64_t number);
  using Make = std::unique_ptr<Channel> (*)(std::size_t size);
  Meddled(std::size_t size, Meddle meddle, Make make = through_pipe)
      : size_(size), channel_(make(size)), meddle_(meddle) {}

  std::byte* compose() override { return message_ = channel_->compose(); }
  void send() override {
    meddle_(message_, size_, number_++);
    channel_->send();
  }
  const std::byte* receive() override { return channel_->receive(); }
  void abandon() noexcept override { channel_->abandon(); }

 private:
  std::size_t size_;
  std::unique_ptr<Channel> channel_;
  Meddle meddle_;
  std::byte* message_ = nullptr;
  std::uint64_t number_ = 0;
};

Mechanism meddled(Meddled::Meddle meddle) {
  return {"meddled", false, "", false,
          [meddle](std::size_t size) { return std::make_unique<Meddled>(size, meddle); }};
}

std::string sentence_of(const Mechanism& mechanism, std::size_t size,
                        std::chrono::nanoseconds time = kShort) {
  try {
    measure(mechanism, size, placements().front(), time);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Others make segments and queues meanwhile; where this process may not have a namespace for its own, nothing
// can be said of what is left.
bool has_namespace() {
  static const bool has = ::unshare(CLONE_NEWIPC) == 0;
  return has;
}

class Ipc : public ::testing::Test {
 protected:
  void SetUp() override {
    hold_signals();
    if (!has_namespace()) return;
    segments_ = segments();
    queues_ = queues();
  }
  void TearDown() override {
    if (has_namespace()) {
      EXPECT_EQ(segments(), segments_);
      EXPECT_EQ(queues(), queues_);
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
  }
  int segments_ = 0, queues_ = 0;
};

TEST_F(Ipc, EveryMechanismTransfersEverySizeOrSaysWhyNot) {
  for (const Mechanism& mechanism : mechanisms()) {
    if (mechanism.spins() && placements().size() < 2) continue;
    for (const std::size_t size : {1, 7, 64, 4097, 1 << 20}) {
      try {
        const Timing timing = measure(mechanism, size, placements().back(), kShort);
        EXPECT_GT(timing.latency_ns, 0) << mechanism.name;
        EXPECT_GT(timing.mib_s, 0) << mechanism.name;
      } catch (const Unavailable& why) {
        EXPECT_FALSE(mechanism.shared_memory) << mechanism.name << ": " << why.what();
      }
    }
  }
}

TEST_F(Ipc, AByteThatIsNotAsSentIsAnError) {
  const auto last_byte = [](std::byte* message, std::size_t size, std::uint64_t number) {
    if (number == 5) message[size - 1] ^= std::byte{1};
  };
  const auto in_the_middle = [](std::byte* message, std::size_t size, std::uint64_t) {
    message[size / 2] ^= std::byte{0x80};
  };
  EXPECT_EQ(sentence_of(meddled(last_byte), 1), "message 5 did not arrive as it was sent");
  EXPECT_EQ(sentence_of(meddled(last_byte), 4096), "message 5 did not arrive as it was sent");
  EXPECT_EQ(sentence_of(meddled(in_the_middle), 4096), "message 0 did not arrive as it was sent");
}

TEST_F(Ipc, AnOlderMessageIsAnError) {
  const auto again = [](std::byte* message, std::size_t size, std::uint64_t number) {
    static std::vector<std::byte> first;
    if (number == 0) first.assign(message, message + size);
    if (number == 3) std::memcpy(message, first.data(), size);
  };
  EXPECT_EQ(sentence_of(meddled(again), 1), "message 3 did not arrive as it was sent");
  EXPECT_EQ(sentence_of(meddled(again), 64), "message 3 did not arrive as it was sent");
}

TEST_F(Ipc, NeighboursDifferInEveryByteCount) {
  std::byte buffer[17];
  for (std::size_t size = 1; size <= sizeof buffer; ++size) {
    write_message(buffer, size, Way::there, 41);
    EXPECT_TRUE(is_message(buffer, size, Way::there, 41)) << size;
    EXPECT_FALSE(is_message(buffer, size, Way::there, 42)) << size;
    EXPECT_FALSE(is_message(buffer, size, Way::back, 41)) << size;
  }
}

TEST_F(Ipc, AProcessThatIsKilledEndsTheMeasurement) {
  EXPECT_EQ(sentence_of(meddled([](std::byte*, std::size_t, std::uint64_t number) {
                          if (number == 2) ::raise(SIGKILL);
                        }),
                        64),
            "one of its processes was ended by signal 9");
}

TEST_F(Ipc, WhatAProcessFindsUnavailableIsThatForTheParent) {
  const Mechanism none =
      meddled([](std::byte*, std::size_t, std::uint64_t) { throw Unavailable("not permitted here"); });
  EXPECT_THROW(measure(none, 1, placements().front(), kShort), Unavailable);
}

TEST_F(Ipc, AnInterruptEndsTheMeasurement) {
  for (const Mechanism& mechanism : mechanisms()) {
    if (mechanism.spins() || mechanism.in_place) continue;
    ::raise(SIGTERM);
    EXPECT_THROW(measure(mechanism, 64, placements().front(), std::chrono::seconds(5)), Interrupted)
        << mechanism.name;
  }
}

pid_t measuring = 0;
int sent = 0;

// Starts a process that measures queues, which its own two processes send a signal when they are at work.
pid_t start_measuring(int signal, std::chrono::nanoseconds time) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  measuring = ::getpid();
  sent = signal;
  const auto at_work = [](std::byte*, std::size_t, std::uint64_t number) {
    if (number == 2) ::kill(measuring, sent);
  };
  const auto through_queues = [&](std::size_t size) {
    return std::make_unique<Meddled>(size, at_work, through_system_v_queue);
  };
  sentence_of({"signals", false, "", false, through_queues}, 64, time);
  ::_exit(0);
}

// Until the queues are gone, which TearDown looks at.
void await_queues(int left) {
  const auto start = std::chrono::steady_clock::now();
  while (queues() > left && std::chrono::steady_clock::now() - start < std::chrono::seconds(5))
    ::sched_yield();
}

// The parent cannot remove the queues then; its processes do, which would otherwise be at work for seconds.
TEST_F(Ipc, AParentThatIsKilledLeavesNoQueue) {
  if (!has_namespace()) GTEST_SKIP() << "this caller may not make an IPC namespace";
  const pid_t parent = start_measuring(SIGKILL, std::chrono::seconds(10));
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  EXPECT_TRUE(WIFSIGNALED(status));
  await_queues(queues_);
}

// On a busy machine the processes may be done before the parent dies, or sees that they are.
TEST_F(Ipc, AParentThatIsKilledAfterItsProcessesHaveEndedLeavesNoQueue) {
  if (!has_namespace()) GTEST_SKIP() << "this caller may not make an IPC namespace";
  const pid_t parent = start_measuring(SIGSTOP, kShort);
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, WUNTRACED), parent);
  EXPECT_TRUE(WIFSTOPPED(status));
  await_queues(queues_);
  ::kill(parent, SIGKILL);
  EXPECT_EQ(::waitpid(parent, &status, 0), parent);
}

// The receiver saw the first message before the sender looked for a sleeper, and waits for the second: its
// wake is that of the second.
TEST_F(Ipc, WhoWaitsForTheNextMessageIsNotTakenForOneOfTheLast) {
  RingState state;
  Ring sender(&state, 2, HandOver::futex);
  state.sent.sleeps_on = 1;
  sender.publish();
  EXPECT_EQ(state.sent.sleeps_on, 1U);
  sender.publish();
  EXPECT_EQ(state.sent.sleeps_on, Count::kNobody);
}

// A wake that is lost shows as one that never comes.
TEST_F(Ipc, NoWakeIsLost) {
  constexpr std::uint32_t kMessages = 50'000;
  for (const std::uint32_t slots : {2, 4}) {
    RingState state;
    std::atomic<std::uint32_t> taken{0};
    std::thread receiver([&] {
      Ring ring(&state, slots, HandOver::futex);
      for (std::uint32_t i = 0; i < kMessages; ++i) {
        ring.await_message();
        ring.release();
        ++taken;
      }
    });
    Ring ring(&state, slots, HandOver::futex);
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      ring.await_free();
      ring.publish();
    }
    receiver.join();
    EXPECT_EQ(taken, kMessages);
  }
}

// --- what is said of a run

harness::IpcRun example() {
  harness::IpcRun run;
  run.rounds = 3;
  run.kernel.release = "6.1.2-here";
  run.series = {{"file mapping", true, "spinning", true, 2, {{1, {100, 110, 120}, {3, 3, 3}, ""}}},
                {"pipe", false, "", false, 2, {{1, {}, {}, "too large"}}}};
  return run;
}

TEST(Report, HasMediansSpreadsAndWhatIsMissing) {
  const std::string text = tables(example());
  EXPECT_THAT(text, HasSubstr("| file mapping, spinning, in place | 110 ±5% |\n"));
  EXPECT_THAT(text, HasSubstr("| file mapping, spinning, in place | 3.00 ±0% |\n"));
  EXPECT_THAT(text, HasSubstr("| pipe                             |       - |\n"));
  EXPECT_THAT(text, HasSubstr("- pipe: too large (1 B)\n"));
  EXPECT_THAT(text, Not(HasSubstr("one core")));
  harness::IpcRun on_one = example();
  for (harness::IpcSeries& series : on_one.series) series.cores = 1;
  EXPECT_THAT(tables(on_one), HasSubstr("this process may run on one only"));
}

TEST(Report, PlotsWhatWasMeasured) {
  harness::IpcRun run = example();
  const std::string text = plot(run);
  run.series.pop_back();
  EXPECT_EQ(plot(run), text) << "what is missing has no line";
  EXPECT_THAT(text, HasSubstr(">100</text>"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace shmcheck::bench
