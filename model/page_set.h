// Pages of an object, by index: sets that are exact, and such as may have a page too many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace shmcheck::model {

class PageSet {
 public:
  void add(std::uint64_t index) {
    auto at = std::ranges::lower_bound(pages_, index);
    if (at == pages_.end() || *at != index) pages_.insert(at, index);
  }
  // Takes first … last-1 out.
  void drop(std::uint64_t first, std::uint64_t last) {
    pages_.erase(std::ranges::lower_bound(pages_, first), std::ranges::lower_bound(pages_, last));
  }
  // The pages that [low, high), given in bytes, has a part of.
  void add_bytes(std::uint64_t low, std::uint64_t high, std::uint64_t page) {
    for (std::uint64_t at = low / page; low < high && at <= (high - 1) / page; ++at) add(at);
  }
  // What of `other` lies in first … last-1.
  void add_some(const PageSet& other, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t index : other.pages_) {
      if (first <= index && index < last) add(index);
    }
  }
  bool contains(std::uint64_t index) const { return std::ranges::binary_search(pages_, index); }
  // How many of first … last-1 it has.
  std::uint64_t count(std::uint64_t first, std::uint64_t last) const {
    if (first >= last) return 0;
    return static_cast<std::uint64_t>(std::ranges::lower_bound(pages_, last) -
                                      std::ranges::lower_bound(pages_, first));
  }
  std::uint64_t size() const { return pages_.size(); }

 private:
  std::vector<std::uint64_t> pages_;  // ascending
};

// Keeps the index modulo 64 only: it may be said to contain pages that nobody has added.
class PageBits {
 public:
  void add(std::uint64_t index) { bits_ |= std::uint64_t{1} << (index % 64); }
  bool may_contain(std::uint64_t index) const { return (bits_ >> (index % 64) & 1) != 0; }
  bool empty() const { return bits_ == 0; }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace shmcheck::model
