// Faults that show in one exact situation, for which a clause of its own speaks.
#include "model/blame.h"
#include "model/fault_tools.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::ShmCommand;

constexpr int kEACCES = 13, kEEXIST = 17, kEINVAL = 22;

bool accesses(const Op& op) {
  return op.code == OpCode::load || op.code == OpCode::store;
}

constexpr C kRevoked[] = {C::shmctl_set_attached_unaffected, C::perm_checked_at_attach, C::perm_fork_bypass};
void attach_is_revoked(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = accessed(was, op, o);
  if (v && v->segment >= 0 && !could_attach(was, was.processes[op.proc], *v))
    take_signal(was, w, op, o, kSIGSEGV, kAccErr);
}

constexpr C kDetach[] = {C::shmdt_no_id_needed};
void detach_needs_permission(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (v && v->segment >= 0 && !could_attach(was, was.processes[op.proc], *v)) refuse(was, w, o, kEACCES);
}

constexpr C kRemoval[] = {C::shmctl_rmid_no_read_needed};
void removal_needs_read(const World& was, World& w, const Op& op, Outcome& o) {
  if (!command(op, ShmCommand::rmid) || !ok(o)) return;
  if (!(was.ipc.segments[*was.segment_names[op.object]].perm.mode & 0444)) refuse(was, w, o, kEACCES);
}

constexpr C kLocked[] = {C::shmctl_lock_persists, C::shmctl_set_keeps_flags};
void lock_ends_with_locker(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code != OpCode::exit && op.code != OpCode::kill) return;
  const std::uint8_t who = op.code == OpCode::exit ? op.proc : op.object;
  if (was.processes[who].life != Life::alive || w.processes[who].life != Life::dead) return;
  for (ShmidKernel& k : w.ipc.segments) {
    if (k.locker == static_cast<std::int8_t>(who)) k.perm.mode &= ~kShmLocked;
  }
}

constexpr C kChanged[] = {C::shmctl_lock_times};
void lock_sets_ctime(const World&, World& w, const Op& op, Outcome& o) {
  const bool locks = command(op, ShmCommand::lock) || command(op, ShmCommand::unlock);
  if (locks && ok(o)) bound_segment(w, op)->ctim.set({o.before, o.before});
}

constexpr C kExcl[] = {C::shmget_excl_alone};
void excl_alone_refused(const World& was, World& w, const Op& op, Outcome& o) {
  const bool alone = op.code == OpCode::shmget && (op.flags & program::shmget::kExcl) &&
                     !(op.flags & program::shmget::kCreat) && op.byte != 0;
  if (alone && ok(o)) refuse(was, w, o, kEEXIST);
}

constexpr C kPrivate[] = {C::shmget_private_flags};
void private_excl_refused(const World& was, World& w, const Op& op, Outcome& o) {
  const bool exclusive = op.code == OpCode::shmget && op.byte == 0 && (op.flags & program::shmget::kExcl);
  if (exclusive && ok(o)) refuse(was, w, o, kEEXIST);
}

bool grants_file(const World& was, const Op& op, const Outcome& o) {
  return op.code == OpCode::mmap && ok(o) && !(op.flags & program::map::kAnonymous) &&
         was.open_file(was.processes[op.proc], op.object) != nullptr;
}

constexpr C kEmpty[] = {C::mmap_create_empty_file};
void empty_file_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (!grants_file(was, op, o)) return;
  const OpenFile& file = *was.open_file(was.processes[op.proc], op.object);
  if (was.inodes[file.inode].size == 0) refuse(was, w, o, kEINVAL);
}

constexpr C kReadOnly[] = {C::mmap_fd_read_only_private_write};
void private_write_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (!grants_file(was, op, o) || (op.flags & program::map::kShared)) return;
  const bool writes = (op.small & program::kProtWrite) != 0;
  if (writes && !was.open_file(was.processes[op.proc], op.object)->writable) refuse(was, w, o, kEACCES);
}

constexpr C kUpgrade[] = {C::mprotect_private_upgrade};
void private_upgrade_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !ok(o) || !(op.small & program::kProtWrite) || was.value(op.len) == 0)
    return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (v && !v->shared && v->inode >= 0 && !v->writable_file) refuse(was, w, o, kEACCES);
}

