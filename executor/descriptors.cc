#include "executor/descriptors.h"

#include <dirent.h>
#include <fcntl.h>

#include "executor/call.h"
#include "executor/files.h"
#include "executor/hello.h"
#include "executor/maps.h"
#include "executor/small_file.h"
#include "executor/text.h"

namespace shmcheck::executor {
namespace {

// Of this process, and by fork of its children; exec closes what map_file has opened.
bool of_memory[program::kFiles];

bool is_own(std::uint64_t fd) {
  return fd < kNotedDescriptors && (control->own_descriptors[fd / 64] >> fd % 64 & 1) != 0;
}

// Calls `each` with every name in a directory, but itself and its parent, and with its descriptor. 0 or
// -errno.
template <typename Each>
long for_names(const char* path, Each each) {
  struct Entry {
    std::uint64_t inode, offset;
    std::uint16_t length;
    std::uint8_t type;
    char name[1];
  };
  const long directory = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (failed(directory)) return directory;
  alignas(8) char room[2048];
  long n = 0;
  while ((n = sys(SYS_getdents64, directory, room, sizeof room)) > 0) {
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const Entry*>(room + at);
      const std::string_view name = room + at + offsetof(Entry, name);
      if (name != "." && name != "..") each(name, static_cast<std::uint64_t>(directory));
      at += entry->length;
    }
  }
  sys(SYS_close, directory);
  return n;
}

// Calls `each` for every descriptor of this process but the one that it takes to look. 0 or -errno.
template <typename Each>
long for_descriptors(Each each) {
  return for_names("/proc/self/fd", [&](std::string_view name, std::uint64_t directory) {
    std::uint64_t fd = 0;
    if (take_number(name, fd) && fd != directory) each(fd);
  });
}

// Calls `each` with every name that programs can give, and what else has one beside them. 0 or -errno.
template <typename Each>
long for_files(Each each) {
  const long result = for_names(path_of(control->directory), each);
  return failed(result) ? result : for_names("/dev/shm", each);
}

// Of files of a program that goes on after a reboot, too.
bool is_path(std::string_view name) {
  return name.size() == 2 && name[0] == 'n' && name[1] >= '0' &&
         name[1] < static_cast<char>('0' + program::kNames);
}

long break_at_start = 0;

// What /proc/self/maps has at an address.
struct Row {
  std::uint64_t low, high;
  bool memory;  // that no file system has a name for
};

// Where there is no row, a page that has no entry either.
Row row_at(std::uint64_t address) {
  const std::uint64_t page = target.layout.page, low = address - address % page;
  Row row = {low, low + page, false};
  MapsReader maps;
  for (MapLine line; maps.next(line);) {
    if (line.low > address || address >= line.high) continue;
    row = {line.low, line.high, line.path.starts_with("/SYSV") || line.path.starts_with("/dev/zero")};
  }
  return row;
}

}  // namespace

void find_views() {
  target.names = target.private_mounts && target.has_objects;
  if (!target.names) say_absent("names", "its directories may hold names of somebody else");
  const long found = sys(SYS_faccessat, AT_FDCWD, "/proc/self/map_files", F_OK);
  target.map_files = !failed(found);
  if (failed(found)) say_absent("map_files", "/proc/self/map_files", found);
}

void note_own_descriptors() {
  for (std::uint64_t& word : control->own_descriptors) word = 0;
  for_descriptors([](std::uint64_t fd) {
    if (fd < kNotedDescriptors) control->own_descriptors[fd / 64] |= std::uint64_t{1} << fd % 64;
  });
}

void note_other_names() {
  control->other_names = 0;
  for_files([](std::string_view name, std::uint64_t) { control->other_names += is_path(name) ? 0 : 1; });
}

void note_break() {
  break_at_start = sys(SYS_brk, 0);
}

void forget_memory(std::uint8_t slot) {
  of_memory[slot] = false;
}

bool withheld_of_memory(const Op& op) {
  if (program::spec(op.code).object_kind != program::NameKind::file || op.object >= program::kFiles)
    return false;
  return of_memory[op.object] && !program::known_of_memory(op.code);
}

void perform_descriptors(Call& call) {
  long count = 0;
  const long result = for_descriptors([&](std::uint64_t fd) { count += is_own(fd) ? 0 : 1; });
  settle_value(call, failed(result) ? result : count);
}

void perform_names(Call& call) {
  long count = -control->other_names;
  const long result = for_files([&](std::string_view, std::uint64_t) { ++count; });
  settle_value(call, failed(result) ? result : count);
}

void perform_brk(Call& call) {
  settle_value(call, sys(SYS_brk, 0) - break_at_start);
}

// Bounds are read, so that it does not matter how Linux has joined or divided what it shows.
void perform_map_file(Call& call) {
  const Row row = row_at(call.at.addr);
  Text<96> path;
  path << "/proc/self/map_files/";
  path.plain_hex(row.low) << "-";
  path.plain_hex(row.high);
  const long fd =
      into_slot(sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC), call.op.result, O_CLOEXEC);
  if (!failed(fd)) of_memory[call.op.result] = row.memory;
  settle(call, fd);
}

}  // namespace shmcheck::executor
