// The lies that the judge is known to accept: reviewed, each with the freedom that allows it.
#pragma once

#include <string>
#include <vector>

#include "harness/perturb/trial.h"

namespace shmcheck::harness {

// reviewed.inc: one line `lie op freedom: profile…` for each. The profiles in which it is accepted, a bit
// each.
std::map<Accepted, unsigned> reviewed();

// What was accepted although nobody has reviewed it, with the profiles in which it was.
std::map<Accepted, unsigned> not_reviewed(const TrialResult& result);

// One line of reviewed.inc.
std::string review_line(const Accepted& accepted, unsigned profiles);

}  // namespace shmcheck::harness
