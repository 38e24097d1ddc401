#include "conformance/framework/race.h"

#include <sched.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <vector>

#include "conformance/framework/objects.h"
#include "conformance/framework/process.h"
#include "gtest/gtest.h"

namespace shmcheck::conformance {
namespace {

constexpr int kOver = -1;

struct Gate {
  std::atomic<int> round;    // the round that may run, or kOver
  std::atomic<int> arrived;  // processes that finished it
};

long NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

template <typename Condition>
void YieldUntil(const Condition& condition) {
  while (!condition()) sched_yield();
}

void Run(Gate& gate, int process, const std::function<void(int, int)>& body) {
  for (int round = 0;; ++round) {
    YieldUntil([&] { return gate.round.load() == kOver || gate.round.load() >= round; });
    if (gate.round.load() == kOver) return;
    body(process, round);
    gate.arrived.fetch_add(1);
  }
}

}  // namespace

void Race(RaceLimits limits, const std::function<void(int, int)>& body, const std::function<void(int)>& check,
          Where where) {
  const Mapping shared = MapSharedAnonymous(sizeof(Gate), where);
  Gate& gate = *new (shared.at()) Gate{};
  gate.round = kOver - 1;
  std::vector<std::unique_ptr<Child>> children;
  for (int process = 0; process < limits.processes; ++process) {
    children.push_back(
        std::make_unique<Child>([&gate, &body, process](Channel&) { Run(gate, process, body); }, where));
  }
  const long end = NowMs() + limits.milliseconds;
  for (int round = 0; round < limits.rounds && (round == 0 || NowMs() < end); ++round) {
    gate.arrived = 0;
    gate.round = round;
    YieldUntil([&] { return gate.arrived.load() == limits.processes; });
    check(round);
  }
  gate.round = kOver;
  for (auto& child : children) EXPECT_THAT(child->Join(where), ExitsWith(0));
}

}  // namespace shmcheck::conformance
