// What uses the program's file system.
#pragma once

#include "model/world.h"

namespace shmcheck::model {

// Descriptors, and mappings, which keep the open file that they were made through. What has filled it up is a
// file without a name, open for writing (executor/fill.cc).
struct MountUses {
  bool descriptor = false, mapping = false;                                          // of any file
  bool writable_descriptor = false, shared_writable = false, writable_file = false;  // open for writing
  bool unlinked = false;                                                             // a file without a name
};

MountUses mount_uses(const World& w);

}  // namespace shmcheck::model
