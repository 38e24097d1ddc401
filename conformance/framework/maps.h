// /proc/PID/maps as values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/framework/report.h"

namespace shmcheck::conformance {

struct MapsRow {
  uintptr_t start;
  uintptr_t end;
  std::string perms;  // "rw-s"
  uint64_t offset;
  std::string device;  // "08:01"
  uint64_t inode;
  std::string path;

  bool operator==(const MapsRow&) const = default;
};
std::ostream& operator<<(std::ostream& out, const MapsRow& row);

// All rows of a process (0: the caller), as the kernel splits them; the test ends when they cannot be read.
std::vector<MapsRow> ReadMaps(pid_t pid = 0, Where where = Where::Here());
// All rows but [heap] and [stack], which the test's own work may grow: for comparing before and after a call.
std::vector<MapsRow> StableMaps(Where where = Where::Here());
// Those which overlap [address, address + size).
std::vector<MapsRow> MapsOf(const void* address, size_t size, pid_t pid = 0, Where where = Where::Here());
// Permissions by page of a range, e.g. {"r--s", "", "rw-p"}; "" where nothing is mapped.
std::vector<std::string> PermsByPage(const void* address, size_t size, pid_t pid = 0,
                                     Where where = Where::Here());

}  // namespace shmcheck::conformance
