// The op `chattr`, and the attribute that it works on: FS_APPEND_FL, ioctl_iflags(2).
#include "executor/attributes.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "executor/call.h"
#include "executor/files.h"
#include "executor/users.h"

namespace shmcheck::executor {
namespace {

// A file system that does not know the attribute does not say in statx(2) whether a file has it.
bool tells_append(int fd) {
  struct statx file = {};
  return !failed(sys(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &file)) &&
         (file.stx_attributes_mask & STATX_ATTR_APPEND) != 0;
}

}  // namespace

// Only capable() grants it, which asks in the first user namespace (fs/ioctl.c, fileattr_set_prepare).
program::AppendAttribute append_attribute(int fd) {
  using program::AppendAttribute;
  int flags = 0;
  if (!tells_append(fd) || failed(sys(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags))) return AppendAttribute::none;
  if (!has_capability(CAP_LINUX_IMMUTABLE) || !is_first_userns()) return AppendAttribute::fixed;
  return is_capable() ? AppendAttribute::settable : AppendAttribute::none;
}

long set_append_only(int directory, const char* name, bool on) {
  const long fd = sys(SYS_openat, directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (failed(fd)) return fd;
  int flags = 0;
  long result = sys(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags);
  flags = on ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
  if (!failed(result)) result = sys(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);
  sys(SYS_close, fd);
  return result;
}

void perform_chattr(Call& call) {
  const bool on = static_cast<program::AppendOnly>(call.op.small) == program::AppendOnly::on;
  settle(call, set_append_only(AT_FDCWD, PathName(call.op.object).c_str(), on));
}

}  // namespace shmcheck::executor
