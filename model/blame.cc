#include "model/blame.h"

#include <algorithm>

namespace shmcheck::model {
namespace {

bool dead(const World& w, std::uint8_t process) {
  return w.processes[process].life == Life::dead;
}

// Whether the byte was read back from storage by a machine that was started anew since it came there.
bool restored(const World& w, const Inode& o, std::uint64_t offset) {
  return o.restored != 0 && o.bytes.origin(offset, w.page()).step < o.restored;
}

// What demands of a byte that it was read back: it was written for certain, or is of some time since.
C clause_of_restored(const World& w, const Inode& o, std::uint64_t offset) {
  if (offset >= o.size) return o.slack_stored ? C::slack_never_stored : C::writeback_never_beyond_size;
  if (o.stored_privately.may_contain(offset / w.page())) return C::writeback_private_never;
  const C demand = o.storage.demanded_by(offset);
  return demand == C::none || o.bytes.doubted(offset, offset + 1) ? C::writeback_crash_consistency : demand;
}

// Zeros where nothing was ever written to the page.
C clause_of_untouched(const World& w, const Inode& o, std::uint64_t offset) {
  if (o.kind == InodeKind::segment) return o.removed_by != C::none ? o.removed_by : C::shmget_zero_filled;
  if (o.removed_by != C::none) return o.removed_by;
  if (o.kind == InodeKind::shared_anonymous) return o.of_device ? C::mmap_anon_dev_zero : C::mmap_anon_zero;
  if (o.posix && o.cut_to == UINT64_MAX && offset < o.size) return C::pshm_open_create_empty;
  if (offset >= o.size) return C::slack_zero_filled;
  if (offset >= o.cut_to) return C::trunc_regrow_zero;
  if (o.grown_from != 0 && offset >= o.grown_from && offset / w.page() == o.grown_from / w.page())
    return C::slack_extend_exposes_zero;
  if (o.grown_from != 0 && offset >= o.grown_from) return C::eof_grow_makes_accessible;
  return C::access_hole_zero;
}

// The mapping, if it is still there, that a byte was stored through.
const Vma* stored_through(const World& w, const Origin& from) {
  for (const Vma& v : w.processes[from.process].memory.vmas()) {
    if (v.id == from.mapping) return &v;
  }
  return nullptr;
}

// A byte of a file that a living process stored, which need not have the mapping by a fork.
C clause_of_other_store(const World& w, const Vma& vma, const Inode& o, const Origin& from) {
  if (vma.inherited) return C::fork_shared_both_ways;
  if (o.memfd) return C::memfd_passing;
  const Vma* other = stored_through(w, from);
  if (other && !other->inherited && other->file != vma.file) return C::share_unrelated;
  const bool elsewhere =
      other && other->low - other->page_offset * w.page() != vma.low - vma.page_offset * w.page();
  return elsewhere ? C::share_different_addresses : C::share_immediate;
}

// A byte that somebody stored through a shared mapping of the object.
C clause_of_stored(const World& w, std::uint8_t who, const Vma& vma, const Inode& o, std::uint64_t offset,
                   const Origin& from) {
  bool slack = o.kind == InodeKind::file && offset >= o.size;
  if (in_hole(w, vma, offset) && from.step > o.removed_step) return C::punch_refill;
  if (from.process != who) {
    if (slack) return C::slack_shared_between_mappers;
    if (o.kind == InodeKind::segment)
      return dead(w, from.process) ? C::sysv_life_overwrite_kept : C::shmat_shared;
    if (o.posix && dead(w, from.process)) return C::pshm_persist;
    if (o.posix && !vma.inherited) return C::pshm_open_same_name;
    if (dead(w, from.process))
      return o.kind == InodeKind::file ? C::exit_file_data_kept : C::exit_no_cleanup_of_data;
    if (o.kind == InodeKind::shared_anonymous) return C::share_fork_anon;
    return clause_of_other_store(w, vma, o, from);
  }
  if (slack) return from.mapping == vma.id ? C::slack_writable : C::slack_may_persist;
  if (from.mapping == vma.id) return o.kind == InodeKind::segment ? C::shmat_whole_segment : C::access_read;
  if (o.kind == InodeKind::segment) return C::shmat_multiple;
  if (o.kind == InodeKind::shared_anonymous) return C::mremap_duplicate_shared;
  if (!(vma.prot & program::kProtWrite)) return C::share_ro_sees_rw;
  const Vma* other = stored_through(w, from);
  return other && other->file != vma.file ? C::mmap_create_same_file_many_opens : C::share_aliases;
}

// A byte of an object, as a mapping of it shows it.
C clause_of_object_byte(World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  const Inode& o = w.object_of(vma);
  if (restored(w, o, offset)) return clause_of_restored(w, o, offset);
  Origin from = o.bytes.origin(offset, w.page());
  switch (from.kind) {
    case OriginKind::nothing:
      return clause_of_untouched(w, o, offset);
    case OriginKind::cut:
      return offset >= o.size ? C::trunc_tail_zeroed : C::trunc_regrow_zero;
    case OriginKind::extended:
      return C::slack_dirty_extend;
    case OriginKind::written_back:
      return offset >= o.size ? C::slack_cleared_by_writeback : C::slack_extend_exposes_zero;
    case OriginKind::shifted:
      return C::fallocate_collapse_insert;
    case OriginKind::write:
      return C::share_write_to_mapping;
    case OriginKind::store:
    case OriginKind::private_copy:
      break;
  }
  return clause_of_stored(w, who, vma, o, offset, from);
}

// Whether the object was cut below the byte after it had been copied.
bool cut_since(const World& w, const Vma& vma, std::uint64_t offset) {
  return vma.inode >= 0 && offset >= w.object_of(vma).cut_to &&
         vma.copies.origin(offset, w.page()).step < w.object_of(vma).cut_step;
}

C clause_of_discard(const Vma& vma) {
  return vma.inode < 0 ? C::madvise_dontneed_private_anon : C::madvise_dontneed_private_file;
}

C clause_of_private_copy(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  Origin from = vma.copies.origin(offset, w.page());
  bool cut_away = cut_since(w, vma, offset);
  bool punched = vma.inode >= 0 && w.object_of(vma).removed_by == C::punch_zero &&
                 w.object_of(vma).removed_step > from.step;
  if (punched && !cut_away) return C::punch_private_kept;
  switch (from.kind) {
    case OriginKind::store:
      if (cut_away) return C::trunc_tail_private_kept;
      return from.process == who ? C::access_read : C::fork_private_snapshot;
    case OriginKind::private_copy: {
      if (vma.inherited) return C::fork_private_snapshot;
      const Inode& o = w.object_of(vma);
      bool of_tail = offset >= o.cut_to && !cut_away;
      if (of_tail && vma.copies.at(offset, w.page()) == 0) return C::trunc_tail_zeroed;
      if (cut_away) return C::trunc_tail_private_kept;
      bool file_changed = o.bytes.at(offset, w.page()) != vma.copies.at(offset, w.page());
      return file_changed ? C::private_page_granular_freeze : C::private_initial_content;
    }
    default:
      if (vma.wipe_on_fork && vma.inherited) return C::fork_dontfork;
      return vma.discarded ? C::madvise_dontneed_private_anon : C::mmap_anon_zero;
  }
}

C clause_of_uncopied(World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  if (vma.discarded) return C::madvise_dontneed_private_file;
  C clause = clause_of_object_byte(w, who, vma, offset);
  bool follows_truncation = clause == C::trunc_regrow_zero || clause == C::trunc_tail_zeroed ||
                            clause == C::madvise_remove || clause == C::punch_zero ||
                            clause == C::fallocate_zero_range || clause == C::access_hole_zero;
  if (follows_truncation) return clause;
  Origin from = w.object_of(vma).bytes.origin(offset, w.page());
  bool later =
      (from.kind == OriginKind::write && from.mapping > vma.id) ||
      (from.kind == OriginKind::store && from.mapping != vma.id && from.step > vma.made && vma.made > 0);
  if (later) return C::private_later_file_changes;
  const bool fresh = vma.made >= w.object_of(vma).discard_step;
  return fresh && discarded(w, vma.inode, offset) ? C::private_discard : C::private_initial_content;
}

C clause_of_reference(const Inode& o) {
  return o.posix ? of_object(C::mmap_create_file_reference) : C::mmap_create_file_reference;
}

bool unlinked(const World& w, std::int32_t inode) {
  if (inode < 0) return false;
  const Inode& o = w.inodes[static_cast<std::size_t>(inode)];
  return o.kind == InodeKind::file && o.links == 0;
}

// Whether another process has, or had before it ended, the mapping by a fork.
bool has_relatives(const World& w, std::uint8_t who, const Vma& vma) {
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    if (i != who && w.processes[i].life != Life::never && vma.id < w.processes[i].born) return true;
  }
  return vma.inherited;
}

// Whether a private page was copied from the file after the last name of it had gone.
bool copied_after_unlink(const World& w, const Vma& vma, std::uint64_t offset) {
  Origin from = vma.copies.origin(offset, w.page());
  if (from.kind != OriginKind::private_copy) return false;
  const Inode& o = w.object_of(vma);
  return o.bytes.origin(offset, w.page()).step < o.unlink_step && o.unlink_step < from.step;
}

// Whether a relative's private memory at the same address holds `seen`.
bool held_by_relative(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset,
                      std::uint8_t seen) {
  std::uint64_t address = vma.address_of(offset, w.page());
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    const Vma* v = i == who ? nullptr : w.processes[i].memory.find(address);
    if (!v || v->shared || v->id != vma.id) continue;
    std::uint64_t at = v->object_offset(address, w.page());
    if (v->copies.find(at / w.page()) && v->copies.at(at, w.page()) == seen) return true;
  }
  return false;
}

