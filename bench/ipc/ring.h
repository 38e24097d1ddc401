// Turns at the slots of a ring between one sender and one receiver: who may write which, who may read which.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shmcheck::bench {

enum class HandOver {
  spinning,  // looks until the other has come
  futex,     // sleeps until the other has come, who makes the call only if somebody sleeps
};

// On a cache line of its own, so that the two do not write to one.
struct alignas(64) Count {
  static constexpr std::uint64_t kNobody = ~std::uint64_t{0};
  std::atomic<std::uint32_t> value{0};
  // The value that the other sleeps on, or is about to. A mere "it sleeps" would not do: it may have seen the
  // new value at once and wait for the next one, and whoever took that word for an old one would not wake it
  // then.
  std::atomic<std::uint64_t> sleeps_on{kNobody};
};

// In memory that both share.
struct RingState {
  Count sent, taken;
  alignas(64) std::atomic<std::int32_t> sender{0};  // its process id, where a mechanism needs it
};

// As much as a pipe holds by default, at least two messages.
std::uint32_t slots_for(std::size_t stride);
// Of a message in a ring: cache lines are not shared between two.
std::size_t stride_of(std::size_t size);

class Ring {
 public:
  Ring(RingState* state, std::uint32_t slots, HandOver hand_over)
      : state_(state), slots_(slots), hand_over_(hand_over) {}

  // The sender: waits for a slot that is free, and gives the message in it away.
  std::uint32_t await_free();
  void publish() { advance(state_->sent); }
  // The receiver: waits for a message, and gives its slot back.
  std::uint32_t await_message();
  void release() { advance(state_->taken); }

 private:
  void advance(Count& mine);
  std::uint32_t await_change(Count& theirs, std::uint32_t seen) const;

  RingState* state_;
  std::uint32_t slots_;  // a power of two
  HandOver hand_over_;
  std::uint32_t mine_ = 0;    // what this side has sent, or taken
  std::uint32_t theirs_ = 0;  // what the other had, when last looked at
};

}  // namespace shmcheck::bench
