#include "harness/campaign.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace shmcheck::harness {
namespace {

using program::Program;
using program::Trace;
using Kind = CampaignFinding::Kind;
using Clock = std::chrono::steady_clock;

constexpr unsigned kProgressEvery = 64;  // programs
constexpr std::uint64_t kFlakesExamined = 8;

Kind kind_of(ProgramRun::End end) {
  switch (end) {
    case ProgramRun::End::timeout:
      return Kind::timeout;
    case ProgramRun::End::refused:
      return Kind::refused;
    default:
      return Kind::lost;
  }
}

class Campaign {
 public:
  Campaign(const CampaignOptions& options, ProgramRunner& runner) : options_(options), runner_(runner) {}

  CampaignResult run() {
    std::uint64_t& index = result_.next_index;
    index = options_.first_index;
    while (!over() || !flying_.empty()) {
      while (!over() && flying_.size() < std::max<std::size_t>(runner_.window(), 1)) {
        submit(index);
      }
      if (flying_.empty() || !receive()) break;
      // The last answers of a run are looked into as well, after its end.
      while (!waiting_.empty() && !stop_ && land()) examine_next();
    }
    if (!options_.first || result_.findings.empty()) report_unexamined();
    options_.progress(result_.programs, result_.stats);
    return std::move(result_);
  }

 private:
  struct Flight {
    std::uint64_t index = 0;
    Program program;
  };
  // A program whose answer needs a closer look, once nothing is in flight any more.
  struct Suspect {
    Flight flight;
    Kind kind = Kind::divergence;
    clauses::Clause clause = clauses::Clause::none;
    program::OpCode op = program::OpCode::end;
    Trace trace;
    model::Finding finding;
    std::string sentence;
    program::OutcomeKind seen = program::OutcomeKind::ok;  // of the step that diverged
    std::uint64_t ops = 0;
    double seconds = 0;
  };

  bool over() const {
    return stop_ || result_.exhausted || submitted_ >= options_.programs ||
           result_.stats.steps >= options_.steps || options_.interrupted() || Clock::now() >= options_.end;
  }

  // The program with this index, or the next one; the index is then that of the one behind it.
  void submit(std::uint64_t& index) {
    std::optional<Program> program =
        options_.source ? options_.source(index)
                        : make_program(options_.seed, index, options_.generator, runner_.facts());
    if (!program) {
      result_.exhausted = true;
      return;
    }
    runner_.submit(*program);
    flying_.push_back({index++, std::move(*program)});
    ++submitted_;
  }

  // Takes the next answer; false if there will be none.
  bool receive() {
    std::optional<ProgramRun> ran = runner_.next();
    if (!ran) {
      result_.stopped = runner_.why();
      return false;
    }
    Flight flight = std::move(flying_.front());
    flying_.pop_front();
    ++result_.programs;
    if (result_.programs % kProgressEvery == 0) options_.progress(result_.programs, result_.stats);
    take(std::move(flight), std::move(*ran));
    return true;
  }

  void take(Flight flight, ProgramRun ran) {
    options_.ran(ran.trace);
    model::TraceVerdict verdict = model::judge_trace(ran.trace, options_.profile);
    result_.stats += verdict.stats;
    if (!verdict.unjudged_reason.empty() && result_.unjudged++ == 0) {
      result_.unjudged_reason = verdict.unjudged_reason;
    }
    const model::Finding* first = verdict.first();
    // No document says how long an operation may take: that it was given up is no divergence.
    const bool given_up =
        first != nullptr && ran.trace.steps[first->step].outcome.kind == program::OutcomeKind::timeout;
    if (first != nullptr && !given_up) {
      program::OpCode op = ran.trace.steps[first->step].op.code;
      const program::OutcomeKind seen = ran.trace.steps[first->step].outcome.kind;
      suspect(
          {std::move(flight), Kind::divergence, first->clause, op, std::move(ran.trace), *first, {}, seen});
    } else if (ran.end != ProgramRun::End::complete) {
      suspect({std::move(flight),
               kind_of(ran.end),
               clauses::Clause::none,
               program::OpCode::end,
               std::move(ran.trace),
               {},
               std::move(ran.sentence)});
    }
  }

