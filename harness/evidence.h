// What a target wrote beside its channel (standard error, a guest's console): kept within bounds, as
// evidence.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::harness {

class Evidence {
 public:
  void append(std::string_view bytes);

  // The last `lines` complete lines, an unfinished one included; control characters are made visible.
  std::string tail(std::size_t lines) const;

  // A line that shows a kernel's own alarm (panic, oops, BUG, KASAN, …) or empty. The first one seen stays.
  const std::string& alarm() const { return alarm_; }
  void forget_alarm() { alarm_.clear(); }

  std::size_t total_bytes() const { return total_; }

 private:
  static constexpr std::size_t kLines = 400;
  static constexpr std::size_t kLineBytes = 512;

  void finish_line();

  std::deque<std::string> lines_;
  std::string open_;
  std::string alarm_;
  std::size_t total_ = 0;
};

}  // namespace shmcheck::harness
