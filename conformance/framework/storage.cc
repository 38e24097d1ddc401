#include "conformance/framework/storage.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>

#include "conformance/framework/filesystem.h"

namespace shmcheck::conformance {

Storage::Storage(const TempFile& file, Where where) {
  if (fsync(file.fd()) != 0) Abandon(where, "fsync fails with " + ErrnoName(errno));
  int block_size = 0;
  if (ioctl(file.fd(), FIGETBSZ, &block_size) != 0) Abandon(where, "FIGETBSZ fails with " + ErrnoName(errno));
  block_size_ = static_cast<size_t>(block_size);
  for (size_t at = 0; at < file.size(); at += block_size_) {
    blocks_.push_back(DeviceOffset(file.fd(), at));
    if (blocks_.back() < 0) Abandon(where, "byte " + std::to_string(at) + " of the file has no block");
  }
  DeviceOpening opening = OpenDeviceBeneath(file.path());
  if (opening.fd.get() < 0) Abandon(where, opening.problem);
  device_ = std::move(opening.fd);
  if (fcntl(device_.get(), F_SETFL, O_DIRECT) != 0) {
    Abandon(where, "direct I/O on the device fails with " + ErrnoName(errno));
  }
}

Bytes Storage::Contents(size_t offset, size_t size) const {
  Bytes bytes;
  const std::unique_ptr<uint8_t, decltype(&free)> block(
      static_cast<uint8_t*>(aligned_alloc(page(), (block_size_ + page() - 1) / page() * page())), &free);
  while (bytes.data.size() < size) {
    const size_t at = offset + bytes.data.size();
    const ssize_t count = pread(device_.get(), block.get(), block_size_, blocks_.at(at / block_size_));
    if (count != static_cast<ssize_t>(block_size_)) {
      bytes.problem = "reading the device gives " + (count < 0 ? ErrnoName(errno) : std::to_string(count));
      break;
    }
    const size_t within = at % block_size_;
    const size_t take = std::min(block_size_ - within, size - bytes.data.size());
    bytes.data.insert(bytes.data.end(), block.get() + within, block.get() + within + take);
  }
  return bytes;
}

}  // namespace shmcheck::conformance
