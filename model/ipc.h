// System V segments, and the namespaces that hold them.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <vector>

#include "clauses/clauses.h"
#include "program/trace.h"

namespace shmcheck::model {

struct Process;

struct Moment {
  std::int64_t low = 0, high = 0;  // seconds; 0, 0: never
  bool operator==(const Moment&) const = default;
};

// Whether a value can be widened so that it stands for another one as well.
inline bool widen(Moment& m, const Moment& other) {
  m = {std::min(m.low, other.low), std::max(m.high, other.high)};
  return true;
}
inline bool widen(std::uint64_t, std::uint64_t) {
  return false;
}

// Values that one of several moments may have given.
template <typename T, std::size_t N>
class OneOf {
 public:
  void set(T v) { count_ = 1, values_[0] = v, any_ = false; }
  void add(T v) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (values_[i] == v) return;
    }
    if (count_ < N)
      values_[count_++] = v;
    else
      any_ |= !widen(values_[N - 1], v);
  }
  std::span<const T> values() const { return {values_.data(), count_}; }
  bool any() const { return any_; }
  bool single() const { return count_ == 1 && !any_; }
  const T& newest() const { return values_[count_ - 1]; }

 private:
  std::array<T, N> values_{};
  std::size_t count_ = 1;
  bool any_ = false;
};

using When = OneOf<Moment, 8>;
using Who = OneOf<std::uint64_t, 16>;  // process ids; 0: nobody

// The executor's keys k1… are this plus their number.
inline constexpr std::uint32_t kKeyBase = 0x73686d00;
// The key that an op names; 0: IPC_PRIVATE.
inline std::uint32_t key_of(const program::Op& op) {
  return op.byte == 0 ? 0 : kKeyBase + op.byte;
}

struct KernIpcPerm {
  std::uint32_t key = 0;
  std::uint32_t uid = 0, gid = 0, cuid = 0, cgid = 0;
  std::uint32_t mode = 0;            // permission bits, kShmDest, kShmLocked
  std::uint32_t user_namespace = 0;  // that owns the IPC namespace of the segment
};
inline constexpr std::uint32_t kShmDest = 01000, kShmLocked = 02000;

struct ShmidKernel {
  KernIpcPerm perm;
  std::uint32_t made_by_key = 0;    // 0: IPC_PRIVATE; marking takes that of `perm` away
  std::uint32_t ipc_namespace = 0;  // index into Ipc::namespaces
  std::uint32_t inode = 0;
  std::uint64_t id = 0;
  bool id_asked_for = false;  // by shm_next_id
  std::uint64_t segsz = 0;
  std::int64_t nattch = 0;  // pieces of attaches in all processes
  // What demands that it is so: the last call that changed it.
  clauses::Clause count_clause = clauses::Clause::shmget_not_attached;
  std::uint32_t divided = 0;   // the step that added pieces last
  std::uint32_t set_step = 0;  // of the last IPC_SET
  bool detached_last = false;  // destroyed by the shmdt that detached it last
  bool had_pages = false;      // that were stored to, when it was destroyed
  // When IPC_STAT last showed it as it is, and a call that must not change it right after that.
  std::uint32_t shown_step = 0, quiet_step = 0;
  // What demands that times and pids are what they are: the last call that set them.
  clauses::Clause atime_clause = clauses::Clause::shmget_init_counters,
                  dtime_clause = clauses::Clause::shmget_init_counters,
                  lpid_clause = clauses::Clause::shmget_init_counters,
                  ctime_clause = clauses::Clause::shmget_init_ctime_cpid;
  std::uint32_t flags_seen = 0;  // of the mode: shown by some IPC_STAT
  // What has worked on the flags of the mode, and must have left them as they were.
  clauses::Clause flags_clause = clauses::Clause::none;
  std::int8_t locker = -1;  // index of the process that locked it
  When atim, dtim, ctim;
  Who cprid, lprid;
  bool raced = false;  // by several at once, any of whom may be in these
  bool destroyed = false;
  bool before_reboot = false;  // gone with a machine that was started anew since
  clauses::Clause destroyed_by = clauses::Clause::shmctl_gone_id;  // what demands that it is gone
  std::int8_t creator = -1;                                        // while it lives: index of the process
  std::uint32_t locked_by = 0;                                     // the user who did SHM_LOCK
  std::uint32_t locked_in = 0;                                     // and his user namespace
};

// What shm_next_id holds when no id is asked for.
inline constexpr std::uint64_t kNoId = UINT64_MAX;
// What kernel.shm* hold. The largest value of shmmax, shmall and shmmni: nothing is known of it.
struct IpcLimits {
  std::uint64_t shmmax = UINT64_MAX, shmall = UINT64_MAX, shmmni = UINT64_MAX;
  std::uint64_t next_id = kNoId;  // shm_next_id
  bool next_id_unsure = false;    // or kNoId
  bool rmid_forced = false;
  std::bitset<program::kLimits> set;  // by the program
};

// The index that an id of Linux has in the table of its namespace: IPCMNI_SHIFT, ipc/util.h.
inline constexpr std::uint64_t kTableIndices = 0x8000;
inline std::uint64_t table_index(std::uint64_t id) {
  return id % kTableIndices;
}

// An IPC namespace.
struct IpcIds {
  std::vector<std::uint32_t> live;   // its segments, ascending, so that look-ups do not slow down
  IpcLimits limits, left;            // left: of the namespace that its maker left
  std::uint32_t user_namespace = 0;  // that owns it
  bool held = false;                 // a call that is under way keeps it, by an open file
  std::size_t in_use() const { return live.size(); }
};

// The segments of all namespaces. A process asks with its own: nobody else's can be found from there.
struct Ipc {
  std::vector<ShmidKernel> segments;  // destroyed ones stay, marked
  std::vector<IpcIds> namespaces{1};  // the first is the one that programs begin in
  void add(ShmidKernel segment);
  void destroy(std::uint32_t segment);
  void revive(std::uint32_t segment);  // undoes it
  IpcIds& of(const Process& p);
  const IpcIds& of(const Process& p) const;
  IpcIds& of(const ShmidKernel& k) { return namespaces[k.ipc_namespace]; }
  const IpcIds& of(const ShmidKernel& k) const { return namespaces[k.ipc_namespace]; }
  std::int32_t find_key(const IpcIds& ids, std::uint32_t key) const;
  std::int32_t find_id(const IpcIds& ids, std::uint64_t id) const;
  std::int32_t find_index(const IpcIds& ids, std::uint64_t index) const;
  std::uint64_t pages(const IpcIds& ids, std::uint32_t page_size) const;
};

}  // namespace shmcheck::model
