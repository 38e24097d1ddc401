#include "harness/perturb/trial.h"

#include <algorithm>
#include <deque>

#include "harness/generator/generator.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using model::Freedom;
using program::Program;
using program::Trace;
using Freedoms = std::bitset<model::kFreedoms>;

constexpr std::uint64_t kProgressEvery = 64;

// What a profile says of a trace.
struct View {
  std::vector<Freedoms> freedoms;      // of each step
  std::vector<Freedoms> of_content;    // of each step, but for those that are about failure alone
  std::size_t first_wrong = SIZE_MAX;  // step
  std::size_t blind_after = SIZE_MAX;  // step
  Freedoms blinded_by;
  std::string sentence;  // what was wrong
};

// The freedoms that the judge used at the step of the lie. Of another success, those that are about more than
// whether the call fails.
Freedoms what_allows(const View& told, std::size_t step, const program::Outcome& lie,
                     const program::Outcome& seen) {
  const auto ok = program::OutcomeKind::ok;
  const bool content = lie.kind == ok && seen.kind == ok && told.of_content[step].any();
  return content ? told.of_content[step] : told.freedoms[step];
}

View look(const Trace& trace, model::Profile profile) {
  model::Judge judge(trace.facts, trace.root_pid, profile);
  View view;
  for (std::size_t i = 0; i < trace.steps.size() && view.first_wrong == SIZE_MAX; ++i) {
    if (!judge.step(trace.steps[i])) view.first_wrong = i;
    view.freedoms.push_back(judge.freedoms());
    view.of_content.push_back(judge.content_freedoms());
    if (judge.blind() && view.blind_after == SIZE_MAX) view.blind_after = i;
  }
  view.blinded_by = judge.blinded_by();
  if (!judge.findings().empty()) {
    const model::Finding& f = judge.findings().front();
    view.sentence = "allowed " + f.allowed + ", seen " + f.seen;
  }
  return view;
}

class Trial {
 public:
  Trial(const TrialOptions& options, ProgramRunner& runner) : options_(options), runner_(runner) {
    result_.lies.resize(perturbations().size());
    told_.resize((program::kOpCodes + std::size_t{1}) * perturbations().size());
    generator_.min_ops = 3;
    generator_.max_ops = 12;
  }

  TrialResult run() {
    std::uint64_t index = options_.first_index;
    while (true) {
      while (!done() && flying_.size() < std::max<std::size_t>(runner_.window(), 1)) submit(index++);
      if (flying_.empty()) break;
      std::optional<ProgramRun> ran = runner_.next();
      if (!ran) {
        result_.stopped = runner_.why();
        break;
      }
      const std::uint64_t answered = flying_.front();
      flying_.pop_front();
      if (ran->end == ProgramRun::End::complete) take(answered, ran->trace);
      if (result_.traces % kProgressEvery == 0) options_.progress(result_.traces);
    }
    return std::move(result_);
  }

 private:
  bool done() const { return result_.traces + flying_.size() >= options_.traces || options_.over(); }

  void submit(std::uint64_t index) {
    const Program program = make_program(options_.seed, index, generator_, runner_.facts());
    if (program.ops.size() > options_.longest) {
      ++result_.too_long;
      return;
    }
    runner_.submit(program);
    flying_.push_back(index);
  }

  void take(std::uint64_t index, const Trace& trace) {
    std::array<View, kProfiles.size()> truth;
    for (std::size_t i = 0; i < kProfiles.size(); ++i) {
      truth[i] = look(trace, kProfiles[i]);
      if (truth[i].first_wrong == SIZE_MAX) continue;
      if (result_.unhealthy++ == 0) {
        result_.unhealthy_example = "profile " + std::string(to_string(kProfiles[i])) + ", step " +
                                    std::to_string(truth[i].first_wrong + 1) + ": " + truth[i].sentence +
                                    "\n" + program::to_text(trace);
      }
      return;
    }
    ++result_.traces;
    result_.steps += trace.steps.size();
    SeededEntropy dice(mix(options_.seed, ~index));
    Trace told = trace;
    std::size_t lie = 0;
    const std::size_t step = tell(dice, told, lie);
    if (step != SIZE_MAX) judge(index, trace, told, step, lie, truth);
  }

