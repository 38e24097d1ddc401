/* The least that a C program can do to run the programs that the executor runs: the same system calls and
 * page faults in processes of the same number, with the same hand-overs, and nothing noted down but what
 * later steps need. What the executor adds to this is its overhead.
 *
 * It needs root, for the namespaces that the executor has as root. bare.h says how to speak with it. */
#define _GNU_SOURCE
#include "bench/bare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kPage = 4096, kBufferPages = 66, kRoom = 1 << 28 };

/* What the processes of a program share. */
struct shared {
  uint32_t go[BARE_PROCESSES];    /* bumped to wake a process whose turn it is */
  uint32_t alive[BARE_PROCESSES]; /* a killer sleeps on it */
  pid_t pid[BARE_PROCESSES];
  uint32_t turn; /* process that acts */
  uint32_t next; /* op that comes next */
  uint64_t mapping[BARE_MAPPINGS];
  int segment[BARE_SEGMENTS];
  uint32_t segments_bound, paths_created, objects_created, limits_set;
  uint32_t id_count;
  int ids[BARE_MAX_OPS];
  uint64_t steps, mismatches;
};

/* Where no op reaches: what malloc had mapped would lie beside what programs map, and go with it. */
static struct shared* const sh = (struct shared*)0x1000000000;
static unsigned char* const buffer = (unsigned char*)0x1100000000;
static unsigned char* const room = (unsigned char*)0x1200000000; /* of programs */
static int file[BARE_FILES];
static int pipe_end[2];
static const struct bare_op* ops;
static uint32_t op_count;

static void die(const char* what) {
  perror(what);
  exit(1);
}

/* --- hand-overs ---------------------------------------------------------------------------------------- */

static void sleep_while(uint32_t* word, uint32_t seen) {
  syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void wake(uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void hand_over(uint32_t process) {
  __atomic_store_n(&sh->turn, process, __ATOMIC_RELEASE);
  __atomic_fetch_add(&sh->go[process], 1, __ATOMIC_RELEASE);
  wake(&sh->go[process]);
}

static void await_turn(uint32_t me) {
  for (;;) {
    const uint32_t seen = __atomic_load_n(&sh->go[me], __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&sh->turn, __ATOMIC_ACQUIRE) == me) return;
    sleep_while(&sh->go[me], seen);
  }
}

/* An op of a process that has ended is one that went otherwise than for the executor. */
static void skip_the_dead(void) {
  while (sh->next < op_count && __atomic_load_n(&sh->alive[ops[sh->next].process], __ATOMIC_ACQUIRE) == 0) {
    ++sh->mismatches;
    ++sh->next;
  }
}

/* --- faults -------------------------------------------------------------------------------------------- */

static jmp_buf back;
static volatile sig_atomic_t armed;
static char fault_stack[16384];

static void set_action(void (*plain)(int), void (*full)(int, siginfo_t*, void*)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  if (full != NULL) {
    action.sa_sigaction = full;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  } else {
    action.sa_handler = plain;
  }
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
}

static void on_fault(int number, siginfo_t* info, void* context) {
  (void)number, (void)info, (void)context;
  if (!armed) {
    set_action(SIG_DFL, NULL);
    return;
  }
  armed = 0;
  longjmp(back, 1);
}

static void set_blocked(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSEGV);
  sigaddset(&set, SIGBUS);
  sigprocmask(how, &set, NULL);
}

static void catch_faults(void) {
  stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof fault_stack};
  sigaltstack(&stack, NULL);
  set_action(NULL, on_fault);
}

static void access_memory(const struct bare_op* op, uint64_t address) {
  unsigned char* at = (unsigned char*)address;
  uint64_t moved = op->value;
  if (op->code == BARE_STORE) {
    switch (op->bytes) {
      case 1:
        *(volatile uint8_t*)at = (uint8_t)moved;
        break;
      case 2:
        *(volatile uint16_t*)at = (uint16_t)moved;
        break;
      case 4:
        *(volatile uint32_t*)at = (uint32_t)moved;
        break;
      default:
        *(volatile uint64_t*)at = moved;
    }
    return;
  }
  switch (op->bytes) {
    case 1:
      moved = *(volatile uint8_t*)at;
      break;
    case 2:
      moved = *(volatile uint16_t*)at;
      break;
    case 4:
      moved = *(volatile uint32_t*)at;
      break;
    default:
      moved = *(volatile uint64_t*)at;
  }
}

