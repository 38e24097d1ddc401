#include "harness/traces.h"

#include <fmt/format.h>

#include "harness/report.h"
#include "model/judge.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

bool ends(const program::Trace& trace) {
  return !trace.steps.empty() && trace.steps.back().op.code == program::OpCode::end;
}

Finding make_finding(const NamedTrace& named, const model::Finding& seen, const Options& options) {
  Finding finding;
  finding.subject = named.name;
  finding.clause = seen.clause;
  finding.step = seen.step;
  finding.allowed = seen.allowed;
  finding.seen = seen.seen;
  finding.trace = named.trace;
  finding.program = program::program_of(named.trace);
  finding.fs = program::place_name(named.trace.facts);
  if (const Expectation* expected = options.expectations.find(finding, named.trace.facts)) {
    finding.expected = fmt::format("{}: {} ({})", expected->where(), expected->reason, expected->bug);
    finding.outcome = Outcome::xfail;
  }
  return finding;
}

}  // namespace

Result judge_traces(const std::vector<NamedTrace>& traces, const Options& options, Output& output) {
  Result result;
  result.command = "judge";
  result.target = "traces";
  result.heard = true;
  result.profile = options.profile.value_or(model::Profile::exact);
  PartCount& count = result.parts[static_cast<std::size_t>(Part::program)];
  const auto started = Deadline::Clock::now();
  for (const NamedTrace& named : traces) {
    const model::TraceVerdict verdict = model::judge_trace(named.trace, result.profile);
    result.judged_steps += verdict.stats.steps + verdict.stats.observations;
    add_decided(result, verdict.stats);
    ++count.run;
    bool counted = false;
    for (const model::Finding& seen : verdict.findings) {
      if (seen.consequence) continue;
      Finding finding = make_finding(named, seen, options);
      counted = counted || finding.counts();
      output.line(brief(finding));
      add_finding(result, std::move(finding));
    }
    ++(counted ? count.fail : count.pass);
    if (!counted && !ends(named.trace)) {
      result.unjudged = fmt::format("{}: the trace was cut short after {} steps, all of them allowed",
                                    named.name, named.trace.steps.size());
    } else if (!counted && !verdict.unjudged_reason.empty()) {
      ++result.unjudged_traces;
      result.unjudged = fmt::format("{}: {}", named.name, verdict.unjudged_reason);
    }
  }
  result.seconds = std::chrono::duration<double>(Deadline::Clock::now() - started).count();
  return result;
}

}  // namespace shmcheck::harness
