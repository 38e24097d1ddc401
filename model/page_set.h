// Pages of an object, by index.
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
  std::uint64_t size() const { return pages_.size(); }
  bool contains(std::uint64_t index) const { return std::ranges::binary_search(pages_, index); }
  // How many of first … last-1.
  std::uint64_t count(std::uint64_t first, std::uint64_t last) const {
    const auto begin = std::ranges::lower_bound(pages_, first);
    return static_cast<std::uint64_t>(std::ranges::lower_bound(pages_, std::max(first, last)) - begin);
  }

 private:
  std::vector<std::uint64_t> pages_;  // ascending
};

}  // namespace shmcheck::model
