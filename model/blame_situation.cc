// What an access that works depends on beside where its byte came from: clauses about other processes, other
// mappings, other objects and former permissions. Each is named where another kernel could differ by it.
#include <algorithm>

#include "model/blame.h"

namespace shmcheck::model {
namespace {

std::uint8_t object_byte(const World& w, std::size_t inode, std::uint64_t offset) {
  return w.inodes[inode].bytes.at(offset, w.page());
}

// Whether the process has, or had at its fork, the mapping too.
bool related(const World& w, const Vma& vma, std::size_t process) {
  return w.processes[process].life == Life::alive && (vma.id < w.processes[process].born || vma.inherited);
}

// Where the object's pages end, while the mapping goes on.
bool reaches_beyond(const World& w, const Vma& vma) {
  return vma.page_offset * w.page() + (vma.high - vma.low) > w.up(w.object_of(vma).size);
}

}  // namespace

C clause_of_kept_attach(const World& w, std::uint8_t who, const Vma& vma) {
  if (vma.segment < 0) return C::none;
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(vma.segment)];
  if (could_attach(w, w.processes[who], vma)) return C::none;
  if (vma.inherited) return C::perm_fork_bypass;
  return k.set_step > vma.made ? C::shmctl_set_attached_unaffected : C::perm_checked_at_attach;
}

C clause_of_local_protection(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address) {
  for (std::size_t i = 0; i < w.processes.size(); ++i) {
    if (i == who || !vma.shared || !related(w, vma, i)) continue;
    const Vma* other = w.processes[i].memory.find(address);
    if (!other || other->id != vma.id || other->prot != vma.prot) return C::share_protection_is_local;
  }
  return C::none;
}

bool relative_allows(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address, bool write) {
  for (std::size_t i = 0; i < w.processes.size(); ++i) {
    if (i == who || !vma.shared || !related(w, vma, i)) continue;
    const Vma* other = w.processes[i].memory.find(address);
    if (other && other->id == vma.id && (other->prot & (write ? program::kProtWrite : program::kProtRead)))
      return true;
  }
  return false;
}

C clause_of_end(const World& w, const Vma& vma) {
  if (w.object_of(vma).size == 1) return C::eof_one_byte_file;
  return vma.page_offset != 0 ? C::eof_offset_mapping : C::eof_accessible_extent;
}

C clause_of_sealed_size(const World& w, const Vma& vma, std::uint64_t offset) {
  if (vma.inode < 0 || !vma.shared || offset >= w.object_of(vma).size) return C::none;
  constexpr std::uint32_t kFixed = program::seal::kShrink | program::seal::kSeal;
  return (w.object_of(vma).seals & kFixed) == kFixed ? C::seal_protects_from_sigbus : C::none;
}

bool in_hole(const World& w, const Vma& vma, std::uint64_t offset) {
  if (vma.inode < 0 || !vma.shared || offset >= w.object_of(vma).size) return false;
  return w.object_of(vma).punched.may_contain(offset / w.page());
}

C clause_of_extent(const World& w, const Vma& vma, std::uint64_t offset) {
  if (vma.inode < 0 || w.object_of(vma).kind != InodeKind::file) return C::none;
  const Inode& o = w.object_of(vma);
  if (offset >= o.cut_to) return vma.made < o.cut_step ? C::trunc_regrow_no_remap : C::none;
  if (o.grown_from != 0 && o.grown_from != UINT64_MAX && offset >= w.up(o.grown_from))
    return C::eof_grow_makes_accessible;
  return reaches_beyond(w, vma) ? clause_of_end(w, vma) : C::none;
}

namespace {
// Whether both are segments of one key: one was marked, and the other made by its key.
bool generations_of_a_key(const World& w, std::size_t a, std::size_t b) {
  const auto key = [&](std::size_t inode) {
    const auto k = std::ranges::find(w.ipc.segments, inode, &ShmidKernel::inode);
    return k == w.ipc.segments.end() ? 0U : k->made_by_key;
  };
  const bool segments = w.inodes[a].kind == InodeKind::segment && w.inodes[b].kind == InodeKind::segment;
  return segments && key(a) != 0 && key(a) == key(b);
}
}  // namespace

