// One builder for each operation. Each makes an op that has a good chance to work; `spoil` makes the others.
#pragma once

#include <optional>

#include "harness/generator/scene.h"

namespace shmcheck::harness {

// An op of this process.
using Builder = Op(Scene&, std::uint8_t process);

// ops_files.cc
Builder build_open, build_close, build_fstat, build_unlink, build_ftruncate, build_truncate, build_pread,
    build_pwrite, build_pread_to, build_pwrite_from, build_fallocate, build_fsync, build_memfd, build_seal,
    build_seals, build_rename, build_link, build_shm_open, build_shm_unlink, build_stored, build_age,
    build_times, build_blocks, build_fill, build_memfd_name, build_chattr, build_map_file;
// ops_memory.cc
Builder build_mmap, build_munmap, build_mprotect, build_msync, build_madvise, build_mremap, build_mlock,
    build_munlock, build_mincore, build_load, build_store, build_contents, build_remap, build_call,
    build_smaps;
// ops_processes.cc
Builder build_fork, build_exit, build_kill, build_setid, build_maps, build_locked, build_exec, build_unshare,
    build_mlockall, build_munlockall, build_rlimit, build_reboot, build_setns, build_crowd, build_remount,
    build_descriptors, build_names, build_brk, build_rss;
// ops_sysv.cc
Builder build_shmget, build_shmat, build_shmdt, build_shmctl, build_shm_info, build_limit, build_limits,
    build_ipc_info, build_shm_stat, build_sysvipc, build_race_shmget, build_race_shmat;

// Where a new mapping or attach is asked for; nothing: anywhere.
std::optional<Quantity> some_place(Scene& s, std::uint8_t proc);

}  // namespace shmcheck::harness
