#include "executor/init.h"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>

#include "executor/control.h"
#include "executor/hello.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

constexpr const char* kDefaultChannel = "/dev/ttyS0";
constexpr const char* kDefaultDisk = "/dev/ubda";

struct Mount {
  const char* type;
  const char* directory;
};
constexpr Mount kMounts[] = {{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}};

// The value of `key` on the kernel command line; `text` is cut into words.
char* take_value(char* text, std::string_view key) {
  for (char* at = text; *at != '\0';) {
    char* end = at;
    while (*end != '\0' && *end != ' ' && *end != '\n') ++end;
    std::string_view word(at, static_cast<std::size_t>(end - at));
    if (word.starts_with(key)) {
      *end = '\0';
      return at + key.size();
    }
    at = *end == '\0' ? end : end + 1;
  }
  return nullptr;
}

// A copy of the command line for every key, since the values stay in it.
char* kernel_option(std::string_view key) {
  static char copies[4][4096];
  static unsigned used = 0;
  if (used == std::size(copies)) return nullptr;
  char* copy = copies[used++];
  std::string_view text;
  if (failed(read_small_file("/proc/cmdline", {copy, sizeof copies[0] - 1}, text))) return nullptr;
  copy[text.size()] = '\0';
  return take_value(copy, key);
}

// The kernel gives init no descriptors if the initramfs has no console; 0, 1 and 2 must not become anything
// else.
void fill_standard_descriptors() {
  long fd = 0;
  while (fd >= 0 && fd < 3) {
    fd = sys(SYS_openat, AT_FDCWD, "/dev/console", O_RDWR);
    if (failed(fd)) fd = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
  }
  if (fd >= 3) sys(SYS_close, fd);
}

// Not to echo, not to translate, no signals and no flow control; a pipe or socket has none of it anyway.
void make_raw(int fd) {
  termios settings;
  if (tcgetattr(fd, &settings) != 0) return;
  cfmakeraw(&settings);
  tcsetattr(fd, TCSANOW, &settings);
}

// `ext4=/dev/ubda,xfs=/dev/ubdb`; what is named of it is cut into words.
bool name_disks(char* text, Options& options) {
  while (text != nullptr && *text != '\0') {
    char* end = std::strchr(text, ',');
    if (end != nullptr) *end = '\0';
    if (!set_disk(text, options)) return false;
    text = end == nullptr ? nullptr : end + 1;
  }
  return true;
}

}  // namespace

bool become_init(Options& options, Sentence& wrong) {
  for (const Mount& m : kMounts) {
    sys(SYS_mkdirat, AT_FDCWD, m.directory, 0755);  // EEXIST as a rule
    long result = sys(SYS_mount, m.type, m.directory, m.type, 0, nullptr);
    if (failed(result)) say_absent(m.directory, "mount", result);
  }
  fill_standard_descriptors();
  for (const char* path : {"/tmpfs", "/dev/shm"}) sys(SYS_mkdirat, AT_FDCWD, path, 0755);
  target.private_ipc = target.private_pids = target.private_mounts = true;
  const char* channel = kernel_option("shmcheck.channel=");
  if (channel == nullptr) channel = kDefaultChannel;
  char* disks = kernel_option("shmcheck.disks=");
  if (disks == nullptr) options.disks[0].source = kDefaultDisk;
  if (!name_disks(disks, options))
    say_absent("shmcheck.disks", "the kernel command line has no FS=DEVICE there");
  const char* timeout = kernel_option("shmcheck.timeout=");
  if (timeout != nullptr && !parse_number(timeout, options.op_timeout_ms)) {
    say_absent("shmcheck.timeout", "the kernel command line has no number there");
  }
  target.reboots = kernel_option("shmcheck.reboot=") != nullptr;
  long fd = sys(SYS_openat, AT_FDCWD, channel, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (failed(fd)) {
    wrong << "the channel " << channel << " cannot be opened: " << error_name(fd);
    return false;
  }
  make_raw(static_cast<int>(fd));
  options.in = options.out = static_cast<int>(fd);
  return true;
}

void power_off(std::string_view last_words) {
  if (!last_words.empty()) {
    sys(SYS_write, 2, last_words.data(), last_words.size());
    sys(SYS_write, 2, "\n", 1);
  }
  sys(SYS_kill, -1, SIGKILL);
  sys(SYS_sync);
  sys(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, nullptr);
  sys(SYS_exit_group, 1);
  __builtin_unreachable();
}

}  // namespace shmcheck::executor