// Whether the byte was stored behind a page's edge by a store that began before it.
bool straddled(const World& w, const Origin& from, std::uint64_t offset) {
  constexpr std::uint64_t kLongest = 8;
  if (from.kind != OriginKind::store || offset % w.page() >= kLongest - 1) return false;
  const std::vector<std::uint32_t>& steps = w.straddling_stores;
  return std::binary_search(steps.begin(), steps.end(), from.step);
}

// Whether the byte is that of the object's beginning, as if the mapping showed it from there.
bool starts_over(const World& w, const Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  if (vma.inode < 0 || vma.page_offset == 0 || offset / w.page() < vma.page_offset) return false;
  const ObjectBytes& bytes = w.object_of(vma).bytes;
  std::uint8_t first = bytes.at(offset - vma.page_offset * w.page(), w.page());
  return first == seen && seen != bytes.at(offset, w.page()) && seen != 0;
}

}  // namespace

C clause_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset) {
  if (vma.shared) return clause_of_object_byte(w, who, vma, offset);
  if (&w.supply(vma, offset) == &vma.copies) return clause_of_private_copy(w, who, vma, offset);
  return clause_of_uncopied(w, who, vma, offset);
}

namespace {

// Of an object's two last events the one that came first after a step; clause none: neither did.
const Event& event_since(const Inode& o, std::uint32_t step) {
  return o.earlier_event.step > step ? o.earlier_event : o.event;
}

// What has happened since the byte came there and must have left it alone.
Event event_behind(World& w, Vma& vma, std::uint64_t offset) {
  const ObjectBytes& bytes = w.supply(vma, offset);
  std::uint32_t written = bytes.origin(offset, w.page()).step;
  Event first = vma.event.step > written ? vma.event : Event{};
  if (&bytes == &vma.copies) return first;
  const Event& event = event_since(w.object_of(vma), written);
  bool earlier = event.step > written && (first.step == 0 || event.step < first.step);
  return earlier ? event : first;
}

// The byte is somebody else's private one.
C blame_of_leak(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  const bool wiped = vma.wipe_on_fork && vma.inherited;
  if (!vma.shared && held_by_relative(w, who, vma, offset, seen))
    return wiped ? C::fork_dontfork : C::private_fork_isolated;
  if (held_privately(w, vma.inode, offset, seen, &vma)) return C::private_isolated;
  const ObjectBytes& bytes = w.supply(vma, offset);
  bool untouched = &bytes == &vma.copies && bytes.origin(offset, w.page()).kind == OriginKind::nothing;
  bool may_be = untouched && vma.inode < 0 && has_relatives(w, who, vma);
  return may_be ? C::private_fork_isolated : C::none;
}

// The byte, or the page with it, was dropped by what should have dropped others.
C blame_of_drop(World& w, Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  const ObjectBytes& bytes = w.supply(vma, offset);
  bool copied = &bytes == &vma.copies, lost = seen == 0 && bytes.at(offset, w.page()) != 0;
  std::uint8_t below = vma.inode < 0 ? std::uint8_t{0} : w.object_of(vma).bytes.at(offset, w.page());
  // A copy that was kept, and shows what the discarded ones beside it show, was discarded with them.
  if (copied && vma.discarded && seen == below) return clause_of_discard(vma);
  if (!lost) return C::none;
  if (copied && cut_since(w, vma, offset)) return C::trunc_tail_private_kept;
  if (!copied && !vma.shared && vma.discarded) return clause_of_discard(vma);
  const bool discards = !copied && vma.inode >= 0 &&
                        w.object_of(vma).discard_step > bytes.origin(offset, w.page()).step &&
                        discarded(w, vma.inode, offset);
  if (discards) return C::private_discard;
  if (!unlinked(w, vma.inode)) return C::none;
  C reference = clause_of_reference(w.object_of(vma));
  if (copied) return copied_after_unlink(w, vma, offset) ? reference : C::none;
  std::uint32_t unlinked_at = w.object_of(vma).unlink_step;
  bool of_child = !vma.shared && vma.inherited && unlinked_at <= vma.made;
  bool later = unlinked_at > bytes.origin(offset, w.page()).step;
  return later && !of_child ? reference : C::none;
}

}  // namespace

