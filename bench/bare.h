/* Programs as the bare C program takes them: the target's own numbers, nothing left to translate.
 *
 * On its standard input it finds a bare_set, then for each program a bare_program and its bare_ops; after
 * that each byte makes it run all of them once, answered by one bare_result on standard output. */
#ifndef SHMCHECK_BENCH_BARE_H
#define SHMCHECK_BENCH_BARE_H

#include <stdint.h>

#define BARE_PROCESSES 64
#define BARE_MAPPINGS 16
#define BARE_FILES 8
#define BARE_SEGMENTS 8
#define BARE_OBJECTS 4
#define BARE_MAX_OPS 16384

enum bare_code {
  BARE_OPEN,
  BARE_CLOSE,
  BARE_UNLINK,
  BARE_FTRUNCATE,
  BARE_TRUNCATE,
  BARE_PREAD,
  BARE_PWRITE,
  BARE_PREAD_TO,
  BARE_PWRITE_FROM,
  BARE_FSTAT,
  BARE_MMAP,
  BARE_MUNMAP,
  BARE_MPROTECT,
  BARE_LOAD,
  BARE_STORE,
  BARE_CONTENTS_LOAD,
  BARE_CONTENTS_KERNEL,
  BARE_FORK,
  BARE_EXIT,
  BARE_KILL,
  BARE_SHMGET,
  BARE_SHMAT,
  BARE_SHMDT,
  BARE_SHMCTL,
  BARE_MAPS,
  BARE_MSYNC,
  BARE_SETID,
  BARE_MREMAP,
  BARE_MADVISE,
  BARE_FALLOCATE,
  BARE_FSYNC,
  BARE_MEMFD,
  BARE_SEAL,
  BARE_SEALS,
  BARE_MLOCK,
  BARE_MUNLOCK,
  BARE_LOCKED,
  BARE_MINCORE,
  BARE_SHM_INFO,
  BARE_LIMIT,
  BARE_LIMITS,
  BARE_RENAME,
  BARE_LINK,
  BARE_SHM_OPEN,
  BARE_SHM_UNLINK,
  BARE_UNSHARE,
  BARE_IPC_INFO,
  BARE_SHM_STAT,
  BARE_SYSVIPC,
  BARE_MUNLOCKALL,
  BARE_RLIMIT,
  BARE_REMAP,
  BARE_CALL,
  BARE_AGE,
  BARE_TIMES,
  BARE_SETNS,
  BARE_BLOCKS,
  BARE_CROWD,
  BARE_MEMFD_NAME,
  BARE_CHATTR,
  BARE_MAP_FILE,
  BARE_DESCRIPTORS,
  BARE_NAMES,
  BARE_BRK,
  BARE_SMAPS,
  BARE_RSS,
  /* What it does not do: exec, which would cost it a start of its own; read devices; start the machine anew;
   * fill file systems or mount them; race, since what that takes is the forks of the racers and how they
   * meet; and mlockall, which locks what each of the two programs has itself, and that is not alike. */
  BARE_NONE
};

/* An address: `value`, or `value` bytes from a mapping by name. */
struct bare_address {
  uint64_t value;
  int64_t mapping; /* -1: none */
};

enum { BARE_NO_FILE = -1, BARE_BAD_FILE = -2, BARE_SPECIAL_FILE = -3 }; /* bare_op.object of a file */
enum { BARE_ZERO = 1, BARE_NULL, BARE_DIRECTORY, BARE_PIPE };   /* and bare_op.value of a special one */
enum { BARE_NEGATIVE_ID = -1, BARE_BOGUS_ID = -2 };             /* bare_op.object of a segment */
enum { BARE_LONG_NAME = -1 };                                   /* bare_op.object of a POSIX object */
enum { BARE_CAUGHT, BARE_DEFAULT, BARE_IGNORED, BARE_BLOCKED }; /* bare_op.action */

struct bare_op {
  uint32_t code;
  uint32_t process;
  int32_t result; /* name that its success binds */
  int32_t object; /* name it works on */
  uint64_t flags; /* of setid 1 if no groups are asked for */
  uint64_t prot;  /* protection, command, advice, signal, user id or which limit */
  uint32_t mode;
  uint32_t bytes;     /* of an access or a name */
  uint32_t action;    /* of SIGSEGV and SIGBUS at an access */
  int32_t expect;     /* errno that the executor met, 0: none */
  uint64_t value;     /* bytes to store, a key, a second path, how many mappings, or a name's address */
  uint64_t len, off;  /* off: or a group id */
  uint32_t groups[4]; /* supplementary ones; `prot` of them */
  struct bare_address addr, to;
};

struct bare_set {
  uint32_t programs;
  uint32_t core; /* to be pinned to */
};

struct bare_program {
  uint32_t ops;
  uint32_t unused;
};

struct bare_result {
  uint64_t ns;
  uint64_t steps;      /* made */
  uint64_t mismatches; /* steps whose errno was not the expected one */
};

#endif
