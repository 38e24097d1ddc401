// The directories in which programs find their files.
#pragma once

#include <iterator>
#include <span>

#include "executor/control.h"
#include "executor/options.h"

namespace shmcheck::executor {

// A directory that is empty between programs and that everybody may write to.
struct Place {
  int directory = -1;         // which processes are in, and from which
  Text<kDirectoryRoom> path;  // it is there: empty for the same
  MountedDisk disk;
  std::uint64_t type = 0, block = 0;  // as statfs has them
  DeviceNumber device;
  bool reads_storage = false;  // by kDevice, or it has none
  bool noexec = false;         // mounted without execution
};
inline constexpr std::size_t kMaxPlaces = 1 + std::size(kDisks);

// Mounts what this process may mount (in a mount namespace of its own, or as init), else makes directories.
// What is not to be had goes to say_absent. Returns the number of places, the tmpfs first.
std::size_t prepare_places(const Options& options, std::span<Place, kMaxPlaces> places);

// Removes the directories that were made. Mounts vanish with the namespace.
void remove_places();

}  // namespace shmcheck::executor
