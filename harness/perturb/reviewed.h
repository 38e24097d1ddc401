// What the judge is known to accept: reviewed, each with the freedom that allows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/perturb/trial.h"

namespace shmcheck::harness {

// What a freedom lets be otherwise: a field of an op's outcome (Perturbation::field). How a lie changes the
// field is not part of it.
struct Grant {
  std::string_view field;
  program::OpCode op = program::OpCode::end;
  model::Freedom freedom = model::Freedom::count;
  auto operator<=>(const Grant&) const = default;
};

// reviewed.inc: one line `field op,op… freedom: profile…` for each, where `any` is every op. The profiles in
// which it is granted, a bit each.
std::map<Grant, unsigned> reviewed();

// What would explain it: each of its freedoms, about the field that it lies about.
std::vector<Grant> grants_of(const Accepted& accepted);

// What explains it in the profile, as far as it was reviewed; empty: nothing.
std::vector<model::Freedom> explained(const std::map<Grant, unsigned>& reviewed, const Accepted& accepted,
                                      std::size_t profile);

// What was accepted although nothing that was reviewed explains it, with the profiles in which it was.
std::map<Accepted, unsigned> not_reviewed(const TrialResult& result);

// One line of reviewed.inc.
std::string review_line(const Grant& grant, unsigned profiles);

}  // namespace shmcheck::harness
