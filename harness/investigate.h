// Looking into a divergence before it is reported: does it come again, and what is the shortest program that
// shows it?
#pragma once

#include "harness/run.h"

namespace shmcheck::harness {

// Reruns the finding's program; turns a FAIL that does not come again into a FLAKE, and a TIMEOUT that does
// not repeat too. Shrinks what is reproducible. Nothing may be in flight. A target that is lost on the way is
// started again; if it does not come back the finding is left as far as it is known.
void investigate(Run& run, Finding& finding);

// What an answer shows, without counting anything: the first divergence, a loss, a timeout.
std::optional<Finding> find_in(const Answer& answer, model::Profile profile, model::JudgeStats& stats);

}  // namespace shmcheck::harness
