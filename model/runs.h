// Runs of bytes in outcomes: writing them for the running model, matching them for the judge.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "model/bytes.h"
#include "model/room.h"
#include "model/step.h"
#include "program/trace.h"

namespace shmcheck::model {

// Whether two pages agree from an offset on. Null stands for zeros.
inline bool same_bytes(const std::uint8_t* a, const std::uint8_t* b, std::uint64_t offset,
                       std::uint64_t length) {
  if (a == b) return true;
  if (a && b) return std::memcmp(a + offset, b + offset, length) == 0;
  return equal_prefix((a ? a : b) + offset, length, 0) == length;
}

class RunWriter {
 public:
  explicit RunWriter(std::vector<std::uint64_t>& words) : words_(words) { make_room(words); }
  // Null stands for zeros.
  void bytes(const std::uint8_t* data, std::uint64_t length) {
    if (!data) {
      put({program::RunKind::bytes, 0, 0, length});
      return;
    }
    while (length > 0) {
      std::uint64_t equal = equal_prefix(data, length, *data);
      put({program::RunKind::bytes, *data, 0, equal});
      data += equal;
      length -= equal;
    }
  }
  void put(program::Run run) {
    if (run.length == 0) return;
    if (!words_.empty()) {
      program::Run last = program::unpack_run(words_.back());
      if (last.kind == run.kind && last.value == run.value && last.code == run.code) {
        last.length += run.length;
        words_.back() = program::pack(last);
        return;
      }
    }
    words_.push_back(program::pack(run));
  }

 private:
  std::vector<std::uint64_t>& words_;
};

class RunReader {
 public:
  explicit RunReader(const std::vector<std::uint64_t>& words) : words_(words) { next(); }
  bool done() const { return current_.length == 0; }
  // The run at the current place, cut to what is left of it.
  const program::Run& current() const { return current_; }
  void take(std::uint64_t length) {
    current_.length -= length;
    if (current_.length == 0) next();
  }
  std::uint64_t left() const {
    std::uint64_t sum = current_.length;
    for (std::size_t i = at_; i < words_.size(); ++i) sum += program::unpack_run(words_[i]).length;
    return sum;
  }

 private:
  void next() {
    current_ = {};
    while (at_ < words_.size() && current_.length == 0) current_ = program::unpack_run(words_[at_++]);
  }
  const std::vector<std::uint64_t>& words_;
  std::size_t at_ = 0;
  program::Run current_;
};

std::string describe(const program::Run& run);

// Matches `length` bytes (within one page) of an object from `offset` on with what was seen. `place` is the
// distance from the start of the observation, for the report. `accepts(offset, length, byte)` decides where
// the page does not say the same: how many of the bytes from there on may be this one, or 0; `blame(offset,
// run)` gives the clause that is broken by what was seen instead.
template <typename Accepts, typename Blame>
bool match_bytes(Step& s, RunReader& in, const ObjectBytes& bytes, std::uint64_t offset, std::uint64_t length,
                 std::uint32_t page_size, std::uint64_t place, Accepts accepts, Blame blame) {
  const PageRef* page = bytes.find(offset / page_size);
  const std::uint8_t* data = page ? page->bytes() : nullptr;
  const std::uint64_t end = offset + length;
  std::uint64_t certain_until = bytes.first_doubted(offset, end);
  while (length > 0) {
    const program::Run& run = in.current();
    if (in.done() || run.kind != program::RunKind::bytes) {
      s.diverge(blame(offset, run),
                fmt::format("at +{}: the byte {:#04x}", place, bytes.at(offset, page_size)),
                in.done() ? "the end of the data" : describe(run));
      return false;
    }
    std::uint64_t part = std::min(run.length, length);
    for (std::uint64_t i = 0; i < part;) {
      const std::uint64_t at = offset + i;
      if (at < certain_until) {
        const std::uint64_t most = std::min(part - i, certain_until - at);
        const std::uint64_t equal = data             ? equal_prefix(data + at % page_size, most, run.value)
                                    : run.value == 0 ? most
                                                     : 0;
        i += equal;
        if (equal == most) continue;
      }
      const std::uint64_t accepted = accepts(offset + i, part - i, run.value);
      if (accepted == 0) {
        s.diverge(blame(offset + i, run),
                  fmt::format("at +{}: the byte {:#04x}", place + i, bytes.at(offset + i, page_size)),
                  fmt::format("{:#04x}", run.value));
        return false;
      }
      i += accepted;
      certain_until = bytes.first_doubted(offset + i, end);
    }
    in.take(part);
    offset += part;
    place += part;
    length -= part;
  }
  return true;
}

}  // namespace shmcheck::model
