#include "model/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr std::size_t kMaxWorlds = 64;

bool observes(const Op& op) {
  switch (op.code) {
    case OpCode::contents:
    case OpCode::maps:
    case OpCode::fstat:
    case OpCode::pread:
    case OpCode::seals:
    case OpCode::locked:
    case OpCode::mincore:
    case OpCode::smaps:
    case OpCode::rss:
    case OpCode::shm_info:
    case OpCode::limits:
    case OpCode::ipc_info:
    case OpCode::shm_stat:
    case OpCode::sysvipc:
    case OpCode::end:
      return true;
    case OpCode::shmctl:
      return static_cast<program::ShmCommand>(op.small) == program::ShmCommand::stat;
    default:
      return false;
  }
}

void dispatch(World& world, Step& step) {
  if (!well_formed(step.op, step.seen()))
    step.diverge(C::none, "an outcome that has the form of this operation's");
  else if (step.op.code == OpCode::end)
    apply_end(world, step);
  else
    apply(world, step);
}

}  // namespace

JudgeStats& JudgeStats::operator+=(const JudgeStats& o) {
  traces += o.traces;
  steps += o.steps;
  observations += o.observations;
  unjudged += o.unjudged;
  for (std::size_t i = 0; i < per_op.size(); ++i) {
    per_op[i].steps += o.per_op[i].steps;
    per_op[i].unique += o.per_op[i].unique;
    per_op[i].failed += o.per_op[i].failed;
    per_op[i].unjudged += o.per_op[i].unjudged;
  }
  for (std::size_t i = 0; i < freedoms.size(); ++i) freedoms[i] += o.freedoms[i];
  decisive |= o.decisive;
  return *this;
}

struct Judge::State {
  Facts facts;
  Profile profile;
  // Apart from each other, so that keeping one moves nothing.
  std::vector<std::unique_ptr<World>> worlds, next;
  std::vector<Finding> findings;
  JudgeStats stats;
  StepReport report;
  std::string unjudged;
  bool lost = false;
  std::size_t index = 0;
  std::bitset<kFreedoms> used;     // by the last step, in the worlds that allowed it
  std::bitset<kFreedoms> content;  // those of them that are about more than whether the call fails
  std::bitset<kFreedoms> apart;    // what keeps the worlds apart
  std::bitset<kFreedoms> blinded;  // by the step since which the worlds are lost, if nothing was wrong

  // Takes the step in one world; appends the worlds that allow it to `next`. False if there is none: `world`
  // then holds what was adopted.
  bool advance(std::unique_ptr<World>& world, const program::Step& step);
  // The same where the rule asks which of so many futures to take.
  bool branch(std::unique_ptr<World>& world, const program::Step& step, int choices);
  void note_freedoms();
  void count(const program::Step& step);
  void add_finding();
};

bool Judge::State::advance(std::unique_ptr<World>& world, const program::Step& step) {
  report.clear();
  Step s(step.op, facts, profile, step.outcome, report, -1);
  dispatch(*world, s);
  if (s.choices_wanted() == 0) {
    if (report.diverged) return false;
    if (report.lost) lost = true;
    note_freedoms();
    next.push_back(std::move(world));
    return true;
  }
  return branch(world, step, s.choices_wanted());
}

bool Judge::State::branch(std::unique_ptr<World>& world, const program::Step& step, int choices) {
  StepReport first;
  bool any = false;
  for (int choice = 0; choice < choices; ++choice) {
    // The last can have the world itself, unless that may still be what is adopted.
    const bool last = any && choice == choices - 1;
    std::unique_ptr<World> alternative = last ? std::move(world) : std::make_unique<World>(*world);
    report.clear();
    Step taken(step.op, facts, profile, step.outcome, report, choice);
    dispatch(*alternative, taken);
    if (choice == 0) first = report;
    if (report.diverged) continue;
    if (report.lost) lost = true;
    note_freedoms();
    first = report;
    any = true;
    next.push_back(std::move(alternative));
  }
  report = first;
  return any;
}

void Judge::State::note_freedoms() {
  used |= report.freedoms;
  content |= report.of_content;
}

void Judge::State::count(const program::Step& step) {
  ++(observes(step.op) ? stats.observations : stats.steps);
  JudgeStats::PerOp& op = stats.per_op[static_cast<std::size_t>(step.op.code)];
  ++op.steps;
  if (report.unjudged) {
    ++op.unjudged;
    ++stats.unjudged;
  } else if (report.unique && worlds.size() == 1) {
    ++op.unique;
  }
  if (step.outcome.kind == OutcomeKind::error) ++op.failed;
  if (report.freedoms.any()) {
    for (std::size_t i = 0; i < kFreedoms; ++i) stats.freedoms[i] += report.freedoms[i] ? 1 : 0;
  }
  for (std::uint8_t i = 0; i < report.decisive_count; ++i) {
    stats.decisive.set(static_cast<std::size_t>(report.decisive[i]));
  }
}

