#include "executor/limits.h"

#include "executor/hello.h"
#include "executor/small_file.h"

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
  char room[32];
  std::string_view text;
  long result = read_small_file(path_of(limit), room, text);
  if (failed(result)) return result;
  return take_number(text, value) ? 0 : -ENODATA;
}

long write_limit(Limit limit, std::uint64_t value) {
  Text<32> text;
  text << value;
  return write_small_file(path_of(limit), text.view());
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

}  // namespace shmcheck::executor