C clause_of_distinct(const World& w, const Vma& vma, std::uint64_t offset, std::optional<std::uint8_t> seen) {
  if (vma.inode < 0) return C::none;
  const auto own = static_cast<std::size_t>(vma.inode);
  if (w.inodes[own].bytes.origin(offset, w.page()).kind != OriginKind::nothing) return C::none;
  C clause = C::none;
  // Of the newest only, so that long programs do not slow down.
  constexpr std::size_t kNewest = 8;
  for (std::size_t i = w.inodes.size() - std::min(kNewest, w.inodes.size()); i < w.inodes.size(); ++i) {
    if (i == own) continue;
    const std::uint8_t byte = object_byte(w, i, offset);
    if (byte == 0 || (seen && byte != *seen)) continue;
    const bool both_anonymous =
        w.inodes[i].kind == InodeKind::shared_anonymous && w.inodes[own].kind == InodeKind::shared_anonymous;
    if (both_anonymous) return C::mmap_anon_distinct;
    if (generations_of_a_key(w, i, own)) return C::sysv_life_remap_after_new_key;
    clause = C::share_not_in_other_object;
  }
  return clause;
}

namespace {

// A private page with another byte: of this memory in a relative, or of the same object.
C clause_of_isolation(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset) {
  const ObjectBytes& bytes = w.supply(vma, offset);
  const std::uint64_t page = offset / w.page(), address = vma.address_of(offset, w.page());
  const std::uint8_t byte = bytes.at(offset, w.page());
  for (std::size_t i = 0; i < w.processes.size(); ++i) {
    if (w.processes[i].life != Life::alive) continue;
    for (const Vma& v : w.processes[i].memory.vmas()) {
      if (&v == &vma || v.shared || !v.copies.find(page)) continue;
      const bool same_memory =
          i != who && !vma.shared && v.id == vma.id && v.low <= address && address < v.high;
      const bool same_object = vma.inode >= 0 && v.inode == vma.inode;
      if (!same_memory && !same_object) continue;
      if (v.copies.at(offset, w.page()) == byte) continue;
      return same_memory ? C::private_fork_isolated : C::private_isolated;
    }
  }
  return C::none;
}

// The mapping does not begin with its object, and the object's beginning would show another byte.
C clause_of_place(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset) {
  const ObjectBytes& bytes = w.supply(vma, offset);
  if (vma.inode < 0 || vma.page_offset == 0 || &bytes == &vma.copies) return C::none;
  const std::uint64_t first = offset - vma.page_offset * w.page();
  const bool same = bytes.at(first, w.page()) == bytes.at(offset, w.page());
  return same ? C::none : clause_of_begin(w, who, vma);
}

// What has storage does not need any of a full file system.
C clause_of_storage(const World& w, const Vma& vma, std::uint64_t offset) {
  if (vma.inode < 0 || !w.of_full(w.object_of(vma))) return C::none;
  const std::uint64_t page = offset / w.page();
  if (w.object_of(vma).preallocated.contains(page)) return C::access_preallocated;
  return w.object_of(vma).stored.contains(page) ? C::access_no_space : C::none;
}

}  // namespace

void note_situation(World& w, Step& s, Vma& vma, std::uint64_t offset) {
  const std::uint8_t who = s.op.proc;
  const std::uint64_t address = vma.address_of(offset, w.page());
  s.applies(clause_of_kept_attach(w, who, vma));
  s.applies(clause_of_local_protection(w, who, vma, address));
  s.applies(clause_of_extent(w, vma, offset));
  s.applies(clause_of_sealed_size(w, vma, offset));
  if (vma.inherited && vma.shared) s.applies(C::fork_address_inherited);
  s.applies(clause_of_storage(w, vma, offset));
  s.applies(clause_of_place(w, who, vma, offset));
  s.applies(clause_of_isolation(w, who, vma, offset));
  if (vma.shared) s.applies(clause_of_distinct(w, vma, offset, std::nullopt));
  if (w.processes[who].faulted) s.applies(C::access_fault_recoverable);
}

}  // namespace shmcheck::model
