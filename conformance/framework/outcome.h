// What a system call gave back, as a value, and matchers that print what they wanted and got.
//
//   EXPECT_THAT(Returned(munmap(addr, 0)), FailsWith(EINVAL));
#pragma once

#include <errno.h>
#include <sys/mman.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>
#include <vector>

#include "gmock/gmock.h"

namespace shmcheck::conformance {

std::string ErrnoName(int error);

struct Outcome {
  bool pointer = false;  // the call returns an address
  long value = 0;
  int error = 0;  // errno; 0 when the call did not fail

  bool ok() const { return error == 0; }
  // Success of a call that has nothing to return is exactly 0.
  bool succeeded() const { return ok() && (pointer || value == 0); }
  uint8_t* address() const { return reinterpret_cast<uint8_t*>(value); }
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

// Wraps a call that answers -1 (or MAP_FAILED, (void*)-1) and errno.
template <typename T>
Outcome Returned(T value) {
  const int error = errno;
  Outcome outcome;
  if constexpr (std::is_pointer_v<T>) {
    outcome.pointer = true;
    outcome.value = static_cast<long>(reinterpret_cast<intptr_t>(value));
  } else {
    outcome.value = static_cast<long>(value);
  }
  if (outcome.value == -1) outcome.error = error == 0 ? -1 : error;
  return outcome;
}

// Wraps a call that answers an error number, such as posix_fallocate or pthread_mutex_lock.
inline Outcome Answered(int error) {
  return {false, error == 0 ? 0 : -1, error};
}

class OutcomeMatcher {
 public:
  using is_gtest_matcher = void;
  enum class Wanted { success, value, error };
  OutcomeMatcher(Wanted wanted, long value, std::vector<int> errors)
      : wanted_(wanted), value_(value), errors_(std::move(errors)) {}
  bool MatchAndExplain(const Outcome& outcome, std::ostream*) const;
  void DescribeTo(std::ostream* out) const;
  void DescribeNegationTo(std::ostream* out) const;

 private:
  Wanted wanted_;
  long value_;
  std::vector<int> errors_;
};

// The call worked: an address, or exactly 0.
inline OutcomeMatcher Succeeds() {
  return {OutcomeMatcher::Wanted::success, 0, {}};
}
// The call worked and gave exactly this count, number or address.
inline OutcomeMatcher Returns(long value) {
  return {OutcomeMatcher::Wanted::value, value, {}};
}
inline OutcomeMatcher ReturnsAddress(const void* address) {
  return {OutcomeMatcher::Wanted::value, static_cast<long>(reinterpret_cast<intptr_t>(address)), {}};
}
inline OutcomeMatcher FailsWith(int error) {
  return {OutcomeMatcher::Wanted::error, 0, {error}};
}
inline OutcomeMatcher FailsWithAnyOf(std::vector<int> errors) {
  return {OutcomeMatcher::Wanted::error, 0, std::move(errors)};
}

// How a child process ended.
struct Exit {
  int status;  // as waitpid gives it
};
std::ostream& operator<<(std::ostream& out, const Exit& exit);
std::string SignalName(int signal);

class ExitMatcher {
 public:
  using is_gtest_matcher = void;
  ExitMatcher(bool by_signal, int number) : by_signal_(by_signal), number_(number) {}
  bool MatchAndExplain(const Exit& exit, std::ostream*) const;
  void DescribeTo(std::ostream* out) const;
  void DescribeNegationTo(std::ostream* out) const;

 private:
  bool by_signal_;
  int number_;
};
inline ExitMatcher ExitsWith(int code) {
  return {false, code};
}
inline ExitMatcher DiesBy(int signal) {
  return {true, signal};
}

}  // namespace shmcheck::conformance
