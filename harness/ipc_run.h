// A run of bench_ipc: what it measured, and the file that keeps it for `shmcheck claims`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::harness {

// The kernel that a run was made on. A new boot may come with other mitigations and limits, and so with other
// figures.
struct RunningKernel {
  std::string release;  // uname -r
  std::string boot;     // what the kernel drew at random when it booted; empty: it does not say
  bool operator==(const RunningKernel&) const = default;
};
RunningKernel running_kernel();

// Messages of one size. A figure per round, the median of several batches of two new processes.
struct IpcPoint {
  std::uint64_t size = 0;
  std::vector<double> latency_ns;  // half a round trip
  std::vector<double> mib_s;       // of a stream
  std::string missing;             // why there are none
};

enum class IpcFigure { latency, throughput };
const std::vector<double>& rounds_of(const IpcPoint& point, IpcFigure figure);

struct IpcSeries {
  std::string mechanism;  // "anonymous mapping"
  bool shared_memory = false;
  std::string hand_over;  // of shared memory: "spinning", "futex"
  bool in_place = false;  // written and read where it lies, without a copy
  int cores = 2;          // that the two processes run on
  std::vector<IpcPoint> points;
};

// "anonymous mapping, futex, in place"
std::string title(const IpcSeries& series);
// "64 KiB"
std::string size_text(std::uint64_t size);

struct IpcRun {
  std::string date;  // 2026-11-27
  RunningKernel kernel;
  std::string arch;
  int cpus = 0;
  double load = 0;     // of the last minute, before it began
  int group_nice = 0;  // of its scheduling group (autogroup), before those of others
  int rounds = 0;
  bool quick = false;     // a smoke test: its figures are none
  std::string placement;  // "CPUs 0 and 1"
  std::vector<IpcSeries> series;
};

double median_of_rounds(std::vector<double> figures);
// How far the middle half of the rounds lies apart, of the median.
double spread_of_rounds(std::vector<double> figures);

std::string to_json(const IpcRun& run);
// Empty on success, else a sentence that begins with the path.
std::string read_ipc_run(const std::string& path, IpcRun& run);

// ipc.json in shmcheck's directory of $XDG_CACHE_HOME or ~/.cache. Empty: neither is known.
std::string kept_ipc_run();

// What to say of the claim that shared memory is the fastest: the figures of the run that is kept at `path`,
// or, in one sentence, why there are none and what to do. It decides nothing.
std::vector<std::string> ipc_evidence(const std::string& path, const RunningKernel& here);

}  // namespace shmcheck::harness
