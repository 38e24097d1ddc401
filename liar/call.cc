#include "liar/call.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <cctype>

namespace shmcheck::liar {
namespace {

constexpr CallSpec kCalls[] = {
    {SYS_mmap, "mmap", Answer::address, false, -1},
    {SYS_munmap, "munmap", Answer::zero, true, -1},
    {SYS_mremap, "mremap", Answer::address, true, -1},
    {SYS_mprotect, "mprotect", Answer::zero, true, -1},
    {SYS_madvise, "madvise", Answer::zero, true, -1},
    {SYS_msync, "msync", Answer::zero, true, -1},
    {SYS_mincore, "mincore", Answer::zero, true, -1},
    {SYS_mlock, "mlock", Answer::zero, true, -1},
    {SYS_mlock2, "mlock2", Answer::zero, true, -1},
    {SYS_munlock, "munlock", Answer::zero, true, -1},
    {SYS_mlockall, "mlockall", Answer::zero, true, -1},
    {SYS_munlockall, "munlockall", Answer::zero, true, -1},
    {SYS_remap_file_pages, "remap_file_pages", Answer::zero, true, -1},
    {SYS_shmget, "shmget", Answer::number, false, -1},
    {SYS_shmat, "shmat", Answer::address, false, -1},
    {SYS_shmdt, "shmdt", Answer::zero, true, -1},
    {SYS_shmctl, "shmctl", Answer::zero, true, -1},
    {SYS_memfd_create, "memfd_create", Answer::descriptor, false, -1},
    {SYS_fcntl, "fcntl", Answer::descriptor, true, -1},
    {SYS_ftruncate, "ftruncate", Answer::zero, true, -1},
    {SYS_truncate, "truncate", Answer::zero, true, -1},
    {SYS_fallocate, "fallocate", Answer::zero, true, -1},
    {SYS_open, "open", Answer::descriptor, false, -1},
    {SYS_openat, "open", Answer::descriptor, false, -1},
    {SYS_close, "close", Answer::zero, true, -1},
    {SYS_unlink, "unlink", Answer::zero, true, -1},
    {SYS_unlinkat, "unlink", Answer::zero, true, -1},
    {SYS_rename, "rename", Answer::zero, true, -1},
    {SYS_link, "link", Answer::zero, true, -1},
    {SYS_linkat, "link", Answer::zero, true, -1},
    {SYS_mkdir, "mkdir", Answer::zero, true, -1},
    {SYS_chmod, "chmod", Answer::zero, true, -1},
    {SYS_fchmod, "fchmod", Answer::zero, true, -1},
    {SYS_fchown, "fchown", Answer::zero, true, -1},
    {SYS_utimensat, "utimensat", Answer::zero, true, -1},
    {SYS_umount2, "umount", Answer::zero, true, -1},
    {SYS_mount, "mount", Answer::zero, false, -1},
    {SYS_access, "access", Answer::zero, false, -1},
    {SYS_stat, "stat", Answer::zero, false, -1},
    {SYS_fstat, "stat", Answer::zero, false, -1},
    {SYS_lstat, "stat", Answer::zero, false, -1},
    {SYS_newfstatat, "stat", Answer::zero, false, -1},
    {SYS_statfs, "statfs", Answer::zero, false, -1},
    {SYS_fstatfs, "statfs", Answer::zero, false, -1},
    {SYS_read, "read", Answer::count, false, 2},
    {SYS_pread64, "read", Answer::count, false, 2},
    {SYS_preadv, "readv", Answer::count, false, -1},
    {SYS_readv, "readv", Answer::count, false, -1},
    {SYS_write, "write", Answer::count, true, 2},
    {SYS_pwrite64, "write", Answer::count, true, 2},
    {SYS_writev, "writev", Answer::count, false, -1},
    {SYS_pwritev, "writev", Answer::count, false, -1},
    {SYS_readlink, "readlink", Answer::count, false, -1},
    {SYS_getcwd, "getcwd", Answer::count, false, -1},
    {SYS_uname, "uname", Answer::zero, false, -1},
    {SYS_pipe2, "pipe2", Answer::zero, false, -1},
    {SYS_pipe, "pipe2", Answer::zero, false, -1},
    {SYS_lseek, "lseek", Answer::number, false, -1},
    {SYS_fsync, "fsync", Answer::zero, true, -1},
    {SYS_fdatasync, "fsync", Answer::zero, true, -1},
    {SYS_sync_file_range, "sync_file_range", Answer::zero, true, -1},
    {SYS_syncfs, "syncfs", Answer::zero, true, -1},
    {SYS_sync, "sync", Answer::zero, true, -1},
    {SYS_fadvise64, "fadvise", Answer::zero, true, -1},
    {SYS_copy_file_range, "copy_file_range", Answer::count, true, 4},
    {SYS_sendfile, "sendfile", Answer::count, false, 3},
    {SYS_process_vm_readv, "process_vm_readv", Answer::count, false, -1},
    {SYS_process_vm_writev, "process_vm_writev", Answer::count, false, -1},
    {SYS_recvmsg, "recvmsg", Answer::count, false, -1},
    {SYS_sendmsg, "sendmsg", Answer::count, false, -1},
    {SYS_prlimit64, "prlimit", Answer::zero, true, -1},
    {SYS_setresuid, "setresuid", Answer::zero, true, -1},
    {SYS_setresgid, "setresgid", Answer::zero, true, -1},
    {SYS_unshare, "unshare", Answer::zero, false, -1},
    {SYS_setns, "setns", Answer::zero, false, -1},
    {SYS_execve, "execve", Answer::zero, false, -1},
    {SYS_execveat, "execve", Answer::zero, false, -1},
    {SYS_futex, "futex", Answer::number, false, -1},
    {SYS_ioctl, "ioctl", Answer::zero, false, -1},
    {SYS_sysinfo, "sysinfo", Answer::zero, false, -1},
    {SYS_kill, "kill", Answer::zero, false, -1},
    {SYS_prctl, "prctl", Answer::zero, false, -1},
};

struct Word {
  long value;
  const char* name;
};

constexpr Word kShmctl[] = {{IPC_RMID, "IPC_RMID"}, {IPC_SET, "IPC_SET"},   {IPC_STAT, "IPC_STAT"},
                            {IPC_INFO, "IPC_INFO"}, {SHM_LOCK, "SHM_LOCK"}, {SHM_UNLOCK, "SHM_UNLOCK"},
                            {SHM_STAT, "SHM_STAT"}, {SHM_INFO, "SHM_INFO"}, {15, "SHM_STAT_ANY"}};
constexpr Word kMadvise[] = {{MADV_NORMAL, "MADV_NORMAL"},
                             {MADV_DONTNEED, "MADV_DONTNEED"},
                             {MADV_REMOVE, "MADV_REMOVE"},
                             {MADV_DONTFORK, "MADV_DONTFORK"},
                             {MADV_DOFORK, "MADV_DOFORK"},
                             {MADV_WIPEONFORK, "MADV_WIPEONFORK"},
                             {MADV_KEEPONFORK, "MADV_KEEPONFORK"},
                             {MADV_FREE, "MADV_FREE"},
                             {MADV_COLD, "MADV_COLD"},
                             {MADV_PAGEOUT, "MADV_PAGEOUT"}};
constexpr Word kFcntl[] = {{F_ADD_SEALS, "F_ADD_SEALS"}, {F_GET_SEALS, "F_GET_SEALS"}, {F_GETFL, "F_GETFL"},
                           {F_GETFD, "F_GETFD"},         {F_SETFL, "F_SETFL"},         {F_SETFD, "F_SETFD"}};

std::string word(std::span<const Word> words, uint64_t value) {
  for (const Word& known : words) {
    if (known.value == static_cast<long>(static_cast<int>(value))) return std::string(" ") + known.name;
  }
  return " other";
}

std::string mapping_kind(const Arguments& a) {
  const uint64_t flags = a[3];
  std::string kind = (flags & MAP_TYPE) == MAP_PRIVATE ? " private" : " shared";
  kind += (flags & MAP_ANONYMOUS) != 0 ? " anonymous" : " file";
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) kind += " fixed";
  return kind;
}

// "/proc/17/maps" and "/proc/self/maps" are the same kind of file.
std::string proc_name(const std::string& path) {
  std::string name;
  for (size_t i = 0; i < path.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(path[i])) == 0) {
      name += path[i];
    } else if (name.empty() || name.back() != 'N') {
      name += 'N';
    }
  }
  return name;
}

