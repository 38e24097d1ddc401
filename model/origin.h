// Where bytes came from: the clause that a wrong one breaks follows from it (blame.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace shmcheck::model {

enum class OriginKind : std::uint8_t {
  nothing,       // never written
  store,         // by a processor or by a system call, through a mapping
  write,         // by write(2)
  cut,           // zeroed when the object was cut within the page
  extended,      // slack that was zeroed when the object grew
  written_back,  // slack that was zeroed by a write-back
  shifted,       // to where it is, when a range before it was taken out of the file or put in
  private_copy,  // of the object's page, when a private mapping stored elsewhere in it
};

struct Origin {
  OriginKind kind = OriginKind::nothing;
  std::uint8_t process = 0;   // index
  std::uint32_t mapping = 0;  // of a store Vma::id, of a write the id that the next vma would have had
  std::uint32_t step = 0;     // World::steps
  bool same_but_step(const Origin& o) const {
    return kind == o.kind && process == o.process && mapping == o.mapping;
  }
};

// The origins of one page's bytes: of the last few writes exactly, of what lies beneath them only the first.
class Origins {
 public:
  void set(Origin whole_page) {
    base_ = whole_page;
    count_ = 0;
  }
  void note(Origin origin, std::uint32_t low, std::uint32_t high, std::uint32_t page_size) {
    if (low == 0 && high == page_size) return set(origin);
    if (count_ > 0 && pieces_[0].origin.same_but_step(origin) && low <= pieces_[0].high &&
        pieces_[0].low <= high) {
      pieces_[0] = {origin, std::min(low, pieces_[0].low), std::max(high, pieces_[0].high)};
      return;
    }
    count_ = std::min(count_ + 1, kPieces);
    for (std::size_t i = count_ - 1; i > 0; --i) pieces_[i] = pieces_[i - 1];
    pieces_[0] = {origin, low, high};
  }
  const Origin& at(std::uint32_t byte) const {
    for (std::size_t i = 0; i < count_; ++i) {
      if (byte >= pieces_[i].low && byte < pieces_[i].high) return pieces_[i].origin;
    }
    return base_;
  }
  // The first byte behind this one where another piece begins or one ends, or the page's end.
  std::uint32_t end(std::uint32_t byte, std::uint32_t page_size) const {
    std::uint32_t end = page_size;
    for (std::size_t i = 0; i < count_; ++i) {
      for (std::uint32_t edge : {pieces_[i].low, pieces_[i].high}) {
        if (edge > byte) end = std::min(end, edge);
      }
    }
    return end;
  }

 private:
  static constexpr std::size_t kPieces = 3;
  struct Piece {
    Origin origin;
    std::uint32_t low = 0, high = 0;
  };
  Origin base_;
  std::array<Piece, kPieces> pieces_;  // the newest first
  std::size_t count_ = 0;
};

}  // namespace shmcheck::model
