// Points in time on the monotonic clock. Everything that can wait takes one.
#pragma once

#include <algorithm>
#include <chrono>

namespace shmcheck::harness {

using std::chrono::milliseconds;

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never() { return Deadline(Clock::time_point::max()); }
  static Deadline in(milliseconds span) { return Deadline(Clock::now() + span); }
  static Deadline at(Clock::time_point when) { return Deadline(when); }

  bool is_never() const { return when_ == Clock::time_point::max(); }
  bool over() const { return !is_never() && Clock::now() >= when_; }

  // Never negative; rounded up, so that waiting for it does not spin in the last millisecond.
  milliseconds left() const {
    if (is_never()) return milliseconds::max();
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(when_ - Clock::now()));
  }

  // For poll(2): -1 waits for ever.
  int poll_timeout() const {
    return is_never() ? -1 : static_cast<int>(std::min<milliseconds::rep>(left().count(), 3'600'000));
  }

  Deadline earlier(Deadline other) const { return Deadline(std::min(when_, other.when_)); }

 private:
  explicit Deadline(Clock::time_point when) : when_(when) {}
  Clock::time_point when_;
};

}  // namespace shmcheck::harness
