// Which clause an access breaks that faults and should not, or does not fault and should.
#include "model/blame.h"

namespace shmcheck::model {
namespace {

constexpr std::uint8_t kSIGBUS = 7, kAccErr = 2;

}  // namespace

C plain_clause_of_refusal(const Access& a, bool write) {
  switch (a.kind) {
    case Access::Kind::beyond_object:
      return C::access_beyond_object;
    case Access::Kind::no_space:
      return C::access_no_space;
    case Access::Kind::protection:
      return a.vma->prot != 0 && write ? C::access_write_protected : C::access_none;
    default:
      return C::access_unmapped;
  }
}

C clause_of_refusal(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool write) {
  if (a.kind == Access::Kind::beyond_object) {
    const Inode& o = w.object_of(*a.vma);
    if (o.posix && a.offset >= o.cut_to) return C::pshm_size_change;
    bool fresh = o.size_clause == C::pshm_open_create_empty || o.size_clause == C::pshm_unlink_recreate;
    if (fresh && o.size == 0) return o.size_clause;
    if (o.kind == InodeKind::file && a.offset >= o.cut_to)
      return a.vma->shared ? C::trunc_shrink_faults : C::trunc_shrink_private;
    if (o.size == 1) return C::eof_one_byte_file;
    if (o.kind == InodeKind::file && o.size == 0) return C::mmap_create_empty_file;
    if (o.kind != InodeKind::file) return C::mremap_shared_anon_fixed_size;
  }
  if (a.kind == Access::Kind::protection && relative_allows(w, who, *a.vma, address, write))
    return C::share_protection_is_local;
  if (a.kind == Access::Kind::protection && protected_by_call(w, who, *a.vma, address))
    return C::mprotect_violation;
  if (a.kind == Access::Kind::no_space) return clause_of_full(w, w.object_of(*a.vma));
  if (a.kind != Access::Kind::no_mapping) return plain_clause_of_refusal(a, write);
  if (C removed = clause_of_removed(w, who, address); removed != C::none) return removed;
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    const Vma* other = i == who ? nullptr : w.processes[i].memory.find(address);
    if (!other) continue;
    bool older = other->id < w.processes[who].born;
    if (older && other->dont_fork) return other->segment >= 0 ? C::shmat_dontfork : C::fork_dontfork;
    // What both had at the fork, this one has unmapped itself.
    if (older || other->id < w.processes[i].born) continue;
    bool shared_anonymous =
        other->shared && other->inode >= 0 && w.object_of(*other).kind == InodeKind::shared_anonymous;
    return shared_anonymous ? C::fork_later_mappings_not_shared : C::fork_independent_layout;
  }
  const Vma* below = address < w.page() ? nullptr : w.processes[who].memory.find(w.down(address) - 1);
  if (below && below->segment >= 0) return C::shmat_beyond;
  return below ? C::access_beyond_mapping : C::access_unmapped;
}

C blame_of_fault(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset,
                 const SeenFault& seen, bool write) {
  if (seen.signal == kSIGBUS && vma.inode >= 0 && w.object_of(vma).kind == InodeKind::file) {
    const Inode& o = w.object_of(vma);
    if (w.of_full(o))
      return o.preallocated.contains(offset / w.page()) ? C::access_preallocated : C::access_no_space;
    if (write && in_hole(w, vma, offset)) return C::punch_refill;
    if (C sealed = clause_of_sealed_size(w, vma, offset); sealed != C::none) return sealed;
    if (offset >= o.cut_to) return C::trunc_regrow_no_remap;
    if (C extent = clause_of_extent(w, vma, offset); extent != C::none) return extent;
    return clause_of_end(w, vma);
  }
  const std::uint64_t address = vma.address_of(offset, w.page());
  C lost = seen.signal == kSIGBUS ? C::none : blame_of_lost(w, who, vma, address, seen.code == kAccErr);
  const bool inherited = lost == C::fork_mapping_inherited || lost == C::fork_address_inherited;
  const bool other_protection = inherited && seen.code == kAccErr;
  if (lost != C::none && !other_protection) return lost;
  if (C kept = clause_of_kept_attach(w, who, vma); kept != C::none) return kept;
  if (C local = clause_of_local_protection(w, who, vma, address); local != C::none) return local;
  if (lost != C::none) return lost;
  if (vma.segment >= 0) return C::shmat_whole_segment;
  if (write && !(vma.prot & program::kProtRead)) return C::access_write_implies_read;
  return write ? C::access_write : C::access_read;
}

}  // namespace shmcheck::model
