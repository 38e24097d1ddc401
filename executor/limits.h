// kernel.shmmax, shmall, shmmni, shm_rmid_forced and shm_next_id of the IPC namespace.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

// 0 and the value, or -errno; -ENODATA for a file that holds no number.
long read_limit(program::Limit limit, std::uint64_t& value);
long write_limit(program::Limit limit, std::uint64_t value);

// Notes the values that every program is to find, and whether programs can change them: only where the
// namespace is private and all of them can be read and written.
void find_limits();
// Puts them back after a program that may have changed them; 0 or -errno.
long restore_limits();

}  // namespace shmcheck::executor
