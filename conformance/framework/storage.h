// What the device beneath an ext4 file holds, seen past every cache of the target.
#pragma once

#include <cstdint>
#include <vector>

#include "conformance/framework/memory.h"
#include "conformance/framework/objects.h"

namespace shmcheck::conformance {

class Storage {
 public:
  // Writes the file back and notes where its blocks are. That has to happen before the stores that a test is
  // about: asking ext4 for a block number later would itself write dirty pages back.
  explicit Storage(const TempFile& file, Where where = Where::Here());

  // The bytes of the file on the device; direct I/O, since flushing the device's cache syncs its file system.
  Bytes Contents(size_t offset, size_t size) const;

 private:
  Fd device_;
  size_t block_size_ = 0;
  std::vector<int64_t> blocks_;  // position of each block of the file on the device
};

}  // namespace shmcheck::conformance
