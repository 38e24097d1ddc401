// The kernel's clock without a system call, and a vdso that is out of the way.
#pragma once

#include <cstdint>

namespace shmcheck::executor {

// Moves vvar and vdso away from the place where the kernel puts new mappings, so that ops around those are
// not withheld because of them; then finds the clock. Where either is not possible, things stay as they are.
void prepare_vdso();

// CLOCK_REALTIME_COARSE in seconds: what the kernel stamps files and segments with.
std::int64_t clock_seconds();

}  // namespace shmcheck::executor