  void suspect(Suspect s) {
    s.ops = result_.stats.steps + result_.stats.observations;
    s.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    if (known(s)) return;
    if (options_.expected && options_.expected(s.clause, s.flight.program)) {
      ++result_.expected;
      return;
    }
    waiting_.push_back(std::move(s));
  }

  // Counts what was reported before. What came once only is looked at again, a few times: another program may
  // show it every time.
  bool known(const Suspect& s) {
    CampaignFinding* same = find(s.kind, s.clause, s.op);
    if (!same && s.kind != Kind::lost) {
      same = find(Kind::flake, s.clause, s.op);
      if (same && same->repeats < kFlakesExamined) return false;
    }
    if (same) ++same->repeats;
    return same != nullptr;
  }

  CampaignFinding* find(Kind kind, clauses::Clause clause, program::OpCode op) {
    auto same = [&](const CampaignFinding& f) { return f.kind == kind && f.clause == clause && f.op == op; };
    auto at = std::find_if(result_.findings.begin(), result_.findings.end(), same);
    return at == result_.findings.end() ? nullptr : &*at;
  }

  // A run that was interrupted, or has lost its target for good, still tells what it saw.
  void report_unexamined() {
    stop_ = true;
    for (Suspect& s : std::exchange(waiting_, {})) {
      if (find(s.kind, s.clause, s.op) == nullptr) report(examine(std::move(s)));
    }
  }

  // Takes the answers that are still to come; false if they do not come, and nothing can be run any more.
  bool land() {
    while (!flying_.empty()) {
      if (!receive()) {
        stop_ = true;
        return false;
      }
    }
    return true;
  }

  void examine_next() {
    Suspect s = std::move(waiting_.front());
    waiting_.pop_front();
    if (!known(s)) report(examine(std::move(s)));
  }

  // Runs a program alone. Nothing if the runner cannot. A target that is lost over a divergence is a finding
  // of its own, examined later.
  std::optional<ProgramRun> run_alone(const Suspect& s, const Program& program) {
    runner_.submit(program);
    std::optional<ProgramRun> ran = runner_.next();
    if (!ran) {
      result_.stopped = runner_.why(), stop_ = true;
    } else if (ran->end == ProgramRun::End::lost && s.kind != Kind::lost) {
      Suspect lost;
      lost.flight = {s.flight.index, program};
      lost.kind = Kind::lost;
      lost.trace = ran->trace;
      lost.sentence = ran->sentence;
      if (!known(lost)) waiting_.push_back(std::move(lost));
    }
    return ran;
  }

  bool shows_again(const Suspect& s, const ProgramRun& ran) const {
    if (s.kind != Kind::divergence) return ran.end != ProgramRun::End::complete && kind_of(ran.end) == s.kind;
    return shown_by(ran.trace, options_.profile) == Shown{s.clause, s.op, s.seen};
  }

  CampaignFinding examine(Suspect s) {
    CampaignFinding f;
    f.kind = s.kind;
    f.seed = options_.seed;
    f.index = s.flight.index;
    f.clause = f.first_clause = s.clause;
    f.op = s.op;
    f.found = f.program = s.flight.program;
    f.trace = std::move(s.trace);
    f.finding = s.finding;
    f.sentence = s.sentence;
    f.ops = s.ops;
    f.seconds = s.seconds;
    unsigned again = 0, runs = 0;
    for (unsigned i = 0; i < options_.confirmations && !stop_; ++i) {
      std::optional<ProgramRun> ran = run_alone(s, f.found);
      if (!ran) break;
      ++runs;
      if (shows_again(s, *ran)) ++again;
    }
    if (again == runs && runs < options_.confirmations) {
      f.sentence = "not confirmed: the run ended before it could be seen again";
      return f;
    }
    if (again < runs) {
      // A target that died once died; anything else has to come again.
      if (s.kind != Kind::lost) f.kind = Kind::flake;
      return f;
    }
    shrink_finding(s, f);
    return f;
  }

