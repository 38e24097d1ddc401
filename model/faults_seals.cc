// Faults of memory files: of their seals and their names.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using namespace program::seal;
using program::MemfdName;

// The memory file that a descriptor argument names, or null.
Inode* memory_file(World& w, const Op& op) {
  bool names_file = program::spec(op.code).object_kind == program::NameKind::file;
  OpenFile* file = names_file && w.processes[op.proc].life == Life::alive ? descriptor(w, op) : nullptr;
  return file && w.inodes[file->inode].memfd ? &w.inodes[file->inode] : nullptr;
}

// The op runs as if its file had no such seal, which it gets back afterwards.
template <OpCode Code, std::uint32_t Seals>
void ignores(World& w, Op& op) {
  Inode* inode = op.code == Code ? memory_file(w, op) : nullptr;
  if (inode) inode->seals &= ~Seals;
}
template <OpCode Code, std::uint32_t Seals>
void put_back(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code != Code || !memory_file(w, op)) return;
  std::uint32_t index = descriptor(w, op)->inode;
  w.inodes[index].seals |= was.inodes[index].seals & Seals;
}

constexpr C kShrink[] = {C::seal_shrink, C::seal_add_only};
constexpr C kGrow[] = {C::seal_grow, C::seal_add_only};
constexpr C kWrite[] = {C::seal_write, C::seal_future_write, C::seal_add_only};
constexpr C kMapped[] = {C::seal_write,
                         C::seal_future_write,
                         C::seal_write_ro_mapping,
                         C::seal_add_only,
                         C::mprotect_shared_upgrade_denied,
                         C::access_write_protected};
constexpr C kAgain[] = {C::seal_seal, C::seal_tmpfs_file, C::seal_initial, C::seal_add_only};

constexpr C kBusy[] = {C::seal_write_busy};
void busy_accepted(const World&, World& w, const Op& op, Outcome& o) {
  constexpr int kEBUSY = 16;
  if (op.code != OpCode::seal || !failed_with(o, kEBUSY)) return;
  succeed(o);
  if (Inode* inode = memory_file(w, op)) inode->seals |= op.flags & ~kUnknown;
}

constexpr C kPrivate[] = {C::seal_write_private_ok};
void private_mappings_count(const World& was, World& w, const Op& op, Outcome& o) {
  constexpr int kEBUSY = 16;
  if (op.code != OpCode::seal || !ok(o) || !(op.flags & program::seal::kWrite) || !memory_file(w, op)) return;
  auto inode = static_cast<std::int32_t>(descriptor(w, op)->inode);
  for (const Process& p : was.processes) {
    for (const Vma& v : p.memory.vmas()) {
      if (v.shared || v.inode != inode || !(v.prot & program::kProtWrite)) continue;
      w.inodes[static_cast<std::size_t>(inode)].seals = was.inodes[static_cast<std::size_t>(inode)].seals;
      return fail(o, kEBUSY);
    }
  }
}

constexpr C kUpgrade[] = {C::mprotect_shared_upgrade_denied, C::seal_write_ro_mapping, C::seal_future_write,
                          C::seal_write_busy};
void upgradable(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o) || !memory_file(w, op)) return;
  if (Vma* v = actor(w, op).memory.find(o.value)) v->may_write = true;
}

constexpr C kOld[] = {C::proc_maps_row,          C::access_beyond_object,  C::access_syscall_efault,
                      C::seal_future_write,      C::access_write,          C::mprotect_shared_upgrade_allowed,
                      C::share_write_to_mapping, C::access_write_protected};
void future_write_stops_old(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::seal || !ok(o) || !(op.flags & kFutureWrite) || !memory_file(w, op)) return;
  auto inode = static_cast<std::int32_t>(descriptor(w, op)->inode);
  for (Process& p : w.processes) {
    for (Vma& v : p.memory.vmas()) {
      if (v.shared && v.inode == inode) v.prot &= static_cast<std::uint8_t>(~program::kProtWrite);
    }
  }
}

constexpr C kInitial[] = {C::seal_initial, C::seal_seal};
void always_sealable(World&, Op& op) {
  if (op.code == OpCode::memfd) op.flags |= program::memfd::kSealing;
}

constexpr C kRemoved[] = {C::seal_add_only, C::seal_shrink, C::seal_grow,        C::seal_write,
                          C::seal_initial,  C::seal_seal,   C::seal_future_write};
void seals_replace(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::seal || !ok(o)) return;
  if (Inode* inode = memory_file(w, op)) inode->seals = op.flags & ~kUnknown;
}

