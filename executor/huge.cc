#include "executor/huge.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include "executor/control.h"
#include "executor/hello.h"
#include "executor/small_file.h"
#include "executor/users.h"

namespace shmcheck::executor {
namespace {

using program::HugePages;
using program::kHugeUsersUnknown;

constexpr const char* kGroup = "/proc/sys/vm/hugetlb_shm_group";

bool read_one(const char* path, std::uint64_t& value) {
  char room[32];
  std::string_view text;
  return !failed(read_small_file(path, room, text)) && take_number(text, value);
}

// In bytes; 0 where /proc/meminfo does not say it.
std::uint64_t default_size() {
  constexpr std::string_view kLabel = "Hugepagesize:";
  constexpr std::uint64_t kUnit = 1024;
  char room[4096];
  std::string_view text;
  if (failed(read_small_file("/proc/meminfo", room, text))) return 0;
  const std::size_t at = text.find(kLabel);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + kLabel.size());
  std::uint64_t value = 0;
  return take_number(text, value) ? value * kUnit : 0;
}

bool has_supplementary(std::uint32_t group) {
  constexpr int kMost = 1024;
  static gid_t groups[kMost];
  const long count = sys(SYS_getgroups, kMost, groups);
  if (failed(count)) return true;
  for (long i = 0; i < count; ++i)
    if (groups[i] == group) return true;
  return false;
}

std::uint64_t group_of_machine = UINT64_MAX;

}  // namespace

// Files of /proc/sys that are not there while others are, are those of a kernel without.
void find_huge_pages() {
  constexpr const char* kPool = "/proc/sys/vm/nr_hugepages";
  std::uint64_t pages = 0, more = 0, any = 0;
  target.layout.huge = HugePages::unknown;
  if (read_one(kPool, pages) && read_one("/proc/sys/vm/nr_overcommit_hugepages", more)) {
    target.layout.huge_page = default_size();
    if (target.layout.huge_page == 0)
      return say_absent("huge pages", "/proc/meminfo does not say their size");
    target.layout.huge = pages == 0 && more == 0 ? HugePages::empty : HugePages::some;
  } else if (sys(SYS_faccessat, AT_FDCWD, kPool, 0) == -ENOENT &&
             read_one("/proc/sys/vm/overcommit_memory", any)) {
    target.layout.huge = HugePages::none;
  } else {
    say_absent("huge pages", kPool);
  }
}

// The group counts in the first user namespace, and so does the capability (fs/hugetlbfs/inode.c,
// can_do_hugetlb_shm). A process that becomes another user keeps neither its capabilities nor further groups.
void find_huge_group() {
  target.layout.huge_users = kHugeUsersUnknown;
  if (!is_first_userns() || !read_one(kGroup, group_of_machine)) return;
  const bool own = sys(SYS_getegid) == static_cast<long>(group_of_machine);
  if (own || !has_supplementary(static_cast<std::uint32_t>(group_of_machine)))
    target.layout.huge_users = own ? 1 : 0;
}

void find_huge_users() {
  if (is_first_userns() && has_capability(CAP_IPC_LOCK) && !is_capable())
    target.layout.huge_users = kHugeUsersUnknown;
  if (target.layout.huge_users == kHugeUsersUnknown) return say_absent("segments of huge pages", kGroup);
  for (unsigned i = 0; i < 2; ++i)
    if (target.other_uid[i] != 0 && target.other_uid[i] == group_of_machine)
      target.layout.huge_users |= 2U << i;
}

bool is_of_huge_pages(int fd) {
  struct statfs fs = {};
  return !failed(sys(SYS_fstatfs, fd, &fs)) && fs.f_type == HUGETLBFS_MAGIC;
}

}  // namespace shmcheck::executor
