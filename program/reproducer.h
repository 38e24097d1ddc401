// A failing step as one C file that needs nothing but libc: it plays the program again with real processes in
// lock-step and looks at the step that failed.
//
//   cc -std=c11 -Wall -Wextra -static -o repro repro.c && ./repro [DIRECTORY]
//
// -static is for programs that touch what lies beside a mapping placed by the kernel: in a static binary no
// library lies there, and such a reproducer unmaps the vdso first, which may.
// Files go into a new directory below DIRECTORY (default /dev/shm, or /tmp where that is missing). It exits 1
// if it sees what the trace saw, 0 if it sees something else, 2 if it could not come that far: an earlier
// step went differently, or something it needs is missing.
//
// What differs between two healthy runs is compared by what it means: addresses outside the arena and ids by
// the names that they equal, process ids by the names of processes, times by whether they are set.
#pragma once

#include <cstddef>
#include <string>

#include "program/trace.h"

namespace shmcheck::program {

struct ReproducerNotes {
  std::string clause;     // its id
  std::string statement;  // of the clause
  std::string allowed;    // at the failing step, for people
  std::string seen;
};

// `step` counts the steps of the trace from 0; the trace's outcomes belong to the program's ops, and a step
// behind the last op is `end`.
std::string c_reproducer(const Program& program, const Trace& trace, std::size_t step,
                         const ReproducerNotes& notes);

}  // namespace shmcheck::program
