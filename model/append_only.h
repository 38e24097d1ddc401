// The append-only attribute of files: chattr, and what it refuses.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

// States the error of a call that the attribute refuses. Where a crash has left it unknown, the outcome says
// what it is, unless something else is wrong as well.
void append_only_errors(Inode& inode, Step& s, int error, C clause = C::none);
// What a mapping of the file knows of it: beneath an overlay, which keeps the attribute to itself, it shows a
// file without (fs/overlayfs/inode.c, ovl_fileattr_set).
Attribute append_only_when_mapped(const World& w, const Inode& inode);
// The machine is started anew: of the attribute that a program has changed it is not known whether it was
// written.
void append_only_outlives(Inode& inode, bool crashed);

}  // namespace shmcheck::model
