// The op `fill`: the file system that programs work in is full from now on, or no more.
#include "model/rules.h"

namespace shmcheck::model {
namespace {

// ext4 records up to four parts of a file in its inode. For more there is a block, which is free again once
// some have become one: where what was allocated is written, or what was written is zeroed
// (ext4_ext_try_to_merge_up). That comes with the next writeback, or any later one.
bool may_free_records(const World& w, const Inode& inode) {
  constexpr std::size_t kPartsOfInode = 4;
  return w.fs_of(inode) != program::FileSystem::tmpfs && inode.accessed.size() > kPartsOfInode;
}

}  // namespace

void rule_fill(World& w, Process&, Step& s) {
  if (s.failed(C::none)) return;
  w.full = static_cast<program::Room>(s.op.small) == program::Room::none;
  w.spare_most = w.spare_least = 0;
  if (!w.full) return;
  // On a disk all that is yet to be allocated is written first. What nobody can reach has given back by now
  // what it had.
  for (std::uint32_t i = 0; i < w.inodes.size(); ++i) {
    Inode& inode = w.inodes[i];
    if (!w.of_full(inode)) continue;
    w.certainly_stored(i, 0, UINT64_MAX);
    inode.left = false;
  }
  w.note_left_files();
  w.spare_most = 0;
  for (const Inode& inode : w.inodes) {
    if (!w.of_full(inode)) continue;
    w.spare_most += inode.reclaimed + (may_free_records(w, inode) ? 1 : 0);
  }
}

}  // namespace shmcheck::model
