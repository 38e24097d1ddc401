// What perturbations are made of. Internal to harness/perturb.
#pragma once

#include <algorithm>
#include <vector>

#include "harness/perturb/perturbation.h"

namespace shmcheck::harness {

using program::Op;
using program::OpCode;
using program::Outcome;
using program::OutcomeKind;
using program::ResultKind;

// The tables of single files; perturbations() joins them.
std::span<const Perturbation> kind_perturbations();
std::span<const Perturbation> value_perturbations();
std::span<const Perturbation> run_perturbations();
std::span<const Perturbation> state_perturbations();
std::span<const Perturbation> map_perturbations();
std::span<const Perturbation> race_perturbations();

constexpr std::uint8_t kind_bit(OutcomeKind kind) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind));
}
constexpr std::uint16_t result_bit(ResultKind result) {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(result));
}
inline constexpr std::uint8_t kOk = kind_bit(OutcomeKind::ok);
inline constexpr std::uint16_t kAnyResult = 0xffff;

template <typename T>
const T& pick(Entropy& dice, const std::vector<T>& list) {
  return list[dice.below(static_cast<std::uint32_t>(list.size()))];
}

// One of the offered values that differs from this one; false if there is none.
template <typename T>
bool replace(Entropy& dice, T& value, std::vector<T> offers) {
  std::erase(offers, value);
  if (offers.empty()) return false;
  value = pick(dice, offers);
  return true;
}

// Process ids that occur in the trace, and one that does not.
std::vector<std::uint64_t> process_ids(const program::Trace& trace);
// Values of earlier successes of this kind.
std::vector<std::uint64_t> earlier_values(const Draw& draw, ResultKind result);
// What a quantity is worth here, as far as the trace says; 0 for a name that it does not bind.
std::uint64_t worth(const Draw& draw, const program::Quantity& quantity);
// A page-aligned address far from everything the trace mentions.
std::uint64_t remote_address(Draw& draw);

}  // namespace shmcheck::harness
