// Faults of storage: what files have of it, and a file system that is full.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Allocate;

Inode* of_descriptor(World& w, const Op& op, const Outcome& o) {
  OpenFile* file = ok(o) ? descriptor(w, op) : nullptr;
  return file ? &w.inodes[file->inode] : nullptr;
}

Inode* of_address(World& w, const Op& op, bool shared) {
  const Vma* v = vma_at(w, op);
  if (!v || v->inode < 0 || v->shared != shared || v->segment >= 0) return nullptr;
  return &w.object_of(*v);
}

void takes_pages_of(Inode& to, const Inode& from) {
  to.stored = from.stored;
  to.accessed = from.accessed;
  to.synced = from.synced;
}

// --- st_blocks
constexpr C kPunchOnly[] = {C::punch_keep_size_required};
void punch_keeps_size_unasked(World&, Op& op) {
  if (requests(op, OpCode::fallocate, Allocate::punch_only))
    op.small = static_cast<std::uint8_t>(Allocate::punch);
}
constexpr C kFrees[] = {C::punch_frees};
void punch_frees_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  const bool punches = requests(op, OpCode::fallocate, Allocate::punch);
  Inode* inode = punches ? of_descriptor(w, op, o) : nullptr;
  if (inode) takes_pages_of(*inode, was.inodes[descriptor(w, op)->inode]);
}
void remove_frees_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  Inode* inode = advises(op, program::Advice::remove) && ok(o) ? of_address(w, op, true) : nullptr;
  if (inode) takes_pages_of(*inode, was.object_of(*vma_at(w, op)));
}
constexpr C kAllocates[] = {C::access_hole_allocates};
void store_allocates_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  Inode* inode = op.code == OpCode::store && ok(o) ? of_address(w, op, true) : nullptr;
  if (inode) takes_pages_of(*inode, was.object_of(*vma_at(w, op)));
}
constexpr C kHoleZero[] = {C::access_hole_zero, C::access_no_space, C::limit_tmpfs_size,
                           C::access_syscall_efault};
void load_allocates(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::load || !ok(o)) return;
  const Vma* v = vma_at(w, op);
  if (!v || !v->shared || v->inode < 0) return;
  const std::uint64_t offset = v->object_offset(w.value(op.addr), w.page());
  w.takes_storage(static_cast<std::uint32_t>(v->inode), offset, offset + 1);
}

// --- a full file system
constexpr C kNoSpace[] = {C::access_no_space, C::limit_tmpfs_size};
void store_finds_space(World& w, Op& op) {
  if (op.code == OpCode::store) w.full = false;
}
void write_finds_space(World& w, Op& op) {
  if (op.code == OpCode::pwrite) w.full = false;
}
void full_again(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::store || op.code == OpCode::pwrite) w.full = was.full;
}
constexpr C kThere[] = {C::access_no_space, C::access_syscall_efault, C::access_preallocated};
void refuses_what_is_there(World& w, Op& op) {
  if (op.code != OpCode::fill || static_cast<program::Room>(op.small) != program::Room::none) return;
  for (Inode& inode : w.inodes) {
    if (inode.kind == InodeKind::file) inode.stored = inode.accessed = PageSet();
  }
}
constexpr C kPreallocated[] = {C::access_preallocated, C::access_syscall_efault};
void forgets_allocation(World& w, Op& op) {
  if (op.code != OpCode::fill || static_cast<program::Room>(op.small) != program::Room::none) return;
  for (Inode& inode : w.inodes) {
    for (std::uint64_t page = 0; page < 64; ++page) {
      if (!inode.preallocated.contains(page)) continue;
      inode.stored.drop(page, page + 1);
      inode.accessed.drop(page, page + 1);
    }
  }
}
constexpr C kUntouched[] = {
    C::access_no_space,       C::access_preallocated,   C::mmap_sizes_never_change_file,
    C::slack_not_readable,    C::eof_accessible_extent, C::trunc_kept_part_intact,
    C::share_mapping_to_read, C::access_syscall_efault, C::access_read,
    C::access_hole_zero,      C::fallocate_extend,      C::punch_size_kept};
void refused_store_cuts(const World& was, World& w, const Op& op, Outcome& o) {
  const bool refused =
      op.code == OpCode::store && o.kind == OutcomeKind::signal && o.signal == kSIGBUS && was.full;
  const Vma* v = refused ? vma_at(w, op) : nullptr;
  if (!v || v->inode < 0) return;
  const std::uint64_t offset = v->object_offset(w.value(op.addr), w.page());
  Inode& inode = w.object_of(*v);
  if (w.of_full(inode) && offset < inode.size) inode.size = w.down(offset);
}

constexpr Fault kFaults[] = {
    {"punch-needs-no-keep-size", "a hole without FALLOC_FL_KEEP_SIZE is punched", kPunchOnly,
     punch_keeps_size_unasked, nullptr, false},
    {"punch-frees-nothing",
     "a hole keeps the storage that was there",
     kFrees,
     nullptr,
     punch_frees_nothing,
     true,
     {},
     true},
    {"remove-frees-nothing",
     "MADV_REMOVE keeps the storage that was there",
     kFrees,
     nullptr,
     remove_frees_nothing,
     true,
     {},
     true},
    {"mapped-store-allocates-nothing",
     "a store into a hole through a mapping gives the file no storage",
     kAllocates,
     nullptr,
     store_allocates_nothing,
     true,
     {},
     true},
    {"hole-load-allocates",
     "a load from a hole gives a file on a disk storage",
     kHoleZero,
     nullptr,
     load_allocates,
     false,
     {},
     true,
     true},
    {"full-store-works",
     "a store into a hole works although the file system is full",
     kNoSpace,
     store_finds_space,
     full_again,
     true,
     {},
     true},
    {"full-write-works",
     "a write into a hole works although the file system is full",
     kNoSpace,
     write_finds_space,
     full_again,
     true,
     {},
     true},
    {"full-refuses-all",
     "a full file system refuses stores to what has storage, too",
     kThere,
     refuses_what_is_there,
     nullptr,
     false,
     {},
     true},
    {"full-forgets-allocation",
     "what fallocate has allocated is not there when the file system is full",
     kPreallocated,
     forgets_allocation,
     nullptr,
     false,
     {},
     true},
    {"full-store-cuts-the-file",
     "a store that finds no space cuts the file off there",
     kUntouched,
     nullptr,
     refused_store_cuts,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> space_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
