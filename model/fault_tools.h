// What faults are made of: looking at a step from outside and patching its world.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
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
std::span<const Fault> reboot_faults();
std::span<const Fault> space_faults();
std::span<const Fault> map_limit_faults();
std::span<const Fault> remount_faults();
std::span<const Fault> refusal_faults();
std::span<const Fault> group_faults();
std::span<const Fault> descriptor_faults();
std::span<const Fault> standing_faults();
std::span<const Fault> race_faults();
std::span<const Fault> residency_faults();
std::span<const Fault> advice_faults();

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
// The step fails instead, and has done nothing.
inline void refuse(const World& was, World& w, Outcome& o, int error) {
  w = was;
  fail(o, error);
}
// It takes a signal instead, which is caught, at the address that the op names.
inline void take_signal(const World& was, World& w, const Op& op, Outcome& o, std::uint8_t signal,
                        std::uint8_t code) {
  const std::uint64_t address = was.value(op.addr);
  w = was;
  o.kind = OutcomeKind::signal;
  o.signal = signal;
  o.code = code;
  o.address = address;
  o.value = 0;
}
inline constexpr std::uint8_t kSIGBUS = 7, kSIGSEGV = 11, kAdrErr = 2, kAccErr = 2;
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

// The words of an entry of smaps that a fault may change, as in program::SmapsEntry.
enum EntryWord : std::size_t { kEntryShared = 2, kEntryExclusive = 3, kEntryFlags = 4 };

// The vma that an entry of smaps was shown of, or null.
inline const Vma* entry_shown(World& w, const Op& op, const Outcome& o) {
  return op.code == OpCode::smaps && ok(o) ? vma_at(w, op) : nullptr;
}

// Where a load or store lies that worked and whose signal would have been caught, as it was before, or null.
inline const Vma* accessed(const World& was, const Op& op, const Outcome& o) {
  const bool accesses = op.code == OpCode::load || op.code == OpCode::store;
  const bool caught = static_cast<program::SignalAction>(op.byte) == program::SignalAction::caught;
  return accesses && ok(o) && caught ? was.processes[op.proc].memory.find(was.value(op.addr)) : nullptr;
}

// The private vma that a store went to, as it was before, or null.
inline const Vma* private_store(const World& was, const Op& op, const Outcome& o) {
  if (op.code != OpCode::store || !ok(o)) return nullptr;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  return v && !v->shared ? v : nullptr;
}

inline OpenFile* descriptor(World& w, const Op& op) {
  return w.open_file(actor(w, op), op.object);
}
// What an mmap maps by a descriptor, or null.
inline OpenFile* mapped_file(World& w, const Op& op) {
  const bool slot = static_cast<program::MapSource>(op.byte) == program::MapSource::slot;
  const bool maps = op.code == OpCode::mmap && slot && !(op.flags & program::map::kAnonymous);
  return maps && runs(w, op) ? descriptor(w, op) : nullptr;
}

// Whether the op has this code, and asks for this of all that its `small` can ask for.
template <typename What>
bool requests(const Op& op, OpCode code, What what) {
  return op.code == code && static_cast<What>(op.small) == what;
}
inline bool command(const Op& op, program::ShmCommand c) {
  return requests(op, OpCode::shmctl, c);
}
inline bool advises(const Op& op, program::Advice advice) {
  return requests(op, OpCode::madvise, advice);
}

// The segment that the name which an op gives is bound to, destroyed or not, or null.
inline ShmidKernel* bound_segment(World& w, const Op& op) {
  if (op.object >= program::kSegments || !w.segment_names[op.object]) return nullptr;
  return &w.ipc.segments[*w.segment_names[op.object]];
}

// The segment that has the key which a shmget asks for, or null.
inline ShmidKernel* keyed_segment(World& w, const Op& op) {
  if (op.code != OpCode::shmget || op.byte == 0) return nullptr;
  const std::int32_t found = w.ipc.find_key(w.ipc.of(actor(w, op)), key_of(op));
  return found < 0 ? nullptr : &w.ipc.segments[static_cast<std::size_t>(found)];
}

// The segment that a shmget has made, or null.
inline ShmidKernel* created(const World& was, World& w, const Op& op, const Outcome& o) {
  const bool made = op.code == OpCode::shmget && ok(o) && w.ipc.segments.size() > was.ipc.segments.size();
  return made ? &w.ipc.segments.back() : nullptr;
}

// Attaches of a process, by segment.
template <typename F>
void for_attaches(const Process& p, F f) {
  for (const Vma& v : p.memory.vmas()) {
    if (v.segment >= 0) f(static_cast<std::uint32_t>(v.segment), v);
  }
}

// What counts or lists all segments: one too many or too few shows there as well.
inline constexpr C kCounting[] = {C::limit_shmmni,    C::limit_shmall,    C::limit_shmall_release,
                                  C::shmctl_shm_info, C::shmctl_shm_stat, C::proc_sysvipc_listing};
// These clauses, and those of what counts.
template <std::size_t N>
constexpr std::array<C, N + std::size(kCounting)> with_counting(const C (&own)[N]) {
  std::array<C, N + std::size(kCounting)> all{};
  std::copy(std::begin(kCounting), std::end(kCounting),
            std::copy(std::begin(own), std::end(own), all.begin()));
  return all;
}

// What a segment shows broken that is there although its last attach has gone.
inline constexpr auto kUndead =
    with_counting({C::limit_rmid_forced_exit, C::limit_rmid_forced_detach, C::sysv_life_marked_dies_with_last,
                   C::shmdt_last_of_marked, C::shmctl_gone_id, C::shmat_removed_id,
                   C::sysv_life_until_removed, C::shmat_exit_detaches, C::sysv_life_memory_returned});

// Brings back a segment that a step destroyed, with its pages as they were before it.
inline void revive(const World& was, World& w, std::uint32_t segment) {
  ShmidKernel& k = w.ipc.segments[segment];
  if (!k.destroyed || was.ipc.segments[segment].destroyed) return;
  w.ipc.revive(segment);
  Inode& inode = w.inodes[k.inode];
  const Inode& before = was.inodes[k.inode];
  inode.bytes = before.bytes;
  inode.stored = before.stored;
  inode.accessed = before.accessed;
}

// Gives back the attaches that a step has taken away, and what went with the last of them.
inline void keep_attaches(const World& was, World& w) {
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    if (w.ipc.segments[i].nattch >= was.ipc.segments[i].nattch) continue;
    revive(was, w, i);
    w.ipc.segments[i].nattch = was.ipc.segments[i].nattch;
  }
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
