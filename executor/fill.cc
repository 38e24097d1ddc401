// The op `fill`.
#include "executor/fill.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "executor/call.h"
#include "executor/children.h"
#include "executor/files.h"
#include "executor/text.h"

namespace shmcheck::executor {
namespace {

using program::Room;

// The place that is current, and what has been taken of it: by a file without a name, on a disk two, which
// are there only while something is, for they keep the file system from being unmounted.
Place filled;
int filler = -1, rest = -1;

bool is_tmpfs() {
  return filled.type == TMPFS_MAGIC;
}

long open_nameless(const Place& place) {
  return sys(SYS_openat, place.directory, path_of(place.path), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

long open_file(int& file) {
  if (file >= 0) return 0;
  const long fd = open_nameless(filled);
  if (failed(fd)) return fd;
  file = static_cast<int>(fd);
  return 0;
}

void close_files() {
  for (int* file : {&filler, &rest}) {
    if (*file >= 0) sys(SYS_close, *file);
    *file = -1;
  }
}

long set_tmpfs_size(std::uint64_t blocks) {
  Text<64> options;
  options << "size=" << blocks * target.layout.page;
  return sys(SYS_mount, "shmcheck", ".", "tmpfs", MS_REMOUNT, options.c_str());
}

// mm/shmem.c, shmem_reconfigure: not below what is used, and 0 would be no limit; the filler is one page.
long fill_tmpfs() {
  struct statfs fs = {};
  long result = sys(SYS_fallocate, filler, 0, 0, target.layout.page);
  if (!failed(result)) result = sys(SYS_fstatfs, filler, &fs);
  if (failed(result)) return result;
  return set_tmpfs_size(static_cast<std::uint64_t>(fs.f_blocks) - static_cast<std::uint64_t>(fs.f_bfree));
}

// What fallocate cannot take whole it takes in part, or nothing of.
long take_blocks(int file, std::uint64_t count, std::uint64_t block) {
  std::uint64_t chunk = count * block, end = 0;
  while (chunk >= block) {
    const long result = sys(SYS_fallocate, file, 0, end, chunk);
    if (failed(result) && result != -ENOSPC) return result;
    struct stat st = {};
    const long looked = sys(SYS_fstat, file, &st);
    if (failed(looked)) return looked;
    if (static_cast<std::uint64_t>(st.st_size) == end) chunk = chunk / 2 / block * block;
    end = static_cast<std::uint64_t>(st.st_size);
  }
  return 0;
}

// Blocks of removed files come back with a commit of the journal, and those of stores that are yet to be
// allocated are taken by then. The last block is left where the file would need another for its own records;
// a new file has four extents without any.
long fill_disk() {
  long result = sys(SYS_syncfs, filler);
  struct statfs fs = {};
  if (!failed(result)) result = sys(SYS_fstatfs, filler, &fs);
  const auto block = static_cast<std::uint64_t>(fs.f_bsize), left = static_cast<std::uint64_t>(fs.f_bavail);
  if (!failed(result)) result = take_blocks(filler, left > 0 ? left : 1, block);
  if (!failed(result)) result = open_file(rest);
  return failed(result) ? result : take_blocks(rest, 1, block);
}

long give_back() {
  if (filler < 0) return 0;
  long result = is_tmpfs() ? set_tmpfs_size(filled.blocks) : sys(SYS_ftruncate, filler, 0);
  if (!failed(result) && rest >= 0) result = sys(SYS_ftruncate, rest, 0);
  if (!failed(result) && !is_tmpfs()) result = sys(SYS_syncfs, filler);
  if (!failed(result)) close_files();
  return result;
}

// A disk that is full is filled anew, by new files.
long take() {
  long result = is_tmpfs() ? 0 : give_back();
  if (!failed(result)) result = open_file(filler);
  if (failed(result)) return result;
  return is_tmpfs() ? fill_tmpfs() : fill_disk();
}

}  // namespace

long prepare_fill(Place& place) {
  const long fd = open_nameless(place);
  if (failed(fd)) return fd;
  struct statfs fs = {};
  const long result = sys(SYS_fstatfs, fd, &fs);
  sys(SYS_close, fd);
  if (failed(result)) return result;
  place.blocks = static_cast<std::uint64_t>(fs.f_blocks);
  place.fills = true;
  return 0;
}

void choose_fill(const Place& place) {
  filled = place;
  control->fills = place.fills;
}

void answer_fill() {
  const Word asked = load(control->fill_asked);
  if (asked == 0) return;
  store(control->fill_asked, 0);
  const bool all = static_cast<Room>(asked - 1) == Room::all;
  control->fill_result = all ? give_back() : take();
  store(control->fill_answered, 1);
  wake(control->fill_answered);
}

long end_fill() {
  const long result = give_back();
  close_files();
  return result;
}

void perform_fill(Call& call) {
  store(control->fill_answered, 0);
  store(control->fill_asked, Word{call.op.small} + 1);
  wake_supervisor();
  while (load(control->fill_answered) == 0) sleep_while(control->fill_answered, 0);
  settle(call, control->fill_result);
}

}  // namespace shmcheck::executor