C event_behind_load(World& w, Vma& vma, std::uint64_t offset) {
  return event_behind(w, vma, offset).clause;
}

void note_load(World& w, Step& s, Vma& vma, std::uint64_t offset) {
  const std::uint8_t who = s.op.proc;
  s.applies(clause_of_load(w, who, vma, offset));
  s.applies(event_behind_load(w, vma, offset));
  s.applies(blame_of_lost(w, who, vma, vma.address_of(offset, w.page()), false));
  note_situation(w, s, vma, offset);
}

C blame_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  if (C leak = blame_of_leak(w, who, vma, offset, seen); leak != C::none) return leak;
  const bool of_object = &w.supply(vma, offset) != &vma.copies;
  if (of_object && restored(w, w.object_of(vma), offset))
    return clause_of_restored(w, w.object_of(vma), offset);
  if (C drop = blame_of_drop(w, vma, offset, seen); drop != C::none) return drop;
  const ObjectBytes& bytes = w.supply(vma, offset);
  bool copied = &bytes == &vma.copies, lost = seen == 0 && bytes.at(offset, w.page()) != 0;
  if (!copied && starts_over(w, vma, offset, seen)) return clause_of_begin(w, who, vma);

  auto [event, event_step] = event_behind(w, vma, offset);
  Origin from = bytes.origin(offset, w.page());
  bool weak = event == C::none || only_a_way(event);
  bool at_exit = event == C::exit_no_cleanup_of_data;
  if ((weak || at_exit) && straddled(w, from, offset)) return C::access_write;
  bool of_relative = !copied && vma.shared && vma.inherited && from.process != who &&
                     w.object_of(vma).kind == InodeKind::shared_anonymous;
  if (of_relative && weak) return C::share_fork_anon;
  bool child = !copied && !vma.shared && vma.inherited && lost;
  if (child && (weak || event_step <= vma.made)) return C::fork_mapping_inherited;
  bool written = from.kind == OriginKind::write;
  bool counts = event != C::none && !((weak || at_exit) && written);
  if (counts && (lost || event == vma.event.clause)) return event;
  if (!copied && !lost && stored_privately(w, vma.inode, offset)) return clause_of_leak(w, vma.inode, offset);
  C foreign = copied ? C::none : clause_of_distinct(w, vma, offset, seen);
  return foreign != C::none ? foreign : clause_of_load(w, who, vma, offset);
}

