#include "harness/evidence.h"

#include <algorithm>
#include <array>

namespace shmcheck::harness {
namespace {

// What kernels print when they have found themselves broken.
constexpr std::array<std::string_view, 14> kAlarms = {"Kernel panic",
                                                      "BUG: ",
                                                      "kernel BUG at",
                                                      "Oops",
                                                      "WARNING: CPU",
                                                      "KASAN:",
                                                      "UBSAN:",
                                                      "KCSAN:",
                                                      "general protection",
                                                      "soft lockup",
                                                      "blocked for more than",
                                                      "Segfault with no mm",
                                                      "Unable to handle",
                                                      "list_add corruption"};

}  // namespace

void Evidence::append(std::string_view bytes) {
  total_ += bytes.size();
  for (const char c : bytes) {
    if (c == '\n') {
      finish_line();
    } else if (open_.size() < kLineBytes && c != '\r') {
      const auto byte = static_cast<unsigned char>(c);
      open_ += byte < 0x20 || byte == 0x7f ? '.' : c;
    }
  }
}

void Evidence::finish_line() {
  if (alarm_.empty()) {
    const bool alarming = std::any_of(kAlarms.begin(), kAlarms.end(), [this](std::string_view words) {
      return open_.find(words) != std::string::npos;
    });
    if (alarming) alarm_ = open_;
  }
  lines_.push_back(std::move(open_));
  open_.clear();
  if (lines_.size() > kLines) lines_.pop_front();
}

std::string Evidence::tail(std::size_t lines) const {
  const std::size_t whole = open_.empty() ? lines : lines - std::min<std::size_t>(lines, 1);
  const std::size_t first = lines_.size() - std::min(lines_.size(), whole);
  std::string text;
  for (std::size_t i = first; i < lines_.size(); ++i) text += lines_[i] + "\n";
  if (!open_.empty() && lines > 0) text += open_ + "\n";
  return text;
}

}  // namespace shmcheck::harness
