/* The least that a C program can do to run the programs that the executor runs: the same system calls and
 * page faults in processes of the same number, with the same hand-overs, and nothing noted down but what
 * later steps need. What the executor adds to this is its overhead.
 *
 * It needs root, for the namespaces that the executor has as root. bare.h says how to speak with it. */
#define _GNU_SOURCE
#include "bench/bare.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bare_state.h"

uint32_t me;
int file[BARE_FILES];
int pipe_end[2];
static const struct bare_op* ops;
static uint32_t op_count;
static uint64_t limits[kLimits]; /* to be put back after a program */

static void die(const char* what) {
  perror(what);
  exit(1);
}

/* --- hand-overs ---------------------------------------------------------------------------------------- */

void sleep_while(uint32_t* word, uint32_t seen) {
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

void await_turn(uint32_t process) {
  for (;;) {
    const uint32_t seen = __atomic_load_n(&sh->go[process], __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&sh->turn, __ATOMIC_ACQUIRE) == process) return;
    sleep_while(&sh->go[process], seen);
  }
}

/* An op of a process that has ended is one that went otherwise than for the executor. */
static void skip_the_dead(void) {
  while (sh->next < op_count && __atomic_load_n(&sh->alive[ops[sh->next].process], __ATOMIC_ACQUIRE) == 0) {
    ++sh->mismatches;
    ++sh->next;
  }
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
