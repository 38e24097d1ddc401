// Processes, and segments with their namespaces and limits, in C.
#include "program/reproducer_code.h"

namespace shmcheck::program {
namespace {

constexpr Piece kPieces[] = {
    {kNeedForked | kNeedForkedFirst, kNeedFailed, "", R"c(static void serve(int me);
)c"},
    {kNeedForkedFirst,
     {},
     "sched.h signal.h sys/syscall.h",
     R"c(static void forked_first(int name) { /* of a PID namespace */
  if (!(S.pid[name] = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0L, 0L, 0L, 0L))) serve(name);
  if (!failed(S.pid[name])) say("child");
}
)c"},
    {kNeedNewUsers,
     {},
     "fcntl.h sched.h sys/prctl.h",
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
    {kNeedForked, {}, "", R"c(static void forked(int name) {
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
    {kNeedSayPid,
     {},
     "",
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
    {kNeedSetid, kNeedSys | kNeedOk | kNeedFailed, "",
     R"c(static void setid(int plain, long u, long g, long n, const gid_t *more) { /* plain: if it is not so yet */
  if (plain && geteuid() == u && getegid() == g) { say("ok"); return; }
  if (!failed(sys(setgroups, n, (long)more)) && !failed(sys(setresgid, g, g, g))) ok(sys(setresuid, u, u, u));
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
    {kNeedSegments, {}, "sched.h sys/shm.h", ""},
    {kNeedFiles, {}, "fcntl.h stdlib.h sys/stat.h", ""},
    {kNeedDeaths, {}, "sys/prctl.h", ""},
    {kNeedExec, kNeedFailed, "stdlib.h", ""},
};

}  // namespace

std::span<const Piece> process_code() {
  return kPieces;
}

}  // namespace shmcheck::program
