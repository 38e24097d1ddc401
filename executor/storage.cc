// The op `stored`: what the blocks of a file hold, beneath the page cache.
#include <linux/fiemap.h>
#include <linux/fs.h>

#include <algorithm>
#include <cstring>

#include "executor/call.h"
#include "executor/runs.h"

namespace shmcheck::executor {
namespace {

// What the file system has not written to a block that counts reads zero, whatever the block holds.
constexpr std::uint32_t kNothing = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNWRITTEN;
constexpr std::uint32_t kPlain = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_SHARED;

constexpr std::uint32_t kExtents = 16;  // at a time
struct Map {
  alignas(fiemap) unsigned char room[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)];
};

// Whole blocks of a file, from `start` on.
struct Blocks {
  int file;
  std::uint64_t start, length;
  std::uint8_t* to;
};

long read_extent(const Blocks& blocks, const fiemap_extent& extent) {
  if ((extent.fe_flags & kNothing) != 0) return 0;
  if ((extent.fe_flags & ~kPlain) != 0) return -EOPNOTSUPP;
  std::uint64_t low = std::max<std::uint64_t>(extent.fe_logical, blocks.start);
  std::uint64_t high =
      std::min<std::uint64_t>(extent.fe_logical + extent.fe_length, blocks.start + blocks.length);
  if (low >= high) return 0;
  long n = sys(SYS_pread64, kDevice, blocks.to + (low - blocks.start), high - low,
               extent.fe_physical + (low - extent.fe_logical));
  if (failed(n)) return n;
  return static_cast<std::uint64_t>(n) == high - low ? 0 : -EIO;
}

// Without FIEMAP_FLAG_SYNC, which would write what is to be found unwritten.
long read_blocks(const Blocks& blocks) {
  Map room;
  fiemap& map = *reinterpret_cast<fiemap*>(room.room);
  bool more = true;
  for (std::uint64_t at = blocks.start; more;) {
    std::memset(&room, 0, sizeof room);
    map.fm_start = at;
    map.fm_length = blocks.length - (at - blocks.start);
    map.fm_extent_count = kExtents;
    long result = sys(SYS_ioctl, blocks.file, FS_IOC_FIEMAP, &map);
    if (failed(result)) return result;
    more = false;
    for (std::uint32_t i = 0; i < map.fm_mapped_extents; ++i) {
      const fiemap_extent& extent = map.fm_extents[i];
      result = read_extent(blocks, extent);
      if (failed(result)) return result;
      at = extent.fe_logical + extent.fe_length;
      more = (extent.fe_flags & FIEMAP_EXTENT_LAST) == 0 && at - blocks.start < blocks.length;
    }
  }
  return 0;
}

}  // namespace

void perform_stored(Call& call) {
  const std::uint64_t page = target.layout.page, start = call.at.off & ~(page - 1);
  const std::uint64_t skipped = call.at.off - start;
  const std::uint64_t length = call.at.len == 0 ? 0 : target.layout.round_up(skipped + call.at.len);
  std::uint8_t* buffer = bounce_area().data();
  std::memset(buffer, 0, length);
  long result = read_blocks({descriptor(call.op.object), start, length, buffer});
  settle(call, result);
  if (!failed(result)) push_byte_runs(call.words, {buffer + skipped, call.at.len});
}

}  // namespace shmcheck::executor
