// Tells lies to every test until one makes it fail.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "liar/known.h"
#include "liar/session.h"

namespace shmcheck::liar {

struct Judged {
  enum class State {
    broken,    // a lie made it fail
    survived,  // none did
    skipped,   // the machine lacks what it needs
    failing,   // it fails without any lie
    unjudged,  // the time was over
  } state = State::unjudged;
  std::string test{};
  std::vector<std::string> clauses{};
  bool about = false;     // the lie was about what the clause is about
  std::string lie{};      // that broke it
  std::string message{};  // the expectation that failed, or why it was not judged
  int tried = 0;          // lies told before
  bool stage = false;     // of a survivor: some lie broke a set-up step or a child
};

struct Campaign {
  Binary binary;
  std::vector<std::string> tests;
  const BrokenBy* known = nullptr;  // told first
  // These are told nothing.
  const std::vector<Survivor>* listed = nullptr;
  std::optional<double> budget_seconds{};  // no test is begun afterwards
  unsigned jobs = 1;
  unsigned seed = 0;    // of the order
  int most_lies = 400;  // for one test
  std::function<void(const Judged&)> seen;
};

// In the order of `tests`. `problem` is set when nothing could be judged.
struct CampaignResult {
  std::vector<Judged> judged;
  std::string problem;
};
CampaignResult run_campaign(const Campaign& campaign);

// All tests of a conformance binary with their clauses. Empty on success, else a sentence.
struct Listed {
  std::string test, clauses;
};
std::string list_tests(const std::string& binary, std::vector<Listed>& tests);

}  // namespace shmcheck::liar
