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

// How many of the pages hold what private anonymous memory was stored to, and are there for certain: it is
// locked, and its lock has brought in whatever was not. What was only read may be the zero page, which nobody
// counts. Of private mappings of files the model does not know what a lock has brought in.
std::uint64_t pages_stored_to(const World& w, const Vma& v, std::uint64_t low, std::uint64_t high);
// And those that were not stored to, but brought in as if.
std::uint64_t private_pages(const World& w, const Step& s, const Vma& v, std::uint64_t low,
                            std::uint64_t high);

// VmFlags of the vma's entry of smaps, as far as they are looked at (program::kSmapsFlags).
std::uint64_t smaps_flags(const World& w, const Process& p, const Vma& v);
// Whether an entry's flags are those of the vma; if not, the step diverges.
bool check_smaps_flags(const World& w, const Process& p, Step& s, const Vma& v, std::uint64_t seen);

}  // namespace shmcheck::model
