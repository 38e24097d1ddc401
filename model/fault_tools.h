// What faults are made of: looking at a step from outside and patching its world.
#pragma once

#include <algorithm>
#include <span>
#include <utility>

#include "model/faults.h"
#include "model/world.h"

namespace shmcheck::model {

using C = clauses::Clause;

// The tables of single files; faults() joins them.
std::span<const Fault> memory_faults();
std::span<const Fault> private_faults();
std::span<const Fault> process_faults();
std::span<const Fault> attach_faults();
std::span<const Fault> segment_faults();
std::span<const Fault> piece_faults();
std::span<const Fault> copy_faults();
std::span<const Fault> user_faults();
std::span<const Fault> leftover_faults();
std::span<const Fault> lock_faults();
std::span<const Fault> fallocate_faults();
std::span<const Fault> seal_faults();
std::span<const Fault> limit_faults();
std::span<const Fault> situation_faults();
std::span<const Fault> object_faults();
std::span<const Fault> storage_faults();
std::span<const Fault> ipcns_faults();
std::span<const Fault> shm_table_faults();
std::span<const Fault> request_faults();
std::span<const Fault> time_faults();
std::span<const Fault> map_limit_faults();
std::span<const Fault> remount_faults();

inline bool ok(const Outcome& o) {
  return o.kind == OutcomeKind::ok;
}
inline bool failed_with(const Outcome& o, int error) {
  return o.kind == OutcomeKind::error && o.error == error;
}

inline void fail(Outcome& o, int error) {
  o.kind = OutcomeKind::error;
  o.error = static_cast<std::uint16_t>(error);
  o.value = 0;
  o.words.clear();
}
inline void succeed(Outcome& o) {
  o.kind = OutcomeKind::ok;
  o.error = 0;
  o.signal = o.code = 0;
  o.address = 0;
}

// Whether the op would be looked at by its rule at all.
inline bool runs(const World& w, const Op& op) {
  return w.processes[op.proc].life == Life::alive && w.bound(op.addr) && w.bound(op.to);
}

inline Process& actor(World& w, const Op& op) {
  return w.processes[op.proc];
}

// The vma that an address argument lies in, or null.
inline Vma* vma_at(World& w, const Op& op) {
  return runs(w, op) ? actor(w, op).memory.find(w.value(op.addr)) : nullptr;
}

inline OpenFile* descriptor(World& w, const Op& op) {
  return w.open_file(actor(w, op), op.object);
}

// The segment that an op names, or null.
inline ShmidKernel* named_segment(World& w, const Op& op) {
  if (op.object >= program::kSegments || !w.segment_names[op.object]) return nullptr;
  return &w.ipc.segments[*w.segment_names[op.object]];
}

// Attaches of a process, by segment.
template <typename F>
void for_attaches(const Process& p, F f) {
  for (const Vma& v : p.memory.vmas()) {
    if (v.segment >= 0) f(static_cast<std::uint32_t>(v.segment), v);
  }
}

// What a segment shows broken that is there although its last attach has gone.
inline constexpr C kUndead[] = {C::limit_rmid_forced_exit,
                                C::limit_rmid_forced_detach,
                                C::sysv_life_marked_dies_with_last,
                                C::shmdt_last_of_marked,
                                C::shmctl_gone_id,
                                C::shmat_removed_id,
                                C::sysv_life_until_removed,
                                C::shmat_exit_detaches,
                                C::limit_shmmni,
                                C::limit_shmall,
                                C::limit_shmall_release,
                                C::shmctl_shm_info,
                                C::shmctl_shm_stat,
                                C::proc_sysvipc_listing};

// Brings back what a step destroyed, as it was before it.
inline void revive(const World& was, World& w, std::uint32_t segment) {
  ShmidKernel& k = w.ipc.segments[segment];
  if (!k.destroyed || was.ipc.segments[segment].destroyed) return;
  w.ipc.revive(segment);
  w.inodes[k.inode].bytes = was.inodes[k.inode].bytes;
}

inline bool removes_mappings(OpCode code) {
  switch (code) {
    case OpCode::munmap:
    case OpCode::mmap:
    case OpCode::shmdt:
    case OpCode::shmat:
    case OpCode::exit:
    case OpCode::kill:
    case OpCode::end:
    case OpCode::mremap:
      return true;
    default:
      return false;
  }
}

}  // namespace shmcheck::model
