// Starting the executor of a target that is not the model, and the descriptors that lead to it.
#pragma once

#include <string>
#include <vector>

#include "harness/disk_image.h"
#include "harness/fd.h"
#include "harness/process.h"
#include "harness/result.h"
#include "harness/target.h"

namespace shmcheck::harness {

struct Link {
  Process process;
  std::size_t ahead = 0;       // bytes that may be on their way to the target; 0: as many as the pipe takes
  Fd to, from;                 // the channel; both non-blocking
  Fd console;                  // standard error, or a guest's console; non-blocking
  std::string conformance;     // path of the conformance binary on the target, unless its command runs that
  std::string room;            // where the target mounts its file systems, for that binary; empty: not known
  std::vector<Absent> absent;  // what the runner could not provide
  std::vector<DiskImage> disks;  // of a machine; one that is started anew is given them again
};

// Empty on success, else a sentence. `worker` picks the core of a target that has to be pinned.
std::string start_kernel(const TargetSpec& spec, int worker, Link& link);
std::string start_command(const TargetSpec& spec, int worker, Link& link);
// A program of ours, `executor` or `conformance`, run by the command line of a `cmd:` target. `file` must
// live until it has been started. Empty on success, else a sentence.
std::string command_launch(const TargetSpec& spec, std::string_view program,
                           const std::vector<std::string>& arguments, Fd& file, Launch& launch);

// With the disks of the link, or, if it has none, with new ones.
std::string start_uml(const TargetSpec& spec, int worker, Link& link);

// Empty if the file may be a User-Mode Linux kernel; else what it is instead. `file` is then open.
std::string open_uml_image(const TargetSpec& spec, Fd& file);

// The core for a worker: cores of this process's affinity mask in turn, beginning at one that differs from
// run to run, so that several runs beside each other spread. -1 if the mask cannot be read.
int core_for(int worker);

}  // namespace shmcheck::harness