C clause_of_read(const World& w, std::uint32_t inode, std::uint64_t offset) {
  const Inode& o = w.inodes[inode];
  if (o.kind != InodeKind::file) return o.size_clause;
  if (restored(w, o, offset)) return clause_of_restored(w, o, offset);
  switch (o.bytes.origin(offset, w.page()).kind) {
    case OriginKind::store:
    case OriginKind::private_copy:
      return C::share_mapping_to_read;
    case OriginKind::cut:
      return C::trunc_regrow_zero;
    case OriginKind::extended:
      return C::slack_dirty_extend;
    case OriginKind::written_back:
      return C::slack_extend_exposes_zero;
    case OriginKind::shifted:
      return C::fallocate_collapse_insert;
    case OriginKind::nothing:
      return clause_of_untouched(w, o, offset);
    case OriginKind::write:
      break;
  }
  return C::none;
}

C blame_of_read(const World& w, std::uint32_t inode, std::uint64_t offset, std::uint8_t seen) {
  auto index = static_cast<std::int32_t>(inode);
  if (held_privately(w, index, offset, seen, nullptr)) return C::private_isolated;
  const Inode& o = w.inodes[inode];
  if (o.kind != InodeKind::file) return o.size_clause;
  if (restored(w, o, offset)) return clause_of_restored(w, o, offset);
  bool lost = seen == 0 && o.bytes.at(offset, w.page()) != 0;
  std::uint32_t written = o.bytes.origin(offset, w.page()).step;
  if (lost && unlinked(w, index) && o.unlink_step > written) return clause_of_reference(o);
  if (lost && o.discard_step > written && discarded(w, index, offset)) return C::private_discard;
  if (const Event& event = event_since(o, written); lost && event.clause != C::none) return event.clause;
  if (!lost && stored_privately(w, index, offset)) return clause_of_leak(w, index, offset);
  C clause = clause_of_read(w, inode, offset);
  return clause == C::none ? C::share_mapping_to_read : clause;
}

}  // namespace shmcheck::model
