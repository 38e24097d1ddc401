/* What the parts of the bare C program share. bare.c has the turns, the supervisor and what the harness asks;
 * bare_ops.c the ops, bare_memory.c those that touch memory, bare_procfs.c what is read from /proc. */
#ifndef SHMCHECK_BENCH_BARE_STATE_H
#define SHMCHECK_BENCH_BARE_STATE_H

#include <stdint.h>
#include <sys/types.h>

#include "bench/bare.h"

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

extern uint32_t me; /* the process that this is */
extern int file[BARE_FILES];
extern int pipe_end[2];

/* --- turns --------------------------------------------------------------------------------------------- */

void sleep_while(uint32_t* word, uint32_t seen);
void await_turn(uint32_t process);

/* --- ops ----------------------------------------------------------------------------------------------- */

/* -1 and errno if it fails; of a fork 0 in the child. */
long perform(const struct bare_op* op);

const char* path(int32_t object);
const char* object(int32_t index);
long set_append_only(const char* name, int off);

/* --- memory -------------------------------------------------------------------------------------------- */

void catch_faults(void);
void do_access(const struct bare_op* op, uint64_t address);
void do_contents(uint64_t address, uint64_t left, int by_kernel);
long do_call(uint64_t address);

/* --- /proc --------------------------------------------------------------------------------------------- */

extern const char* const limit_files[];  /* in the order of the executor's */
enum { kNextId = 4, kLimits = kNextId }; /* the next id is forgotten when a segment is made */
long read_limit(uint64_t which, uint64_t* value);
long write_limit(uint64_t which, uint64_t value);

long do_read(const char* name);
long do_list(const char* name);
uint64_t rows(void);

#endif
