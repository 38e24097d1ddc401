// Filling up the file system of programs, where it is the executor's own.
//
// The supervisor does it for the process whose op asks, which may have become another user, have limits, or
// have forgotten by exec what the executor had open. A tmpfs is made as large as what it holds; on a disk
// files take whatever is left. They are there, and keep the file system mounted, until all is given back.
#pragma once

#include "executor/mounts.h"

namespace shmcheck::executor {

// Whether the place can be filled, and how large it is, which is put down; 0 or -errno.
long prepare_fill(Place& place);

// The place that is filled from now on; its directory is current.
void choose_fill(const Place& place);

// By the supervisor: does what a process has asked for, if one has.
void answer_fill();

// Gives back what the program that is over has taken; 0 or -errno.
long end_fill();

}  // namespace shmcheck::executor
