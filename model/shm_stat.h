// What IPC_STAT and the like show of a segment, and of all of a namespace.
#pragma once

#include <optional>
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

// Who reads: the process that does the step, or null for the executor itself at the end.
inline const Process* reader_of(const World& w, const Step& s) {
  return s.op.code == OpCode::end ? nullptr : &w.processes[s.op.proc];
}
// What a process id, which is one where programs begin, is where the reader is: 0 if it is not there.
inline std::uint64_t shown_pid(const Process* reader, std::uint64_t pid) {
  if (!reader || !reader->first_of_pids) return pid;
  return pid == reader->pid ? 1 : 0;
}
// The way back of shown_id, of a number that a process gives; nothing: it stands for nobody.
inline std::optional<std::uint32_t> id_meant(const Credentials& cred, std::uint32_t number,
                                             std::uint32_t own) {
  if (cred.user_namespace == 0) return number;
  return number == 0 ? std::optional(own) : std::nullopt;
}
// An id that the reader's user namespace does not have need not fit the member: EOVERFLOW of shmctl(2).
void overflow_errors(const ShmidKernel& k, const Process* reader, Step& s);

// Appends kShmStatWords words.
void make_shm_stat(const ShmidKernel& k, const Process* reader, std::vector<std::uint64_t>& words);
bool match_shm_stat(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen);

}  // namespace shmcheck::model
