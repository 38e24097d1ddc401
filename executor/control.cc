#include "executor/control.h"

#include <sys/mman.h>

namespace shmcheck::executor {

Control* control = nullptr;
Target target;

namespace {

// Offsets of the areas from kControlAddress; all multiples of the page size.
struct Areas {
  std::size_t frame, words, bounce, end;
};

constexpr std::size_t kFrameBytes = program::kFrameHeaderBytes + program::kMaxPayload;

Areas areas() {
  const program::Layout& layout = target.layout;
  Areas a;
  a.frame = layout.round_up(sizeof(Control));
  a.words = a.frame + layout.round_up(kFrameBytes);
  // One word a byte in the worst `contents`; far more than the rows of any `maps`.
  a.bounce = a.words + (program::kMaxIoPages + 1) * layout.page * sizeof(std::uint64_t);
  a.end = a.bounce + (program::kMaxIoPages + 1) * layout.page;
  return a;
}

template <typename T>
std::span<T> area(std::size_t begin, std::size_t bytes) {
  return {reinterpret_cast<T*>(kControlAddress + begin), bytes / sizeof(T)};
}

long map_at(std::uint64_t address, std::size_t bytes, int type, int file = -1) {
  long got = sys(SYS_mmap, address, bytes, PROT_READ | PROT_WRITE,
                 type | (file < 0 ? MAP_ANONYMOUS : 0) | MAP_NORESERVE | MAP_FIXED_NOREPLACE, file, 0);
  if (failed(got)) return got;
  return static_cast<std::uint64_t>(got) == address ? 0 : -EEXIST;
}

// A memory file of that size as kRegion.
long open_region(std::size_t bytes) {
  long fd = sys(SYS_memfd_create, "shmcheck-control", 0);
  if (failed(fd)) return fd;
  long result = sys(SYS_ftruncate, fd, bytes);
  if (!failed(result)) result = sys(SYS_dup3, fd, kRegion, 0);
  sys(SYS_close, fd);
  return result;
}

bool has_region = false;

}  // namespace

long map_control_again() {
  long wrong = map_at(kControlAddress, areas().end, MAP_SHARED, kRegion);
  if (wrong == 0) control = reinterpret_cast<Control*>(kControlAddress);
  return wrong;
}

bool control_can_be_mapped_again() {
  return has_region;
}

long map_control() {
  has_region = !failed(open_region(areas().end));
  long wrong = map_at(kControlAddress, areas().end, MAP_SHARED, has_region ? kRegion : -1);
  if (wrong != 0) return wrong;
  control = reinterpret_cast<Control*>(kControlAddress);
  wrong = map_at(kInputAddress, kFrameBytes, MAP_PRIVATE);
  if (wrong != 0) return wrong;
  return sys(SYS_madvise, kInputAddress, kFrameBytes, MADV_DONTFORK);
}

std::span<std::uint8_t> frame_area() {
  return area<std::uint8_t>(areas().frame, kFrameBytes);
}
std::span<std::uint8_t> result_area() {
  return frame_area().subspan(program::kFrameHeaderBytes);
}
std::span<std::uint64_t> words_area() {
  return area<std::uint64_t>(areas().words, areas().bounce - areas().words);
}
std::span<std::uint8_t> bounce_area() {
  return area<std::uint8_t>(areas().bounce, areas().end - areas().bounce);
}
std::span<std::uint8_t> input_area() {
  return {reinterpret_cast<std::uint8_t*>(kInputAddress), kFrameBytes};
}

void record(const OutcomeHead& head, std::span<const std::uint64_t> words) {
  if (append_record(result_area(), control->cursor, head, words)) return;
  store(control->overflow, 1);
  store(control->done, 1);
}

}  // namespace shmcheck::executor
