/* The ops of the bare C program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/bare_state.h"

static long do_ipc_info(int id) {
  struct shminfo info;
  return shmctl(id, IPC_INFO, (struct shmid_ds*)&info) < 0 ? -1 : 0;
}

static long do_shm_info(void) {
  struct shm_info info;
  return shmctl(0, SHM_INFO, (struct shmid_ds*)&info) < 0 ? -1 : 0;
}

static int descriptor(int32_t object) {
  return object >= 0 ? file[object] : object == BARE_NO_FILE ? -1 : 999;
}

/* What mmap is given instead of a file of the program. */
static int open_special(uint64_t which) {
  int end[2];
  if (which == BARE_ZERO) return open("/dev/zero", O_RDWR | O_CLOEXEC);
  if (which == BARE_NULL) return open("/dev/null", O_RDWR | O_CLOEXEC);
  if (which == BARE_DIRECTORY) return open(".", O_RDONLY | O_CLOEXEC);
  if (pipe(end) != 0) return -1;
  close(end[1]);
  return end[0];
}

static int segment_id(int32_t object) {
  return object >= 0 ? sh->segment[object] : object == BARE_NEGATIVE_ID ? -1 : 0x7fffffff;
}

const char* path(int32_t object) {
  static char name[] = "n0";
  name[1] = (char)('0' + object);
  return name;
}

const char* object(int32_t index) {
  static char name[300];
  memset(name, '-', sizeof name);
  name[0] = 'o';
  name[1] = (char)('0' + (index < 0 ? 9 : index));
  name[index < 0 ? 256 : index == BARE_OBJECTS - 1 ? 255 : 2] = '\0';
  return name;
}

static uint64_t address_of(struct bare_address a) {
  return a.value + (a.mapping >= 0 ? sh->mapping[a.mapping] : 0);
}

static long bind_mapping(const struct bare_op* op, long address) {
  if (address != -1) sh->mapping[op->result] = (uint64_t)address;
  return address;
}

static long into_slot(const struct bare_op* op, int fd) {
  if (fd < 0) return fd;
  if (file[op->result] >= 0) close(file[op->result]);
  file[op->result] = fd;
  return 0;
}

static long do_open(const struct bare_op* op) {
  if (into_slot(op, open(path(op->object), (int)op->flags, op->mode)) < 0) return -1;
  if (((int)op->flags & O_CREAT) != 0) sh->paths_created |= 1U << op->object;
  return 0;
}

long set_append_only(const char* name, int off) {
  int flags = 0;
  const int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  long result = ioctl(fd, FS_IOC_GETFLAGS, &flags);
  flags = off ? flags & ~FS_APPEND_FL : flags | FS_APPEND_FL;
  if (result == 0) result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}

static long do_shm_open(const struct bare_op* op) {
  if (into_slot(op, open(object(op->object), (int)op->flags, op->mode)) < 0) return -1;
  sh->objects_created |= 1U << op->object;
  return 0;
}

static long do_shm_unlink(const struct bare_op* op) {
  const long result = unlink(object(op->object));
  if (result != 0 && errno == EPERM) errno = EACCES;
  return result;
}

static long do_second_name(const struct bare_op* op, int (*call)(const char*, const char*)) {
  char from[3];
  memcpy(from, path(op->object), sizeof from);
  if (call(from, path((int32_t)op->value)) != 0) return -1;
  sh->paths_created |= 1U << op->value;
  return 0;
}

static long do_close(const struct bare_op* op) {
  const long result = close(descriptor(op->object));
  if (op->object >= 0) file[op->object] = -1;
  return result;
}

/* All processes are children of the supervisor, so that it alone learns of every end. */
static long do_fork(const struct bare_op* op) {
  const long flags = CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD | (op->prot ? CLONE_NEWPID : 0);
  const long pid = syscall(SYS_clone, flags, 0L, &sh->pid[op->result], 0L, 0L);
  if (pid == 0) {
    me = (uint32_t)op->result;
    await_turn(me);
  } else if (pid > 0) {
    __atomic_store_n(&sh->alive[op->result], 1, __ATOMIC_RELEASE);
  }
  return pid;
}

