#include "executor/own_ranges.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include <algorithm>

#include "executor/control.h"
#include "executor/crowd.h"
#include "executor/hello.h"
#include "executor/maps.h"
#include "executor/small_file.h"

extern "C" char __executable_start, _end;  // NOLINT(bugprone-reserved-identifier): the linker's

namespace shmcheck::executor {
namespace {

// The kernel lets a stack grow into what lies below it.
constexpr std::uint64_t kStackReserve = 8U << 20;

void add(std::uint64_t low, std::uint64_t high) {
  if (target.own_count < std::size(target.own)) {
    target.own[target.own_count++] = {low, high};
  } else {
    target.own[target.own_count - 1].high = std::max(target.own[target.own_count - 1].high, high);
  }
}

void add_pages(std::uint64_t low, std::uint64_t high) {
  const program::Layout& layout = target.layout;
  add(low & ~(layout.page - 1), layout.round_up(high));
}

// False if there is no such file.
bool add_from_maps() {
  MapsReader maps;
  MapLine line;
  bool any = false;
  while (maps.next(line)) {
    any = true;
    add(line.path == "[stack]" ? line.low - kStackReserve : line.low, line.high);
  }
  if (!any) say_absent("/proc/self/maps", "read", maps.error());
  return any;
}

void add_from_symbols() {
  constexpr std::uint64_t kAboveFrame = 1U << 20, kVdsoAround = 8;
  add_pages(reinterpret_cast<std::uint64_t>(&__executable_start),
            std::max(reinterpret_cast<std::uint64_t>(&_end), static_cast<std::uint64_t>(sys(SYS_brk, 0))));
  add_pages(kControlAddress, reinterpret_cast<std::uint64_t>(bounce_area().data() + bounce_area().size()));
  add_pages(kInputAddress, kInputAddress + input_area().size());
  auto frame = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
  add_pages(frame - kStackReserve, frame + kAboveFrame);
  if (std::uint64_t vdso = getauxval(AT_SYSINFO_EHDR); vdso != 0) {
    add_pages(vdso - kVdsoAround * target.layout.page, vdso + kVdsoAround * target.layout.page);
  }
}

// Sorts and joins what touches, so that the hello stays short.
void join() {
  Range* own = target.own;
  std::sort(own, own + target.own_count, [](const Range& a, const Range& b) { return a.low < b.low; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < target.own_count; ++i) {
    if (own[i].low <= own[kept].high) {
      own[kept].high = std::max(own[kept].high, own[i].high);
    } else {
      own[++kept] = own[i];
    }
  }
  if (target.own_count > 0) target.own_count = kept + 1;
}

bool arena_is_free() {
  std::uint64_t length = kArenaPages * target.layout.page;
  long got = sys(SYS_mmap, kArenaAddress, length, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (failed(got)) return false;
  sys(SYS_munmap, got, length);
  return static_cast<std::uint64_t>(got) == kArenaAddress;
}

// What /proc/cpuinfo says; nothing where it cannot be read.
struct Processor {
  bool nx = false;
  bool five_levels = false;  // of page tables
};

// User-Mode Linux names the processor of its host, but gives every page that can be read to execution.
Processor find_processor() {
  char room[4096];  // the flags of the first CPU are within a page
  std::string_view text;
  if (failed(read_small_file("/proc/cpuinfo", room, text))) return {};
  const auto has = [text](std::string_view word) { return text.find(word) != std::string_view::npos; };
  return {has(" nx ") && !has("User Mode Linux"), has(" la57")};
}

// With five levels of page tables a hint makes the kernel hand out addresses beyond 2^47.
std::uint64_t find_top([[maybe_unused]] bool five_levels) {
#if defined(__x86_64__)
  return std::uint64_t{1} << (five_levels ? 56 : 47);
#else
  return std::uint64_t{1} << 56;  // beyond 52 bits of arm64 and 56 bits of riscv64
#endif
}

}  // namespace

void find_page_size() {
  target.layout.page = getauxval(AT_PAGESZ);
  target.layout.shmlba = static_cast<std::uint64_t>(SHMLBA);
}

bool find_own_ranges(Sentence& wrong) {
  const Processor processor = find_processor();
  target.layout.top = find_top(processor.five_levels);
  target.nx = processor.nx;
  if (!add_from_maps()) add_from_symbols();
  if (target.max_map_count != 0) add(crowd_range().low, crowd_range().high);
  join();
  target.layout.own = {target.own, target.own_count};
  std::uint64_t arena_end = kArenaAddress + kArenaPages * target.layout.page;
  bool overlapped = target.layout.own_overlaps(kArenaAddress, arena_end - kArenaAddress);
  if (!overlapped && arena_is_free()) return true;
  wrong << "the arena at ";
  wrong.hex(kArenaAddress) << " is not free in the executor's address space";
  return false;
}

}  // namespace shmcheck::executor
