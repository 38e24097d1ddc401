// What setrlimit(2) bounds: what a process locks, what it maps, and how far it extends files.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

// Without CAP_IPC_LOCK nothing at all may be locked with a limit of 0 (can_do_mlock).
void may_lock_errors(const Process& p, Step& s, C clause);
// Locking as many bytes more than the process has locked (mlock_future_ok).
void memlock_errors(const World& w, const Process& p, Step& s, std::uint64_t more, int error, C clause);
// Bytes of the segments that a user has locked with SHM_LOCK, as far as they certainly count for him where he
// is: since 5.14 (d7c9e99aee48) a new user namespace begins with none.
std::uint64_t locked_segments(const World& w, const Credentials& cred);
// Bytes of attaches that SHM_LOCK has locked, and the process has not.
std::uint64_t locked_by_segments(const World& w, const Process& p);

// Whether the process may map as many bytes more, when as many of those it has go (may_expand_vm).
bool fits_address_space(const Process& p, std::uint64_t more, std::uint64_t gone);
// Bytes of a range that the process has mapped.
std::uint64_t mapped_within(const Process& p, std::uint64_t low, std::uint64_t high);

// A request for this range that did not fit after all: what lay over its edges has been divided.
void divide_at_edges(World& w, const Process& p, const Step& s, std::uint64_t low, std::uint64_t high);

// The process must not extend a file beyond this size.
inline bool beyond_file_size(const Process& p, const Inode& inode, std::uint64_t size) {
  return size > inode.size && size > p.file_size;
}
// It tries to: the signal that this brings, SIGXFSZ, ends it.
void dies_of_file_size(World& w, Process& p, Step& s);

}  // namespace shmcheck::model