  // Changes one outcome. Of the lies that a trace offers, one that was told least often, of this op and of
  // any op in turn; the step, or SIZE_MAX.
  std::size_t tell(Entropy& dice, Trace& trace, std::size_t& lie) {
    const bool by_op = result_.traces % 2 == 0;
    struct Offer {
      std::uint64_t told;
      std::uint32_t order;
      std::size_t step, lie;
    };
    std::vector<Offer> offers;
    for (std::size_t i = 0; i < trace.steps.size(); ++i) {
      for (std::size_t k = 0; k < perturbations().size(); ++k) {
        if (!has_field(perturbations()[k], trace.steps[i])) continue;
        const std::uint64_t of_op = times_told(trace.steps[i].op.code, k);
        offers.push_back({by_op ? of_op : result_.lies[k].told, dice.below(UINT32_MAX), i, k});
      }
    }
    std::ranges::sort(offers, {}, [](const Offer& o) { return std::pair(o.told, o.order); });
    for (const Offer& offer : offers) {
      program::Outcome& outcome = trace.steps[offer.step].outcome;
      const program::Outcome before = outcome;
      Draw draw{trace, offer.step, dice};
      // What finds nothing to change counts as tried, so that it is not offered first for ever.
      ++times_told(trace.steps[offer.step].op.code, offer.lie);
      if (perturbations()[offer.lie].change(draw, outcome) && !(outcome == before)) {
        lie = offer.lie;
        return offer.step;
      }
      outcome = before;
    }
    return SIZE_MAX;
  }

  std::uint32_t& times_told(program::OpCode op, std::size_t lie) {
    return told_[static_cast<std::size_t>(op) * perturbations().size() + lie];
  }

  void judge(std::uint64_t index, const Trace& trace, const Trace& told, std::size_t step, std::size_t lie,
             const std::array<View, kProfiles.size()>& truth) {
    LieCount& count = result_.lies[lie];
    ++count.told;
    for (std::size_t p = 0; p < kProfiles.size(); ++p) {
      if (truth[p].blind_after < step) {
        ++count.unseen[p];
        for (std::size_t i = 0; i < model::kFreedoms; ++i)
          if (truth[p].blinded_by[i]) ++result_.unseen[static_cast<Freedom>(i)][p];
        continue;
      }
      const View view = look(told, kProfiles[p]);
      if (view.first_wrong == step) {
        ++count.at_once[p];
      } else if (view.first_wrong != SIZE_MAX) {
        ++count.later[p];
      } else {
        const Freedoms needed = what_allows(view, step, told.steps[step].outcome, trace.steps[step].outcome);
        ++(needed.none() ? count.holes : count.allowed)[p];
        const Accepted key{lie, told.steps[step].op.code, needed.to_ullong()};
        ++result_.accepted[key][p];
        result_.examples.try_emplace(key, Example{index, step, told, trace.steps[step].outcome});
      }
    }
  }

  const TrialOptions& options_;
  ProgramRunner& runner_;
  GeneratorOptions generator_;
  TrialResult result_;
  std::deque<std::uint64_t> flying_;  // indices
  std::vector<std::uint32_t> told_;   // by op and lie
};

void add(PerProfile& sum, const PerProfile& more) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
}

}  // namespace

TrialResult& TrialResult::operator+=(const TrialResult& other) {
  traces += other.traces;
  steps += other.steps;
  too_long += other.too_long;
  unhealthy += other.unhealthy;
  if (unhealthy_example.empty()) unhealthy_example = other.unhealthy_example;
  lies.resize(std::max(lies.size(), other.lies.size()));
  for (std::size_t i = 0; i < other.lies.size(); ++i) {
    lies[i].told += other.lies[i].told;
    add(lies[i].at_once, other.lies[i].at_once);
    add(lies[i].later, other.lies[i].later);
    add(lies[i].allowed, other.lies[i].allowed);
    add(lies[i].holes, other.lies[i].holes);
    add(lies[i].unseen, other.lies[i].unseen);
  }
  for (const auto& [key, count] : other.accepted) add(accepted[key], count);
  examples.insert(other.examples.begin(), other.examples.end());
  for (const auto& [freedom, count] : other.unseen) add(unseen[freedom], count);
  if (stopped.empty()) stopped = other.stopped;
  return *this;
}

std::uint64_t TrialResult::told() const {
  std::uint64_t sum = 0;
  for (const LieCount& count : lies) sum += count.told;
  return sum;
}

TrialResult try_judge(const TrialOptions& options, ProgramRunner& runner) {
  return Trial(options, runner).run();
}

}  // namespace shmcheck::harness
