// What people see while a command runs: lines as things happen, and on a terminal one progress line below
// them.
#pragma once

#include <string>
#include <string_view>

#include "harness/deadline.h"

namespace shmcheck::harness {

class Output {
 public:
  Output();
  ~Output() { clear_progress(); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // A newline is added. Written at once.
  void line(std::string_view text);
  // Replaces the progress line; nothing happens where standard output is no terminal.
  void progress(std::string_view text);
  void clear_progress();
  // For a process beside the one that reports: findings only, no progress.
  void be_quiet() { terminal_ = false; }

 private:
  bool terminal_;
  std::size_t width_ = 0;  // of the progress line that is shown
  Deadline::Clock::time_point last_progress_{};
};

}  // namespace shmcheck::harness
