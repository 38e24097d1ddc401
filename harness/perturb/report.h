// What `shmcheck perturb` prints: tables for people, and JSON.
#pragma once

#include <string>

#include "harness/perturb/trial.h"

namespace shmcheck::harness {

struct TrialHead {
  std::string target;
  std::string file_systems;
  std::uint64_t seed = 0;
  double seconds = 0;
};

std::string table_of(const TrialResult& result);
// Lies that were accepted for no reason, and those whose reason nobody has reviewed: the first of each in
// full.
std::string holes_of(const TrialResult& result);
std::string trial_json(const TrialHead& head, const TrialResult& result);
// Nothing was accepted that should not have been.
bool sees_all(const TrialResult& result);

}  // namespace shmcheck::harness