std::string file_kind(const std::string& link) {
  if (link.starts_with("pipe:")) return " pipe";
  if (link.starts_with("socket:")) return " socket";
  if (link.starts_with("/proc/") || link.starts_with("/sys/")) return " " + proc_name(link);
  return " file";
}

// The report goes to a descriptor that the framework moved out of the way, turns go through pipes, eight
// bytes at a time.
constexpr uint64_t kReportFds = 1000;
bool is_talk(const CallSpec& spec, const Arguments& a, const std::string& link) {
  if (!link.starts_with("pipe:")) return false;
  return a[0] >= kReportFds || a[2] == sizeof(uint64_t) || spec.number == SYS_close;
}

}  // namespace

std::span<const CallSpec> call_specs() {
  return kCalls;
}

const CallSpec* find_call(long number) {
  for (const CallSpec& spec : kCalls) {
    if (spec.number == number) return &spec;
  }
  return nullptr;
}

Event name_call(const Tracee& tracee, const CallSpec& spec, const Arguments& a) {
  Event event{spec.name, &spec, a, 0, false};
  switch (spec.number) {
    case SYS_prctl:
      event.spared = true;
      break;
    case SYS_shmctl:
      event.label += word(kShmctl, a[1]);
      break;
    case SYS_madvise:
      event.label += word(kMadvise, a[2]);
      break;
    case SYS_fcntl:
      event.label += word(kFcntl, a[1]);
      break;
    case SYS_futex:
      event.label += (a[1] & FUTEX_CMD_MASK) == FUTEX_WAKE ? " wake" : " wait";
      break;
    case SYS_mmap:
      event.label += mapping_kind(a);
      break;
    case SYS_msync:
      event.label += (a[2] & MS_INVALIDATE) != 0 ? " MS_INVALIDATE" : (a[2] & MS_SYNC) != 0 ? " MS_SYNC" : "";
      break;
    case SYS_read:
    case SYS_pread64:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_close: {
      const std::string link = tracee.descriptor(a[0]);
      event.label += file_kind(link);
      event.spared = is_talk(spec, a, link);
      break;
    }
    default:
      break;
  }
  return event;
}

}  // namespace shmcheck::liar
