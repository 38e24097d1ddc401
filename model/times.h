// When a file's times move: st_mtime by writing, st_atime by reading, and both by way of mappings as the file
// system has it.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

// What was done certainly moves it, or may.
void moves_mtime(Inode& inode, C clause);
void may_move_mtime(Inode& inode);
void may_move_atime(Inode& inode);
// Reading and mapping: certain only of what Linux does, where the mount keeps access times.
void moves_atime(const World& w, const Step& s, Inode& inode);
// A store through a shared mapping of the file.
void store_moves_mtime(World& w, Vma& vma);
// The pages are clean again: the next store through each mapping is noticed.
void stores_are_noticed_again(World& w, std::uint32_t inode);

}  // namespace shmcheck::model