static void do_access(const struct bare_op* op, uint64_t address) {
  switch (op->action) {
    case BARE_CAUGHT:
      if (_setjmp(back) != 0) return;
      armed = 1;
      access_memory(op, address);
      armed = 0;
      return;
    case BARE_DEFAULT:
      set_action(SIG_DFL, NULL);
      break;
    case BARE_IGNORED:
      set_action(SIG_IGN, NULL);
      break;
    default:
      set_blocked(SIG_BLOCK);
  }
  access_memory(op, address);
  set_blocked(SIG_UNBLOCK);
  set_action(NULL, on_fault);
}

/* --- whole ranges -------------------------------------------------------------------------------------- */

static void read_page(const unsigned char* from, uint64_t length) {
  if (_setjmp(back) != 0) return;
  armed = 1;
  const uint64_t pattern = 0x0101010101010101 * *(const volatile unsigned char*)from;
  uint64_t runs = 1, i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t eight;
    memcpy(&eight, from + i, 8);
    runs += eight != pattern;
  }
  for (; i < length; ++i) runs += from[i] != (unsigned char)pattern;
  __asm__ volatile("" : : "r"(runs));
  armed = 0;
}

static void pipe_page(uint64_t address, uint64_t length) {
  while (length > 0) {
    ssize_t n = write(pipe_end[1], (const void*)address, length);
    if (n > 0) n = read(pipe_end[0], buffer, (size_t)n);
    if (n <= 0) return;
    read_page(buffer, (uint64_t)n);
    address += (uint64_t)n;
    length -= (uint64_t)n;
  }
}

static void do_contents(uint64_t address, uint64_t left, int by_kernel) {
  while (left > 0) {
    uint64_t length = kPage - address % kPage;
    if (length > left) length = left;
    if (by_kernel) {
      pipe_page(address, length);
    } else {
      read_page((const unsigned char*)address, length);
    }
    address += length;
    left -= length;
  }
}

static long do_maps(void) {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (read(fd, buffer, kPage) > 0) continue;
  return close(fd);
}

/* In the order of the executor's. */
static const char* const limit_files[] = {"/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall",
                                          "/proc/sys/kernel/shmmni", "/proc/sys/kernel/shm_rmid_forced",
                                          "/proc/sys/kernel/shm_next_id"};
enum { kNextId = 4, kLimits = kNextId }; /* the next id is forgotten when a segment is made */
static uint64_t limits[kLimits];         /* to be put back after a program */

