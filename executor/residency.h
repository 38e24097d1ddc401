// What of its memory a process has in memory: its entries of /proc/self/smaps, its counters of
// /proc/self/status.
#pragma once

namespace shmcheck::executor {

// Which of this a target lets its programs see.
void find_residency();

}  // namespace shmcheck::executor
