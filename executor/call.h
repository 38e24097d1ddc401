// One op on its way through the executor: what a performer gets and what it leaves behind.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

// Words of an outcome, gathered in the shared area.
class Words {
 public:
  explicit Words(std::span<std::uint64_t> room) : room_(room) {}
  void push(std::uint64_t w) {
    if (count_ < room_.size()) {
      room_[count_++] = w;
    } else {
      overflowed_ = true;
    }
  }
  bool overflowed() const { return overflowed_; }
  // Adds a run, or lengthens the last one if it is of the same kind.
  void push_run(const program::Run& run);
  std::span<const std::uint64_t> view() const { return room_.first(count_); }

 private:
  std::span<std::uint64_t> room_;
  std::size_t count_ = 0;
  bool overflowed_ = false;
};

struct Call {
  const Op& op;
  program::Resolved at;
  OutcomeHead outcome;
  Words words;
};

// Performs one op in the process that calls it. Argument names are bound and the op is not withheld.
using Performer = void (*)(Call&);

void perform_open(Call&), perform_close(Call&), perform_unlink(Call&), perform_ftruncate(Call&),
    perform_truncate(Call&), perform_pread(Call&), perform_pwrite(Call&), perform_pread_to(Call&),
    perform_pwrite_from(Call&), perform_fstat(Call&), perform_fallocate(Call&), perform_fsync(Call&),
    perform_rename(Call&), perform_link(Call&);
void perform_stored(Call&);
void perform_shm_open(Call&), perform_shm_unlink(Call&);
void perform_memfd(Call&), perform_seal(Call&), perform_seals(Call&);
void perform_mlockall(Call&), perform_munlockall(Call&), perform_remap(Call&), perform_call(Call&),
    perform_rlimit(Call&), perform_age(Call&), perform_times(Call&), perform_blocks(Call&),
    perform_fill(Call&), perform_chattr(Call&);
void perform_crowd(Call&), perform_memfd_name(Call&), perform_remount(Call&), perform_map_file(Call&),
    perform_descriptors(Call&), perform_names(Call&), perform_brk(Call&);
void perform_smaps(Call&), perform_rss(Call&);
void perform_mlock(Call&), perform_munlock(Call&), perform_locked(Call&), perform_mincore(Call&);
void perform_mmap(Call&), perform_munmap(Call&), perform_mprotect(Call&), perform_msync(Call&),
    perform_mremap(Call&), perform_madvise(Call&);
void perform_load(Call&), perform_store(Call&), perform_contents(Call&), perform_maps(Call&);
void perform_fork(Call&), perform_exit(Call&), perform_kill(Call&), perform_setid(Call&), perform_exec(Call&),
    perform_unshare(Call&), perform_setns(Call&), perform_reboot(Call&);
void perform_race_shmget(Call&), perform_race_shmat(Call&);
void perform_shmget(Call&), perform_shmat(Call&), perform_shmdt(Call&), perform_shmctl(Call&),
    perform_shm_info(Call&), perform_ipc_info(Call&), perform_shm_stat(Call&), perform_sysvipc(Call&),
    perform_limit(Call&), perform_limits(Call&);

// Whether this process has limited its address space, so that an image could fail to start.
bool address_space_is_limited();

// The id of a segment argument; shmget as the op asks for it; and what its success does.
long segment_id(std::uint8_t object);
long get_segment(const Call& call);
void bind_segment(std::uint8_t name, long id);

// The size of the segment that a `shmat` with `remap` names, 0 if the caller may not read it.
std::uint64_t segment_bytes(const Op& op);

// ok with the result in `value`, or error.
inline void settle_value(Call& call, long result) {
  if (failed(result)) {
    call.outcome.kind = OutcomeKind::error;
    call.outcome.error = static_cast<std::uint16_t>(-result);
  } else {
    call.outcome.value = static_cast<std::uint64_t>(result);
  }
}
inline void settle(Call& call, long result) {
  settle_value(call, failed(result) ? result : 0);
}
// Also binds mapping name `result` to the address.
void settle_mapping(Call& call, long address);

// Descriptor of a file argument.
inline int descriptor(std::uint8_t object) {
  if (object == program::kFileNone) return -1;
  return object == program::kFileBad ? kNeverOpen : kFirstSlot + object;
}

// A user's number, and that of a user's group; of the one behind them -1, which is none.
inline std::uint32_t user_id(std::uint8_t user) {
  return user == program::kOwnerNone ? UINT32_MAX : user == 0 ? target.uid : target.other_uid[user - 1];
}
inline std::uint32_t group_id(std::uint8_t user) {
  return user == 0 ? target.gid : user_id(user);
}

// Moves an open descriptor to a slot; passes on a failure. `flags`: O_CLOEXEC or nothing.
long into_slot(long fd, std::uint8_t slot, int flags = 0);

// Notes for `maps` which path, or from kNames on which object, a descriptor was opened by.
void remember_identity(int fd, std::uint8_t path);

struct FlagPair {
  std::uint32_t ours;
  long theirs;
};
inline long translate(std::uint32_t flags, std::span<const FlagPair> pairs) {
  long out = 0;
  for (const FlagPair& p : pairs) {
    if ((flags & p.ours) != 0) out |= p.theirs;
  }
  return out;
}

}  // namespace shmcheck::executor
