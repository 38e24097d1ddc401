// The bare C programs that executor_bench measures the executor against, as small and static as it is.
// Reads numbers of programs from kBareIn, runs each kProgramsARound times and writes the number to kBareOut.
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/overhead.h"

namespace shmcheck::executor {
namespace {

constexpr unsigned long kPage = 4096;

jmp_buf back;

void on_fault(int) {
  longjmp(back, 1);
}

void bare_file() {
  int fd = open("n0", O_RDWR | O_CREAT, 0644);
  dup3(fd, 100, 0);
  close(fd);
  fd = 100;
  char buffer[16];
  bool fine = ftruncate(fd, 1) == 0;
  auto* m = static_cast<volatile char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  m[0] = 1;
  if (_setjmp(back) == 0) m[kPage] = 1;
  fine = fine && pwrite(fd, "aaaa", 4, 100) == 4 && pread(fd, buffer, 4, 100) == 4;
  fine = fine && msync(const_cast<char*>(m), kPage, MS_SYNC) == 0;
  fine = fine && munmap(const_cast<char*>(m), 2 * kPage) == 0;
  close(fd);
  unlink("n0");
  _exit(fine ? 0 : 1);
}

void bare_segment() {
  int id = shmget(IPC_PRIVATE, kPage, 0600);
  auto* at = static_cast<volatile char*>(shmat(id, nullptr, 0));
  at[0] = 1;
  shmid_ds ds;
  shmctl(id, IPC_STAT, &ds);
  shmdt(const_cast<char*>(at));
  shmctl(id, IPC_RMID, nullptr);
  _exit(0);
}

struct Turn {
  unsigned words[2];
};

void give(unsigned& word) {
  __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr);
}
void await(unsigned& word) {
  while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) syscall(SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  word = 0;
}

void bare_turns() {
  const int kKind = MAP_SHARED | MAP_ANONYMOUS;
  auto* turn = static_cast<Turn*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, kKind, -1, 0));
  auto* m = static_cast<volatile char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, kKind, -1, 0));
  pid_t child = fork();
  bool first = child != 0;
  for (int i = 0; i < kHandOvers / 2; ++i) {
    if (first) {
      m[0] = static_cast<char>(i);
      give(turn->words[1]);
      await(turn->words[0]);
    } else {
      await(turn->words[1]);
      volatile char seen = m[0];
      (void)seen;
      give(turn->words[0]);
    }
  }
  if (!first) _exit(0);
  waitpid(child, nullptr, 0);
  _exit(0);
}

// False if a program failed.
bool run(void (*program)()) {
  for (int i = 0; i < kProgramsARound; ++i) {
    pid_t pid = fork();
    if (pid == 0) program();
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) return false;
  }
  return true;
}

// Where the executor runs its programs: one core, an IPC namespace and a tmpfs of its own.
bool enter() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fault;
  action.sa_flags = SA_NODEFER;
  return sched_setaffinity(0, sizeof one, &one) == 0 && sigaction(SIGBUS, &action, nullptr) == 0 &&
         unshare(CLONE_NEWIPC | CLONE_NEWNS) == 0 &&
         mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("bench", "/mnt", "tmpfs", 0, nullptr) == 0 && chdir("/mnt") == 0;
}

}  // namespace
}  // namespace shmcheck::executor

int main() {
  using namespace shmcheck::executor;
  if (!enter()) return 1;
  void (*const programs[])() = {bare_file, bare_segment, bare_turns};
  unsigned char program = 0;
  while (read(kBareIn, &program, 1) == 1 && program < sizeof programs / sizeof *programs) {
    if (!run(programs[program]) || write(kBareOut, &program, 1) != 1) return 1;
  }
  return 0;
}
