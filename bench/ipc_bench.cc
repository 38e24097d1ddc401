// Shared memory against the other ways to bring a message from one process to another: latency and
// throughput.

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "bench/ipc/pair.h"
#include "bench/ipc/report.h"
#include "harness/files.h"

namespace shmcheck::bench {
namespace {

using harness::IpcPoint;
using harness::IpcRun;
using harness::IpcSeries;
using harness::size_text;

struct Extent {
  int rounds;
  std::chrono::milliseconds time;  // of each figure in a round
  std::vector<std::size_t> sizes;

  bool is_quick() const { return rounds == 1; }
};
const Extent kFull{9, std::chrono::milliseconds(20), {1, 64, 1 << 10, 4 << 10, 64 << 10, 1 << 20}};
const Extent kQuick{1, std::chrono::milliseconds(2), {1, 4 << 10, 1 << 20}};

void check(const std::string& sentence) {
  if (!sentence.empty()) throw std::runtime_error(sentence);
}

IpcRun describe_machine(const std::vector<Placement>& placements) {
  IpcRun run;
  run.date = fmt::format("{:%F}", fmt::gmtime(std::time(nullptr)));
  run.kernel = harness::running_kernel();
  struct utsname name = {};
  if (::uname(&name) != 0) fail("uname");
  run.arch = name.machine;
  run.cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  std::ifstream load("/proc/loadavg");
  if (!(load >> run.load)) throw std::runtime_error("/proc/loadavg cannot be read: mount /proc");
  // Only a kernel with groups for sessions has this file.
  std::string name_of_group, word;
  std::ifstream("/proc/self/autogroup") >> name_of_group >> word >> run.group_nice;
  const Placement& last = placements.back();
  run.placement = last.cores() == 1
                      ? fmt::format("on CPU {}", last.first)
                      : fmt::format("on CPU {}, or on CPUs {} and {}", last.first, last.first, last.second);
  return run;
}

struct Subject {
  Mechanism mechanism;
  Placement placement;
};

// Where the two share a core, one that spins would wait for the other to get its turn.
std::vector<Subject> subjects(const std::vector<Placement>& placements) {
  std::vector<Subject> all;
  for (const Placement& placement : placements) {
    for (Mechanism& mechanism : mechanisms()) {
      if (placement.cores() == 2 || !mechanism.spins()) all.push_back({std::move(mechanism), placement});
    }
  }
  return all;
}

void measure_point(const Subject& subject, const Extent& extent, const IpcSeries& series, IpcPoint& point) {
  if (!point.missing.empty()) return;
  try {
    const Timing timing = measure(subject.mechanism, point.size, subject.placement, extent.time);
    point.latency_ns.push_back(timing.latency_ns);
    point.mib_s.push_back(timing.mib_s);
  } catch (const Unavailable& why) {
    point = {point.size, {}, {}, why.what()};
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    throw std::runtime_error(
        fmt::format("{}, messages of {}: {}", title(series), size_text(point.size), error.what()));
  }
}

// Round by round, so that what else the machine does meanwhile meets all of them.
IpcRun measure_all(const Extent& extent) {
  const std::vector<Placement> where = placements();
  IpcRun run = describe_machine(where);
  run.rounds = extent.rounds;
  if (run.load > run.cpus / 2.0 && run.group_nice == 0 && !extent.is_quick()) {
    fmt::print(stderr,
               "bench_ipc: this machine is busy (load {:.1f} on {} CPUs), and the figures will spread: run "
               "it when it is idle, or as root after `echo -20 >/proc/self/autogroup`\n",
               run.load, run.cpus);
  }
  const std::vector<Subject> all = subjects(where);
  for (const auto& [mechanism, placement] : all) {
    IpcSeries& series = run.series.emplace_back(IpcSeries{mechanism.name,
                                                          mechanism.shared_memory,
                                                          mechanism.hand_over,
                                                          mechanism.in_place,
                                                          placement.cores(),
                                                          {}});
    for (const std::size_t size : extent.sizes) series.points.push_back({size, {}, {}, {}});
  }
  for (int round = 1; round <= extent.rounds; ++round) {
    if (!extent.is_quick()) fmt::print(stderr, "round {} of {}\n", round, extent.rounds);
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (IpcPoint& point : run.series[i].points) measure_point(all[i], extent, run.series[i], point);
    }
  }
  return run;
}

// The directory where `shmcheck claims` looks for a run; found out to be there before the run, not after it.
std::string prepare_to_keep() {
  const std::string path = harness::kept_ipc_run();
  const std::string directory = path.substr(0, path.rfind('/'));
  const std::string sentence = path.empty() ? "neither XDG_CACHE_HOME nor HOME is an absolute path"
                                            : harness::prepare_directory(directory);
  if (!sentence.empty()) {
    throw std::runtime_error(fmt::format(
        "the run could not be kept for `shmcheck claims`: {}; set XDG_CACHE_HOME to a directory of yours",
        sentence));
  }
  return path;
}

void run_it(bool quick, const std::string& out) {
  hold_signals();
  if (!out.empty()) check(harness::prepare_directory(out));
  const std::string kept = quick ? "" : prepare_to_keep();
  IpcRun run = measure_all(quick ? kQuick : kFull);
  run.quick = quick;
  fmt::print("{}", tables(run));
  if (!out.empty()) {
    check(harness::write_file(out + "/ipc.json", to_json(run)));
    check(harness::write_file(out + "/ipc.md", document(run)));
    check(harness::write_file(out + "/ipc.svg", plot(run)));
  }
  if (kept.empty()) return;
  check(harness::write_file(kept, to_json(run)));
  fmt::print("\nkept for `shmcheck claims`: {}\n", kept);
}

}  // namespace
}  // namespace shmcheck::bench

int main(int argc, char** argv) {
  CLI::App app("Latency and throughput of shared memory and of other IPC between two processes");
  bool quick = false;
  std::string out;
  app.add_flag("--quick", quick, "A smoke test of seconds: its figures say nothing, and nothing is kept");
  app.add_option("--out", out, "Write ipc.json, ipc.md and ipc.svg there")->type_name("DIR");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "bench_ipc: {}; --help shows the options\n", error.what());
    return 2;
  }
  try {
    shmcheck::bench::run_it(quick, out);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_ipc: {}\n", error.what());
    return 1;
  }
}
