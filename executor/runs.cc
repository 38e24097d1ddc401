#include "executor/runs.h"

#include <cstring>

namespace shmcheck::executor {

std::size_t equal_prefix(std::span<const std::uint8_t> bytes) {
  const std::uint64_t pattern = 0x0101'0101'0101'0101 * bytes[0];
  std::size_t n = 1;
  for (std::uint64_t eight; bytes.size() - n >= sizeof eight; n += sizeof eight) {
    std::memcpy(&eight, bytes.data() + n, sizeof eight);
    if (eight != pattern) break;
  }
  while (n < bytes.size() && bytes[n] == bytes[0]) ++n;
  return n;
}

void push_byte_runs(Words& words, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    std::size_t n = equal_prefix(bytes);
    words.push_run({program::RunKind::bytes, bytes[0], 0, n});
    bytes = bytes.subspan(n);
  }
}

void Words::push_run(const program::Run& run) {
  if (run.length == 0) return;
  if (count_ > 0) {
    program::Run last = program::unpack_run(room_[count_ - 1]);
    if (last.kind == run.kind && last.value == run.value && last.code == run.code) {
      last.length += run.length;
      room_[count_ - 1] = pack(last);
      return;
    }
  }
  push(pack(run));
}

}  // namespace shmcheck::executor
