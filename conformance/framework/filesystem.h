// Facts about file systems that tests and needs look up.
#pragma once

#include <cstdint>
#include <string>

#include "conformance/framework/objects.h"

namespace shmcheck::conformance {

inline constexpr unsigned long kTmpfsMagic = 0x01021994;
inline constexpr unsigned long kExt4Magic = 0xEF53;
inline constexpr unsigned long kXfsMagic = 0x58465342;
inline constexpr unsigned long kBtrfsMagic = 0x9123683E;
inline constexpr unsigned long kOverlayMagic = 0x794c7630;

// The block device that carries the file system of `path`, open for reading; a node of our own, no name in
// /dev.
struct DeviceOpening {
  Fd fd;
  std::string problem;
};
DeviceOpening OpenDeviceBeneath(const std::string& path);

// Physical position of a file's byte on its device (FIBMAP), or -1 when it has none.
int64_t DeviceOffset(int fd, uint64_t offset);

}  // namespace shmcheck::conformance
