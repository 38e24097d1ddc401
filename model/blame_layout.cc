// Blame by the last calls of a process about its mappings.
#include <algorithm>

#include "model/blame.h"

namespace shmcheck::model {
namespace {

// What the call must not do to other mappings. None: it changes none.
C clause_of_call(const Op& op, bool failed) {
  bool fixed = (op.flags & program::map::kFixed) != 0;
  switch (op.code) {
    case OpCode::mmap:
      return !fixed ? C::none : failed ? C::prec_mmap_failed_fixed : C::mmap_fixed_replaces;
    case OpCode::munmap:
      return failed ? C::prec_munmap_args_first : C::munmap_partial;
    case OpCode::mprotect:
      return failed ? C::mprotect_unmapped : C::mprotect_sets;
    case OpCode::mremap:
      if (!failed && (op.flags & program::mremap::kDontUnmap)) return C::mremap_dontunmap;
      return failed ? C::mremap_no_move_no_room : C::mremap_content_kept;
    case OpCode::shmdt:
      return failed ? C::none : C::shmdt_detaches;
    case OpCode::close:
      return failed ? C::none : C::munmap_close_not_unmap;
    case OpCode::exec:
      return failed ? C::exec_failed_keeps : C::none;
    case OpCode::unshare:
    case OpCode::setns:
      return failed ? C::none : C::ipcns_attach_survives_unshare;
    default:
      return C::none;
  }
}

// What demands that the range of a successful call is gone.
C clause_of_removal(World& w, const Op& op) {
  std::uint64_t length = w.value(op.len);
  bool stays = (op.flags & program::mremap::kDontUnmap) != 0 || length == 0;
  bool shrinks = w.value(op.off) < length && !(op.flags & program::mremap::kFixed);
  switch (op.code) {
    case OpCode::munmap:
      return length < w.page() ? C::munmap_len_rounded : C::munmap_removes;
    case OpCode::shmdt:
      return C::shmdt_detaches;
    case OpCode::mremap:
      return stays ? C::none : shrinks ? C::mremap_shrink : C::mremap_old_range_gone;
    default:
      return C::none;
  }
}

// The size of the segment that is attached there.
std::uint64_t attached_at(const World& w, const Op& op, std::uint64_t address) {
  const Vma* v = w.processes[op.proc].memory.find(address);
  return v && v->segment >= 0 ? w.ipc.segments[static_cast<std::size_t>(v->segment)].segsz : w.page();
}

}  // namespace

LayoutEvent layout_event(World& w, const Op& op) {
  LayoutEvent event;
  event.clause = clause_of_call(op, false);
  event.step = w.steps;
  if (event.clause == C::none || op.code == OpCode::close || op.code == OpCode::unshare ||
      op.code == OpCode::setns)
    return event;
  event.removed = clause_of_removal(w, op);
  event.low = w.value(op.addr);
  std::uint64_t length = op.code == OpCode::shmdt ? attached_at(w, op, event.low) : w.value(op.len);
  event.high = event.low + w.up(length);
  return event;
}

void note_layout(World& w, const Op& op, LayoutEvent event, const Outcome& outcome) {
  constexpr int kENOMEM = 12;
  if (outcome.kind == OutcomeKind::error) {
    // With another error nothing is begun, but for MAP_FIXED.
    bool begun = op.code == OpCode::mmap || op.code == OpCode::exec || op.code == OpCode::munmap ||
                 outcome.error == kENOMEM;
    event.clause = begun ? clause_of_call(op, true) : C::none;
    event.removed = C::none;
    const Process& p = w.processes[op.proc];
    const bool at_limit = p.other_mappings && p.memory.covers(event.low, event.high);
    if (event.clause == C::mprotect_unmapped && at_limit) event.clause = C::mprotect_map_limit;
  }
  if (event.clause != C::none) w.processes[op.proc].layout.note(event);
}

C clause_of_removed(const World& w, std::uint8_t who, std::uint64_t low, std::uint64_t high) {
  for (const LayoutEvent& e : w.processes[who].layout.all()) {
    if (low < e.high && e.low < high) return e.removed;
  }
  return C::none;
}

C clause_of_removed(const World& w, std::uint8_t who, std::uint64_t address) {
  return clause_of_removed(w, who, address, address + 1);
}

C blame_of_lost(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address, bool protection) {
  auto newest = [&](std::uint64_t beside, bool any) {
    for (const LayoutEvent& e : w.processes[who].layout.all()) {
      bool of_protection = e.clause == C::mprotect_sets || e.clause == C::mprotect_unmapped ||
                           e.clause == C::mprotect_map_limit;
      if (e.clause == C::none || e.step <= vma.made || of_protection != protection) continue;
      // About all attaches, wherever they are.
      const bool of_attach = e.clause == C::ipcns_attach_survives_unshare && vma.segment >= 0;
      if (any || of_attach || (address + beside >= e.low && address < e.high + beside)) return e.clause;
    }
    return C::none;
  };
  C clause = newest(0, false);
  bool last = clause == C::none && !protection && address >= vma.high - w.page();
  if (last && vma.rounded_up)
    return vma.segment >= 0 ? C::shmat_whole_segment : C::mmap_create_partial_page_len;
  if (clause == C::none) clause = newest(w.page(), false);
  if (clause == C::none && vma.inherited)
    return vma.shared ? C::fork_address_inherited : C::fork_mapping_inherited;
  return clause == C::none ? newest(0, true) : clause;
}

bool protected_by_call(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address) {
  for (const LayoutEvent& e : w.processes[who].layout.all()) {
    if (e.clause != C::none && address >= e.low && address < e.high && e.step > vma.made)
      return e.clause == C::mprotect_sets;
  }
  return false;
}

C clause_of_begin(const World& w, std::uint8_t who, const Vma& vma) {
  for (const LayoutEvent& e : w.processes[who].layout.all()) {
    if (e.clause == C::munmap_partial && e.high == vma.low) return e.clause;
  }
  C made = vma.event.clause;
  bool later = made == C::mremap_content_kept || made == C::remap_file_pages_order;
  return later ? made : C::mmap_create_returns_start;
}

C blame_of_choice(const World& w, std::uint8_t who, std::uint64_t low, std::uint64_t length, C otherwise) {
  for (const Vma& v : w.processes[who].memory.vmas()) {
    if (v.high <= low || v.low >= low + length) continue;
    C lost = blame_of_lost(w, who, v, std::max(low, v.low), false);
    return lost == C::none ? otherwise : lost;
  }
  return otherwise;
}

}  // namespace shmcheck::model
