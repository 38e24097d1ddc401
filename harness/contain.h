// The child's side of starting a process: namespaces, the init above a contained process, descriptors, exec.
#pragma once

#include <sys/types.h>

#include <string>

#include "harness/process.h"

namespace shmcheck::harness {

struct Started {
  pid_t pid = -1;
  bool contained = false;
  std::string error;  // if pid is -1
};

// The child writes a sentence to `trouble` if it fails before it has executed its image; executing closes it.
// The runner holds the other end of `end`: the child dies if it is gone. A contained process's init writes
// the wait status to it, and keeps it open as long as it lives.
Started start_child(const Launch& launch, int trouble, int end);

}  // namespace shmcheck::harness
