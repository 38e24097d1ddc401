// The executor's command line.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "executor/text.h"

namespace shmcheck::executor {

// A file system beside the tmpfs.
struct Disk {
  std::string_view name;            // as --fs of the command has it
  const char* type;                 // as mount(2) has it
  const char* directory = nullptr;  // where it is already, or
  const char* source = nullptr;     // what it is mounted from: a block device, or an image for a loop device;
                                    // for overlay the name of the place that takes its layers, `tmpfs`
};
inline constexpr Disk kDisks[] = {
    {"ext4", "ext4"}, {"ext4_1k", "ext4"}, {"xfs", "xfs"}, {"btrfs", "btrfs"}, {"overlay", "overlay"}};

struct Options {
  int in = -1, out = -1;
  const char* tmpfs_directory = nullptr;
  std::array<Disk, std::size(kDisks)> disks = std::to_array(kDisks);
  std::uint32_t other_uid[2] = {60001, 60002};
  bool namespaces = true;
  bool clone_parent = true;  // false, for tests: as on targets that do not know CLONE_PARENT
  int cpu = -1;
  std::uint32_t op_timeout_ms = 3000;
};

// False with a sentence in `wrong`.
bool parse_options(int argc, char** argv, Options& options, Sentence& wrong);

// `FS=FILE`: what a disk is mounted from. False if there is no such file system.
bool set_disk(const char* value, Options& options);

// A decimal number that is all of `text`.
bool parse_number(std::string_view text, std::uint32_t& out);

}  // namespace shmcheck::executor
