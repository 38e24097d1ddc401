#include "conformance/framework/needs.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "conformance/framework/environment.h"
#include "conformance/framework/filesystem.h"
#include "conformance/framework/outcome.h"
#include "conformance/framework/process.h"

namespace shmcheck::conformance {
namespace {

using Evidence = std::optional<std::string>;

Evidence FromTrial(const char* what, int (*attempt)()) {
  const int error = Trial(attempt);
  if (error == 0) return std::nullopt;
  return std::string(what) + (error < 0 ? " ended its process" : " fails with " + ErrnoName(error));
}

template <int Flags>
Evidence CheckUnshare(const char* what) {
  return FromTrial(
      what, +[] { return unshare(Flags) == 0 ? 0 : errno; });
}

int TrySecondUid() {
  if (setgroups(0, nullptr) != 0) return errno;
  if (setresgid(kSecondUid, kSecondUid, kSecondUid) != 0) return errno;
  return setresuid(kSecondUid, kSecondUid, kSecondUid) == 0 ? 0 : errno;
}

int TryMemfd() {
  return syscall(SYS_memfd_create, "need", 0) >= 0 ? 0 : errno;
}

int TryThread() {
  pthread_t thread;
  return pthread_create(
      &thread, nullptr, [](void* p) { return p; }, nullptr);
}

int TryPrivateMounts() {
  if (unshare(CLONE_NEWNS) != 0) return errno;
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
}

Evidence CheckRoot(const Need&) {
  if (geteuid() != 0) return "effective uid is " + std::to_string(geteuid());
  return std::nullopt;
}

// The initial user namespace maps every id to itself.
Evidence CheckMachineRoot(const Need& need) {
  FILE* const file = fopen("/proc/self/uid_map", "re");
  if (file == nullptr) return CheckRoot(need);
  unsigned long inside = 1, outside = 0, count = 0;
  const int fields = fscanf(file, "%lu %lu %lu", &inside, &outside, &count);
  fclose(file);
  if (fields == 3 && inside == 0 && outside == 0 && count == 0xffff'ffff) return CheckRoot(need);
  return std::string("root of a user namespace only");
}

Evidence CheckDirectory(const Directory& directory) {
  if (directory.path.empty()) return directory.evidence;
  return std::nullopt;
}

Evidence CheckBlockDevice(const Need&) {
  const Directory& ext4 = env().at(Place::ext4);
  if (ext4.path.empty()) return ext4.evidence;
  const DeviceOpening opening = OpenDeviceBeneath(ext4.path);
  if (opening.fd.get() < 0) return opening.problem;
  return std::nullopt;
}

Evidence CheckProc(const Need&) {
  FILE* const file = fopen(("/proc/" + std::to_string(getpid()) + "/stat").c_str(), "re");
  if (file == nullptr) return "/proc/PID/stat of this process: " + ErrnoName(errno);
  int pid = 0;
  const int fields = fscanf(file, "%d", &pid);
  fclose(file);
  if (fields != 1 || pid != getpid()) return std::string("/proc belongs to another PID namespace");
  return std::nullopt;
}

Evidence CheckDevShm(const Need&) {
  struct statfs status {};
  if (statfs("/dev/shm", &status) != 0) return "statfs(/dev/shm) fails with " + ErrnoName(errno);
  if (static_cast<unsigned long>(status.f_type) != kTmpfsMagic) return std::string("/dev/shm is no tmpfs");
  return std::nullopt;
}

Evidence CheckHugetlb(const Need& need) {
  FILE* const file = fopen("/proc/meminfo", "re");
  if (file == nullptr) return "/proc/meminfo: " + ErrnoName(errno);
  char line[256];
  long free_pages = -1;
  while (fgets(line, sizeof line, file) != nullptr) {
    if (strncmp(line, "HugePages_Free:", 15) == 0) free_pages = strtol(line + 15, nullptr, 10);
  }
  fclose(file);
  if (free_pages >= need.number) return std::nullopt;
  if (free_pages < 0) return std::string("/proc/meminfo has no HugePages_Free");
  return std::to_string(free_pages) + " huge pages are free, wanted " + std::to_string(need.number);
}

Evidence CheckSwap(const Need&) {
  FILE* const file = fopen("/proc/swaps", "re");
  if (file == nullptr) return "/proc/swaps: " + ErrnoName(errno);
  int lines = 0;
  for (int c = getc(file); c != EOF; c = getc(file)) lines += c == '\n' ? 1 : 0;
  fclose(file);
  if (lines > 1) return std::nullopt;
  return std::string("/proc/swaps lists none");
}

Evidence CheckKernel(const Need& need) {
  const Environment& e = env();
  if (e.kernel_major > need.number || (e.kernel_major == need.number && e.kernel_minor >= need.second)) {
    return std::nullopt;
  }
  return "the kernel is " + e.release;
}

Evidence CheckKernelOutside(const Need& need) {
  const int release = env().kernel_major * 1000 + env().kernel_minor;
  if (release < need.number || release > need.second) return std::nullopt;
  return "the kernel is " + env().release;
}

Evidence CheckPath(const Need& need) {
  if (access(need.text, F_OK) == 0) return std::nullopt;
  return std::string(need.text) + ": " + ErrnoName(errno);
}

struct Kind {
  NeedKind kind;
  const char* name;
  Evidence (*check)(const Need&);
};

constexpr Kind kKinds[] = {
    {NeedKind::root, "root", CheckRoot},
    {NeedKind::machine_root, "machine-root", CheckMachineRoot},
    {NeedKind::second_uid, "second-uid",
     [](const Need&) { return FromTrial("becoming uid and gid 65534", TrySecondUid); }},
    {NeedKind::ipc_namespace, "ipc-namespace",
     [](const Need&) { return CheckUnshare<CLONE_NEWIPC>("unshare(CLONE_NEWIPC)"); }},
    {NeedKind::mount_namespace, "mount-namespace",
     [](const Need&) { return FromTrial("a private mount namespace", TryPrivateMounts); }},
    {NeedKind::pid_namespace, "pid-namespace",
     [](const Need&) { return CheckUnshare<CLONE_NEWPID>("unshare(CLONE_NEWPID)"); }},
    {NeedKind::user_namespace, "user-namespace",
     [](const Need&) { return CheckUnshare<CLONE_NEWUSER>("unshare(CLONE_NEWUSER)"); }},
    {NeedKind::tmpfs, "tmpfs", [](const Need&) { return CheckDirectory(env().at(Place::tmpfs)); }},
    {NeedKind::ext4, "ext4", [](const Need&) { return CheckDirectory(env().at(Place::ext4)); }},
    {NeedKind::block_device, "block-device", CheckBlockDevice},
    {NeedKind::memfd, "memfd", [](const Need&) { return FromTrial("memfd_create", TryMemfd); }},
    {NeedKind::proc, "proc", CheckProc},
    {NeedKind::dev_shm, "dev-shm", CheckDevShm},
    {NeedKind::hugetlb, "hugetlb", CheckHugetlb},
    {NeedKind::swap, "swap", CheckSwap},
    {NeedKind::kernel, "kernel", CheckKernel},
    {NeedKind::kernel_outside, "kernel-outside", CheckKernelOutside},
    {NeedKind::path, "path", CheckPath},
    {NeedKind::threads, "threads", [](const Need&) { return FromTrial("pthread_create", TryThread); }},
};

const Kind& KindOf(const Need& need) {
  for (const Kind& kind : kKinds) {
    if (kind.kind == need.kind) return kind;
  }
  abort();
}

}  // namespace

int Trial(int (*attempt)()) {
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) _exit(attempt());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string NeedName(const Need& need) {
  std::string name = KindOf(need).name;
  if (need.kind == NeedKind::kernel) {
    return name + ">=" + std::to_string(need.number) + "." + std::to_string(need.second);
  }
  if (need.kind == NeedKind::kernel_outside) {
    const auto release = [](int number) {
      return std::to_string(number / 1000) + "." + std::to_string(number % 1000);
    };
    return name + ":" + release(need.number) + "-" + release(need.second);
  }
  if (need.kind == NeedKind::hugetlb) return name + ">=" + std::to_string(need.number);
  if (need.kind == NeedKind::path) return name + ":" + need.text;
  return name;
}

std::optional<std::string> Missing(const Need& need) {
  static std::map<std::string, Evidence> known;
  const std::string name = NeedName(need);
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  return known[name] = KindOf(need).check(need);
}

}  // namespace shmcheck::conformance
