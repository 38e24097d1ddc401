// Ops on the limits of the IPC namespace, and what is needed to put them back.
#include <fcntl.h>

#include "executor/call.h"
#include "executor/hello.h"
#include "executor/limits.h"
#include "executor/text.h"

namespace shmcheck::executor {
namespace {

using program::kLimits;
using program::Limit;

// In the order of program::Limit.
constexpr const char* kPaths[] = {"/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall",
                                  "/proc/sys/kernel/shmmni", "/proc/sys/kernel/shm_rmid_forced"};
static_assert(std::size(kPaths) == kLimits);

std::uint64_t found[kLimits];

const char* path_of(Limit limit) {
  return kPaths[static_cast<std::size_t>(limit)];
}

}  // namespace

long read_limit(Limit limit, std::uint64_t& value) {
  long fd = sys(SYS_openat, AT_FDCWD, path_of(limit), O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return fd;
  char text[32];
  long n = sys(SYS_read, fd, text, sizeof text);
  sys(SYS_close, fd);
  if (failed(n)) return n;
  value = 0;
  long i = 0;
  for (; i < n && text[i] >= '0' && text[i] <= '9'; ++i)
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  return i > 0 ? 0 : -ENODATA;
}

long write_limit(Limit limit, std::uint64_t value) {
  long fd = sys(SYS_openat, AT_FDCWD, path_of(limit), O_WRONLY | O_CLOEXEC);
  if (failed(fd)) return fd;
  Text<32> text;
  text << value;
  long n = sys(SYS_write, fd, text.c_str(), text.view().size());
  sys(SYS_close, fd);
  return failed(n) ? n : 0;
}

void find_limits() {
  if (!target.private_ipc) return say_absent("kernel.shm* to be changed", "the IPC namespace is not private");
  for (std::size_t i = 0; i < kLimits; ++i) {
    auto limit = static_cast<Limit>(i);
    long result = read_limit(limit, found[i]);
    if (!failed(result)) result = write_limit(limit, found[i]);
    if (failed(result)) return say_absent("kernel.shm* to be changed", path_of(limit), result);
  }
  target.sets_limits = true;
}

long restore_limits() {
  long result = 0;
  for (std::size_t i = 0; i < kLimits && !failed(result); ++i)
    result = write_limit(static_cast<Limit>(i), found[i]);
  return result;
}

void perform_limit(Call& call) {
  settle(call, write_limit(static_cast<Limit>(call.op.small), call.at.len));
}

void perform_limits(Call& call) {
  std::uint64_t value = 0;
  settle(call, read_limit(static_cast<Limit>(call.op.small), value));
  call.outcome.value = value;
}

}  // namespace shmcheck::executor
