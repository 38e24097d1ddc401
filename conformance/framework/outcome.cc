#include "conformance/framework/outcome.h"

#include <string.h>
#include <sys/wait.h>

#include <algorithm>

namespace shmcheck::conformance {

std::string ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "errno " + std::to_string(error);
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
}

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  if (!outcome.ok()) return out << "fails with " << ErrnoName(outcome.error);
  if (outcome.pointer) return out << "returns address 0x" << std::hex << outcome.value << std::dec;
  return out << "returns " << outcome.value;
}

bool OutcomeMatcher::MatchAndExplain(const Outcome& outcome, std::ostream*) const {
  switch (wanted_) {
    case Wanted::success:
      return outcome.succeeded();
    case Wanted::value:
      return outcome.ok() && outcome.value == value_;
    case Wanted::error:
      return std::find(errors_.begin(), errors_.end(), outcome.error) != errors_.end();
  }
  return false;
}

void OutcomeMatcher::DescribeTo(std::ostream* out) const {
  switch (wanted_) {
    case Wanted::success:
      *out << "succeeds";
      return;
    case Wanted::value:
      *out << "returns " << value_ << " (0x" << std::hex << value_ << std::dec << ")";
      return;
    case Wanted::error:
      break;
  }
  *out << "fails with ";
  for (size_t i = 0; i < errors_.size(); ++i) *out << (i > 0 ? " or " : "") << ErrnoName(errors_[i]);
}

void OutcomeMatcher::DescribeNegationTo(std::ostream* out) const {
  *out << "anything but: ";
  DescribeTo(out);
}

std::ostream& operator<<(std::ostream& out, const Exit& exit) {
  if (WIFEXITED(exit.status)) return out << "exits with " << WEXITSTATUS(exit.status);
  if (WIFSIGNALED(exit.status)) return out << "dies by " << SignalName(WTERMSIG(exit.status));
  return out << "has wait status " << exit.status;
}

bool ExitMatcher::MatchAndExplain(const Exit& exit, std::ostream*) const {
  if (by_signal_) return WIFSIGNALED(exit.status) && WTERMSIG(exit.status) == number_;
  return WIFEXITED(exit.status) && WEXITSTATUS(exit.status) == number_;
}

void ExitMatcher::DescribeTo(std::ostream* out) const {
  if (by_signal_) {
    *out << "dies by " << SignalName(number_);
  } else {
    *out << "exits with " << number_;
  }
}

void ExitMatcher::DescribeNegationTo(std::ostream* out) const {
  *out << "anything but: ";
  DescribeTo(out);
}

}  // namespace shmcheck::conformance
