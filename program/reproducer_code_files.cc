// Files, their names, times and storage, in C.
#include "program/reproducer_code.h"

namespace shmcheck::program {
namespace {

constexpr Piece kPieces[] = {
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
    {kNeedPipeEnd, {}, "", R"c(static int pipe_end(void) {
  int end[2];
  return pipe(end) ? -1 : end[0];
}
)c"},
    {kNeedLongName, {}, "", R"c(static long name_of(int n) {
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
};

}  // namespace

std::span<const Piece> file_code() {
  return kPieces;
}

}  // namespace shmcheck::program
