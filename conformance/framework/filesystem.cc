#include "conformance/framework/filesystem.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace shmcheck::conformance {

DeviceOpening OpenDeviceBeneath(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {Fd(), "stat(" + path + ") fails with " + ErrnoName(errno)};
  if (env().at(Place::tmpfs).path.empty()) return {Fd(), "no tmpfs directory to make a device node in"};
  const std::string node = env().at(Place::tmpfs).path + "/device" + std::to_string(getpid());
  if (mknod(node.c_str(), S_IFBLK | 0600, status.st_dev) != 0) {
    return {Fd(), "mknod of the device fails with " + ErrnoName(errno)};
  }
  Fd fd(open(node.c_str(), O_RDONLY | O_CLOEXEC));
  const int error = errno;
  unlink(node.c_str());
  if (fd.get() < 0) return {Fd(), "opening the block device fails with " + ErrnoName(error)};
  return {std::move(fd), ""};
}

int64_t DeviceOffset(int fd, uint64_t offset) {
  int block_size = 0;
  if (ioctl(fd, FIGETBSZ, &block_size) != 0 || block_size <= 0) return -1;
  const auto size = static_cast<uint64_t>(block_size);
  int block = static_cast<int>(offset / size);
  if (ioctl(fd, FIBMAP, &block) != 0 || block == 0) return -1;
  return static_cast<int64_t>(block) * block_size + static_cast<int64_t>(offset % size);
}

}  // namespace shmcheck::conformance
