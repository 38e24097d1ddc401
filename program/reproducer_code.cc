// The fixed C code of reproducers. It is written compactly, since people read it in a bug report.
#include <iterator>

#include "program/reproducer_parts.h"
#include "program/scan.h"

namespace shmcheck::program {
namespace {

struct Piece {
  std::uint64_t needs;  // any of these
  std::uint64_t uses;   // and these come along
  std::string_view includes;
  std::string_view code;
};

// In the order in which they are written: a piece uses only what stands before it.
constexpr Piece kPieces[] = {
    {kNeedFailed, 0, "errno.h",
     R"c(static int failed(long r) { return r == -1 ? S.kind = 'e', say("errno %d", errno), 1 : 0; }
)c"},
    {kNeedSys, 0, "sys/syscall.h",
     R"c(#define sys(name, ...) call(SYS_##name, (const long[6]){__VA_ARGS__})
static long call(long n, const long *a) { return syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]); }
)c"},
    {kNeedOk, kNeedFailed, "", R"c(static void ok(long r) { if (!failed(r)) say("ok"); }
)c"},
    {kNeedCount, kNeedFailed, "", R"c(static void count(long r) { if (!failed(r)) say("%ld", r); }
)c"},
    {kNeedBuffer, 0, "", R"c(static unsigned char buffer[65 << 16];
)c"},
    {kNeedFilled, kNeedBuffer, "",
     R"c(static long filled(int c, size_t n) { return (long)memset(buffer, c, n); }
)c"},
    {kNeedOpened, kNeedOk | kNeedSys | kNeedFailed, "",
     R"c(static void opened(int slot, int flags, long fd) { if (!failed(fd)) ok(dup3(fd, slot, flags)), close(fd); }
)c"},
    {kNeedObjects, kNeedSys, "",
     R"c(static long object(int k, int bytes) { /* a path, with a name that long, of this run's own */
  static char path[300], cwd[4096];
  char *run = getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') + 1 : "";
  int n = snprintf(path, sizeof path, "/dev/shm/o%d%.99s", k, run) - 9;
  if (n < bytes) memset(path + 9 + n, '-', bytes - n), path[9 + bytes] = 0;
  return (long)path;
}
)c"},
    {kNeedRemoved, kNeedObjects | kNeedSys, "errno.h",
     R"c(static long removed(long path) { /* as shm_unlink has it */
  long r = sys(unlinkat, AT_FDCWD, path, 0);
  return r == -1 && errno == EPERM ? errno = EACCES, r : r;
}
)c"},
    {kNeedFstat, kNeedFailed, "", R"c(static void file_stat(int fd) {
  struct stat s;
  if (failed(fstat(fd, &s))) return;
  say("size=%lld links=%lu mode=%o", (long long)s.st_size, (unsigned long)s.st_nlink, s.st_mode);
  say(" uid=%u gid=%u", s.st_uid, s.st_gid);
}
)c"},
    {kNeedMapped, kNeedSys | kNeedFailed, "",
     R"c(static void mapped(int name, long r) { if (!failed(r)) S.m[name] = r; }
)c"},
    {kNeedWhere, kNeedMapped, "", R"c(static void where(int name, long r) { /* by a name, if one is there */
  int k = 0;
  while (k < 16 && S.m[k] != (size_t)r) k++;
  mapped(name, r);
  if (S.kind == 'e') return;
  if ((size_t)r >= A && (size_t)r <= E) say("a+%lup+%lu", (r - A) / P, (r - A) % P);
  else if (k < 16) say("m%d", k);
  else say("elsewhere+%lu", r % P);
}
)c"},
    {kNeedFault, 0, "setjmp.h signal.h", R"c(static sigjmp_buf back; static siginfo_t info;
#define FAULT info.si_signo == SIGBUS ? "SIGBUS" : "SIGSEGV", info.si_code & 255
static void fault(int sig, siginfo_t *i, void *c) { (void)sig, (void)c, info = *i; siglongjmp(back, 1); }
static const struct sigaction caught = {.sa_flags = SA_SIGINFO, .sa_sigaction = fault};
)c"},
    {kNeedAct, kNeedFault, "",
     R"c(static void act(int how) { /* 0: catch faults, 1: default action, 2: ignore, 3: block */
  struct sigaction plain = {.sa_handler = how == 1 ? SIG_DFL : SIG_IGN};
  sigset_t both;
  sigemptyset(&both), sigaddset(&both, SIGSEGV), sigaddset(&both, SIGBUS);
  sigaction(SIGSEGV, how == 1 || how == 2 ? &plain : &caught, NULL);
  sigaction(SIGBUS, how == 1 || how == 2 ? &plain : &caught, NULL);
  sigprocmask(how == 3 ? SIG_BLOCK : SIG_UNBLOCK, &both, NULL);
}
)c"},
    {kNeedLoad | kNeedStore | kNeedCall, kNeedFault, "", R"c(static size_t at; /* what is accessed */
static void faulted(void) { /* +9 is anywhere else */
  size_t page = (size_t)info.si_addr / P - at / P;
  S.kind = 's', say("%s/%d at page +%d", FAULT, page < 9 ? (int)page : 9);
}
)c"},
    {kNeedLoad, kNeedFault, "",
     R"c(static void value(const unsigned char *v, int n) { for (say("0x"); n--; v++) say("%02x", *v); }
#define LOAD(T, a) do { at = (size_t)(a); \
  if (sigsetjmp(back, 1)) faulted(); else { T v = *(volatile T *)at; value((void *)&v, sizeof v); } } while (0)
)c"},
    {kNeedStore, kNeedFault, "",
     R"c(#define STORE(T, a, bytes) do { T v; memcpy(&v, bytes, sizeof v); at = (size_t)(a); \
  if (sigsetjmp(back, 1)) faulted(); else { *(volatile T *)at = v; say("ok"); } } while (0)
)c"},
    {kNeedRuns, 0, "", R"c(static void run(const char *what, size_t n) { /* an empty one ends the list */
  static char last[24];
  static size_t length;
  if (strcmp(what, last)) {
    if (length) say("%lu*%s ", (unsigned long)length, last);
    length = 0, snprintf(last, sizeof last, "%s", what);
  }
  length += n;
}
static void bytes(const volatile unsigned char *p, size_t n) {
  char two[3];
  for (size_t i = 0, k; i < n; i = k) {
    unsigned char c = p[i];
    for (k = i + 1; k < n && p[k] == c; k++) {}
    snprintf(two, sizeof two, "%02x", c), run(two, k - i);
  }
}
)c"},
    {kNeedPread, kNeedRuns | kNeedBuffer | kNeedSys | kNeedFailed, "",
     R"c(static void file_bytes(int fd, size_t n, size_t off) {
  long r = sys(pread64, fd, (long)buffer, n, off);
  if (!failed(r)) bytes(buffer, r), run("", 0);
}
)c"},
    {kNeedStored, kNeedRuns | kNeedFailed, "sys/ioctl.h sys/stat.h linux/fs.h linux/fiemap.h fcntl.h",
     R"c(static void stored(int fd, size_t n, size_t off) { /* a block of the device beneath for each page */
  static unsigned char all[66 << 16], block[1 << 16] __attribute__((aligned(1 << 16)));
  struct { struct fiemap m; struct fiemap_extent e; } map;
  struct stat s;
  size_t low = off / P * P, high = (off + n + P - 1) / P * P;
  int device = -1;
  if (!fstat(fd, &s) && !mknod("device", S_IFBLK | 0600, s.st_dev)) device = open("device", O_RDONLY | O_DIRECT);
  unlink("device"), memset(all, 0, high - low);
  for (size_t at = low; at < high || !n; at += P) {
    memset(&map, 0, sizeof map), map.m.fm_start = at, map.m.fm_length = n ? P : 0, map.m.fm_extent_count = 1;
    if (failed(ioctl(fd, FS_IOC_FIEMAP, &map))) return;
    if (!map.m.fm_mapped_extents || map.e.fe_flags & ~(FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED)) continue;
    if (failed(pread(device, block, P, map.e.fe_physical + (at - map.e.fe_logical)))) return;
    memcpy(all + (at - low), block, P);
  }
  close(device), bytes(all + (off - low), n), run("", 0);
}
)c"},
    {kNeedScan, kNeedRuns | kNeedFault, "", R"c(static long by_load(size_t a, size_t n) {
  char what[24];
  if (!sigsetjmp(back, 1)) return bytes((const volatile unsigned char *)a, n), n;
  return snprintf(what, sizeof what, "%s/%d", FAULT), run(what, n), n;
}
)c"},
    {kNeedKernelScan, kNeedRuns | kNeedBuffer | kNeedSys, "errno.h", R"c(static int scratch[2];
static long by_kernel(size_t a, size_t n) {
  char what[24];
  long r = sys(write, scratch[1], a, n);
  if (r > 0 && (r = read(scratch[0], buffer, r)) > 0) return bytes(buffer, r), r;
  return snprintf(what, sizeof what, "errno %d", errno), run(what, n), n;
}
)c"},
    {kNeedScan | kNeedKernelScan, 0, "",
     R"c(static void contents(size_t a, size_t n, long (*part)(size_t, size_t)) {
  for (size_t k; n; a += k, n -= k) k = P - a % P, k = part(a, k < n ? k : n);
  run("", 0);
}
)c"},
    {kNeedForked | kNeedForkedFirst, kNeedFailed, "", R"c(static void serve(int me);
)c"},
    {kNeedForkedFirst, 0, "sched.h signal.h sys/syscall.h",
     R"c(static void forked_first(int name) { /* of a PID namespace */
  if (!(S.pid[name] = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0L, 0L, 0L, 0L))) serve(name);
  if (!failed(S.pid[name])) say("child");
}
)c"},
    {kNeedNewUsers, 0, "fcntl.h sched.h sys/prctl.h",
     R"c(static int put(const char *path, const char *format, unsigned id) {
  int fd = open(path, O_WRONLY), r = dprintf(fd, format, id);
  return close(fd), r;
}
static long new_users(void) { /* among whom the process is root, and nobody else exists */
  unsigned uid = geteuid(), gid = getegid();
  if (unshare(CLONE_NEWUSER) || prctl(PR_SET_DUMPABLE, 1)) return -1; /* else the files are another's */
  if (put("/proc/self/setgroups", "deny", 0) < 0 || put("/proc/self/uid_map", "0 %u 1\n", uid) < 0) return -1;
  return put("/proc/self/gid_map", "0 %u 1\n", gid) < 0 ? -1 : 0;
}
)c"},
    {kNeedForked, 0, "", R"c(static void forked(int name) {
  if (!(S.pid[name] = fork())) serve(name);
  if (!failed(S.pid[name])) say("child");
}
)c"},
    {kNeedGot, kNeedSys | kNeedSegments | kNeedFailed, "",
     R"c(static void got(int name, long r) { /* an id, by its name if it has one */
  int k = 0;
  if (failed(r)) return;
  while (k < N && S.s[k] != r) k++;
  if (k < N) say("s%d", k); else say("new id");
  S.s[name] = r;
}
)c"},
    {kNeedSayPid, 0, "",
     R"c(static void say_pid(const char *label, int pid) {
  int k = 0;
  while (k < N && (S.pid[k] != pid || !pid)) k++;
  if (k < N) say(" %s=p%d", label, k); else say(" %s=%s", label, pid ? "other" : "0");
}
)c"},
    {kNeedListing, kNeedSegments | kNeedFailed | kNeedSayPid, "",
     R"c(static void listing(void) { /* what has a name */
  FILE *f = fopen("/proc/sysvipc/shm", "r");
  char line[400];
  int key, id, pid[2];
  unsigned mode, u[4];
  unsigned long size, n, t[3], rss, swap;
  if (failed(f ? 0 : -1)) return;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%d %d %o %lu %d %d %lu %u %u %u %u %lu %lu %lu %lu %lu", &key, &id, &mode, &size, pid, pid + 1, &n,
               u, u + 1, u + 2, u + 3, t, t + 1, t + 2, &rss, &swap) != 16) continue;
    int k = 0;
    while (k < N && S.s[k] != id) k++;
    if (k == N) continue;
    say("s%d ", k);
    say("key=%x uid=%u gid=%u cuid=%u cgid=%u mode=%o", (unsigned)key, u[0], u[1], u[2], u[3], mode);
    say(" segsz=%lu atime=%s", size, t[0] ? "set" : "0");
    say(" dtime=%s ctime=%s", t[1] ? "set" : "0", t[2] ? "set" : "0");
    say_pid("cpid", pid[0]), say_pid("lpid", pid[1]), say(" nattch=%lu rss=%lu swap=%lu; ", n, rss, swap);
  }
  fclose(f);
}
)c"},
    {kNeedShmStat, kNeedSys | kNeedSegments | kNeedFailed | kNeedSayPid, "",
     R"c(static void shm_stat(long id, long command) {
  struct shmid_ds d = {0};
  struct ipc_perm *p = &d.shm_perm;
  long r = sys(shmctl, id, command, (long)&d);
  if (failed(r)) return;
  for (int k = 0; command != IPC_STAT && k < N; k++) if (S.s[k] == r) say("s%d ", k), k = N;
  say("key=%x uid=%u gid=%u cuid=%u cgid=%u mode=%o", (unsigned)p->__key, p->uid, p->gid, p->cuid, p->cgid, p->mode);
  say(" segsz=%lu atime=%s", (unsigned long)d.shm_segsz, d.shm_atime ? "set" : "0");
  say(" dtime=%s ctime=%s", d.shm_dtime ? "set" : "0", d.shm_ctime ? "set" : "0");
  say_pid("cpid", d.shm_cpid), say_pid("lpid", d.shm_lpid), say(" nattch=%lu", (unsigned long)d.shm_nattch);
}
)c"},
    {kNeedIpcInfo, kNeedFailed | kNeedSegments, "sys/shm.h", R"c(static void ipc_info(int id, int what) {
  struct shminfo info = {0};
  long r = shmctl(id, IPC_INFO, (struct shmid_ds *)&info);
  if (failed(r)) return;
  say("%lu", (unsigned long[]){info.shmmax, info.shmmin, info.shmmni, info.shmseg, info.shmall, r}[what]);
}
)c"},
    {kNeedShmSet, kNeedSys | kNeedSegments | kNeedOk, "",
     R"c(static void shm_set(long id, unsigned user, unsigned group, unsigned mode) {
  struct shmid_ds d = {.shm_perm = {.uid = user, .gid = group, .mode = mode}};
  ok(sys(shmctl, id, IPC_SET, (long)&d));
}
)c"},
    {kNeedMaps, kNeedFailed, "", R"c(static void maps(void) { /* what lies in the arena or begins at a name */
  FILE *f = fopen("/proc/self/maps", "r");
  char line[4400], mode[5];
  unsigned long low, high, off;
  if (failed(f ? 0 : -1)) return;
  while (fgets(line, sizeof line, f)) {
    int path = 0, k = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &low, &high, mode, &off, &path) < 4) continue;
    while (k < 16 && (S.m[k] != low || !low)) k++;
    const char *p = line + path, *base = strrchr(p, '/'), *gone = strstr(p, " (deleted)") ? " deleted" : "";
    if (low >= A && low < E) say("a+%lup", (low - A) / P);
    else if (k < 16) say("m%d", k);
    else continue;
    say("..+%lup %s off=%lu ", (high - low) / P, mode, off);
    if (!*p || *p == '[') say("anon; ");
    else if (!strncmp(p, "/SYSV", 5)) say("segment; ");
    else if (!strncmp(p, "/dev/zero", 9)) say("shared_anon; ");
    else if (!strncmp(p, "/memfd:", 7)) say("memfd; ");
    else if (base) say("file %.2s%s; ", base + 1, gone);
    else say("other; ");
  }
  fclose(f);
}
)c"},
    {kNeedSetid, kNeedSys | kNeedOk | kNeedFailed, "",
     R"c(static void setid(int plain, long u, long g, long n, const gid_t *more) { /* plain: if it is not so yet */
  if (plain && geteuid() == u && getegid() == g) { say("ok"); return; }
  if (!failed(sys(setgroups, n, (long)more)) && !failed(sys(setresgid, g, g, g))) ok(sys(setresuid, u, u, u));
}
)c"},
    {kNeedMapFile, kNeedOpened, "fcntl.h", R"c(static int map_file(size_t a) { /* by the row of the mapping */
  FILE *f = fopen("/proc/self/maps", "r");
  char line[4400], path[80];
  unsigned long low, high, from = a & -P, to = from + P;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= a && a < high) from = low, to = high;
  if (f) fclose(f);
  snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", from, to);
  return sys(openat, AT_FDCWD, (long)path, O_RDONLY);
}
)c"},
    {kNeedBreak, kNeedCount, "stdlib.h sys/syscall.h", R"c(static long start; /* the program break */
)c"},
    {kNeedNames, kNeedCount, "dirent.h", R"c(static long others; /* before the first step */
static long names(void) {
  long n = -others;
  for (int k = 0; k < 2; k++) {
    DIR *d = opendir(k ? "/dev/shm" : FILES);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
  }
  return n;
}
)c"},
    {kNeedDescriptors, kNeedCount, "dirent.h", R"c(static long own; /* before the first step */
static long descriptors(void) {
  long n = -3 - own; /* the directory itself, and its two names that mean directories */
  DIR *d = opendir("/proc/self/fd");
  if (!d) return -1;
  while (readdir(d)) n++;
  return closedir(d), n;
}
)c"},
    {kNeedShmTotal, kNeedCount | kNeedFailed, "sys/shm.h", R"c(static void shm_total(int what) {
  struct shm_info i = {0};
  long r = shmctl(0, SHM_INFO, (struct shmid_ds *)&i);
  if (failed(r)) return;
  count((long[]){i.used_ids, i.shm_tot, i.shm_rss + i.shm_swp, i.swap_attempts + i.swap_successes, r}[what]);
}
)c"},
    {kNeedLimit, kNeedOk | kNeedFailed | kNeedSegments, "fcntl.h stdlib.h",
     R"c(static void limit(const char *file, int flags, size_t value) { /* sets it, or says what it is */
  char text[24] = "";
  int n = snprintf(text, sizeof text, "%zu", value), fd = open(file, flags);
  if (failed(fd)) return;
  long r = flags == O_WRONLY ? write(fd, text, n) : read(fd, text, sizeof text - 1);
  close(fd);
  if (r < 0 || flags == O_WRONLY) ok(r < 0 ? r : 0);
  else say("%lu", strtoul(text, NULL, 10));
}
)c"},
    {kNeedLocked, kNeedCount | kNeedFailed, "", R"c(static void locked(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[4400];
  long kb = -1;
  if (failed(f ? 0 : -1)) return;
  while (fgets(line, sizeof line, f)) sscanf(line, "VmLck: %ld", &kb);
  fclose(f);
  count(kb * 1024);
}
)c"},
    {kNeedResident, kNeedCount | kNeedSys | kNeedFailed, "", R"c(static void resident(size_t a, size_t n) {
  static unsigned char in[66];
  long pages = 0;
  if (failed(sys(mincore, a, n, (long)in))) return;
  for (size_t i = 0; i < (n + P - 1) / P; i++) pages += in[i] & 1;
  count(pages);
}
)c"},
    {kNeedLockAll, kNeedSys | kNeedOk, "",
     R"c(static void lock_all(int flags) { /* and unlocks what is the C program's own */
  char line[4400], *path;
  size_t low, high;
  long r = sys(mlockall, flags);
  FILE *f = r == 0 && flags & MCL_CURRENT ? fopen("/proc/self/maps", "r") : NULL;
  while (f && fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx", &low, &high) != 2) continue;
    path = strpbrk(line, "/[");
    int theirs = !path || !strncmp(path, "/dev/zero", 9) || !strncmp(path, "/SYSV", 5) ||
                 !strncmp(path, "/memfd:", 7) || (*path == '/' && strrchr(path, '/')[1] == 'n');
    if (!theirs || low < 0x100000000) munlock((void *)low, high - low);
  }
  if (f) fclose(f);
  ok(r);
}
)c"},
    {kNeedSetLimit, kNeedOk | kNeedFailed, "sys/resource.h",
     R"c(static void set_limit(int which, size_t value) { /* RLIMIT_AS: beyond what is mapped now */
  struct rlimit limit;
  unsigned long pages = 0;
  FILE *f = which == RLIMIT_AS ? fopen("/proc/self/statm", "r") : NULL;
  if (f && fscanf(f, "%lu", &pages) != 1) pages = 0;
  if (f) fclose(f);
  if (failed(getrlimit(which, &limit))) return;
  limit.rlim_cur = pages * P + value;
  ok(setrlimit(which, &limit));
}
)c"},
    {kNeedCall, kNeedFault, "fcntl.h",
     R"c(static void run_code(size_t a) { /* one return instruction; nothing else is run */
  unsigned char code = 0xc3;
  int fd = open("/proc/self/mem", O_RDONLY);
  ssize_t n = pread(fd, &code, 1, a);
  close(fd), at = a;
  if (n == 1 && code != 0xc3) say("withheld");
  else if (sigsetjmp(back, 1)) faulted();
  else ((void (*)(void))a)(), say("ok");
}
)c"},
    {kNeedAge, kNeedOk, "sys/stat.h", R"c(static void age(int fd) {
  const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  ok(futimens(fd, long_ago));
}
)c"},
    {kNeedTimes, kNeedCount, "sys/stat.h", R"c(static void times(int fd) {
  struct stat s;
  count(fstat(fd, &s) ? -1 : (s.st_atime != 1000000000) + 2 * (s.st_mtime != 1000000000));
}
)c"},
    {kNeedJoin, kNeedOk | kNeedSegments, "fcntl.h sys/syscall.h",
     R"c(static long join(int pid, int by_file) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/ns/ipc", pid);
  int fd = by_file ? open(path, O_RDONLY) : (int)syscall(SYS_pidfd_open, pid, 0);
  long r = fd < 0 ? -1 : setns(fd, CLONE_NEWIPC);
  int error = errno;
  if (fd >= 0) close(fd);
  return errno = error, r;
}
)c"},
    {kNeedBlocks, kNeedCount, "sys/stat.h", R"c(static void blocks(int fd) {
  struct stat s;
  count(fstat(fd, &s) ? -1 : (long)s.st_blocks);
}
)c"},
    {kNeedFill, kNeedOk | kNeedFiles, "errno.h sys/vfs.h sys/mount.h sched.h",
     R"c(static int filler = -1; /* a file that takes what is left */
static int may_fill(void) { /* a small tmpfs over the directory, or a small file system that the user gave */
  struct statfs f;
  if (statfs(".", &f)) return 0;
  if (f.f_type == 0x01021994 && (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
      mount("full", ".", "tmpfs", 0, "size=8m,mode=777"))) return 0;
  static char here[4096];
  if (!getcwd(here, sizeof here) || chdir(here) || statfs(".", &f)) return 0;
  if ((unsigned long long)f.f_blocks * f.f_bsize > 1ull << 30) return errno = EFBIG, 0;
  return (filler = open(".", O_RDWR | O_TMPFILE, 0600)) != -1;
}
static void fill(int all) { /* leaves all of it, or nothing */
  struct stat s = {0};
  long long end = 0;
  if (all) { ok(ftruncate(filler, 0)); return; }
  sync();
  for (long long n = 1 << 30; n >= 4096; end = s.st_size)
    if (fallocate(filler, 0, end, n), fstat(filler, &s) || s.st_size == end) n /= 2;
  ok(0);
}
)c"},
    {kNeedChattr, kNeedOk | kNeedFiles, "fcntl.h sys/ioctl.h linux/fs.h",
     R"c(static int set_append_only(const char *path, int off) {
  int flags = 0, fd = open(path, O_RDONLY | O_NONBLOCK);
  int r = fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) ? -1 : 0;
  flags = off ? flags & ~FS_APPEND_FL : flags | FS_APPEND_FL;
  if (!r) r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
  int error = errno;
  if (fd >= 0) close(fd);
  return errno = error, r;
}
static void chattr(long path, int off) { ok(set_append_only((char *)path, off)); }
)c"},
    {kNeedPipeEnd, 0, "", R"c(static int pipe_end(void) {
  int end[2];
  return pipe(end) ? -1 : end[0];
}
)c"},
    {kNeedCrowd, kNeedCount | kNeedFailed, "",
     R"c(static size_t own_rows; /* before the first step */
static size_t rows(void) { /* mappings of the process, without a page of the kernel's */
  char line[4400];
  size_t low, n = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f)) n += sscanf(line, "%lx", &low) == 1 && low < 1ul << 63;
  return f ? fclose(f) : 0, n;
}
static void crowd(size_t left) { /* pages of other advice than their neighbours */
  char *range = (char *)0x1200000000;
  size_t most = 0;
  FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
  if (failed(f && fscanf(f, "%zu", &most) == 1 ? fclose(f) : -1)) return;
  size_t bytes = (most + 4) * P;
  mmap(range, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (failed(madvise(range, bytes, MADV_NORMAL))) return;
  size_t n = rows(), more = most + 1 - left - n;
  if (more % 2 && failed(madvise(range, P, MADV_RANDOM))) return;
  for (size_t i = 1; i <= more / 2; i++) if (failed(madvise(range + 2 * i * P, P, MADV_RANDOM))) return;
  count(n - 1 - own_rows);
}
)c"},
    {kNeedLongName, 0, "", R"c(static long name_of(int n) {
  static char name[256];
  return (long)memset(name, 'n', n);
}
)c"},
    {kNeedMemfdName, kNeedRuns | kNeedFailed, "errno.h", R"c(static void memfd_name(int fd) {
  char path[32], link[512];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  long r = readlink(path, link, sizeof link);
  if (r >= 0 && strncmp(link, "/memfd:", 7)) errno = EINVAL, r = -1;
  if (!failed(r)) bytes((unsigned char *)link, r), run("", 0);
}
)c"},
    {kNeedRemount, kNeedOk | kNeedFailed | kNeedFiles, "stdlib.h sched.h sys/mount.h",
     R"c(static int mounted(void) { return system("mount -o loop image m && chmod 777 m"); }
static void remount(int read_only) { /* unmounts and mounts again, or to read-only and back */
  unsigned long flags = MS_REMOUNT | MS_RDONLY;
  if (failed(read_only ? mount(NULL, "m", NULL, flags, NULL) : umount("m"))) return;
  ok(read_only ? mount(NULL, "m", NULL, MS_REMOUNT, NULL) : mounted() ? -1 : 0);
}
)c"},
    {kNeedSmaps, kNeedFailed, "",
     R"c(static void smaps(size_t a) { /* the entry that has the address */
  FILE *f = fopen("/proc/self/smaps", "r");
  char line[4400];
  unsigned long low, high, kb, from = 0, to = 0, shared = 0, own = 0;
  const char *sh = "", *lo = "";
  if (failed(f ? 0 : -1)) return;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx", &low, &high) == 2 && a >= low && a < high) from = low, to = high;
    else if (to && sscanf(line, "Shared_%*[CDleanirty]: %lu", &kb) == 1) shared += kb * 1024;
    else if (to && sscanf(line, "Private_%*[CDleanirty]: %lu", &kb) == 1) own += kb * 1024;
    else if (to && !strncmp(line, "VmFlags:", 8)) {
      sh = strstr(line, " sh") ? " sh" : "", lo = strstr(line, " lo") ? " lo" : "";
      break;
    }
  }
  fclose(f);
  errno = ENODATA;
  if (!failed(to ? 0 : -1))
    say("+%lup of %lup shared=%lu private=%lu%s%s", a / P - from / P, (to - from) / P, shared, own, sh, lo);
}
)c"},
    {kNeedRss, kNeedCount, "sys/vfs.h",
     R"c(static void rss(int what) { /* without what this code has itself */
  static const char *const keys[] = {"RssAnon: %ld", "RssFile: %ld", "RssShmem: %ld"};
  char line[4400];
  unsigned long low, high;
  long all = -1, own, kb;
  struct statfs exe;
  int image = !statfs("/proc/self/exe", &exe) && exe.f_type == 0x01021994 ? 2 : 1, of = 0, mine = 0;
  for (int round = 0; round < 2; round++) { /* the first brings in what it takes to look */
    FILE *f = fopen("/proc/self/smaps", "r");
    for (own = 0; f && fgets(line, sizeof line, f);) {
      int path = 0, k = 0;
      if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &low, &high, &path) == 2) {
        while (k < 16 && (S.m[k] < low || S.m[k] >= high)) k++;
        mine = k == 16 && (low < A || low >= E);
        of = strncmp(line + path, "/dev/zero", 9) && strncmp(line + path, "/memfd:", 7) ? image : 2;
        if (line[path] != '/') of = 1;
      } else if (mine && sscanf(line, "Rss: %ld", &kb) == 1) own += what == of ? kb : 0;
      else if (mine && sscanf(line, "Anonymous: %ld", &kb) == 1) own += !what ? kb : what == of ? -kb : 0;
    }
    if (f) fclose(f); /* an unmapped page makes old kernels add up what they have put aside */
    munmap(mmap(NULL, P, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), P);
    f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, keys[what], &all);
    if (f) fclose(f);
  }
  count((all - own) / (long)(P / 1024));
}
)c"},
    {kNeedBeside, 0, "",
     R"c(static void clear(void) { /* without the vdso, nothing lies beside the first mapping of a static binary */
  char line[4400];
  size_t low, high;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f))
    if ((strstr(line, "[vvar") || strstr(line, "[vdso]")) && sscanf(line, "%lx-%lx", &low, &high) == 2)
      munmap((void *)low, high - low);
  if (f) fclose(f);
}
)c"},
    {kNeedRace, 0, "sched.h sys/syscall.h sys/wait.h",
     R"c(enum { GOT, ERRNO, FAULTED, NOBODY, RACERS = 4 };
static struct { int here, done, how[8]; unsigned long value[8]; } *R; /* what each has met */
static void meet(int *here) { /* comes back when all have come */
  __atomic_add_fetch(here, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(here, __ATOMIC_SEQ_CST) < RACERS) sched_yield();
}
static void met(int who, long r) { R->how[who] = r == -1 ? ERRNO : GOT, R->value[who] = r == -1 ? errno : r; }
static int race(void (*part)(int, const long *), const long *a) {
  int child[RACERS], i;
  R = mmap(NULL, sizeof *R, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (R == MAP_FAILED) return -1;
  for (i = 0; i < 8; i++) R->how[i] = NOBODY;
  for (i = 0; i < RACERS; i++) {
    if (!(child[i] = fork())) meet(&R->here), part(i, a), meet(&R->done), _exit(0);
    if (child[i] == -1) met(i, -1), R->here = R->done = RACERS; /* nobody waits */
  }
  for (i = 0; i < RACERS; i++) waitpid(child[i], NULL, 0);
  return 0;
}
static void say_met(int how, const char *format, int counted) { /* each value once, the lowest first */
  for (unsigned long low = 0, next; ; low = next + 1) {
    int n = 0;
    next = -1ul;
    for (int i = 0; i < 8; i++) if (R->how[i] == how && R->value[i] >= low && R->value[i] < next) next = R->value[i];
    for (int i = 0; i < 8; i++) n += R->how[i] == how && R->value[i] == next;
    if (!n) return;
    if (counted) say("%d*", n);
    say(format, next);
  }
}
)c"},
    {kNeedRaceGet, kNeedRace | kNeedSegments | kNeedFailed, "",
     R"c(static void get_one(int who, const long *a) { met(who, syscall(SYS_shmget, a[0], a[1], a[2])); }
static void race_get(int name, const long *a) { /* how many got the first id, another, and which error */
  int first = 0, others = 0, id = -1;
  if (failed(race(get_one, a))) return;
  for (int i = RACERS; i--;) if (R->how[i] == GOT) id = (int)R->value[i];
  for (int i = 0; i < RACERS; i++) first += R->how[i] == GOT && (int)R->value[i] == id;
  for (int i = 0; i < RACERS; i++) others += R->how[i] == GOT && (int)R->value[i] != id;
  say("%d*id %d*another ", first, others), say_met(ERRNO, "errno %lu ", 1);
  if (id != -1) S.s[name] = id;
  munmap(R, sizeof *R);
}
)c"},
    {kNeedRaceAttach, kNeedRace | kNeedSegments | kNeedFault | kNeedFailed, "",
     R"c(static void *attach_one(int who, long id) { /* looks at it, and writes what is there */
  volatile unsigned long *volatile p = shmat(id, NULL, 0);
  if (p == (void *)-1) return met(who, -1), NULL;
  R->how[who] = FAULTED;
  if (!sigsetjmp(back, 1)) *p = R->value[who] = *p, R->how[who] = GOT;
  return (void *)p;
}
static void attach_or_remove(int who, const long *a) {
  void *p = who ? attach_one(who, a[0]) : NULL;
  if (!who) met(0, syscall(SYS_shmctl, a[0], IPC_RMID, 0));
  if (p) shmdt(p);
}
static void attach_and_fork(int who, const long *a) {
  void *p = attach_one(who, a[0]);
  int child = p ? fork() : -1;
  if (p && child == -1) met(who, -1);
  if (!child) attach_one(RACERS + who, a[0]), shmdt(p), who % 2 ? _exit(0) : (void)kill(getpid(), SIGKILL);
  if (p) shmdt(p);
  if (child > 0) waitpid(child, NULL, 0);
}
static void race_attach(long id, int forks) { /* what some of them met */
  if (failed(race(forks ? attach_and_fork : attach_or_remove, &id))) return;
  if (!forks && R->how[0] == GOT) say("removed ");
  if (!forks && R->how[0] == ERRNO) say("errno %lu ", R->value[0]);
  if (!forks) R->how[0] = NOBODY;
  say_met(GOT, "0x%lx ", 0), say_met(ERRNO, "errno %lu ", 0), say_met(FAULTED, "fault ", 0);
  munmap(R, sizeof *R);
}
)c"},
    {kNeedSegments, 0, "sched.h sys/shm.h", ""},
    {kNeedFiles, 0, "fcntl.h stdlib.h sys/stat.h", ""},
    {kNeedDeaths, 0, "sys/prctl.h", ""},
    {kNeedExec, kNeedFailed, "stdlib.h", ""},
};

constexpr std::string_view kAlwaysIncluded[] = {"errno.h",    "signal.h",   "stdio.h", "string.h",
                                                "sys/mman.h", "sys/wait.h", "unistd.h"};

}  // namespace

std::uint64_t closure(std::uint64_t needs) {
  for (const auto* p = std::end(kPieces); p != std::begin(kPieces);) {
    --p;
    if ((needs & p->needs) != 0) needs |= p->uses;
  }
  return needs;
}

std::string includes_for(std::uint64_t needs) {
  std::string out;
  for (std::string_view file : kAlwaysIncluded) out += "#include <" + std::string(file) + ">\n";
  for (const Piece& p : kPieces) {
    if ((needs & p.needs) == 0) continue;
    for (const Word& file : split_words(p.includes)) {
      std::string line = "#include <" + std::string(file.text) + ">\n";
      if (out.find(line) == std::string::npos) out += line;
    }
  }
  return out;
}

std::string functions_for(std::uint64_t needs) {
  std::string out;
  for (const Piece& p : kPieces) {
    if ((needs & p.needs) != 0) out += p.code;
  }
  return out;
}

}  // namespace shmcheck::program
