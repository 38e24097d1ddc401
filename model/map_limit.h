// vm.max_map_count, which the op `crowd` brings a process near. For one that it has not, there is no limit.
//
// How many mappings a process has is known but for what the kernel may have merged. So a limit may be reached
// for certain, perhaps, or not; what holds perhaps only is Freedom::map_merge.
#pragma once

#include <functional>

#include "model/rules.h"

namespace shmcheck::model {

enum class Limited : std::uint8_t { no, perhaps, yes };

// A call that maps, as mmap does. `other`: what documents have instead of ENOMEM, or 0.
void mapping_limit_errors(const World& w, const Process& p, Step& s, int other, C clause);
// Taking these pages out of the middle of a mapping, which would leave two.
void division_errors(const World& w, const Process& p, Step& s, std::uint64_t low, std::uint64_t high,
                     C clause);
// A move of a mapping to another place, for which Linux wants as much `room` as it could need at worst.
void move_limit_errors(const World& w, const Process& p, Step& s, std::int64_t room);

// How far a change of mappings gets before one would have to be divided that cannot be.
struct Progress {
  std::uint64_t end;
  Limited limited = Limited::no;
  // At the end there is a part that could be cut off at its start, and then not at its end.
  Limited cut_at_start = Limited::no;
};
// `change` makes of a vma what it becomes, and says whether that is something else.
Progress change_within(const World& w, const Process& p, std::uint64_t low, std::uint64_t high,
                       const std::function<bool(Vma&)>& change);
// Whether it may have been the limit that failed with this error, so that nobody knows how far the change
// got.
inline bool perhaps_limited(const Step& s, const Progress& progress, int error) {
  return progress.limited == Limited::perhaps && s.saw(error);
}
// What a refused change has done all the same. False: this world has yet to be told.
bool cut_at_start(World& w, const Process& p, Step& s, const Progress& progress);

}  // namespace shmcheck::model
