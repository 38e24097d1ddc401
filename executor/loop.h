// Images of file systems, which are mounted by way of loop devices.
#pragma once

#include "executor/text.h"

namespace shmcheck::executor {

// Mounts the image that is open as `image`, and says which device it has become. The device stays open, so
// that it does not clear itself while the image is not mounted. 0 or -errno.
long mount_image(int image, const char* type, const Path& target_directory, Path& device);

}  // namespace shmcheck::executor
