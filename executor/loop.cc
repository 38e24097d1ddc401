#include "executor/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cstring>

#include "executor/sys.h"

namespace shmcheck::executor {
namespace {

// Opens a loop device over `image`, which clears itself on its last close: nothing is left however we end.
long open_loop(int image, Path& device) {
  constexpr int kAttempts = 16;  // somebody else may take the free device first
  long control_fd = sys(SYS_openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (failed(control_fd)) return control_fd;
  long result = -EBUSY;
  for (int i = 0; i < kAttempts && result == -EBUSY; ++i) {
    long number = sys(SYS_ioctl, control_fd, LOOP_CTL_GET_FREE);
    if (failed(number)) {
      result = number;
      break;
    }
    device = {};
    device << "/dev/loop" << static_cast<int>(number);
    result = sys(SYS_openat, AT_FDCWD, device.c_str(), O_RDWR | O_CLOEXEC);
    if (failed(result)) break;
    loop_config config;
    std::memset(&config, 0, sizeof config);
    config.fd = static_cast<std::uint32_t>(image);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    long configured = sys(SYS_ioctl, result, LOOP_CONFIGURE, &config);
    if (failed(configured)) {
      sys(SYS_close, result);
      result = configured;
    }
  }
  sys(SYS_close, control_fd);
  return result;
}

}  // namespace

long mount_image(int image, const char* type, const Path& target_directory, Path& device) {
  long loop = open_loop(image, device);
  if (failed(loop)) return loop;
  long result = sys(SYS_mount, device.c_str(), target_directory.c_str(), type, 0, nullptr);
  if (failed(result)) sys(SYS_close, loop);
  return result;
}

}  // namespace shmcheck::executor