  ShrinkBudget budget(unsigned runs) const {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(options_.end - Clock::now());
    return {std::min(options_.shrink.runs, runs),
            std::clamp(left, std::chrono::milliseconds(0), options_.shrink.time)};
  }

  void shrink_finding(const Suspect& s, CampaignFinding& f) {
    auto still = [&](const Program& candidate) {
      if (stop_ || options_.interrupted()) return false;
      std::optional<ProgramRun> ran = run_alone(s, candidate);
      return ran && shows_again(s, *ran);
    };
    // Each try costs a new start of a target that is lost.
    Shrunk shrunk = shrink(f.found, still, budget(s.kind == Kind::divergence ? options_.shrink.runs : 40));
    f.program = std::move(shrunk.program);
    f.shrink_runs = shrunk.runs;
    if (stop_) return;
    if (s.kind == Kind::divergence) find_root(s, f);
    std::optional<ProgramRun> ran = run_alone(s, f.program);
    if (!ran) return;
    f.sentence = ran->sentence;
    f.trace = std::move(ran->trace);
    model::TraceVerdict verdict = model::judge_trace(f.trace, options_.profile);
    if (const model::Finding* first = verdict.first()) f.finding = *first;
  }

  // One bug breaks many clauses, and the shortest program that shows it names the right one most often: what
  // a part of the finding's program shows by itself takes the place of the finding, unless it is known.
  void find_root(const Suspect& s, CampaignFinding& f) {
    auto root_in = [&](const Trace& trace) -> std::optional<Shown> {
      const std::optional<Shown> root = shown_by(trace, options_.profile);
      if (!root || *root == Shown{s.clause, s.op, s.seen}) return root;
      // What is left at the end tells of everything before it, and so of nothing.
      if (root->op == program::OpCode::end) return std::nullopt;
      const bool other_failure = root->seen != s.seen && root->seen != program::OutcomeKind::ok;
      if (root->op == s.op && other_failure) return std::nullopt;
      if (find(Kind::divergence, root->clause, root->op)) return std::nullopt;
      if (options_.expected && options_.expected(root->clause, f.program)) return std::nullopt;
      return root;
    };
    auto wrong = [&](const Program& candidate) {
      if (stop_ || options_.interrupted()) return false;
      std::optional<ProgramRun> ran = run_alone(s, candidate);
      return ran && ran->end == ProgramRun::End::complete && root_in(ran->trace);
    };
    Shrunk shrunk = shrink(f.program, wrong, budget(options_.shrink.runs / 2));
    f.shrink_runs += shrunk.runs;
    if (stop_ || shrunk.program.ops.size() >= f.program.ops.size()) return;
    std::optional<ProgramRun> ran = run_alone(s, shrunk.program);
    if (!ran) return;
    const std::optional<Shown> root = root_in(ran->trace);
    if (!root) return;
    f.clause = root->clause;
    f.op = root->op;
    f.program = std::move(shrunk.program);
  }

  void report(CampaignFinding f) {
    if (f.kind == Kind::flake) {
      if (CampaignFinding* before = find(Kind::flake, f.clause, f.op)) {
        ++before->repeats;
        return;
      }
    }
    if (f.kind == Kind::refused) stop_ = true, result_.stopped = f.sentence;
    if (options_.first && f.kind != Kind::flake) stop_ = true;
    options_.found(f);
    result_.findings.push_back(std::move(f));
  }

  const CampaignOptions& options_;
  ProgramRunner& runner_;
  CampaignResult result_;
  std::deque<Flight> flying_;
  std::deque<Suspect> waiting_;
  std::uint64_t submitted_ = 0;
  const Clock::time_point start_ = Clock::now();
  bool stop_ = false;
};

}  // namespace

std::optional<Shown> shown_by(const Trace& trace, model::Profile profile) {
  const model::TraceVerdict verdict = model::judge_trace(trace, profile);
  const model::Finding* first = verdict.first();
  if (!first) return std::nullopt;
  const program::Step& step = trace.steps[first->step];
  return Shown{first->clause, step.op.code, step.outcome.kind};
}

CampaignResult run_campaign(const CampaignOptions& options, ProgramRunner& runner) {
  return Campaign(options, runner).run();
}

}  // namespace shmcheck::harness
