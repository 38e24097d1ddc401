// Faults of fallocate.
#include "model/blame.h"
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Allocate;

bool punches(const Op& op) {
  return requests(op, OpCode::fallocate, Allocate::punch);
}

Inode* allocated(World& w, const Op& op, const Outcome& o) {
  OpenFile* file = op.code == OpCode::fallocate && ok(o) ? descriptor(w, op) : nullptr;
  return file ? &w.inodes[file->inode] : nullptr;
}

// --- holes
constexpr C kHole[] = {C::punch_zero, C::private_initial_content, C::private_later_file_changes};
constexpr std::uint64_t kNegative = std::uint64_t{1} << 63;
void whole_pages_only(World& w, Op& op) {
  if (!punches(op)) return;
  std::uint64_t low = w.up(w.value(op.off)), high = w.down(w.value(op.off) + w.value(op.len));
  bool refused = w.value(op.len) == 0 || w.value(op.len) >= kNegative || w.value(op.off) >= kNegative;
  if (refused || low >= high) return;
  auto pages = [&](std::uint64_t bytes) {
    return program::Quantity{0, static_cast<std::int16_t>(bytes / w.page()), 0};
  };
  if (high / w.page() > 1000) return;
  op.off = pages(low);
  op.len = pages(high - low);
}
constexpr C kStays[] = {
    C::punch_zero,     C::share_write_to_mapping, C::access_read,     C::share_mapping_to_read,
    C::slack_writable, C::share_aliases,          C::share_unrelated, C::fork_shared_both_ways};
void one_byte_more(const World& was, World& w, const Op& op, Outcome& o) {
  Inode* inode = punches(op) ? allocated(w, op, o) : nullptr;
  if (!inode) return;
  std::uint64_t end = was.value(op.off) + was.value(op.len);
  if (end < inode->size) inode->bytes.fill(end, 0, 1, w.page());
}
constexpr C kCopies[] = {C::punch_private_kept, C::access_read, C::private_isolated, C::fork_private_snapshot,
                         C::punch_zero};
void drops_private_copies(const World& was, World& w, const Op& op, Outcome& o) {
  if (!punches(op) || !allocated(w, op, o)) return;
  auto inode = static_cast<std::int32_t>(descriptor(w, op)->inode);
  std::uint64_t first = w.up(was.value(op.off)) / w.page(),
                last = (was.value(op.off) + was.value(op.len)) / w.page();
  for (Process& p : w.processes) {
    for (Vma& v : p.memory.vmas()) {
      if (!v.shared && v.inode == inode && first < last) v.copies.drop(first, last);
    }
  }
}
constexpr C kRefill[] = {C::punch_refill, C::access_write};
void stores_into_holes_are_lost(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::store || !ok(o)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (!v || !in_hole(was, *v, v->object_offset(was.value(op.addr), w.page()))) return;
  w.object_of(*v).bytes = was.object_of(*v).bytes;
}
constexpr C kSize[] = {C::eof_accessible_extent,        C::access_hole_zero,      C::punch_size_kept,
                       C::mmap_sizes_never_change_file, C::fallocate_extend,      C::access_beyond_object,
                       C::access_syscall_efault,        C::slack_size_unchanged,  C::slack_not_readable,
                       C::fallocate_zero_range,         C::mmap_create_empty_file};
void keeps_no_size(World&, Op& op) {
  if (requests(op, OpCode::fallocate, Allocate::keep)) op.small = static_cast<std::uint8_t>(Allocate::extend);
}
void never_extends(World&, Op& op) {
  if (requests(op, OpCode::fallocate, Allocate::extend)) op.small = static_cast<std::uint8_t>(Allocate::keep);
}

constexpr Fault kFaults[] = {
    {"punch-whole-pages-only", "a hole leaves the parts of pages at its ends", kHole, whole_pages_only,
     nullptr, false},
    {"punch-one-byte-more", "a hole takes the byte behind it, too", kStays, nullptr, one_byte_more, false},
    {"punch-drops-private-copies",
     "a hole removes private copies",
     kCopies,
     nullptr,
     drops_private_copies,
     false,
     {},
     true},
    {"punch-refill-lost",
     "a store into a page that a hole was punched in is lost",
     kRefill,
     nullptr,
     stores_into_holes_are_lost,
     true,
     {},
     true},
    {"fallocate-keep-extends", "FALLOC_FL_KEEP_SIZE is ignored", kSize, keeps_no_size, nullptr, false},
    {"fallocate-never-extends", "fallocate does not change the size of a file", kSize, never_extends, nullptr,
     false},
};

}  // namespace

std::span<const Fault> fallocate_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
