// Several processes at once, in C.
#include "program/reproducer_code.h"

namespace shmcheck::program {
namespace {

constexpr Piece kPieces[] = {
    {kNeedRace,
     {},
     "sched.h sys/syscall.h sys/wait.h",
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
};

}  // namespace

std::span<const Piece> race_code() {
  return kPieces;
}

}  // namespace shmcheck::program
