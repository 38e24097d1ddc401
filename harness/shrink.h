// Shrinking: the shortest and simplest program that still shows what a program showed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "program/op.h"

namespace shmcheck::harness {

struct ShrinkBudget {
  unsigned runs = 2000;  // calls of the predicate
  std::chrono::milliseconds time{10'000};
};

struct Shrunk {
  program::Program program;
  unsigned runs = 0;
  bool complete = true;  // nothing simpler is left to try; false: the budget ended first
};

// `shows` is true of the given program, and of every program that the result may be (mostly: the same clause
// is broken by the same operation). The result depends on program and predicate only, unless the budget ends.
Shrunk shrink(const program::Program& program, const std::function<bool(const program::Program&)>& shows,
              const ShrinkBudget& budget = {});

// --- the parts, for tests

// Names in the order of their first use: p0, p1, …; m0, m1, …; k1, k2, ….
program::Program canonical_names(const program::Program& program);

// Simpler forms of one op, simplest first.
std::vector<program::Op> simpler_forms(const program::Op& op);

// The program without the op `gone`; what used the name that it binds uses the name that `kept` binds, so
// many pages further on if it is an address. Nothing if the two do not bind different names of one kind, or
// if the names are those of processes.
std::optional<program::Program> merge(const program::Program& program, std::size_t gone, std::size_t kept,
                                      int pages = 0);

// The program in which the process has what it opens in descriptor slots that nobody else uses, so that its
// ops can be another's. Nothing if there are too few of them, or if it opens nothing.
std::optional<program::Program> with_own_files(const program::Program& program, std::uint8_t process);

// Programs with fewer ops in which another op makes up for what is gone: a limit is as much lower as a
// segment counted, a write does what a mapping or a size and a store did, a read what a mapping and a load
// did, a file gets its size by a write and a store to other memory goes, a child does everything since its
// parent ends, what was renamed is called by its other name, and storage is looked at in place of what a
// crash leaves of it.
std::vector<program::Program> exchanges(const program::Program& program);

// The op and the later ops that use only what it makes: names that it binds, a process that it forks.
std::vector<bool> dependents(const program::Program& program, std::size_t index);

}  // namespace shmcheck::harness
