#include "executor/limits.h"

#include <sys/ipc.h>

#include "executor/hello.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

using program::kLimits;
using program::Limit;

// In the order of program::Limit.
constexpr const char* kPaths[] = {"/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall",
                                  "/proc/sys/kernel/shmmni", "/proc/sys/kernel/shm_rmid_forced",
                                  "/proc/sys/kernel/shm_next_id"};
static_assert(std::size(kPaths) == kLimits);

// Those that are what they were once they are written.
constexpr std::size_t kPutBack = static_cast<std::size_t>(Limit::next_id);
constexpr std::uint64_t kNoId = ~std::uint64_t{0};  // -1 in the file

std::uint64_t found[kPutBack];

const char* path_of(Limit limit) {
  return kPaths[static_cast<std::size_t>(limit)];
}

}  // namespace

long read_limit(Limit limit, std::uint64_t& value) {
  char room[32];
  std::string_view text;
  long result = read_small_file(path_of(limit), room, text);
  if (failed(result)) return result;
  return take_signed(text, value) ? 0 : -ENODATA;
}

long write_limit(Limit limit, std::uint64_t value) {
  Text<32> text;
  text << value;
  return write_small_file(path_of(limit), text.view());
}

void find_limits() {
  if (!target.private_ipc) return say_absent("kernel.shm* to be changed", "the IPC namespace is not private");
  for (std::size_t i = 0; i < kPutBack; ++i) {
    auto limit = static_cast<Limit>(i);
    long result = read_limit(limit, found[i]);
    if (!failed(result)) result = write_limit(limit, found[i]);
    if (failed(result)) return say_absent("kernel.shm* to be changed", path_of(limit), result);
  }
  target.sets_limits = true;
  // It exists only with support for checkpoints, and nothing may be asked for.
  std::uint64_t none = 0;
  long result = read_limit(Limit::next_id, none);
  if (failed(result) || none != kNoId) return say_absent("shm_next_id", path_of(Limit::next_id), result);
  target.sets_next_id = true;
}

// The file takes no -1: only a segment that is made sets it back.
static long forget_next_id() {
  std::uint64_t asked = kNoId;
  long result = read_limit(Limit::next_id, asked);
  if (failed(result) || asked == kNoId) return result;
  const long id = sys(SYS_shmget, IPC_PRIVATE, 1, IPC_CREAT | 0600);
  return failed(id) ? id : sys(SYS_shmctl, id, IPC_RMID, nullptr);
}

long restore_limits() {
  long result = 0;
  for (std::size_t i = 0; i < kPutBack && !failed(result); ++i)
    result = write_limit(static_cast<Limit>(i), found[i]);
  return !failed(result) && target.sets_next_id ? forget_next_id() : result;
}

}  // namespace shmcheck::executor
