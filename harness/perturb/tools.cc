#include "harness/perturb/tools.h"

namespace shmcheck::harness {

using program::Step;

ResultKind result_of(const Op& op) {
  const bool stat = static_cast<program::ShmCommand>(op.small) == program::ShmCommand::stat;
  if (op.code == OpCode::shmctl && !stat) return ResultKind::nothing;
  return program::spec(op.code).result;
}

bool has_field(const Perturbation& p, const Step& step) {
  if ((p.kinds & kind_bit(step.outcome.kind)) == 0) return false;
  return step.outcome.kind != OutcomeKind::ok || (p.results & result_bit(result_of(step.op))) != 0;
}

std::span<const Perturbation> perturbations() {
  static const std::vector<Perturbation> all = [] {
    std::vector<Perturbation> joined;
    for (const auto table : {kind_perturbations, value_perturbations, run_perturbations, state_perturbations,
                             map_perturbations, race_perturbations}) {
      const std::span<const Perturbation> part = table();
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }();
  return all;
}

std::vector<std::uint64_t> process_ids(const program::Trace& trace) {
  // 1 is the first one of a PID namespace.
  std::vector<std::uint64_t> ids = {trace.root_pid, 0, 1};
  for (const Step& step : trace.steps) {
    if (step.op.code == OpCode::fork && step.outcome.kind == OutcomeKind::ok)
      ids.push_back(step.outcome.value);
  }
  ids.push_back(*std::max_element(ids.begin(), ids.end()) + 3);
  return ids;
}

std::vector<std::uint64_t> earlier_values(const Draw& draw, ResultKind result) {
  std::vector<std::uint64_t> values;
  for (std::size_t i = 0; i < draw.index; ++i) {
    const Step& step = draw.trace.steps[i];
    if (step.outcome.kind == OutcomeKind::ok && result_of(step.op) == result)
      values.push_back(step.outcome.value);
  }
  return values;
}

namespace {

std::uint64_t bound_address(const Draw& draw, unsigned mapping) {
  for (std::size_t i = draw.index; i-- > 0;) {
    const Step& step = draw.trace.steps[i];
    const bool binds = step.outcome.kind == OutcomeKind::ok && result_of(step.op) == ResultKind::address;
    if (binds && step.op.result == mapping) return step.outcome.value;
  }
  return 0;
}

}  // namespace

std::uint64_t worth(const Draw& draw, const program::Quantity& q) {
  std::uint64_t base = 0;
  if (q.names_mapping()) base = bound_address(draw, q.mapping());
  if (static_cast<program::Base>(q.base) == program::Base::arena) base = draw.facts().arena;
  if (static_cast<program::Base>(q.base) == program::Base::top) base = draw.facts().top;
  if (static_cast<program::Base>(q.base) == program::Base::half) base = std::uint64_t{1} << 63;
  return base + static_cast<std::uint64_t>(std::int64_t{q.pages} * draw.facts().page_size + q.bytes);
}

std::uint64_t remote_address(Draw& draw) {
  return draw.facts().top / 2 + std::uint64_t{draw.dice.below(1U << 16)} * draw.facts().page_size;
}

}  // namespace shmcheck::harness