static long do_kill(const struct bare_op* op) {
  uint32_t* alive = &sh->alive[op->object];
  const long result = kill(sh->pid[op->object], (int)op->prot);
  while (result == 0 && __atomic_load_n(alive, __ATOMIC_ACQUIRE) != 0) sleep_while(alive, 1);
  return result;
}

static long write_text(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t length = (ssize_t)strlen(text), written = write(fd, text, (size_t)length);
  const int error = errno;
  close(fd);
  errno = error;
  return written == length ? 0 : -1;
}

static long map_root(const char* path, unsigned id) {
  char line[32];
  snprintf(line, sizeof line, "0 %u 1\n", id);
  return write_text(path, line);
}

static long do_unshare(const struct bare_op* op) {
  if (op->prot == 0) return unshare(CLONE_NEWIPC);
  const unsigned uid = geteuid(), gid = getegid();
  if (unshare(CLONE_NEWUSER) != 0) return -1;
  const int dumpable = prctl(PR_GET_DUMPABLE);
  prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
  long result = write_text("/proc/self/setgroups", "deny");
  if (result == 0) result = map_root("/proc/self/uid_map", uid);
  if (result == 0) result = map_root("/proc/self/gid_map", gid);
  prctl(PR_SET_DUMPABLE, (long)dumpable, 0L, 0L, 0L);
  return result;
}

static long do_setns(const struct bare_op* op) {
  const pid_t pid = sh->pid[op->object];
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/ns/ipc", pid);
  const int fd = op->prot ? open(path, O_RDONLY | O_CLOEXEC) : (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return -1;
  const long result = setns(fd, CLONE_NEWIPC);
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}

static long do_shmget(const struct bare_op* op) {
  const int id = shmget((key_t)op->value, op->len, (int)op->flags);
  if (id < 0) return id;
  sh->segment[op->result] = id;
  sh->segments_bound |= 1U << op->result;
  if (sh->id_count < BARE_MAX_OPS) sh->ids[sh->id_count++] = id;
  return 0;
}

static long do_shmctl(const struct bare_op* op) {
  struct shmid_ds ds;
  memset(&ds, 0, sizeof ds);
  ds.shm_perm.uid = (uid_t)op->value;
  ds.shm_perm.gid = (gid_t)op->off;
  ds.shm_perm.mode = (unsigned short)op->mode;
  return shmctl(segment_id(op->object), (int)op->prot, op->flags ? (struct shmid_ds*)op->flags : &ds);
}

static long do_shm_stat(const struct bare_op* op) {
  struct shmid_ds ds;
  const int id = segment_id(op->object);
  return shmctl((id < 0 ? id : id % 0x8000) + (int)op->value, (int)op->prot, &ds) < 0 ? -1 : 0;
}

/* As the executor, it does nothing for who is that user already, unless groups are asked for. */
static long do_setid(const struct bare_op* op) {
  const long user = (long)op->value, group = (long)op->off;
  if (op->flags && geteuid() == user && getegid() == group) return 0;
  if (syscall(SYS_setgroups, (long)op->prot, op->groups) != 0) return -1;
  if (syscall(SYS_setresgid, group, group, group) != 0) return -1;
  return syscall(SYS_setresuid, user, user, user);
}

static long do_map_file(const struct bare_op* op, uint64_t address) {
  char line[512], path[80];
  unsigned long low = 0, high = 0, from = address - address % kPage, to = from + kPage;
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return -1;
  while (fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= address && address < high) from = low, to = high;
  }
  fclose(maps);
  snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", from, to);
  return into_slot(op, open(path, O_RDONLY | O_CLOEXEC));
}

static long do_mmap(const struct bare_op* op, long a) {
  const int special = op->object == BARE_SPECIAL_FILE;
  const int fd = special ? open_special(op->value) : descriptor(op->object);
  if (special && fd < 0) return -1;
  const long result = bind_mapping(
      op, syscall(SYS_mmap, a, (long)op->len, (long)op->prot, (long)op->flags, (long)fd, (long)op->off));
  const int error = errno;
  if (special) close(fd);
  errno = error;
  return result;
}

