#include "executor/users.h"

#include <linux/capability.h>

#include <string_view>

#include "executor/control.h"
#include "executor/hello.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

// Those that the documents of shared memory and files speak of. Containers often lack others.
constexpr unsigned kCapabilities[] = {CAP_CHOWN,    CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
                                      CAP_FOWNER,   CAP_FSETID,       CAP_KILL,
                                      CAP_IPC_LOCK, CAP_IPC_OWNER,    CAP_SYS_ADMIN};

// A line of a map of ids.
struct IdRange {
  std::uint64_t inside, outside, count;
};

// Takes the next line off `text`; false at its end.
bool take_range(std::string_view& text, IdRange& range) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  return take_number(text, range.inside) && take_number(text, range.outside) &&
         take_number(text, range.count);
}

// A target without the file has no user namespaces.
bool is_mapped(const char* path, std::uint32_t id) {
  char room[4096];
  std::string_view text;
  if (failed(read_small_file(path, room, text))) return true;
  for (IdRange range; take_range(text, range);)
    if (id >= range.inside && id - range.inside < range.count) return true;
  return false;
}

bool exists(std::uint32_t id) {
  return id != 0 && is_mapped("/proc/self/uid_map", id) && is_mapped("/proc/self/gid_map", id);
}

}  // namespace

void find_users(const Options& options) {
  target.uid = static_cast<std::uint32_t>(sys(SYS_geteuid));
  target.gid = static_cast<std::uint32_t>(sys(SYS_getegid));
  if (target.uid != 0) {
    say_absent("other users", "not root");
  } else if (!exists(options.other_uid[0]) || !exists(options.other_uid[1])) {
    say_absent("other users", "the user namespace does not map their ids");
  } else {
    target.other_uid[0] = options.other_uid[0];
    target.other_uid[1] = options.other_uid[1];
  }
}

bool is_first_userns() {
  char room[128];
  std::string_view text;
  if (failed(read_small_file("/proc/self/uid_map", room, text))) return true;
  IdRange all = {};
  return take_range(text, all) && all.inside == 0 && all.outside == 0 && all.count == UINT32_MAX;
}

bool has_capability(unsigned capability) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return !failed(sys(SYS_capget, &header, data)) &&
         (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

bool is_capable() {
  for (unsigned capability : kCapabilities)
    if (!has_capability(capability)) return false;
  return true;
}

}  // namespace shmcheck::executor
