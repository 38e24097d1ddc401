// How strictly a trace is judged, and the freedoms that a profile may grant.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmcheck::model {

enum class Profile : std::uint8_t {
  posix,    // what POSIX requires
  linux,    // what is documented for Linux; for re-implementations
  defacto,  // what Linux has done for many years
  exact,    // what Linux of this release does wherever documents leave a choice
};
std::string_view to_string(Profile profile);

// Every way in which more than one outcome of a step can be right. Each use is counted in a run's output.
enum class Freedom : std::uint8_t {
  address,                 // the kernel chooses where a mapping goes
  segment_id,              // the kernel chooses the id of a segment
  process_id,              // the kernel chooses a pid
  clock,                   // a time lies between the clock before and after the step
  map_merge,               // neighbouring equal mappings may be one row or several
  map_name,                // how the name of shared memory that has no path is marked
  which_error,             // several error conditions hold at once
  documented_alternative,  // a clause accepts more than one error
  hint_ignored,            // a hint need not be followed
  overcommit,              // a request that the machine may or may not be able to commit
  slack_writeback,         // slack that was stored to may be zeroed by write-back at any time
  slack_extended,          // slack that was stored to, then taken into the file: zero or stale
  private_follows_file,    // an untouched page of a private mapping shows the old or the new file
  straddling_store,        // the part before a page edge of a store that faulted may be written
  page_zero,               // whether the kernel uses memory that is mapped at address 0
  non_canonical,           // an address outside every address space is refused without saying where
  straddling_address,      // which of two inaccessible pages a straddling access reports
  overlapping_copy,        // a transfer between a file and a mapping of the same bytes
  copied_doubt,            // bytes that were undetermined when the kernel copied them
  empty_write_extends,     // a write that copied nothing may have moved the end of the file up to its offset
  partial_transfer,        // how much of a transfer is done before a bad page
  partial_protection,      // mprotect over a hole may have changed the pages before it
  split_count,             // whether pieces of a divided attach count
  implicit_times,          // whether fork, exit and unmapping update times and lpid
  prot_implies,            // an architecture may grant more than was asked for
  freed_page,              // a page given up by MADV_FREE keeps its bytes or reads zero
  fixed_failure,           // a failed MAP_FIXED may have removed what was there
  uncounted,               // the executor could not count the segments of the namespace
  lock_count,              // what VmLck says once MREMAP_DONTUNMAP has left locked memory behind (D38)
  file_times,              // when a file's times follow what is done by way of mappings (D1, D2)
  residency,               // which pages that are not locked are resident
  counter_batch,           // how much of what a process has in memory its counters do not show yet
  large_folios,            // whether a page counts as shared that is part of a larger one
  map_limit,               // the last mapping by which vm.max_map_count is reached or exceeded
  not_yet_stored,  // storage may hold a byte as it was at any time since it was last written for certain
  spare_space,     // a full file system of which something was given back may be full again or not
  allocation,      // which blocks a file system allocates beside those of the bytes, and when
  race_order,      // which of several that do something at once comes first, and which last
  tainted,         // undetermined since an earlier divergence
  count,
};
inline constexpr std::size_t kFreedoms = static_cast<std::size_t>(Freedom::count);
std::string_view to_string(Freedom freedom);

}  // namespace shmcheck::model
