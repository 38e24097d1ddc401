// What the two processes of a measurement do: one leads and takes the time, the other follows.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "bench/ipc/channel.h"

namespace shmcheck::bench {

struct Timing {
  double latency_ns = 0;  // half a round trip
  double mib_s = 0;       // of a stream
};

// In memory that the two and their parent share.
struct Desk {
  pthread_barrier_t both;
  enum class Order : std::uint8_t { round_trips, stream, end } order = Order::end;
  std::uint64_t count = 0;  // of round trips or messages
  Timing timing;
  std::atomic<bool> has_sentence{false};
  bool is_unavailable = false;
  char sentence[256] = {};
};

struct Task {
  Channel& there;
  Channel& back;
  std::size_t size;
  std::chrono::nanoseconds time;  // of each of the two measurements, about
  Desk& desk;
};

// Throws when a message is not what was sent.
void lead(const Task& task);
void follow(const Task& task);

}  // namespace shmcheck::bench
