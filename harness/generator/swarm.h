// Swarm testing: every program gets its own random mixture of operations and habits, because a mixture of
// everything hides what a mixture of few things shows.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "harness/entropy.h"
#include "program/op.h"

namespace shmcheck::harness {

using OpSet = std::bitset<program::kOpCodes>;
OpSet all_ops();

// When a program looks at what its ops did. Looking has effects of its own (residency, faults, copies).
enum class Watch : std::uint8_t { never, end, failures, sometimes, always };

struct Swarm {
  std::array<std::uint16_t, program::kOpCodes> weight{};  // 0: not used at random
  std::uint32_t total = 0;
  Watch watch = Watch::end;
  bool finale = true;    // everything is observed at the end
  bool users = false;    // processes become other users
  bool avoid = false;    // known divergences are avoided
  unsigned window = 16;  // pages of the arena in use
  unsigned keys = 2;     // System V keys in use
  unsigned paths = 2;    // paths in use
  unsigned files = 4;    // descriptor slots in use
  // Percentages.
  unsigned spoil = 25;      // of ops that get a wrong argument
  unsigned scenario = 15;   // of steps that begin a scenario instead of one op
  unsigned interrupt = 15;  // of scenario steps that a random op precedes
  unsigned placed = 50;     // of mappings that ask for an address
  unsigned odd = 55;        // of sizes that are no page multiple
  unsigned by_kernel = 40;  // of observations by a system call instead of loads
  unsigned stay = 60;       // of ops performed by the process that performed the last one
};

Swarm make_swarm(Entropy& entropy, const OpSet& allowed);

}  // namespace shmcheck::harness
