// Times of files and the clock they are taken from.
#pragma once

#include <time.h>

namespace shmcheck::conformance {

inline bool Same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
inline bool Later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

// Files take their times from the coarse clock. Runs until that clock is past the moment (some milliseconds),
// so that a change made afterwards cannot hide in the same tick.
inline void AwaitClockPast(const timespec& moment) {
  timespec now{};
  do {
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
  } while (!Later(now, moment));
}

}  // namespace shmcheck::conformance