static long read_limit(uint64_t which, uint64_t* value) {
  char text[32] = "";
  const int fd = open(limit_files[which], O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = read(fd, text, sizeof text - 1);
  *value = strtoull(text, NULL, 10);
  return close(fd) != 0 || n <= 0 ? -1 : 0;
}

static long write_limit(uint64_t which, uint64_t value) {
  char text[32];
  const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  const int fd = open(limit_files[which], O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = write(fd, text, (size_t)length);
  const int error = errno;
  close(fd);
  errno = error;
  return n < 0 ? -1 : 0;
}

static long do_sysvipc(void) {
  const int fd = open("/proc/sysvipc/shm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (read(fd, buffer, kPage) > 0) continue;
  return close(fd);
}

static long do_ipc_info(int id) {
  struct shminfo info;
  return shmctl(id, IPC_INFO, (struct shmid_ds*)&info) < 0 ? -1 : 0;
}

static long do_shm_info(void) {
  struct shm_info info;
  return shmctl(0, SHM_INFO, (struct shmid_ds*)&info) < 0 ? -1 : 0;
}

static long do_locked(void) {
  const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (read(fd, buffer, kPage) > 0) continue;
  return close(fd);
}

/* --- steps --------------------------------------------------------------------------------------------- */

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

static const char* path(int32_t object) {
  static char name[] = "n0";
  name[1] = (char)('0' + object);
  return name;
}

static const char* object(int32_t index) {
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

static long set_append_only(const char* name, int off) {
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

static uint32_t me; /* the process that this is */

/* All processes are children of the supervisor, so that it alone learns of every end. */
static long do_fork(const struct bare_op* op) {
  const long pid =
      syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, 0L, &sh->pid[op->result], 0L, 0L);
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

static long do_list(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) return -1;
  while (readdir(directory) != NULL) {
  }
  return closedir(directory);
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

/* How many mappings /proc/self/maps has, without the kernel's own page, which comes last. */
static uint64_t rows(void) {
  static const char kernels[] = "[vsyscall]\n";
  uint64_t n = 0, last = 0;
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  for (ssize_t got; fd >= 0 && (got = read(fd, buffer, kPage)) > 0; last = (uint64_t)got)
    for (ssize_t i = 0; i < got; i++) n += buffer[i] == '\n';
  close(fd);
  const size_t size = sizeof kernels - 1;
  return n - (last >= size && memcmp(buffer + last - size, kernels, size) == 0);
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

/* Nothing but a return instruction is run. */
static long do_call(uint64_t address) {
  unsigned char code = 0xc3;
  const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = pread(fd, &code, 1, (off_t)address);
  close(fd);
  if (n == 1 && code != 0xc3) return 0;
  if (_setjmp(back) == 0) {
    armed = 1;
    ((void (*)(void))address)();
  }
  armed = 0;
  return 0;
}

static long do_pwrite(const struct bare_op* op) {
  memset(buffer, (int)op->value, op->len);
  return pwrite(descriptor(op->object), buffer, op->len, (off_t)op->off);
}

static long perform(const struct bare_op* op) {
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
      return do_maps();
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
      return do_locked();
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
      return do_sysvipc();
    case BARE_UNSHARE:
      return unshare(CLONE_NEWIPC);
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
    case BARE_NONE:
      return -1;
    case BARE_LIMITS:
      return read_limit(op->prot, &value);
    case BARE_MINCORE:
      return syscall(SYS_mincore, a, len, buffer);
  }
  return -1;
}

/* A process of the program, until the program or the process ends. */
static _Noreturn void act(void) {
  for (;;) {
    skip_the_dead();
    if (sh->next >= op_count) break;
    const struct bare_op* op = &ops[sh->next];
    if (op->process != me) {
      hand_over(op->process);
      await_turn(me);
      continue;
    }
    ++sh->steps;
    const long result = perform(op);
    if (op->code == BARE_FORK && result == 0) continue; /* the child */
    if ((result == -1 ? errno : 0) != op->expect) ++sh->mismatches;
    ++sh->next;
  }
  _exit(0);
}

/* --- the supervisor ------------------------------------------------------------------------------------ */

static uint32_t process_of(pid_t pid) {
  uint32_t process = 0;
  while (process < BARE_PROCESSES && sh->pid[process] != pid) ++process;
  return process;
}

/* Waits for ends, and passes on the turn of a process that dies while it acts. */
static void supervise(void) {
  for (uint32_t living = 1; living > 0;) {
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED) != 0) die("waitid");
    const uint32_t process = process_of(info.si_pid);
    if (process == BARE_PROCESSES) die("a child that is none");
    const int acted = sh->turn == process;
    __atomic_store_n(&sh->alive[process], 0, __ATOMIC_RELEASE);
    wake(&sh->alive[process]);
    if (acted && sh->next < op_count) ++sh->next; /* the op that ended it */
    if (acted) skip_the_dead();
    living = 0;
    for (uint32_t p = 0; p < BARE_PROCESSES; ++p) {
      if (sh->alive[p] == 0) continue;
      ++living;
      if (acted && sh->next >= op_count) kill(sh->pid[p], SIGKILL);
    }
    if (acted && sh->next < op_count && living > 0) hand_over(ops[sh->next].process);
  }
}

static void clean_up(void) {
  struct shmid_ds ds;
  shmctl(0, SHM_INFO, &ds);
  for (int s = 0; s < BARE_SEGMENTS; ++s) {
    if ((sh->segments_bound & 1U << s) != 0) shmctl(sh->segment[s], IPC_STAT, &ds);
  }
  for (uint32_t i = 0; i < sh->id_count; ++i) shmctl(sh->ids[i], IPC_RMID, NULL);
  for (int n = 0; n < 8; ++n) {
    if ((sh->paths_created & 1U << n) == 0 || unlink(path(n)) == 0 || errno != EPERM) continue;
    if (set_append_only(path(n), 1) != 0 || unlink(path(n)) != 0) die(path(n));
  }
  for (int n = 0; n < BARE_OBJECTS; ++n) {
    if ((sh->objects_created & 1U << n) != 0) unlink(object(n));
  }
  uint64_t asked = 0;
  if (sh->limits_set && read_limit(kNextId, &asked) == 0 && asked != UINT64_MAX)
    shmctl(shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600), IPC_RMID, NULL);
  for (uint64_t i = 0; sh->limits_set && i < kLimits; ++i) {
    if (write_limit(i, limits[i]) != 0) die(limit_files[i]);
  }
}

static void run(void) {
  const uint64_t steps = sh->steps, mismatches = sh->mismatches;
  memset(sh, 0, offsetof(struct shared, ids));
  sh->steps = steps;
  sh->mismatches = mismatches;
  sh->turn = op_count > 0 ? ops[0].process : 0;
  sh->alive[0] = 1;
  const pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0L, &sh->pid[0], 0L, 0L);
  if (pid < 0) die("clone");
  if (pid == 0) {
    catch_faults();
    act();
  }
  supervise();
  clean_up();
}

/* --- from the harness ---------------------------------------------------------------------------------- */

static int read_all(void* to, size_t size) {
  char* at = to;
  while (size > 0) {
    const ssize_t n = read(0, at, size);
    if (n < 0) die("read");
    if (n == 0) return 0;
    at += n;
    size -= (size_t)n;
  }
  return 1;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

struct loaded {
  uint32_t count;
  struct bare_op* ops;
};

static void serve(const struct loaded* programs, uint32_t count) {
  for (char go; read_all(&go, 1);) {
    struct bare_result result = {0, 0, 0};
    sh->steps = 0;
    sh->mismatches = 0;
    const uint64_t start = now();
    for (uint32_t i = 0; i < count; ++i) {
      ops = programs[i].ops;
      op_count = programs[i].count;
      run();
    }
    result.ns = now() - start;
    result.steps = sh->steps;
    result.mismatches = sh->mismatches;
    if (write(1, &result, sizeof result) != (ssize_t)sizeof result) die("write");
  }
}

static void map_fixed(void* at, size_t size) {
  void* got = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != at) die("mmap");
}

/* Those that the executor has. The working directory is a tmpfs that goes with them. */
static void enter_namespaces(void) {
  if (unshare(CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID) != 0) die("unshare");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("mount");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child > 0) {
    int status;
    if (waitpid(child, &status, 0) < 0) die("waitpid");
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  if (mount("proc", "/proc", "proc", 0, NULL) != 0) die("mount /proc");
  if (mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL) != 0) die("mount /dev/shm");
  if (chdir("/dev/shm") != 0) die("chdir");
}

