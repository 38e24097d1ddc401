#include "harness/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace shmcheck::harness {
namespace {

constexpr milliseconds kProgressInterval{100};

std::size_t terminal_columns() {
  winsize size = {};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A reader that has gone (`| head`) is no reason to lose the verdict: SIGPIPE is ignored and the rest
// dropped.
void write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

Output::Output() : terminal_(::isatty(STDOUT_FILENO) == 1) {}

void Output::clear_progress() {
  if (width_ > 0) write_out("\r\033[K");
  width_ = 0;
}

void Output::line(std::string_view text) {
  clear_progress();
  write_out(fmt::format("{}\n", text));
}

void Output::progress(std::string_view text) {
  const auto now = Deadline::Clock::now();
  if (!terminal_ || now - last_progress_ < kProgressInterval) return;
  last_progress_ = now;
  const std::string_view shown = text.substr(0, terminal_columns() - 1);
  write_out(fmt::format("\r\033[K{}", shown));
  width_ = shown.size();
}

}  // namespace shmcheck::harness
