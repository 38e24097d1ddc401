// st_blocks of fstat(2): how much storage a file has.
#include <fmt/format.h>

#include <algorithm>

#include "model/blame.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEBADF = 9;
constexpr std::uint64_t kUnit = 512;  // stat(2)
using program::FileSystem;

// Blocks of its own records: ext4 keeps four extents in the inode, and else has a block for each 84 of them
// or more that is at least half full (fs/ext4/extents.c; 84 fit into 1 KiB).
std::uint64_t records(const World& w, const Inode& inode) {
  const std::uint64_t extents =
      inode.most_pages * (w.page() / std::min<std::uint64_t>(w.facts().fs_block, w.page()));
  return extents <= 4 ? 0 : 1 + extents / 42;
}

struct Bounds {
  std::uint64_t least = 0, most = UINT64_MAX;  // units
  std::uint64_t whole = 1;                     // in which it is counted
  bool open = false;                           // some freedom lies between
  Freedom freedom = Freedom::allocation;
};

Bounds of_tmpfs(const World& w, const Step& s, const Inode& inode) {
  const std::uint64_t units = w.page() / kUnit;
  const bool at_once = s.profile >= Profile::defacto;  // else at the next sync
  Bounds b{(at_once ? inode.stored : inode.synced).size() * units, inode.accessed.size() * units};
  if (inode.storage_unknown || w.facts().shmem_huge) b.most = UINT64_MAX;
  b.whole = units;
  b.freedom = at_once ? Freedom::residency : Freedom::allocation;
  return b;
}

// A file within one page may lie in the inode (ext4(5) inline_data), and a page with a byte may have a single
// block, if blocks are smaller. What xfs and btrfs allocate ahead and in copies, no document says.
Bounds of_disk(const World& w, const Inode& inode) {
  const std::uint64_t block = std::min<std::uint64_t>(w.facts().fs_block, w.page());
  Bounds b;
  if (w.fs_of(inode) != FileSystem::other) b.least = inode.synced.size() * (block / kUnit);
  if (inode.size <= w.page())
    b.least = std::min<std::uint64_t>(b.least, 1);
  else if (w.fs_of(inode) != FileSystem::other)
    b.whole = block / kUnit;
  if (w.fs_of(inode) == FileSystem::ext4 && !inode.storage_unknown)
    b.most = inode.accessed.size() * (w.page() / kUnit) + records(w, inode) * (block / kUnit);
  return b;
}

Bounds bounds(const World& w, const Step& s, const Inode& inode) {
  Bounds b = w.fs_of(inode) == FileSystem::tmpfs ? of_tmpfs(w, s, inode) : of_disk(w, inode);
  b.open = b.least != b.most;
  return b;
}

bool was_punched(const Inode& inode) {
  return inode.removed_by == C::punch_zero || inode.removed_by == C::madvise_remove;
}

// What demands that there is as much, and no more.
C clause_of_least(const Inode& inode) {
  return inode.stored_by_mapping ? C::access_hole_allocates : C::none;
}
C clause_of_most(const World& w, const Inode& inode) {
  if (was_punched(inode)) return C::punch_frees;
  const bool has_hole = w.up(inode.size) / w.page() > inode.accessed.size();
  return w.fs_of(inode) != FileSystem::tmpfs && has_hole ? C::access_hole_zero : C::none;
}

}  // namespace

void rule_blocks(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file) s.must(kEBADF, clause_of_closed(p, s.op.object));
  if (s.failed(C::none)) return;
  const Inode& inode = w.inodes[file->inode];
  const Bounds b = bounds(w, s, inode);
  const bool tmpfs = w.fs_of(inode) == FileSystem::tmpfs;
  const std::uint64_t made = (tmpfs ? inode.accessed : inode.stored).size() * (w.page() / kUnit);
  if (s.running()) {
    s.made().value = made;
    return;
  }
  const std::uint64_t seen = s.seen().value;
  if (b.open) s.uses(b.freedom);
  if (b.least > 0) s.applies(clause_of_least(inode));
  if (b.most != UINT64_MAX) s.applies(clause_of_most(w, inode));
  const bool possible = s.expect(seen % b.whole == 0, clause_of_least(inode),
                                 [&] { return fmt::format("a multiple of {} units of 512 bytes", b.whole); });
  if (!possible) return s.adopted();
  if (b.least <= seen && seen <= b.most) return;
  const C clause = seen < b.least ? clause_of_least(inode) : clause_of_most(w, inode);
  s.diverge(clause,
            b.most == UINT64_MAX ? fmt::format("at least {} units of 512 bytes", b.least)
                                 : fmt::format("{} to {} units of 512 bytes", b.least, b.most),
            fmt::format("{}", seen));
  s.adopted();  // the bytes are the same
}

}  // namespace shmcheck::model
