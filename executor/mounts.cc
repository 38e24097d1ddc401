#include "executor/mounts.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstring>

#include "executor/control.h"
#include "executor/hello.h"

namespace shmcheck::executor {
namespace {

using Path = Text<1024>;

// Directories that may have to be removed again; every place has at most one.
Path made[kMaxPlaces];
std::size_t made_count = 0;

// --- loop devices ----------------------------------------------------------------------------------------

// Opens a loop device over `image`, which clears itself on its last close: nothing is left however we end.
long open_loop(int image, Path& device) {
  constexpr int kAttempts = 16;  // somebody else may take the free device first
  long control_fd = sys(SYS_openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (failed(control_fd)) return control_fd;
  long result = -EBUSY;
  for (int i = 0; i < kAttempts && result == -EBUSY; ++i) {
    long number = sys(SYS_ioctl, control_fd, LOOP_CTL_GET_FREE);
    if (failed(number)) {
      result = number;
      break;
    }
    device = {};
    device << "/dev/loop" << static_cast<int>(number);
    result = sys(SYS_openat, AT_FDCWD, device.c_str(), O_RDWR | O_CLOEXEC);
    if (failed(result)) break;
    loop_config config;
    std::memset(&config, 0, sizeof config);
    config.fd = static_cast<std::uint32_t>(image);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    long configured = sys(SYS_ioctl, result, LOOP_CONFIGURE, &config);
    if (failed(configured)) {
      sys(SYS_close, result);
      result = configured;
    }
  }
  sys(SYS_close, control_fd);
  return result;
}

long mount_image(int image, const Path& target_directory) {
  Path device;
  long loop = open_loop(image, device);
  if (failed(loop)) return loop;
  long result = sys(SYS_mount, device.c_str(), target_directory.c_str(), "ext4", 0, nullptr);
  sys(SYS_close, loop);
  return result;
}

// --- directories -----------------------------------------------------------------------------------------

void remove_leftovers(int directory) {
  for (unsigned i = 0; i < program::kNames; ++i) {
    const char name[] = {'n', static_cast<char>('0' + i), '\0'};
    sys(SYS_unlinkat, directory, name, 0);
  }
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
  if (existed) remove_leftovers(place.directory);
  struct statfs fs = {};
  result = sys(SYS_fstatfs, place.directory, &fs);
  place.type = static_cast<std::uint64_t>(fs.f_type);
  place.block = static_cast<std::uint64_t>(fs.f_bsize);
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

bool may_mount() {
  return target.private_mounts || target.is_init;
}

long prepare_ext4(const Options& options, int image, const char* room, Place& place) {
  if (options.ext4_directory != nullptr) return open_place(options.ext4_directory, false, place);
  if (room == nullptr) return -EPERM;
  Path path;
  path << room << "/ext4";
  long result = sys(SYS_mkdirat, AT_FDCWD, path.c_str(), 0755);
  if (failed(result)) return result;
  result = image >= 0 ? mount_image(image, path)
                      : sys(SYS_mount, options.ext4_device, path.c_str(), "ext4", 0, nullptr);
  return failed(result) ? result : open_place(path.view(), true, place);
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
  // Before anything is mounted over the place where it lies.
  long image = -1;
  if (options.ext4_image != nullptr) {
    image = sys(SYS_openat, AT_FDCWD, options.ext4_image, O_RDWR | O_CLOEXEC);
    if (failed(image)) say_absent("ext4", options.ext4_image, image);
  }
  const char* room = may_mount() ? mount_room(options) : nullptr;
  long result = room != nullptr ? open_place(room, true, places[count])
                                : open_place(first_usable(options), false, places[count]);
  if (failed(result)) {
    say_absent("tmpfs", "mkdir", result);
  } else {
    ++count;
  }
  bool wanted = options.ext4_directory != nullptr || options.ext4_device != nullptr || image >= 0;
  if (!wanted) {
    if (options.ext4_image == nullptr) say_absent("ext4", "no directory, image or device was given");
    return count;
  }
  result = prepare_ext4(options, static_cast<int>(image), room, places[count]);
  if (failed(result)) {
    say_absent("ext4", options.ext4_device != nullptr ? options.ext4_device : "mount", result);
  } else {
    ++count;
  }
  if (image >= 0) sys(SYS_close, image);
  return count;
}

void remove_places() {
  for (std::size_t i = 0; i < made_count; ++i) {
    sys(SYS_unlinkat, AT_FDCWD, made[i].c_str(), AT_REMOVEDIR);
  }
  made_count = 0;
}

}  // namespace shmcheck::executor
