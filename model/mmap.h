// What an mmap(2) asks for, and what is wrong with it.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

struct MmapRequest {
  std::uint64_t address, length, offset, pages;  // pages: length rounded up, in bytes
  bool anonymous, shared, validate, fixed, noreplace, write, huge;
  program::MapSource source;
  bool sealed = false;    // seals are the first thing that is wrong
  bool no_space = false;  // RLIMIT_AS has none for what would replace the range
  OpenFile* file = nullptr;
};

MmapRequest mmap_request(World& w, const Process& p, const Op& op);
// States that it cannot grow as a stack does: private anonymous memory of ordinary pages alone can, and that
// is withheld.
void mmap_stack_errors(Step& s, const MmapRequest& r);
// States that it would lock too much: looked at when a place has been found, and before the file is.
void mmap_lock_errors(const World& w, const Process& p, Step& s, const MmapRequest& r);
// States the argument errors, in the order of ksys_mmap_pgoff and do_mmap, and notes in the request those
// that are found when what was there may have gone.
void mmap_errors(World& w, const Process& p, Step& s, MmapRequest& r);

}  // namespace shmcheck::model
