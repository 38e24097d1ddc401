// How fast the model judges. A judged op is a line of a program that changes something; lines that observe
// are counted apart, though their time counts in all rates.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "bench/kernel.h"
#include "bench/programs.h"
#include "model/judge.h"
#include "model/machine.h"

namespace shmcheck::bench {
namespace {

using model::Profile;
using program::Trace;

constexpr unsigned kTraces = 400;

std::vector<Trace> model_traces() {
  const program::Facts facts = model::model_facts();
  std::vector<Trace> traces;
  for (const program::Program& p : random_set(facts, kTraces, 8, 40).programs) {
    traces.push_back(model::run_program(p, facts));
  }
  return traces;
}

std::vector<Trace> kernel_traces() {
  Kernel kernel(Host::beside);
  return runnable(kernel, random_set(kernel.facts(), kTraces, 8, 40).programs).traces;
}

void report(benchmark::State& state, const model::JudgeStats& stats) {
  using benchmark::Counter;
  state.counters["ops"] = Counter(static_cast<double>(stats.steps), Counter::kIsRate);
  state.counters["observations"] = Counter(static_cast<double>(stats.observations), Counter::kIsRate);
  state.counters["unjudged"] = static_cast<double>(stats.unjudged) / static_cast<double>(stats.steps);
}

void judge(benchmark::State& state, const std::vector<Trace>& traces, Profile profile) {
  model::JudgeStats stats;
  for ([[maybe_unused]] auto unused : state) {
    for (const Trace& trace : traces) stats += model::judge_trace(trace, profile).stats;
  }
  report(state, stats);
}

// The same turns early and late in a long program.
void judge_long(benchmark::State& state) {
  constexpr std::size_t kOps = 12'000, kEarly = 100, kLate = 10'000, kSpan = 1'000;
  const LongProgram made = long_program(kOps);
  const Trace trace = model::run_program(made.program, model::model_facts());
  auto from = [&](std::size_t op) { return made.first + (op + made.turn - 1) / made.turn * made.turn; };
  const std::size_t early_begin = from(kEarly), late_begin = from(kLate), span = from(kSpan) - from(0);
  using Clock = std::chrono::steady_clock;
  std::vector<double> ratios;
  model::JudgeStats stats;
  for ([[maybe_unused]] auto unused : state) {
    Clock::duration early{}, late{};
    model::Judge judge(trace.facts, trace.root_pid, Profile::exact);
    Clock::time_point start;
    for (std::size_t i = 0; i < trace.steps.size(); ++i) {
      if (i == early_begin || i == late_begin) start = Clock::now();
      judge.step(trace.steps[i]);
      if (i + 1 == early_begin + span) early = Clock::now() - start;
      if (i + 1 == late_begin + span) late = Clock::now() - start;
    }
    ratios.push_back(static_cast<double>(late.count()) / static_cast<double>(early.count()));
    stats += judge.stats();
  }
  report(state, stats);
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2),
                   ratios.end());
  state.counters["late_to_early"] = ratios[ratios.size() / 2];
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  pin_to(measured_core());
  const std::vector<Trace> of_model = model_traces(), of_kernel = kernel_traces();
  auto add = [](const char* name, const std::vector<Trace>& traces, Profile profile) {
    benchmark::RegisterBenchmark(name, [&traces, profile](benchmark::State& state) {
      judge(state, traces, profile);
    })->Unit(benchmark::kMillisecond);
  };
  add("model_trace/exact", of_model, Profile::exact);
  add("model_trace/linux", of_model, Profile::linux);
  add("kernel_trace/exact", of_kernel, Profile::exact);
  add("kernel_trace/linux", of_kernel, Profile::linux);
  benchmark::RegisterBenchmark("long_program", judge_long)->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace shmcheck::bench

int main(int argc, char** argv) {
  try {
    return shmcheck::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_model: %s\n", error.what());
    return 1;
  }
}
