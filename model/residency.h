// Which pages of a mapping its process has mapped: what /proc/PID/smaps and /proc/PID/status count.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

struct Bounds {
  std::uint64_t least = 0, most = 0;
  Bounds& operator+=(const Bounds& o) {
    least += o.least, most += o.most;
    return *this;
  }
  bool allow(std::uint64_t n) const { return least <= n && n <= most; }
  bool decided() const { return least == most; }
};

// How many of the pages of [low, high), a part of the vma. That pages which are not locked stay mapped no
// document says; what is locked is, where its lock has brought in all that it spans.
Bounds mapped_pages(World& w, const Step& s, const Vma& v, std::uint64_t low, std::uint64_t high);

}  // namespace shmcheck::model
