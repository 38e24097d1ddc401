// What the executor adds to the system calls, page faults and hand-overs of the programs that it runs.
//
// Each iteration is a pair: the executor runs a set of programs, then bare.c does, both on the same core.
// `ratio` is the median over the pairs; `cpu_ratio` compares the CPU time of all pairs and is the one to
// trust on a machine that does other things as well. Loads and stores to memory that is there are measured
// apart, in ns: to them any bookkeeping is a multiple.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "bench/bare_process.h"
#include "bench/cpu_time.h"
#include "bench/kernel.h"
#include "bench/programs.h"

namespace shmcheck::bench {
namespace {

using program::Program;

constexpr int kPairs = 15;
constexpr int kSkip = 77;  // what CTest takes for a skip

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The same programs in both worlds.
class Pair {
 public:
  Pair(Kernel& kernel, const std::vector<Program>& programs) : kernel_(kernel) {
    Runnable ready = runnable(kernel, programs);
    programs_ = std::move(ready.programs);
    for (const program::Trace& trace : ready.traces) {
      flat_.push_back(flatten(trace));
      ops_ += flat_.back().size();
    }
    bare_.emplace(kernel.core(), flat_);
  }

  double executor_ns() {
    const auto start = std::chrono::steady_clock::now();
    kernel_.run(programs_, [](const program::Trace&) {});
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  double bare_ns() {
    last_ = bare_->run();
    return static_cast<double>(last_.ns);
  }
  double ops() const { return static_cast<double>(ops_); }
  const bare_result& last() const { return last_; }
  // The share of steps which bare.c could not make, or whose errno was another one.
  double unlike() const {
    const double missed = ops() - static_cast<double>(last_.steps);
    return (missed + static_cast<double>(last_.mismatches)) / ops();
  }

 private:
  Kernel& kernel_;
  std::vector<Program> programs_;
  std::vector<std::vector<bare_op>> flat_;
  std::optional<Bare> bare_;
  std::uint64_t ops_ = 0;
  bare_result last_{};
};

void measure_set(benchmark::State& state, Kernel& kernel, const Set& set) {
  Pair pair(kernel, set.programs);
  std::vector<double> executor, bare, ratios;
  double executor_cpu = 0, bare_cpu = 0;
  for ([[maybe_unused]] auto unused : state) {
    const double before = descendants_cpu_seconds();
    executor.push_back(pair.executor_ns());
    const double between = descendants_cpu_seconds();
    bare.push_back(pair.bare_ns());
    executor_cpu += between - before;
    bare_cpu += descendants_cpu_seconds() - between;
    ratios.push_back(executor.back() / bare.back());
    state.SetIterationTime(executor.back() * 1e-9);
  }
  state.counters["executor_ns"] = median(executor) / pair.ops();
  state.counters["bare_ns"] = median(bare) / pair.ops();
  state.counters["ratio"] = median(ratios);
  state.counters["cpu_ratio"] = executor_cpu / bare_cpu;
  state.counters["unlike"] = pair.unlike();
  if (pair.unlike() > 0.02) state.SkipWithError("bare.c did not do what the executor did");
}

// What one access costs: the difference between a program that makes many and one that makes none.
void measure_access(benchmark::State& state, Kernel& kernel, const char* access) {
  constexpr unsigned kCount = 10'000, kPrograms = 20;
  Pair many(kernel, std::vector(kPrograms, accesses(access, kCount)));
  Pair none(kernel, std::vector(kPrograms, accesses(access, 0)));
  std::vector<double> executor, bare;
  for ([[maybe_unused]] auto unused : state) {
    executor.push_back((many.executor_ns() - none.executor_ns()) / (kCount * kPrograms));
    bare.push_back((many.bare_ns() - none.bare_ns()) / (kCount * kPrograms));
    state.SetIterationTime(executor.back() * 1e-9);
  }
  state.counters["executor_ns"] = median(executor);
  state.counters["bare_ns"] = median(bare);
}

template <typename Measure, typename What>
void add(const std::string& name, Measure measure, Kernel& kernel, What what) {
  benchmark::RegisterBenchmark(
      name.c_str(), [measure, &kernel, what](benchmark::State& state) { measure(state, kernel, what); })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(kPairs);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (geteuid() != 0) {
    std::fputs("bench_executor: bare.c needs root\n", stderr);
    return kSkip;
  }
  Kernel kernel(Host::apart);
  add("random", measure_set, kernel, random_set(kernel.facts(), 400, 8, 40));
  for (const Set& set : loops()) add(set.name, measure_set, kernel, set);
  add("load", measure_access, kernel, "p0 load m0\n");
  add("store", measure_access, kernel, "p0 store m0 0x01\n");
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
    std::fprintf(stderr, "bench_executor: %s\n", error.what());
    return 1;
  }
}
