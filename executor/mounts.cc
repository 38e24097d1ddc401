#include "executor/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "executor/attributes.h"
#include "executor/control.h"
#include "executor/files.h"
#include "executor/fill.h"
#include "executor/hello.h"
#include "executor/loop.h"
#include "executor/maps.h"

namespace shmcheck::executor {
namespace {

// Directories that may have to be removed again; every place has at most one.
Path made[kMaxPlaces];
std::size_t made_count = 0;
// Disks that are mounted.
Path mounted[kMaxPlaces];
std::size_t mounted_count = 0;

// --- disks ----------------------------------------------------------------------------------------------

// Its layers are directories of the tmpfs `room`.
long mount_overlay(const char* room, const Path& target_directory) {
  Path options;
  const char* separator = "";
  for (const char* layer : {"lowerdir", "upperdir", "workdir"}) {
    Path path;
    path << room << "/" << layer;
    long result = sys(SYS_mkdirat, AT_FDCWD, path.c_str(), 0755);
    if (failed(result) && result != -EEXIST) return result;
    options << separator << layer << "=" << path.view();
    separator = ",";
  }
  return sys(SYS_mount, "shmcheck", target_directory.c_str(), "overlay", 0, options.c_str());
}

// --- directories -----------------------------------------------------------------------------------------

constexpr const char* kProbe = "probe";  // no name of a program's

// Read from a file that is mapped for that.
DeviceNumber device_number(std::uint64_t in_stat, long fd) {
  DeviceNumber number{in_stat, in_stat};
  long address = sys(SYS_mmap, nullptr, target.layout.page, PROT_READ, MAP_SHARED, fd, 0);
  if (!failed(address)) {
    MapsReader maps;
    for (MapLine line; maps.next(line);)
      if (line.low == static_cast<std::uint64_t>(address)) number.in_maps = line.device;
    sys(SYS_munmap, address, target.layout.page);
  }
  return number;
}

// What a file there tells of all. Where the mount is not the executor's own the attribute would outlive one
// that is killed.
void look_at_a_file(bool own, Place& place) {
  struct stat status = {};
  if (failed(sys(SYS_fstat, place.directory, &status))) return;
  place.device.in_stat = place.device.in_maps = status.st_dev;
  const long fd = sys(SYS_openat, place.directory, kProbe, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (failed(fd)) return;
  place.device = device_number(status.st_dev, fd);
  if (own) place.append = append_attribute(static_cast<int>(fd));
  sys(SYS_close, fd);
  sys(SYS_unlinkat, place.directory, kProbe, 0);
}

// The directory under `parent` that programs work in. `keep`: it goes with its mount.
long open_place(std::string_view parent, bool keep, Place& place) {
  Path path;
  path << parent << "/shmcheck";
  if (!keep) path << "-" << static_cast<int>(sys(SYS_getpid));
  long result = sys(SYS_mkdirat, AT_FDCWD, path.c_str(), 0777);
  bool existed = result == -EEXIST && keep;
  if (failed(result) && !existed) return result;
  if (!keep) made[made_count++] = path;
  result = sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (failed(result)) return result;
  place.directory = static_cast<int>(result);
  place.used_before = existed;
  look_at_a_file(keep && target.private_mounts, place);
  struct statfs fs = {};
  result = sys(SYS_fstatfs, place.directory, &fs);
  place.type = static_cast<std::uint64_t>(fs.f_type);
  place.block = static_cast<std::uint64_t>(fs.f_bsize);
  place.noexec = (fs.f_flags & ST_NOEXEC) != 0;
  return result;
}

// A tmpfs of our own over a directory that nobody else then sees; its path, or empty.
const char* mount_room(const Options& options) {
  const char* candidates[] = {options.tmpfs_directory, "/tmpfs", "/mnt", "/tmp", "/dev/shm"};
  long first_error = 0;
  for (const char* path : candidates) {
    if (path == nullptr) continue;
    long result = sys(SYS_mount, "shmcheck", path, "tmpfs", 0, "mode=0755");
    if (!failed(result)) return path;
    if (first_error == 0) first_error = result;
  }
  say_absent("own tmpfs", "mount", first_error);
  return nullptr;
}

// A tmpfs for the files of programs alone, which they may fill up; they lie in the room where there is none.
bool mount_own_tmpfs(const char* room) {
  Path path;
  path << room << "/shmcheck";
  long result = sys(SYS_mkdirat, AT_FDCWD, path.c_str(), 0777);
  if (!failed(result)) result = sys(SYS_mount, "shmcheck", path.c_str(), "tmpfs", 0, "mode=0777");
  if (failed(result)) say_absent("full tmpfs", "mount", result);
  return !failed(result);
}

// Of other file systems it is not known what fails for want of space for their own records.
bool fills_predictably(const Place& place) {
  return place.type == TMPFS_MAGIC || (place.type == EXT4_SUPER_MAGIC && place.block == target.layout.page);
}

// `own`: nobody else has files on it.
void try_fill(std::string_view name, bool own, Place& place) {
  Text<64> thing;
  thing << "full " << name;
  if (!own) return say_absent(thing.view(), "the file system is somebody else's");
  if (!fills_predictably(place)) return say_absent(thing.view(), "what it then refuses is not told apart");
  long result = prepare_fill(place);
  if (failed(result)) say_absent(thing.view(), "a file without a name", result);
}

// Opens the device beneath an ext4 by a node in the room, which is ours alone. With blocks smaller than pages
// their order to the device is another (dioread_nolock, ext4(5)), and what is read might be of no time.
void open_device(const char* room, Place& place) {
  struct stat st = {};
  Path node;
  if (room == nullptr || place.block != target.layout.page) {
    return say_absent("storage of ext4", "no room for its device, or blocks that are no pages");
  }
  node << room << "/device";
  long result = sys(SYS_fstat, place.directory, &st);
  if (!failed(result)) result = sys(SYS_mknodat, AT_FDCWD, node.c_str(), S_IFBLK | 0600, st.st_dev);
  if (!failed(result)) {
    result = sys(SYS_openat, AT_FDCWD, node.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    sys(SYS_unlinkat, AT_FDCWD, node.c_str(), 0);
  }
  if (failed(result)) return say_absent("storage of ext4", "its device", result);
  place.reads_storage = !failed(sys(SYS_dup3, result, kDevice, 0));
  sys(SYS_close, result);
}

bool is_overlay(const Disk& disk) {
  return std::string_view(disk.type) == "overlay";
}

// `device`: what it was mounted from, of a disk that is one.
long mount_disk(const Disk& disk, int source, const char* room, const Path& target_directory, Path& device) {
  if (is_overlay(disk)) return mount_overlay(room, target_directory);
  struct stat status = {};
  long result = sys(SYS_fstat, source, &status);
  if (failed(result)) return result;
  if (!S_ISBLK(status.st_mode)) return mount_image(source, disk.type, target_directory, device);
  device << disk.source;
  return sys(SYS_mount, disk.source, target_directory.c_str(), disk.type, 0, nullptr);
}

// Processes stay outside, so that nothing of the executor's keeps it mounted. What has another device number
// each time it is mounted (btrfs) would not be recognised by `maps`.
void let_be_unmounted(const Disk& disk, const char* room, const Path& device, Place& place) {
  if (device.view().empty()) return;
  if (place.device.in_stat != place.device.in_maps)
    return say_absent("remount", "the file system has no device number of its own");
  long outside = sys(SYS_openat, AT_FDCWD, room, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (failed(outside)) return say_absent("remount", room, outside);
  sys(SYS_close, place.directory);
  place.directory = static_cast<int>(outside);
  place.path << disk.name << "/shmcheck/";
  place.disk.source << device.view();
  place.disk.point << disk.name;
  place.disk.type << disk.type;
  place.disk.there = true;
}

long prepare_disk(const Disk& disk, int source, const char* room, Place& place) {
  if (disk.directory != nullptr) {
    long result = open_place(disk.directory, false, place);
    if (!failed(result) && disk.name == "ext4") open_device(room, place);
    return result;
  }
  if (room == nullptr) return -EPERM;
  Path path;
  path << room << "/" << disk.name;
  long result = sys(SYS_mkdirat, AT_FDCWD, path.c_str(), 0755);
  Path device;
  if (!failed(result)) result = mount_disk(disk, source, room, path, device);
  if (failed(result)) return result;
  mounted[mounted_count++] = path;
  result = open_place(path.view(), true, place);
  if (failed(result)) return result;
  if (disk.name == "ext4") open_device(room, place);
  let_be_unmounted(disk, room, device, place);
  return 0;
}

using Sources = std::array<int, std::size(kDisks)>;  // descriptors of what disks are mounted from

// Before anything is mounted over the place where they lie.
Sources open_sources(const Options& options) {
  Sources sources;
  sources.fill(-1);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Disk& disk = options.disks[i];
    if (disk.source == nullptr || is_overlay(disk)) continue;
    long result = sys(SYS_openat, AT_FDCWD, disk.source, O_RDWR | O_CLOEXEC);
    if (failed(result)) say_absent(disk.name, disk.source, result);
    sources[i] = static_cast<int>(result);
  }
  return sources;
}

void close_sources(const Sources& sources) {
  for (int fd : sources) {
    if (fd >= 0) sys(SYS_close, fd);
  }
}

bool is_to_be_had(const Disk& disk, int source) {
  return disk.directory != nullptr || source >= 0 || (is_overlay(disk) && disk.source != nullptr);
}

std::string_view first_usable(const Options& options) {
  if (options.tmpfs_directory != nullptr) return options.tmpfs_directory;
  for (const char* path : {"/dev/shm", "/tmp"}) {
    if (sys(SYS_faccessat, AT_FDCWD, path, W_OK) == 0) return path;
  }
  return ".";
}

}  // namespace

std::size_t prepare_places(const Options& options, std::span<Place, kMaxPlaces> places) {
  std::size_t count = 0;
  const Sources sources = open_sources(options);
  const char* room = target.private_mounts ? mount_room(options) : nullptr;
  const bool own_tmpfs = room != nullptr && mount_own_tmpfs(room);
  long result = room != nullptr ? open_place(room, true, places[count])
                                : open_place(first_usable(options), false, places[count]);
  if (failed(result)) {
    say_absent("tmpfs", "mkdir", result);
  } else {
    places[count].reads_storage = places[count].type == TMPFS_MAGIC;
    if (room == nullptr || own_tmpfs) try_fill("tmpfs", own_tmpfs, places[count]);
    ++count;
  }
  bool any = false;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Disk& disk = options.disks[i];
    any = any || disk.directory != nullptr || disk.source != nullptr;
    if (!is_to_be_had(disk, sources[i])) continue;
    result = prepare_disk(disk, sources[i], room, places[count]);
    if (failed(result)) {
      say_absent(disk.name, "mount", result);
    } else {
      try_fill(disk.name, disk.directory == nullptr, places[count]);
      ++count;
    }
  }
  if (!any) say_absent("ext4", "no directory, image or device was given");
  close_sources(sources);
  return count;
}

long clear_place(Place& place) {
  const long result = place.used_before ? remove_files(place.directory, place.path.view(), kAllFiles) : 0;
  place.used_before = failed(result);
  return result;
}

long unmount_places(std::span<Place> places) {
  long result = end_fill();
  sys(SYS_chdir, "/");
  sys(SYS_close, kDevice);
  for (Place& place : places) {
    sys(SYS_close, place.directory);
    place.directory = -1;
  }
  while (mounted_count > 0) {
    const long unmounted = sys(SYS_umount2, mounted[--mounted_count].c_str(), 0);
    if (failed(unmounted)) result = unmounted;
  }
  return result;
}

void remove_places() {
  for (std::size_t i = 0; i < made_count; ++i) {
    sys(SYS_unlinkat, AT_FDCWD, made[i].c_str(), AT_REMOVEDIR);
  }
  made_count = 0;
}

}  // namespace shmcheck::executor
