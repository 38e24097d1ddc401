// Loop devices for images of file systems.
#pragma once

#include "executor/text.h"

namespace shmcheck::executor {

// Opens a loop device over `image`, which clears itself on its last close: nothing is left however we end.
// A descriptor of it, and its path, or -errno.
long open_loop(int image, Text<1024>& device);

}  // namespace shmcheck::executor
