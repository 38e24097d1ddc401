#include "executor/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cstring>

#include "executor/sys.h"

namespace shmcheck::executor {
namespace {

using Path = Text<1024>;

constexpr int kAttempts = 16;  // somebody else may take the free device first
constexpr int kFurther = 64;   // devices behind the first free one that are looked at

// -EBUSY if somebody else has it, -ENOENT or -ENXIO if there is none.
long configure(int number, int image, Path& device) {
  device = {};
  device << "/dev/loop" << number;
  const long opened = sys(SYS_openat, AT_FDCWD, device.c_str(), O_RDWR | O_CLOEXEC);
  if (failed(opened)) return opened;
  loop_config config;
  std::memset(&config, 0, sizeof config);
  config.fd = static_cast<std::uint32_t>(image);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  const long configured = sys(SYS_ioctl, opened, LOOP_CONFIGURE, &config);
  if (!failed(configured)) return opened;
  sys(SYS_close, opened);
  return configured;
}

// Whether the machine lets nothing be dirty there (a max_ratio of 0 outlives the device's users): then each
// store to a page of a file may sleep for seconds in balance_dirty_pages().
bool throttled(int number) {
  Path path;
  path << "/sys/block/loop" << number << "/bdi/max_ratio";
  const long file = sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  if (failed(file)) return false;
  char text[2] = {};
  const long count = sys(SYS_read, file, text, sizeof text);
  sys(SYS_close, file);
  return count == 2 && text[0] == '0' && text[1] == '\n';
}

}  // namespace

long open_loop(int image, Path& device) {
  const long control = sys(SYS_openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (failed(control)) return control;
  const long first = sys(SYS_ioctl, control, LOOP_CTL_GET_FREE);
  long result = failed(first) ? first : -EBUSY;
  for (long n = first; result == -EBUSY && n < first + kFurther; ++n) {
    if (!throttled(static_cast<int>(n))) result = configure(static_cast<int>(n), image, device);
  }
  // Rather a throttled device than none; the control device makes new ones.
  for (int i = 0; !failed(first) && failed(result) && i < kAttempts; ++i) {
    const long free = sys(SYS_ioctl, control, LOOP_CTL_GET_FREE);
    result = failed(free) ? free : configure(static_cast<int>(free), image, device);
    if (result != -EBUSY) break;
  }
  sys(SYS_close, control);
  return result;
}

}  // namespace shmcheck::executor