void Judge::State::add_finding() {
  findings.push_back({index, report.clause, report.allowed, report.seen, lost});
  if (report.lost) lost = true;
}

Judge::Judge(const Facts& facts, std::uint64_t root_pid, Profile profile)
    : state_(std::make_unique<State>()) {
  state_->facts = facts;
  state_->profile = profile;
  state_->worlds.push_back(std::make_unique<World>(state_->facts, root_pid));
  state_->stats.traces = 1;
}
Judge::~Judge() = default;
Judge::Judge(Judge&&) noexcept = default;
Judge& Judge::operator=(Judge&&) noexcept = default;

bool Judge::step(const program::Step& step) {
  State& st = *state_;
  bool allowed = true;
  const bool blind_before = blind();
  const std::size_t worlds_before = st.worlds.size();
  st.used.reset();
  st.content.reset();
  if (!st.unjudged.empty() || st.lost) {
    JudgeStats::PerOp& op = st.stats.per_op[static_cast<std::size_t>(step.op.code)];
    ++op.steps;
    ++op.unjudged;
    ++st.stats.unjudged;
    ++(observes(step.op) ? st.stats.observations : st.stats.steps);
  } else if (st.worlds.size() == 1) {
    // The common case works in place: no world is copied.
    st.report.clear();
    Step s(step.op, st.facts, st.profile, step.outcome, st.report, -1);
    dispatch(*st.worlds.front(), s);
    if (s.choices_wanted() > 0) {
      allowed = st.branch(st.worlds.front(), step, s.choices_wanted());
      if (allowed) st.worlds.swap(st.next);
      st.next.clear();
    } else {
      allowed = !st.report.diverged;
      st.note_freedoms();
    }
    st.count(step);
    if (!allowed)
      st.add_finding();
    else if (st.report.lost)
      st.lost = true;
  } else {
    StepReport first;
    for (std::size_t i = 0; i < st.worlds.size(); ++i) {
      st.advance(st.worlds[i], step);
      if (i == 0) first = st.report;
    }
    allowed = !st.next.empty();
    if (!allowed) {
      // The first world holds what was adopted.
      st.report = first;
      st.worlds.erase(st.worlds.begin() + 1, st.worlds.end());
    } else {
      st.worlds.swap(st.next);
      st.next.clear();
      st.report.diverged = false;
    }
    if (st.worlds.size() > kMaxWorlds) {
      st.unjudged = "more than 64 worlds explain the trace up to step " + std::to_string(st.index + 1);
      st.worlds.erase(st.worlds.begin() + 1, st.worlds.end());
    }
    st.count(step);
    if (!allowed) st.add_finding();
  }
  if (st.worlds.size() < worlds_before) st.used |= st.apart, st.content |= st.apart;
  if (st.worlds.size() > worlds_before) st.apart |= st.used;
  if (st.worlds.size() == 1) st.apart.reset();
  if (!blind_before && blind()) st.blinded = st.used;
  ++st.index;
  return allowed;
}

const std::vector<Finding>& Judge::findings() const {
  return state_->findings;
}
const JudgeStats& Judge::stats() const {
  return state_->stats;
}
const std::string& Judge::unjudged_reason() const {
  return state_->unjudged;
}
const std::bitset<kFreedoms>& Judge::freedoms() const {
  return state_->used;
}
const std::bitset<kFreedoms>& Judge::content_freedoms() const {
  return state_->content;
}
bool Judge::blind() const {
  return state_->lost || !state_->unjudged.empty();
}
const std::bitset<kFreedoms>& Judge::blinded_by() const {
  return state_->blinded;
}

std::string to_text(const Finding& f) {
  return fmt::format("step {} {}: allowed {}, seen {}", f.step + 1, clauses::info(f.clause).id, f.allowed,
                     f.seen);
}

const Finding* TraceVerdict::first() const {
  auto it = std::find_if(findings.begin(), findings.end(), [](const Finding& f) { return !f.consequence; });
  return it == findings.end() ? nullptr : &*it;
}

TraceVerdict judge_trace(const program::Trace& trace, Profile profile) {
  Judge judge(trace.facts, trace.root_pid, profile);
  for (const program::Step& step : trace.steps) judge.step(step);
  return {judge.findings(), judge.stats(), judge.unjudged_reason()};
}

}  // namespace shmcheck::model
