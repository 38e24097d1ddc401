#include "executor/users.h"

#include <fcntl.h>

#include <string_view>

#include "executor/control.h"
#include "executor/hello.h"

namespace shmcheck::executor {
namespace {

std::uint64_t take_number(std::string_view& text) {
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  std::uint64_t v = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    v = v * 10 + static_cast<unsigned>(text[0] - '0');
    text.remove_prefix(1);
  }
  return v;
}

// Lines `first-inside first-outside count`. A target without the file has no user namespaces.
bool is_mapped(const char* path, std::uint32_t id) {
  long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return true;
  char buffer[4096];
  long n = sys(SYS_read, fd, buffer, sizeof buffer);
  sys(SYS_close, fd);
  std::string_view text(buffer, failed(n) ? 0 : static_cast<std::size_t>(n));
  while (!text.empty()) {
    std::uint64_t inside = take_number(text);
    take_number(text);
    std::uint64_t count = take_number(text);
    if (id >= inside && id - inside < count) return true;
    text.remove_prefix(text.find('\n') == std::string_view::npos ? text.size() : text.find('\n') + 1);
  }
  return false;
}

bool exists(std::uint32_t id) {
  return id != 0 && is_mapped("/proc/self/uid_map", id) && is_mapped("/proc/self/gid_map", id);
}

}  // namespace

void find_users(const Options& options) {
  target.uid = static_cast<std::uint32_t>(sys(SYS_geteuid));
  target.gid = static_cast<std::uint32_t>(sys(SYS_getegid));
  if (target.uid != 0) {
    say_absent("other users", "not root");
  } else if (!exists(options.other_uid[0]) || !exists(options.other_uid[1])) {
    say_absent("other users", "the user namespace does not map their ids");
  } else {
    target.other_uid[0] = options.other_uid[0];
    target.other_uid[1] = options.other_uid[1];
  }
}

}  // namespace shmcheck::executor
