// The judge: reads a trace step by step and says whether each outcome is allowed.
//
// A Judge keeps the set of worlds that explain the trace so far. A step that none of them allows is a
// divergence; the judge then adopts what was seen where it can and goes on. Where it cannot, later findings
// are consequences and are never counted.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clauses/clauses.h"
#include "model/profile.h"
#include "program/trace.h"

namespace shmcheck::model {

struct Finding {
  std::size_t step = 0;  // index into Trace::steps
  clauses::Clause clause = clauses::Clause::none;
  std::string allowed, seen;  // a phrase each
  bool consequence = false;   // follows from an earlier divergence; not counted
};

// "step 4 shmat.nattch: allowed nattch=2, seen nattch=1"; steps are counted from 1.
std::string to_text(const Finding& finding);

// What judging cost in certainty; added up over a run.
struct JudgeStats {
  std::uint64_t traces = 0;
  std::uint64_t steps = 0;         // program lines judged; observation lines are counted in `observations`
  std::uint64_t observations = 0;  // contents, maps, fstat, shmctl stat, pread, end
  std::uint64_t unjudged = 0;      // steps that could not be judged, or whose subject was tainted
  struct PerOp {
    std::uint64_t steps = 0, unique = 0, failed = 0, unjudged = 0;  // unique: exactly one allowed outcome
  };
  std::array<PerOp, program::kOpCodes + 1> per_op{};
  std::array<std::uint64_t, kFreedoms> freedoms{};  // uses of each freedom
  std::bitset<clauses::kCount> decisive;            // clauses that decided some step
  JudgeStats& operator+=(const JudgeStats& other);
};

class Judge {
 public:
  // `root_pid`: the process id of p0, Trace::root_pid.
  Judge(const program::Facts& facts, std::uint64_t root_pid, Profile profile);
  ~Judge();
  Judge(Judge&&) noexcept;
  Judge& operator=(Judge&&) noexcept;

  // True if the outcome is allowed. Otherwise a finding was added.
  bool step(const program::Step& step);

  const std::vector<Finding>& findings() const;
  const JudgeStats& stats() const;
  // Why the rest of the trace cannot be judged; empty if it can.
  const std::string& unjudged_reason() const;
  // The freedoms that allowed the last step: what its rule used, and what had kept the worlds apart that it
  // chose between.
  const std::bitset<kFreedoms>& freedoms() const;
  // Without those that could only have let the call fail: what a success says does not rest on them.
  const std::bitset<kFreedoms>& content_freedoms() const;
  // Whether later steps are not judged, without anything wrong: the freedoms of the step that took the world
  // out of sight.
  bool blind() const;
  const std::bitset<kFreedoms>& blinded_by() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct TraceVerdict {
  std::vector<Finding> findings;
  JudgeStats stats;
  std::string unjudged_reason;
  // The first finding that counts, or null.
  const Finding* first() const;
};

TraceVerdict judge_trace(const program::Trace& trace, Profile profile);

}  // namespace shmcheck::model
