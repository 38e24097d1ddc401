#include "model/blame.h"

namespace shmcheck::model {
namespace {

const Inode& object_of(const World& w, const Vma& vma) {
  return w.inodes[static_cast<std::size_t>(vma.inode)];
}

bool dead(const World& w, std::uint8_t process) {
  return w.processes[process].life == Life::dead;
}

// Zeros where nothing was ever written to the page.
C clause_of_untouched(const World& w, const Inode& o, std::uint64_t offset) {
  if (o.kind == InodeKind::segment) return o.removed ? C::madvise_remove : C::shmget_zero_filled;
  if (o.removed) return C::madvise_remove;
  if (o.kind == InodeKind::shared_anonymous) return C::mmap_anon_zero;
  if (offset >= o.size) return C::slack_zero_filled;
  if (offset >= o.cut_to) return C::trunc_regrow_zero;
  if (o.grown_from != 0 && offset >= o.grown_from && offset / w.page() == o.grown_from / w.page())
    return C::slack_extend_exposes_zero;
  if (o.grown_from != 0 && offset >= o.grown_from) return C::eof_grow_makes_accessible;
  return C::access_hole_zero;
}

// A byte that somebody stored through a shared mapping of the object.
C clause_of_stored(const World& w, std::uint8_t who, const Vma& vma, const Inode& o, std::uint64_t offset,
                   const Origin& from) {
  bool slack = o.kind == InodeKind::file && offset >= o.size;
  if (from.process != who) {
    if (slack) return C::slack_shared_between_mappers;
    if (o.kind == InodeKind::segment)
      return dead(w, from.process) ? C::sysv_life_overwrite_kept : C::shmat_shared;
    if (dead(w, from.process))
      return o.kind == InodeKind::file ? C::exit_file_data_kept : C::exit_no_cleanup_of_data;
    if (o.kind == InodeKind::shared_anonymous) return C::share_fork_anon;
    return vma.inherited ? C::fork_shared_both_ways : C::share_immediate;
  }
  if (slack) return from.mapping == vma.id ? C::slack_writable : C::slack_may_persist;
  if (from.mapping == vma.id) return o.kind == InodeKind::segment ? C::shmat_whole_segment : C::access_read;
  if (o.kind == InodeKind::segment) return C::shmat_multiple;
  if (o.kind == InodeKind::shared_anonymous) return C::mremap_duplicate_shared;
  return (vma.prot & program::kProtWrite) ? C::share_aliases : C::share_ro_sees_rw;
}

// A byte of an object, as a mapping of it shows it.
C clause_of_object_byte(World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  const Inode& o = object_of(w, vma);
  Origin from = o.bytes.origin(offset, w.page());
  bool unlinked = o.kind == InodeKind::file && o.links == 0 && from.kind != OriginKind::nothing;
  if (unlinked) return C::mmap_create_file_reference;
  switch (from.kind) {
    case OriginKind::nothing:
      return clause_of_untouched(w, o, offset);
    case OriginKind::cut:
      return offset >= o.size ? C::trunc_tail_zeroed : C::trunc_regrow_zero;
    case OriginKind::extended:
      return C::slack_dirty_extend;
    case OriginKind::written_back:
      return offset >= o.size ? C::slack_cleared_by_writeback : C::slack_extend_exposes_zero;
    case OriginKind::write:
      if (o.cut_to != UINT64_MAX && offset < o.cut_to) return C::trunc_kept_part_intact;
      return C::share_write_to_mapping;
    case OriginKind::store:
    case OriginKind::private_copy:
      break;
  }
  return clause_of_stored(w, who, vma, o, offset, from);
}

C clause_of_private_copy(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  Origin from = vma.copies.origin(offset, w.page());
  bool cut_away =
      vma.inode >= 0 && object_of(w, vma).cut_to != UINT64_MAX && offset >= object_of(w, vma).cut_to;
  switch (from.kind) {
    case OriginKind::store:
      if (cut_away) return C::trunc_tail_private_kept;
      return from.process == who ? C::access_read : C::fork_private_snapshot;
    case OriginKind::private_copy: {
      if (vma.inherited) return C::fork_private_snapshot;
      const Inode& o = object_of(w, vma);
      if (cut_away) return C::trunc_tail_private_kept;
      bool file_changed = o.bytes.at(offset, w.page()) != vma.copies.at(offset, w.page());
      return file_changed ? C::private_page_granular_freeze : C::private_initial_content;
    }
    default:
      return vma.discarded ? C::madvise_dontneed_private_anon : C::mmap_anon_zero;
  }
}

C clause_of_uncopied(World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset) {
  if (vma.discarded) return C::madvise_dontneed_private_file;
  C clause = clause_of_object_byte(w, who, vma, offset);
  bool follows_truncation = clause == C::trunc_regrow_zero || clause == C::trunc_tail_zeroed ||
                            clause == C::madvise_remove || clause == C::access_hole_zero;
  if (follows_truncation) return clause;
  Origin from = object_of(w, vma).bytes.origin(offset, w.page());
  bool later = from.kind == OriginKind::write && from.mapping > vma.id;
  return later ? C::private_later_file_changes : C::private_initial_content;
}

// Whether another private mapping of the inode holds `seen` in a copy of its own, and the file does not.
bool held_privately(const World& w, std::int32_t inode, std::uint64_t offset, std::uint8_t seen,
                    const Vma* but) {
  if (inode < 0) return false;
  for (const Process& p : w.processes) {
    for (const Vma& v : p.memory.vmas()) {
      if (&v == but || v.shared || v.inode != inode || !v.copies.find(offset / w.page())) continue;
      if (v.copies.at(offset, w.page()) == seen) return true;
    }
  }
  return false;
}

// Whether a relative's private memory at the same address holds `seen`.
bool held_by_relative(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset,
                      std::uint8_t seen) {
  std::uint64_t address = vma.low + (offset - vma.page_offset * w.page());
  for (std::uint8_t i = 0; i < program::kProcesses; ++i) {
    const Vma* v = i == who ? nullptr : w.processes[i].memory.find(address);
    if (!v || v->shared || v->id != vma.id) continue;
    std::uint64_t at = v->object_offset(address, w.page());
    if (v->copies.find(at / w.page()) && v->copies.at(at, w.page()) == seen) return true;
  }
  return false;
}

}  // namespace

C clause_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset) {
  if (vma.shared) return clause_of_object_byte(w, who, vma, offset);
  if (&w.supply(vma, offset) == &vma.copies) return clause_of_private_copy(w, who, vma, offset);
  return clause_of_uncopied(w, who, vma, offset);
}

