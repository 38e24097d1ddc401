// What `shmcheck faults` says: a table, totals against their limits, JSON, and a plot.
#pragma once

#include <string>
#include <vector>

#include "harness/hunt/hunt.h"

namespace shmcheck::harness {

// What is promised of the faults, and how it came out.
struct Totals {
  std::size_t faults = 0, subtle = 0, sourced = 0;
  std::size_t caught = 0;  // on every seed
  std::size_t caught_by_corpus = 0, caught_by_enumeration = 0;
  std::uint64_t median_ops = 0;  // of all faults and seeds
  std::uint64_t worst_ops = 0;
  std::size_t hunts = 0, right = 0;  // blames
  std::size_t median_length = 0, worst_length = 0;
};
inline constexpr std::uint64_t kMedianOps = 5'000;
inline constexpr std::size_t kMedianLength = 6, kWorstLength = 8;
inline constexpr double kRightShare = 0.97;

Totals totals_of(const std::vector<Hunt>& hunts);
bool keeps_promises(const Totals& totals);

std::string hunts_table(const std::vector<Hunt>& hunts);
std::string totals_text(const Totals& totals, unsigned seeds, std::uint64_t ops);
std::string hunts_json(const std::vector<Hunt>& hunts, const HuntOptions& options, double seconds);
// Faults caught (vertical) within so many ops (horizontal, logarithmic): the median and the worst seed of
// each.
std::string hunts_svg(const std::vector<Hunt>& hunts, const HuntOptions& options);

}  // namespace shmcheck::harness
