// File systems that a target is given beside its tmpfs: images made by the host's mkfs, in memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/fd.h"
#include "harness/result.h"

namespace shmcheck::harness {

// Where programs can find their files beside the tmpfs, by the names of program::place_names().
struct DiskImage {
  std::string name;
  Fd image;  // a sparse file in memory; none for overlay, whose layers lie in the tmpfs of the target
};

// One for each name that the host can make; for the others `absent` gets the evidence. Nothing stays if the
// process dies: the images are files in memory.
std::vector<DiskImage> make_disk_images(const std::vector<std::string>& names, std::vector<Absent>& absent);

}  // namespace shmcheck::harness