C blame_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  if (!vma.shared && held_by_relative(w, who, vma, offset, seen)) return C::private_fork_isolated;
  if (held_privately(w, vma.inode, offset, seen, &vma)) return C::private_isolated;
  if (vma.shared && object_of(w, vma).removed && seen == 0) return C::madvise_remove;
  // A copy that was kept, and shows what the discarded ones beside it show, was discarded with them.
  bool copied = !vma.shared && &w.supply(vma, offset) == &vma.copies;
  std::uint8_t below = vma.inode < 0 ? std::uint8_t{0} : object_of(w, vma).bytes.at(offset, w.page());
  if (copied && vma.discarded && seen == below)
    return vma.inode < 0 ? C::madvise_dontneed_private_anon : C::madvise_dontneed_private_file;
  return clause_of_load(w, who, vma, offset);
}

C clause_of_read(const World& w, std::uint32_t inode, std::uint64_t offset) {
  const Inode& o = w.inodes[inode];
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
    case OriginKind::nothing:
      return clause_of_untouched(w, o, offset);
    case OriginKind::write:
      break;
  }
  return o.cut_to != UINT64_MAX && offset < o.cut_to ? C::trunc_kept_part_intact : C::none;
}

C blame_of_read(const World& w, std::uint32_t inode, std::uint64_t offset, std::uint8_t seen) {
  if (held_privately(w, static_cast<std::int32_t>(inode), offset, seen, nullptr)) return C::private_isolated;
  if (w.inodes[inode].removed && seen == 0) return C::madvise_remove;
  C clause = clause_of_read(w, inode, offset);
  return clause == C::none ? C::share_mapping_to_read : clause;
}

C clause_of_refusal(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool write) {
  switch (a.kind) {
    case Access::Kind::beyond_object: {
      const Inode& o = object_of(w, *a.vma);
      if (o.kind == InodeKind::file && o.cut_to != UINT64_MAX && a.offset >= o.cut_to)
        return a.vma->shared ? C::trunc_shrink_faults : C::trunc_shrink_private;
      if (o.size == 1) return C::eof_one_byte_file;
      return C::access_beyond_object;
    }
    case Access::Kind::protection:
      return a.vma->prot != 0 && write ? C::access_write_protected : C::access_none;
    default:
      break;
  }
  for (std::uint8_t i = 0; i < program::kProcesses; ++i) {
    const Vma* other = i == who ? nullptr : w.processes[i].memory.find(address);
    if (!other) continue;
    if (other->dont_fork) return C::fork_dontfork;
    if (other->shared && other->inode >= 0 && object_of(w, *other).kind == InodeKind::shared_anonymous)
      return C::fork_later_mappings_not_shared;
    return C::fork_independent_layout;
  }
  const Vma* below = address < w.page() ? nullptr : w.processes[who].memory.find(w.down(address) - 1);
  return below ? C::access_beyond_mapping : C::access_unmapped;
}

C blame_of_fault(const World& w, const Vma& vma, std::uint64_t offset, bool bus, bool write) {
  C plain = write ? C::access_write : C::access_read;
  if (vma.inode < 0) return vma.inherited ? C::fork_mapping_inherited : plain;
  const Inode& o = object_of(w, vma);
  if (!bus && vma.inherited) return C::fork_mapping_inherited;
  if (o.kind == InodeKind::segment) return C::shmat_whole_segment;
  if (!bus) return plain;
  if (offset >= o.cut_to) return C::trunc_regrow_no_remap;
  if (o.grown_from != 0 && offset >= w.up(o.grown_from) && o.grown_from != UINT64_MAX)
    return C::eof_grow_makes_accessible;
  return o.size == 1 ? C::eof_one_byte_file : C::eof_accessible_extent;
}

}  // namespace shmcheck::model
