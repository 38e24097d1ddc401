// Perturbations: small lies about one outcome of a trace. What the judge takes for true shows what it does
// not see.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "harness/entropy.h"
#include "program/trace.h"

namespace shmcheck::harness {

// A step whose outcome is to be changed, and what the lie may draw on.
struct Draw {
  const program::Trace& trace;
  std::size_t index;  // into trace.steps
  Entropy& dice;
  const program::Op& op() const { return trace.steps[index].op; }
  const program::Facts& facts() const { return trace.facts; }
};

struct Perturbation {
  std::string_view name;
  // Of the outcome: what a freedom is about, whatever the lie makes of it. What no freedom can make of it is
  // another: `…-impossible`.
  std::string_view field;
  std::string_view help;  // which field becomes what
  std::uint8_t kinds;     // OutcomeKinds that have the field, a bit each
  std::uint16_t results;  // of an `ok`: ResultKinds that have it, a bit each
  // Changes the outcome; false if there is nothing to change.
  bool (*change)(Draw&, program::Outcome&);
};

std::span<const Perturbation> perturbations();

// Whether the step's outcome has the field. `change` may still find nothing in it.
bool has_field(const Perturbation& perturbation, const program::Step& step);

// What the success of this op carries.
program::ResultKind result_of(const program::Op& op);

}  // namespace shmcheck::harness
