// Raw system calls. They return -errno, so that what the target said is never filtered by libc.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace shmcheck::executor {

// Inlined even without optimization: fork.cc makes a call that returns twice on one stack.
#define SHMCHECK_INLINE [[gnu::always_inline]] inline

#if defined(__x86_64__)
SHMCHECK_INLINE long raw_syscall(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#else
SHMCHECK_INLINE long raw_syscall(long number, long a, long b, long c, long d, long e, long f) {
  long result = ::syscall(number, a, b, c, d, e, f);
  return result == -1 ? -errno : result;
}
#endif

SHMCHECK_INLINE long to_long(const void* p) {
  return reinterpret_cast<long>(p);
}
template <typename T>
requires(std::is_integral_v<T> || std::is_enum_v<T>) SHMCHECK_INLINE long to_long(T v) {
  return static_cast<long>(v);
}

template <typename A = long, typename B = long, typename C = long, typename D = long, typename E = long,
          typename F = long>
SHMCHECK_INLINE long sys(long number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) {
  return raw_syscall(number, to_long(a), to_long(b), to_long(c), to_long(d), to_long(e), to_long(f));
}

constexpr bool failed(long result) {
  return result < 0 && result >= -4095;
}

// The monotonic clock.
inline std::uint64_t now_ms() {
  timespec now = {};
  sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

// A word in memory that processes share and sleep on.
using Word = std::uint32_t;

inline Word load(const Word& w) {
  return __atomic_load_n(&w, __ATOMIC_ACQUIRE);
}
inline void store(Word& w, Word v) {
  __atomic_store_n(&w, v, __ATOMIC_RELEASE);
}

// Sleeps while `w` is `seen`, at most `limit` (null: for ever). Returns early on a signal; -ETIMEDOUT,
// -EINTR, -EAGAIN or 0.
inline long sleep_while(const Word& w, Word seen, const timespec* limit = nullptr) {
  return sys(SYS_futex, &w, FUTEX_WAIT, seen, limit);
}
inline void wake(const Word& w) {
  sys(SYS_futex, &w, FUTEX_WAKE, INT32_MAX);
}

}  // namespace shmcheck::executor
