// Pseudo-random programs and outcomes for the tests of this room.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "program/bytes.h"
#include "program/trace.h"

namespace shmcheck::program {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t any() { return engine_(); }
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  // Small numbers, powers of two and their neighbours, anything.
  std::uint64_t odd_number() {
    switch (below(4)) {
      case 0:
        return below(16);
      case 1:
        return near_power(below(64));
      case 2:
        return below(1 << 16);
      default:
        return any();
    }
  }
  std::vector<std::uint8_t> bytes(std::size_t most) {
    std::vector<std::uint8_t> out(below(most + 1));
    bool sparse = one_in(2);
    for (std::uint8_t& b : out) b = sparse && !one_in(4) ? 0 : static_cast<std::uint8_t>(any());
    return out;
  }

 private:
  std::uint64_t near_power(std::uint64_t exponent) { return (std::uint64_t{1} << exponent) - below(3); }
  std::mt19937_64 engine_;
};

Facts random_facts(Dice& dice);
// An outcome as an executor may report it for `op`: every field within its layout.
Outcome random_outcome(Dice& dice, const Op& op, const Facts& facts);
// Any values in any fields.
Outcome broken_outcome(Dice& dice);
Trace random_trace(Dice& dice);

}  // namespace shmcheck::program
