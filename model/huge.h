// Huge pages, of which there are none: what asks for some is refused.
#pragma once

#include "model/mmap.h"

namespace shmcheck::model {

// The length of an anonymous mapping of huge pages as Linux rounds it up, in bytes; 0 if it wraps.
std::uint64_t huge_length(const World& w, std::uint64_t length);
// States what is wrong with one, apart from its offset being unaligned, in the order of ksys_mmap_pgoff,
// do_mmap and hugetlbfs_file_mmap.
void huge_mapping_errors(const World& w, const Process& p, Step& s, const MmapRequest& r);
// And with a segment, when its size is right (ipc/shm.c, newseg).
void huge_segment_errors(const World& w, const Process& p, Step& s);
// And with a memory file.
void huge_file_errors(const World& w, Step& s);

// Whether this many bytes are whole huge pages.
bool whole_huge_pages(const World& w, std::uint64_t bytes);
// Whether the descriptor that an op names is of a memory file of huge pages.
bool names_huge_file(const World& w, const Process& p, const Op& op);

}  // namespace shmcheck::model