static long do_rlimit(const struct bare_op* op) {
  struct rlimit limit;
  unsigned long pages = 0;
  if (op->prot == RLIMIT_AS) {
    char text[128] = "";
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return -1;
    close(fd);
    pages = strtoul(text, NULL, 10);
  }
  if (getrlimit((int)op->prot, &limit) != 0) return -1;
  limit.rlim_cur = pages * kPage + op->len;
  return setrlimit((int)op->prot, &limit);
}

static long do_age(const struct bare_op* op) {
  const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  return futimens(descriptor(op->object), long_ago);
}

static long do_memfd(const struct bare_op* op) {
  char name[256];
  memset(name, 'n', sizeof name);
  name[op->bytes] = 0;
  return into_slot(op,
                   (int)syscall(SYS_memfd_create, op->value ? (long)op->value : (long)name, (long)op->flags));
}

static long do_memfd_name(const struct bare_op* op) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor(op->object));
  const ssize_t n = readlink(path, (char*)buffer, kPage);
  if (n < 0 || memcmp(buffer, "/memfd:", 7) == 0) return n < 0 ? -1 : 0;
  errno = EINVAL;
  return -1;
}

/* Pages of other advice than their neighbours are mappings of their own. */
static long do_crowd(const struct bare_op* op) {
  char* const range = (char*)0x1400000000;
  mmap(range, op->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (madvise(range, op->len, MADV_NORMAL) != 0) return -1;
  const uint64_t more = op->value - rows();
  if (more % 2 != 0 && madvise(range, kPage, MADV_RANDOM) != 0) return -1;
  for (uint64_t i = 1; i <= more / 2; i++)
    if (madvise(range + 2 * i * kPage, kPage, MADV_RANDOM) != 0) return -1;
  return 0;
}

static long do_pwrite(const struct bare_op* op) {
  memset(buffer, (int)op->value, op->len);
  return pwrite(descriptor(op->object), buffer, op->len, (off_t)op->off);
}

long perform(const struct bare_op* op) {
  const uint64_t address = address_of(op->addr);
  const long a = (long)address, len = (long)op->len, off = (long)op->off;
  struct stat st;
  uint64_t value;
  switch ((enum bare_code)op->code) {
    case BARE_OPEN:
      return do_open(op);
    case BARE_CLOSE:
      return do_close(op);
    case BARE_UNLINK:
      return unlink(path(op->object));
    case BARE_FTRUNCATE:
      return ftruncate(descriptor(op->object), len);
    case BARE_TRUNCATE:
      return truncate(path(op->object), len);
    case BARE_PREAD:
      return pread(descriptor(op->object), buffer, op->len, off);
    case BARE_PWRITE:
      return do_pwrite(op);
    case BARE_PREAD_TO:
      return syscall(SYS_pread64, descriptor(op->object), a, len, off);
    case BARE_PWRITE_FROM:
      return syscall(SYS_pwrite64, descriptor(op->object), a, len, off);
    case BARE_FSTAT:
      return fstat(descriptor(op->object), &st);
    case BARE_MMAP:
      return do_mmap(op, a);
    case BARE_MUNMAP:
      return syscall(SYS_munmap, a, len);
    case BARE_MPROTECT:
      return syscall(SYS_mprotect, a, len, (long)op->prot);
    case BARE_LOAD:
    case BARE_STORE:
      do_access(op, address);
      return 0;
    case BARE_CONTENTS_LOAD:
      do_contents(address, op->len, 0);
      return 0;
    case BARE_CONTENTS_KERNEL:
      do_contents(address, op->len, 1);
      return 0;
    case BARE_FORK:
      return do_fork(op);
    case BARE_EXIT:
      _exit((int)op->value);
    case BARE_KILL:
      return do_kill(op);
    case BARE_SHMGET:
      return do_shmget(op);
    case BARE_SHMAT:
      return bind_mapping(op, syscall(SYS_shmat, (long)segment_id(op->object), a, (long)op->flags));
    case BARE_SHMDT:
      return syscall(SYS_shmdt, a);
    case BARE_SHMCTL:
      return do_shmctl(op);
    case BARE_MAPS:
      return do_read("/proc/self/maps");
    case BARE_MSYNC:
      return syscall(SYS_msync, a, len, (long)op->flags);
    case BARE_SETID:
      return do_setid(op);
    case BARE_MREMAP:
      return bind_mapping(op, syscall(SYS_mremap, a, len, off, (long)op->flags, (long)address_of(op->to)));
    case BARE_MADVISE:
      return syscall(SYS_madvise, a, len, (long)op->prot);
    case BARE_FALLOCATE:
      return syscall(SYS_fallocate, (long)descriptor(op->object), (long)op->prot, off, len);
    case BARE_FSYNC:
      return op->prot ? fdatasync(descriptor(op->object)) : fsync(descriptor(op->object));
    case BARE_MEMFD:
      return do_memfd(op);
    case BARE_MEMFD_NAME:
      return do_memfd_name(op);
    case BARE_CROWD:
      return do_crowd(op);
    case BARE_SEAL:
      return fcntl(descriptor(op->object), F_ADD_SEALS, (int)op->flags);
    case BARE_SEALS:
      return fcntl(descriptor(op->object), F_GET_SEALS);
    case BARE_MLOCK:
      return op->flags ? syscall(SYS_mlock2, a, len, (long)op->flags) : syscall(SYS_mlock, a, len);
    case BARE_MUNLOCK:
      return syscall(SYS_munlock, a, len);
    case BARE_LOCKED:
      return do_read("/proc/self/status");
    case BARE_MUNLOCKALL:
      return syscall(SYS_munlockall);
    case BARE_RLIMIT:
      return do_rlimit(op);
    case BARE_REMAP:
      return syscall(SYS_remap_file_pages, a, len, (long)op->prot, off, (long)op->flags);
    case BARE_AGE:
      return do_age(op);
    case BARE_TIMES:
    case BARE_BLOCKS:
      return fstat(descriptor(op->object), &st);
    case BARE_CHATTR:
      return set_append_only(path(op->object), (int)op->prot);
    case BARE_CALL:
      return do_call(address);
    case BARE_SHM_INFO:
      return do_shm_info();
    case BARE_LIMIT:
      sh->limits_set = 1;
      return write_limit(op->prot, op->len);
    case BARE_RENAME:
      return do_second_name(op, rename);
    case BARE_LINK:
      return do_second_name(op, link);
    case BARE_SHM_OPEN:
      return do_shm_open(op);
    case BARE_SHM_UNLINK:
      return do_shm_unlink(op);
    case BARE_IPC_INFO:
      return do_ipc_info(op->value ? -1 : 0);
    case BARE_SHM_STAT:
      return do_shm_stat(op);
    case BARE_SYSVIPC:
      return do_read("/proc/sysvipc/shm");
    case BARE_UNSHARE:
      return do_unshare(op);
    case BARE_SETNS:
      return do_setns(op);
    case BARE_MAP_FILE:
      return do_map_file(op, address);
    case BARE_DESCRIPTORS:
      return do_list("/proc/self/fd");
    case BARE_NAMES:
      return do_list(".") != 0 ? -1 : do_list("/dev/shm");
    case BARE_BRK:
      return syscall(SYS_brk, 0L) == -1 ? -1 : 0;
    case BARE_SMAPS:
      return do_read("/proc/self/smaps");
    case BARE_RSS:
      return do_read("/proc/self/smaps") != 0 ? -1 : do_read("/proc/self/status");
    case BARE_NONE:
      return -1;
    case BARE_LIMITS:
      return read_limit(op->prot, &value);
    case BARE_MINCORE:
      return syscall(SYS_mincore, a, len, buffer);
  }
  return -1;
}
