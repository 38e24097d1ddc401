// What IPC_STAT and the like show of a segment, and of all of a namespace.
#pragma once

#include <span>
#include <vector>

#include "model/rules.h"

namespace shmcheck::model {

// Pages of a segment that are kept in memory or in swap.
struct PageRange {
  std::uint64_t least = 0, most = 0;
};
PageRange kept_pages(const World& w, const ShmidKernel& k);
// Whether all segments of the process's namespace are the program's.
bool all_known(const World& w, const Process& p);

// Appends kShmStatWords words.
void make_shm_stat(const ShmidKernel& k, std::vector<std::uint64_t>& words);
bool match_shm_stat(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen);

}  // namespace shmcheck::model
