// A campaign on the running kernel: programs are made, run and judged, all on one core, as one of several
// processes of `shmcheck random` does it. Its rate is set against that of the executor alone, which runs the
// same programs, made beforehand, without judging.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <exception>

#include "bench/kernel.h"
#include "bench/programs.h"
#include "harness/generator/generator.h"
#include "model/judge.h"

namespace shmcheck::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kPrograms = 500;
constexpr int kPairs = 7;

double seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

void campaign(benchmark::State& state, Kernel& kernel) {
  const std::vector<program::Program> ready = random_set(kernel.facts(), kPrograms, 8, 40).programs;
  model::JudgeStats stats;
  double alone = 0, judged = 0;
  for ([[maybe_unused]] auto unused : state) {
    Clock::time_point start = Clock::now();
    kernel.run(ready, [](const program::Trace&) {});
    alone += seconds(start);

    start = Clock::now();
    kernel.run(
        kPrograms, [&](std::size_t i) { return random_program(kernel.facts(), i, 8, 40); },
        [&](const program::Trace& trace) {
          stats += model::judge_trace(trace, model::Profile::exact).stats;
        });
    judged += seconds(start);
    state.SetIterationTime(seconds(start));
  }
  const double steps = static_cast<double>(stats.steps);
  state.counters["executor_ops_s"] = steps / alone;
  state.counters["judged_ops_s"] = steps / judged;
  state.counters["ratio"] = alone / judged;
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Kernel kernel(Host::beside);
  benchmark::RegisterBenchmark("campaign", [&](benchmark::State& state) { campaign(state, kernel); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(kPairs);
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
    std::fprintf(stderr, "bench_campaign: %s\n", error.what());
    return 1;
  }
}
