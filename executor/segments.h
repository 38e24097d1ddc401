// System V segments as the supervisor looks at them.
#pragma once

#include <sys/shm.h>

#include "executor/control.h"

namespace shmcheck::executor {

long stat_segment(long id, shmid_ds& ds);
std::size_t segment_words(const shmid_ds& ds, std::span<std::uint64_t, program::kShmStatWords> out);

// Segments in the namespace, or ~0 if others use it too or it cannot be told.
std::uint64_t segments_in_namespace();

// Removes every segment that the program got, of which `in_namespace` say whether there can be any.
void remove_segments(std::uint64_t in_namespace);

// The keys k1… (bit K) that segments of somebody else have already.
std::uint8_t find_foreign_keys();

}  // namespace shmcheck::executor
