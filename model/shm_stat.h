// What IPC_STAT shows of a segment.
#pragma once

#include <span>
#include <vector>

#include "model/rules.h"

namespace shmcheck::model {

// Appends kShmStatWords words.
void make_shm_stat(const ShmidKernel& k, std::vector<std::uint64_t>& words);
bool match_shm_stat(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen);

}  // namespace shmcheck::model
