#include "bench/ipc/ring.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "bench/ipc/channel.h"

namespace shmcheck::bench {
namespace {

constexpr std::size_t kLine = 64, kPipeHolds = 65536;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

long futex(std::atomic<std::uint32_t>& word, int op, std::uint32_t value) {
  return ::syscall(SYS_futex, &word, op, value, nullptr, nullptr, 0);
}

void sleep_while(Count& count, std::uint32_t seen) {
  count.sleeps_on.store(seen);
  // Looked at again after that: the other looks for a sleeper after it has counted.
  if (count.value.load() != seen) return;
  if (futex(count.value, FUTEX_WAIT, seen) != 0 && errno != EAGAIN && errno != EINTR) fail("futex");
}

}  // namespace

std::uint32_t slots_for(std::size_t stride) {
  return std::max(2U, static_cast<std::uint32_t>(std::bit_floor(kPipeHolds / std::min(stride, kPipeHolds))));
}

std::size_t stride_of(std::size_t size) {
  return (size + kLine - 1) / kLine * kLine;
}

std::uint32_t Ring::await_change(Count& theirs, std::uint32_t seen) const {
  for (;;) {
    const std::uint32_t now = theirs.value.load(std::memory_order_acquire);
    if (now != seen) return now;
    if (hand_over_ == HandOver::spinning) {
      pause_briefly();
    } else {
      sleep_while(theirs, seen);
    }
  }
}

std::uint32_t Ring::await_free() {
  if (mine_ - theirs_ == slots_) theirs_ = await_change(state_->taken, theirs_);
  return mine_ & (slots_ - 1);
}

std::uint32_t Ring::await_message() {
  if (mine_ == theirs_) theirs_ = await_change(state_->sent, theirs_);
  return mine_ & (slots_ - 1);
}

void Ring::advance(Count& mine) {
  ++mine_;
  if (hand_over_ == HandOver::spinning) {
    mine.value.store(mine_, std::memory_order_release);
    return;
  }
  mine.value.store(mine_);
  std::uint64_t sleeps_on = mine.sleeps_on.load();
  if (sleeps_on == Count::kNobody || sleeps_on == mine_) return;
  mine.sleeps_on.compare_exchange_strong(sleeps_on, Count::kNobody);
  if (futex(mine.value, FUTEX_WAKE, 1) < 0) fail("futex");
}

}  // namespace shmcheck::bench