static void* take(size_t size) {
  static size_t taken;
  if (size > kRoom - taken) errno = ENOMEM, die("programs");
  void* at = room + taken;
  taken += (size + 63) / 64 * 64;
  return at;
}

int main(void) {
  struct bare_set set;
  if (!read_all(&set, sizeof set)) return 2;
  enter_namespaces();
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(set.core, &cores);
  if (sched_setaffinity(0, sizeof cores, &cores) != 0) die("sched_setaffinity");
  if (pipe(pipe_end) != 0) die("pipe");
  for (int f = 0; f < BARE_FILES; ++f) file[f] = -1;
  for (uint64_t i = 0; i < kLimits; ++i) {
    if (read_limit(i, &limits[i]) != 0) die(limit_files[i]);
  }
  map_fixed(sh, (sizeof *sh + kPage - 1) / kPage * kPage);
  map_fixed(buffer, kBufferPages * kPage);

  map_fixed(room, kRoom);
  struct loaded* programs = take(set.programs * sizeof *programs);
  for (uint32_t i = 0; i < set.programs; ++i) {
    struct bare_program head;
    if (!read_all(&head, sizeof head)) return 2;
    programs[i].count = head.ops;
    programs[i].ops = take((head.ops + 1U) * sizeof *programs[i].ops);
    if (!read_all(programs[i].ops, head.ops * sizeof(struct bare_op))) return 2;
  }
  serve(programs, set.programs);
  return 0;
}
