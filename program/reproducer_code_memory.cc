// Mappings and accesses to them, and what /proc shows of them, in C.
#include "program/reproducer_code.h"

namespace shmcheck::program {
namespace {

constexpr Piece kPieces[] = {
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
    {kNeedScan | kNeedKernelScan,
     {},
     "",
     R"c(static void contents(size_t a, size_t n, long (*part)(size_t, size_t)) {
  for (size_t k; n; a += k, n -= k) k = P - a % P, k = part(a, k < n ? k : n);
  run("", 0);
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
    {kNeedBreak, kNeedCount, "stdlib.h sys/syscall.h", R"c(static long start; /* the program break */
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
    {kNeedSmaps, kNeedFailed, "",
     R"c(static void smaps(size_t a) { /* the entry that has the address */
  FILE *f = fopen("/proc/self/smaps", "r");
  char line[4400];
  unsigned long low, high, kb, from = 0, to = 0, shared = 0, own = 0;
  static const char shown[][4] = {" sh", " lo", " lf", " io", " sr", " rr", " dc", " wf", " ht", " dd", " nr"};
  char flags[40] = "";
  if (failed(f ? 0 : -1)) return;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx", &low, &high) == 2 && a >= low && a < high) from = low, to = high;
    else if (to && sscanf(line, "Shared_%*[CDleanirty]: %lu", &kb) == 1) shared += kb * 1024;
    else if (to && sscanf(line, "Private_%*[CDleanirty]: %lu", &kb) == 1) own += kb * 1024;
    else if (to && !strncmp(line, "VmFlags:", 8)) {
      for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) strcat(flags, strstr(line, shown[i]) ? shown[i] : "");
      break;
    }
  }
  fclose(f);
  errno = ENODATA;
  if (!failed(to ? 0 : -1))
    say("+%lup of %lup shared=%lu private=%lu%s", a / P - from / P, (to - from) / P, shared, own, flags);
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
    {kNeedBeside,
     {},
     "",
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
};

}  // namespace

std::span<const Piece> memory_code() {
  return kPieces;
}

}  // namespace shmcheck::program
