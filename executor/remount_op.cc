// The op `remount`: unmounting and mounting the file system of the program's directory.
#include <sys/mount.h>

#include "executor/call.h"

namespace shmcheck::executor {
namespace {

// The second call undoes the first. Where it is not made, or fails, the file system is lost for every program
// after this one, whatever this one does to it then: the supervisor ends.
template <typename First, typename Second>
long and_back(First first, Second second) {
  const bool lost = control->disk.lost;
  control->disk.lost = true;
  long result = first();
  const bool changed = !failed(result);
  if (changed) result = second();
  control->disk.lost = lost || (changed && failed(result));
  return result;
}

}  // namespace

void perform_remount(Call& call) {
  const MountedDisk& disk = control->disk;
  const char* point = disk.point.c_str();
  const bool again = static_cast<program::Remount>(call.op.small) == program::Remount::again;
  auto mount = [point](const char* source, const char* type, unsigned long flags) {
    return sys(SYS_mount, source, point, type, flags, nullptr);
  };
  settle(call, again ? and_back([&] { return sys(SYS_umount2, point, 0); },
                                [&] { return mount(disk.source.c_str(), disk.type.c_str(), 0); })
                     : and_back([&] { return mount(nullptr, nullptr, MS_REMOUNT | MS_RDONLY); },
                                [&] { return mount(nullptr, nullptr, MS_REMOUNT); }));
}

}  // namespace shmcheck::executor
