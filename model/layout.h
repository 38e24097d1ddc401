// The last calls of a process that were about its mappings: what an address is blamed on that seems to be
// lost, or not to have gone (blame.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "clauses/clauses.h"

namespace shmcheck::model {

struct LayoutEvent {
  clauses::Clause clause = clauses::Clause::none;   // what the call must not do to other mappings
  clauses::Clause removed = clauses::Clause::none;  // what demands that the range is gone; none: it stays
  std::uint32_t step = 0;                           // World::steps
  std::uint64_t low = 0, high = 0;                  // the addresses; equal: all of them
};

// The last few, the newest first.
class LayoutEvents {
 public:
  void note(const LayoutEvent& event) {
    for (std::size_t i = events_.size() - 1; i > 0; --i) events_[i] = events_[i - 1];
    events_[0] = event;
  }
  std::span<const LayoutEvent> all() const { return events_; }

 private:
  std::array<LayoutEvent, 4> events_;
};

}  // namespace shmcheck::model