constexpr C kDistinct[] = {C::proc_smaps_shared, C::access_demand, C::mmap_anon_distinct, C::mmap_anon_zero};
void anonymous_objects_are_one(const World&, World& w, const Op& op, Outcome& o) {
  using namespace program::map;
  const bool made = op.code == OpCode::mmap && ok(o) && (op.flags & kAnonymous) && (op.flags & kShared);
  if (!made) return;
  Vma& fresh = *actor(w, op).memory.find(o.value);
  for (const Vma& v : actor(w, op).memory.vmas()) {
    const bool other = v.shared && v.inode >= 0 && v.inode != fresh.inode && v.page_offset == 0 &&
                       w.object_of(v).kind == InodeKind::shared_anonymous;
    if (!other || w.object_of(v).size < fresh.high - fresh.low) continue;
    fresh.inode = v.inode;
    return;
  }
}

constexpr C kSealed[] = {C::seal_protects_from_sigbus};
void sealed_holes_are_not_filled(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = accessed(was, op, o);
  if (!v) return;
  const std::uint64_t offset = v->object_offset(was.value(op.addr), w.page());
  if (clause_of_sealed_size(was, *v, offset) == C::none) return;
  if (was.object_of(*v).bytes.origin(offset, w.page()).kind == OriginKind::nothing)
    take_signal(was, w, op, o, kSIGBUS, kAdrErr);
}

constexpr C kOwner[] = {C::mmap_fixed_not_recommended};
void fixed_spares_an_owner(const World& was, World& w, const Op& op, Outcome& o) {
  using namespace program::map;
  const bool fixed = op.code == OpCode::mmap && ok(o) && (op.flags & (kFixed | kNoReplace)) == kFixed;
  if (fixed && was.processes[op.proc].memory.overlaps(o.value, o.value + w.up(was.value(op.len))))
    refuse(was, w, o, kEEXIST);
}

constexpr C kUnmapped[] = {C::munmap_return, C::munmap_len_rounded};
void unmapping_a_relatives_fails(const World& was, World& w, const Op& op, Outcome& o) {
  constexpr int kEBUSY = 16;
  if (op.code != OpCode::munmap || !ok(o)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (!v || !v->shared) return;
  for (std::uint8_t i = 0; i < was.processes.size(); ++i) {
    const Vma* other = i == op.proc ? nullptr : was.processes[i].memory.find(v->low);
    if (other && other->id == v->id) return refuse(was, w, o, kEBUSY);
  }
}

constexpr C kExtent[] = {C::eof_offset_mapping, C::access_syscall_efault, C::trunc_regrow_no_remap,
                         C::eof_grow_makes_accessible};
void extent_counted_twice(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = accessed(was, op, o);
  if (!v || v->inode < 0 || v->page_offset == 0) return;
  const Inode& object = was.object_of(*v);
  const std::uint64_t begin = v->page_offset * was.page(),
                      at = v->object_offset(was.value(op.addr), was.page());
  const bool copied = v->copies.find(at / was.page()) != nullptr;
  if (object.kind == InodeKind::file && !copied && at + begin >= was.up(object.size))
    take_signal(was, w, op, o, kSIGBUS, kAdrErr);
}

constexpr C kShare[] = {C::proc_maps_shared_readonly};
void read_only_share_shown_private(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::maps || !ok(o)) return;
  for (std::size_t i = 0; i + program::kMapRowWords <= o.words.size(); i += program::kMapRowWords) {
    const Vma* v = was.processes[op.proc].memory.find(o.words[i]);
    if (v && v->segment < 0 && !v->writable_file) o.words[i + 2] &= ~program::kMapShared;
  }
}

constexpr C kCoherent[] = {C::msync_invalidate_coherent};
void invalidate_drops(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::msync || !ok(o) || !(op.flags & program::msync::kInvalidate)) return;
  const Vma* v = vma_at(w, op);
  if (v && v->shared && v->inode >= 0) w.object_of(*v).bytes = ObjectBytes();
}