// --- names
constexpr C kName[] = {C::memfd_name};
void all_have_one_name(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::memfd && ok(o)) w.inodes.back().memfd_name = MemfdName::plain;
}
constexpr C kDistinct[] = {C::memfd_name, C::memfd_create, C::share_not_in_other_object, C::seal_initial,
                           C::seal_seal};
// A name that is there already gives the file that has it.
void one_file_of_a_name(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::memfd || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    if (!was.inodes[i].memfd || was.inodes[i].memfd_name != w.inodes.back().memfd_name) continue;
    w.open_files.back().inode = static_cast<std::uint32_t>(i);
    return;
  }
}
constexpr C kNameLimit[] = {C::memfd_name_limit};
void longer_names(World&, Op& op) {
  const bool longer = op.code == OpCode::memfd && static_cast<MemfdName>(op.byte) == MemfdName::longer;
  if (longer) op.byte = static_cast<std::uint8_t>(MemfdName::longest);
}
void shorter_names(World&, Op& op) {
  const bool longest = op.code == OpCode::memfd && static_cast<MemfdName>(op.byte) == MemfdName::longest;
  if (longest) op.byte = static_cast<std::uint8_t>(MemfdName::longer);
}

constexpr Fault kFaults[] = {
    {"seal-shrink-ignored", "ftruncate shrinks a file under F_SEAL_SHRINK", kShrink,
     ignores<OpCode::ftruncate, program::seal::kShrink>, put_back<OpCode::ftruncate, program::seal::kShrink>,
     true},
    {"seal-grow-ignored-by-write", "write extends a file under F_SEAL_GROW", kGrow,
     ignores<OpCode::pwrite, program::seal::kGrow>, put_back<OpCode::pwrite, program::seal::kGrow>, true},
    {"seal-grow-ignored-by-fallocate",
     "fallocate extends a file under F_SEAL_GROW",
     kGrow,
     ignores<OpCode::fallocate, program::seal::kGrow>,
     put_back<OpCode::fallocate, program::seal::kGrow>,
     true,
     {},
     true},
    {"seal-write-ignored-by-write", "write changes a file under F_SEAL_WRITE", kWrite,
     ignores<OpCode::pwrite, program::seal::kWrite>, put_back<OpCode::pwrite, program::seal::kWrite>, true},
    {"seal-write-ignored-by-punch",
     "holes are punched under F_SEAL_WRITE",
     kWrite,
     ignores<OpCode::fallocate, program::seal::kWrite>,
     put_back<OpCode::fallocate, program::seal::kWrite>,
     true,
     {},
     true},
    {"seal-future-write-ignored-by-mmap", "new mappings store under F_SEAL_FUTURE_WRITE", kMapped,
     ignores<OpCode::mmap, kFutureWrite>, put_back<OpCode::mmap, kFutureWrite>, true},
    {"seal-seal-ignored", "seals are added under F_SEAL_SEAL", kAgain, ignores<OpCode::seal, kSeal>,
     put_back<OpCode::seal, kSeal>, true},
    {"seal-busy-ignored", "F_SEAL_WRITE is granted while a shared mapping can store", kBusy, nullptr,
     busy_accepted, false},
    {"seal-write-counts-private",
     "private mappings keep a file from F_SEAL_WRITE",
     kPrivate,
     nullptr,
     private_mappings_count,
     true,
     {},
     true},
    {"seal-mapping-upgradable",
     "a read-only mapping of a sealed file can be made writable",
     kUpgrade,
     nullptr,
     upgradable,
     false,
     {},
     true},
    {"seal-future-write-stops-old",
     "F_SEAL_FUTURE_WRITE takes PROT_WRITE from the mappings that are there",
     kOld,
     nullptr,
     future_write_stops_old,
     false,
     {},
     true},
    {"memfd-always-sealable", "a memory file can be sealed without MFD_ALLOW_SEALING", kInitial,
     always_sealable, nullptr, false},
    {"seals-replaced", "F_ADD_SEALS replaces the seals", kRemoved, nullptr, seals_replace, false},
    {"memfd-name-not-shown", "the link of a memory file has one name for all", kName, nullptr,
     all_have_one_name, false},
    {"memfd-name-names-a-file", "memfd_create of a name that is in use gives the file that has it", kDistinct,
     nullptr, one_file_of_a_name, true},
    {"memfd-name-longer", "memfd_create accepts a name of 250 bytes", kNameLimit, longer_names, nullptr,
     false},
    {"memfd-name-shorter", "memfd_create refuses a name of 249 bytes", kNameLimit, shorter_names, nullptr,
     false},
};

}  // namespace

std::span<const Fault> seal_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
