// The programs that are measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::bench {

struct Set {
  std::string name;
  std::vector<program::Program> programs;
};

// Small loops, one for each kind of cost: mappings and page faults, files, segments, hand-overs, processes.
std::vector<Set> loops();

// What `shmcheck random` runs, of a fixed seed.
program::Program random_program(const program::Facts& facts, std::uint64_t index, unsigned min_ops,
                                unsigned max_ops);
Set random_set(const program::Facts& facts, unsigned programs, unsigned min_ops, unsigned max_ops);

// All loops one after the other, again and again: what it does never changes, so its speed should not either.
struct LongProgram {
  program::Program program;
  std::size_t first = 0;  // op with which the first turn begins
  std::size_t turn = 0;   // ops of a turn
};
LongProgram long_program(std::size_t min_ops);

// `count` equal accesses to memory that is there; none for the cost of the rest.
program::Program accesses(const char* access, unsigned count);

std::uint64_t ops_of(const std::vector<program::Program>& programs);

}  // namespace shmcheck::bench
