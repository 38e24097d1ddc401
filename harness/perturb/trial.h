// Trying the judge: traces of a healthy target, each with one lie in it.
//
// Where the judge takes a lie for true it must have used a freedom, and that one of those it used is about
// this field of this operation's outcome must have been reviewed (reviewed.h). Anything else is a hole in the
// model.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "harness/perturb/perturbation.h"
#include "harness/program_runner.h"
#include "model/judge.h"

namespace shmcheck::harness {

inline constexpr std::array kProfiles = {model::Profile::posix, model::Profile::linux,
                                         model::Profile::defacto, model::Profile::exact};
using PerProfile = std::array<std::uint64_t, kProfiles.size()>;

struct LieCount {
  std::uint64_t told = 0;
  PerProfile at_once{};  // rejected at the step that was changed
  PerProfile later{};    // rejected at a later step
  PerProfile allowed{};  // accepted, by a freedom that has a name
  PerProfile holes{};    // accepted for no reason
  PerProfile unseen{};   // told where the judge had stopped looking
};

struct Accepted {
  std::size_t lie = 0;  // index into perturbations()
  program::OpCode op = program::OpCode::end;
  std::uint64_t freedoms = 0;  // model::Freedom, a bit each: one of them allows it; 0: nothing does
  auto operator<=>(const Accepted&) const = default;
};

// The first lie of its kind that was accepted for this reason, for people to look at.
struct Example {
  std::uint64_t index = 0;  // of the program
  std::size_t step = 0;
  program::Trace told;  // with the lie
  program::Outcome truth;
};

struct TrialResult {
  std::uint64_t traces = 0, steps = 0;
  std::uint64_t too_long = 0;   // programs that were left out
  std::uint64_t unhealthy = 0;  // traces that were not accepted as they were
  std::string unhealthy_example;
  std::vector<LieCount> lies;  // one for each of perturbations()
  std::map<Accepted, PerProfile> accepted;
  std::map<Accepted, Example> examples;
  std::map<model::Freedom, PerProfile> unseen;  // what had made the judge stop looking
  std::string stopped;                          // why it ended early; empty: it did not

  TrialResult& operator+=(const TrialResult& other);
  std::uint64_t told() const;
};

struct TrialOptions {
  std::uint64_t seed = 1;
  std::uint64_t first_index = 0;
  std::uint64_t traces = 10'000;
  unsigned longest = 30;  // ops, observations included
  std::function<bool()> over = [] { return false; };
  std::function<void(std::uint64_t traces)> progress = [](std::uint64_t) {};
};

TrialResult try_judge(const TrialOptions& options, ProgramRunner& runner);

}  // namespace shmcheck::harness