constexpr C kPeers[] = {C::access_fault_one_process};
void death_by_fault_clears(const World& was, World& w, const Op& op, Outcome& o) {
  if (!accesses(op) || o.kind != OutcomeKind::died) return;
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.shared && v.inode >= 0) w.object_of(v).bytes = ObjectBytes();
  }
}

constexpr C kLocal[] = {
    C::share_protection_is_local, C::access_syscall_efault,  C::proc_maps_row,    C::access_none,
    C::access_write_protected,    C::fork_mapping_inherited, C::shmdt_split_count};
void protection_reaches_relatives(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !ok(o)) return;
  const Vma* changed = was.processes[op.proc].memory.find(was.value(op.addr));
  if (!changed || !changed->shared) return;
  for (std::size_t i = 0; i < w.processes.size(); ++i) {
    Vma* v = i == op.proc ? nullptr : w.processes[i].memory.find(was.value(op.addr));
    if (v && v->id == changed->id) v->prot = op.small & 7;
  }
}

constexpr Fault kFaults[] = {
    {"seal-holes-not-filled",
     "a page of a finally sealed file that nobody has touched raises SIGBUS",
     kSealed,
     nullptr,
     sealed_holes_are_not_filled,
     true,
     {},
     true},
    {"mmap-fixed-spares-an-owner", "MAP_FIXED over a mapping fails with EEXIST", kOwner, nullptr,
     fixed_spares_an_owner, true},
    {"munmap-of-a-relatives-fails",
     "munmap of a mapping that a relative has as well fails",
     kUnmapped,
     nullptr,
     unmapping_a_relatives_fails,
     true,
     {},
     true},
    {"attach-rechecked",
     "an attach that could not be made any more faults",
     kRevoked,
     nullptr,
     attach_is_revoked,
     true,
     {},
     true},
    {"shmdt-needs-permission",
     "shmdt of a segment that could not be attached any more fails",
     kDetach,
     nullptr,
     detach_needs_permission,
     true,
     {},
     true},
    {"rmid-needs-read", "IPC_RMID of a segment that nobody can read fails", kRemoval, nullptr,
     removal_needs_read, true},
    {"lock-ends-with-locker",
     "SHM_LOCK ends when the process that locked ends",
     kLocked,
     nullptr,
     lock_ends_with_locker,
     true,
     {},
     true},
    {"lock-sets-ctime", "SHM_LOCK and SHM_UNLOCK set shm_ctime", kChanged, nullptr, lock_sets_ctime, false},
    {"shmget-excl-alone-refused", "IPC_EXCL without IPC_CREAT fails for a key in use", kExcl, nullptr,
     excl_alone_refused, true},
    {"shmget-private-excl-refused", "IPC_PRIVATE with IPC_EXCL fails", kPrivate, nullptr,
     private_excl_refused, true},
    {"mmap-empty-file-refused", "an empty file cannot be mapped", kEmpty, nullptr, empty_file_refused, true},
    {"mmap-private-write-refused", "a private writable mapping needs a descriptor that can write", kReadOnly,
     nullptr, private_write_refused, true},
    {"mprotect-private-upgrade-refused", "a private mapping of a read-only descriptor stays read-only",
     kUpgrade, nullptr, private_upgrade_refused, true},
    {"anon-objects-are-one",
     "a shared anonymous mapping shows the object of an earlier one",
     kDistinct,
     nullptr,
     anonymous_objects_are_one,
     false,
     {},
     true},
    {"eof-offset-counted-twice",
     "a mapping with an offset ends so much before the file",
     kExtent,
     nullptr,
     extent_counted_twice,
     true,
     {},
     true},
    {"maps-read-only-share-private", "a shared mapping of a read-only descriptor shows as private", kShare,
     nullptr, read_only_share_shown_private, true},
    {"msync-invalidate-drops",
     "MS_INVALIDATE drops what was stored and not written",
     kCoherent,
     nullptr,
     invalidate_drops,
     false,
     {},
     true},
    {"death-by-fault-clears",
     "death by a fault clears the shared objects that the process had mapped",
     kPeers,
     nullptr,
     death_by_fault_clears,
     true,
     {},
     true},
    {"mprotect-reaches-relatives",
     "mprotect of a shared mapping changes it in relatives too",
     kLocal,
     nullptr,
     protection_reaches_relatives,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> situation_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
