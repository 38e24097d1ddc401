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
  bool used_before = false;    // its disk may have files of a program that goes on
  bool fills = false;          // it can be filled up (fill.h)
  std::uint64_t blocks = 0;    // how many the file system has, then
  bool noexec = false;         // mounted without execution
};
inline constexpr std::size_t kMaxPlaces = 1 + std::size(kDisks);

// Mounts what this process may mount (in a mount namespace of its own, or as init), else makes directories.
// What is not to be had goes to say_absent. Returns the number of places, the tmpfs first.
std::size_t prepare_places(const Options& options, std::span<Place, kMaxPlaces> places);

// Before a program: removes what the machine found on the disk when it was started.
void clear_place(Place& place);
// Before the machine is started anew: 0 or -errno of what is still in use. Nothing can be run afterwards.
long unmount_places(std::span<Place> places);

// Removes the directories that were made. Mounts vanish with the namespace.
void remove_places();

}  // namespace shmcheck::executor
