#include "executor/objects.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "executor/call.h"
#include "executor/hello.h"
#include "executor/text.h"

namespace shmcheck::executor {
namespace {

constexpr const char* kDirectory = "/dev/shm";
constexpr FlagPair kOpenFlags[] = {{program::openflag::kCreat, O_CREAT},
                                   {program::openflag::kExcl, O_EXCL},
                                   {program::openflag::kTrunc, O_TRUNC}};
constexpr long kAccess[] = {O_RDONLY, O_RDWR};

bool mounted = false;

// The last name is as long as names can be, `long` a byte longer.
class ObjectName {
 public:
  explicit ObjectName(std::uint8_t object) {
    constexpr std::size_t kNameMax = 255;
    path_ << kDirectory << "/shmcheck-o" << static_cast<int>(object) << "-";
    path_.hex(target.object_tag);
    std::size_t bytes = object == program::kObjectLong     ? kNameMax + 1
                        : object == program::kObjects - 1u ? kNameMax
                                                           : 0;
    const std::size_t before_name = std::string_view(kDirectory).size() + 1;
    while (path_.view().size() < before_name + bytes) path_ << "-";
  }
  const char* c_str() const { return path_.c_str(); }

 private:
  Text<320> path_;
};

// What the documents say of POSIX shared memory holds of a tmpfs in which nobody removes what is others'.
bool is_fit() {
  struct statfs fs = {};
  struct stat st = {};
  long result = sys(SYS_statfs, kDirectory, &fs);
  if (!failed(result)) result = sys(SYS_newfstatat, AT_FDCWD, kDirectory, &st, 0);
  if (failed(result)) {
    say_absent("POSIX shared memory", kDirectory, result);
    return false;
  }
  target.objects_noexec = (fs.f_flags & ST_NOEXEC) != 0;
  bool fit = fs.f_type == TMPFS_MAGIC && (st.st_mode & 07777) == 01777;
  if (!fit) say_absent("POSIX shared memory", "/dev/shm is no tmpfs of mode 1777");
  return fit;
}

}  // namespace

void prepare_objects() {
  if (target.private_mounts) {
    // The program's directory is as a rule on a mount that allows execution, so both kinds are there.
    long result = sys(SYS_mount, "shmcheck", kDirectory, "tmpfs", MS_NOEXEC, "mode=1777");
    mounted = !failed(result);
    if (!mounted) say_absent("own /dev/shm", "mount", result);
  }
  sys(SYS_getrandom, &target.object_tag, sizeof target.object_tag, 0);
  target.has_objects = target.object_tag != 0 && is_fit();
}

void forget_objects() {
  if (mounted) sys(SYS_umount2, kDirectory, MNT_DETACH);
}

void remove_objects() {
  for (std::uint8_t i = 0; i < program::kObjects; ++i) {
    if ((control->objects_created >> i & 1) == 0) continue;
    sys(SYS_unlinkat, AT_FDCWD, ObjectName(i).c_str(), 0);  // ENOENT: the program did it
  }
}

// As the libraries do it: open(2) in /dev/shm, close-on-exec and no symbolic links.
void perform_shm_open(Call& call) {
  const Op& op = call.op;
  long flags = translate(op.flags, kOpenFlags) | kAccess[op.small] | O_CLOEXEC | O_NOFOLLOW;
  long fd = into_slot(sys(SYS_openat, AT_FDCWD, ObjectName(op.object).c_str(), flags, op.mode), op.result,
                      O_CLOEXEC);
  if (!failed(fd)) {
    control->objects_created = static_cast<std::uint8_t>(control->objects_created | 1U << op.object);
    remember_identity(descriptor(op.result), static_cast<std::uint8_t>(program::kNames + op.object));
  }
  settle(call, fd);
}

// Where the directory's sticky bit keeps an object, POSIX has EACCES and the kernel EPERM.
void perform_shm_unlink(Call& call) {
  long result = sys(SYS_unlinkat, AT_FDCWD, ObjectName(call.op.object).c_str(), 0);
  settle(call, result == -EPERM ? -EACCES : result);
}

}  // namespace shmcheck::executor
