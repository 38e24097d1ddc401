// Where a generator's decisions come from: a seed, or bytes that a property tester or fuzzer mutates.
//
// Two numbers are never drawn in one expression unless its order is specified, as it is in braces: compilers
// evaluate the arguments of a call in different orders, and a seed must mean the same to all. What is drawn
// first has a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace shmcheck::harness {

class Entropy {
 public:
  virtual ~Entropy() = default;
  // A number in 0 … bound-1; bound > 0.
  virtual std::uint32_t below(std::uint32_t bound) = 0;
  // Nothing is left; every further number is 0.
  virtual bool exhausted() const { return false; }

  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
  template <typename T>
  T pick(std::initializer_list<T> list) {
    return list.begin()[below(static_cast<std::uint32_t>(list.size()))];
  }
};

// The same numbers for the same seed on every machine.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : state_(seed) {}
  std::uint32_t below(std::uint32_t bound) override {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

// One byte for a bound up to 256, two or four for larger ones.
class ByteEntropy final : public Entropy {
 public:
  explicit ByteEntropy(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint32_t below(std::uint32_t bound) override {
    std::uint32_t v = 0;
    for (std::uint64_t range = 1; range < bound && at_ < bytes_.size(); range <<= 8)
      v = v << 8 | bytes_[at_++];
    return v % bound;
  }
  bool exhausted() const override { return at_ >= bytes_.size(); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

// Seeds of independent streams, one per index.
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + 0x9E3779B97F4A7C15 * (index + 1);
  z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93;
  z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93;
  return z ^ (z >> 32);
}

}  // namespace shmcheck::harness
