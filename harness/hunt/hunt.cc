#include "harness/hunt/hunt.h"

#include <chrono>

#include "harness/campaign.h"
#include "harness/campaign_model.h"

namespace shmcheck::harness {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool is_right(const model::Fault& fault, clauses::Clause clause) {
  return std::find(fault.clauses.begin(), fault.clauses.end(), clause) != fault.clauses.end();
}

Catch hunt_by_seed(const model::Fault& fault, std::uint64_t seed, const HuntOptions& options) {
  CampaignOptions campaign;
  campaign.seed = seed;
  campaign.steps = options.ops;
  campaign.first = true;
  campaign.confirmations = 1;  // the model does the same again
  campaign.interrupted = options.over;
  ModelRunner runner(&fault);
  const CampaignResult result = run_campaign(campaign, runner);
  Catch one;
  one.ops = result.stats.steps + result.stats.observations;
  if (result.findings.empty()) return one;
  const CampaignFinding& found = result.findings.front();
  one.caught = found.kind == CampaignFinding::Kind::divergence;
  one.ops = found.ops;
  one.seconds = found.seconds;
  one.clause = found.clause;
  one.right = is_right(fault, found.clause);
  one.length = found.program.ops.size();
  return one;
}

// The clause of the first divergence that a program shows; adds the ops that were judged.
std::optional<clauses::Clause> shown(const model::Fault& fault, const program::Program& program,
                                     std::uint64_t& ops) {
  const program::Facts facts = model::model_facts(&fault);
  const model::TraceVerdict verdict =
      judge_trace(model::run_program(program, facts, &fault), model::Profile::exact);
  ops += verdict.stats.steps + verdict.stats.observations;
  const model::Finding* first = verdict.first();
  if (first == nullptr) return std::nullopt;
  return first->clause;
}

EnumeratedCatch hunt_by_enumeration(const model::Fault& fault, const Enumeration& enumeration,
                                    const std::function<bool()>& over) {
  EnumeratedCatch one;
  const Clock::time_point start = Clock::now();
  std::uint64_t programs = 0;
  for (std::uint64_t index = 0; !over(); ++index) {
    const std::optional<program::Program> program = enumeration.from(index);
    if (!program) break;
    ++programs;
    const std::optional<clauses::Clause> clause = shown(fault, *program, one.ops);
    if (!clause) continue;
    one.programs = programs;
    one.right = is_right(fault, *clause);
    break;
  }
  one.seconds = since(start);
  return one;
}

CorpusCatch hunt_by_corpus(const model::Fault& fault, const std::vector<NamedProgram>& corpus) {
  CorpusCatch sum;
  const Clock::time_point start = Clock::now();
  std::uint64_t ops = 0;
  for (const NamedProgram& named : corpus) {
    const std::optional<clauses::Clause> clause = shown(fault, named.program, ops);
    if (!clause) continue;
    if (sum.programs++ == 0) {
      sum.first = named.name;
      sum.ops = ops;
      sum.seconds = since(start);
    }
    sum.right += is_right(fault, *clause) ? 1 : 0;
  }
  return sum;
}

template <typename T>
std::vector<T> each(const std::vector<Catch>& catches, T Catch::*member) {
  std::vector<T> values;
  for (const Catch& one : catches) values.push_back(one.*member);
  return values;
}

}  // namespace

bool Hunt::caught() const {
  return !catches.empty() && std::ranges::all_of(catches, &Catch::caught);
}
std::uint64_t Hunt::median_ops() const {
  return median_of(each(catches, &Catch::ops));
}
std::uint64_t Hunt::worst_ops() const {
  const std::vector<std::uint64_t> all = each(catches, &Catch::ops);
  return all.empty() ? 0 : *std::ranges::max_element(all);
}
double Hunt::median_seconds() const {
  return median_of(each(catches, &Catch::seconds));
}
std::size_t Hunt::rightly() const {
  return static_cast<std::size_t>(std::ranges::count_if(catches, &Catch::right));
}
std::size_t Hunt::median_length() const {
  return median_of(each(catches, &Catch::length));
}
std::size_t Hunt::worst_length() const {
  const std::vector<std::size_t> all = each(catches, &Catch::length);
  return all.empty() ? 0 : *std::ranges::max_element(all);
}

Hunt hunt(const model::Fault& fault, const HuntOptions& options, const HuntSources& sources) {
  Hunt result;
  result.fault = &fault;
  for (unsigned i = 0; i < options.seeds && !options.over(); ++i)
    result.catches.push_back(hunt_by_seed(fault, options.first_seed + i, options));
  if (sources.corpus) result.corpus = hunt_by_corpus(fault, *sources.corpus);
  if (sources.enumeration) result.enumerated = hunt_by_enumeration(fault, *sources.enumeration, options.over);
  return result;
}

}  // namespace shmcheck::harness
