#include "executor/crowd.h"

#include <sys/mman.h>

#include "executor/call.h"
#include "executor/hello.h"
#include "executor/maps.h"
#include "executor/rejoin.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

constexpr std::uint64_t kAddress = 0x14'0000'0000;

// Fewer would not hold the executor itself; more take too long to make, and too much of the kernel's memory.
constexpr std::uint64_t kFewest = 1024, kMost = 65536;

// A page of other advice between two that have none is two mappings more, at the start one. Nothing is ever
// accessible.
constexpr std::uint64_t kSparePages = 4;

// Of this process, and by fork of its children; a new image has an undivided range.
bool crowded = false;

struct Count {
  std::uint64_t all = 0, of_program = 0;
};

// The kernel shows a page of its own as well, which is no mapping of the process (vsyscall).
long count_mappings(Count& count) {
  MapsReader maps;
  MapLine line;
  while (maps.next(line)) {
    if (line.low >= target.layout.top) continue;
    ++count.all;
    if (!target.layout.own_overlaps(line.low, line.high - line.low)) ++count.of_program;
  }
  return maps.error();
}

long set_apart(std::uint64_t page) {
  return sys(SYS_madvise, kAddress + page * target.layout.page, target.layout.page, MADV_RANDOM);
}

long divide(std::uint64_t more) {
  long result = more % 2 != 0 ? set_apart(0) : 0;
  for (std::uint64_t i = 1; i <= more / 2 && !failed(result); ++i) result = set_apart(2 * i);
  return result;
}

// What the kernel has left apart since nothing changed it (of a new image: the data and the heap) becomes one
// where advice changes both alike, as it would later where mlockall does. Holes are no matter.
void join_own_mappings() {
  for (const Range& own : target.layout.own) {
    for (const int advice : {MADV_RANDOM, MADV_NORMAL}) sys(SYS_madvise, own.low, own.high - own.low, advice);
  }
}

}  // namespace

void find_map_limit() {
  char room[32];
  std::string_view text;
  std::uint64_t most = 0;
  long result = read_small_file("/proc/sys/vm/max_map_count", room, text);
  if (failed(result)) return say_absent("crowd", "vm.max_map_count", result);
  if (!take_number(text, most) || most < kFewest || most > kMost)
    return say_absent("crowd", "vm.max_map_count is not between 1024 and 65536");
  if (is_emulated()) return say_absent("crowd", "an emulator has mappings that it does not show");
  target.max_map_count = most;
}

program::Range crowd_range() {
  if (target.max_map_count == 0) return {};
  const std::uint64_t pages = target.max_map_count + kSparePages;
  return {kAddress, kAddress + pages * target.layout.page};
}

bool is_crowded() {
  return crowded;
}

long map_crowd_range() {
  const program::Range range = crowd_range();
  long got = sys(SYS_mmap, range.low, range.high - range.low, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  return failed(got) ? got : 0;
}

// Linux grants a mapping while there are no more than the limit (mm/mmap.c, do_mmap), so the last one exceeds
// it.
void perform_crowd(Call& call) {
  const program::Range range = crowd_range();
  const std::uint64_t goal = target.max_map_count + 1 - program::mappings_left(call.op.small);
  Count count;
  join_own_mappings();
  long result = sys(SYS_madvise, range.low, range.high - range.low, MADV_NORMAL);
  if (!failed(result)) result = count_mappings(count);
  if (!failed(result)) result = count.all > goal ? -ENOMEM : divide(goal - count.all);
  crowded = crowded || !failed(result);
  settle_value(call, failed(result) ? result : static_cast<long>(count.of_program));
}

}  // namespace shmcheck::executor
