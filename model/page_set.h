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

 private:
  std::vector<std::uint64_t> pages_;  // ascending
};

}  // namespace shmcheck::model
