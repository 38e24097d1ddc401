// What a run of bench_ipc says of the claim that shared memory is the fastest.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "harness/ipc_run.h"

namespace shmcheck::harness {
namespace {

constexpr std::string_view kHowTo =
    "`bench_ipc` makes one in three minutes, after `ci/build release bench_ipc`";

struct Best {
  const IpcSeries* series = nullptr;
  double figure = 0;
};

const IpcPoint* point_of(const IpcSeries& series, std::uint64_t size) {
  for (const IpcPoint& point : series.points) {
    if (point.size == size && point.missing.empty()) return &point;
  }
  return nullptr;
}

bool better(IpcFigure what, double a, double b) {
  return what == IpcFigure::latency ? a < b : a > b;
}

template <typename Wanted>
Best best(const IpcRun& run, IpcFigure what, std::uint64_t size, const Wanted& wanted) {
  Best best;
  for (const IpcSeries& series : run.series) {
    const IpcPoint* point = wanted(series) ? point_of(series, size) : nullptr;
    if (point == nullptr) continue;
    const double figure = median_of_rounds(rounds_of(*point, what));
    if (best.series == nullptr || better(what, figure, best.figure)) best = {&series, figure};
  }
  return best;
}

std::string figure_text(IpcFigure what, double figure) {
  if (what == IpcFigure::latency) {
    return figure < 1000 ? fmt::format("{:.0f} ns", figure) : fmt::format("{:.1f} µs", figure / 1000);
  }
  return fmt::format("{:.0f} MiB/s", figure);
}

std::string factor_text(IpcFigure what, double ours, double other) {
  const double factor = what == IpcFigure::latency ? other / ours : ours / other;
  return factor < 10 ? fmt::format("{:.1f} times as fast", factor)
                     : fmt::format("{:.0f} times as fast", factor);
}

// One way to use shared memory, against all else.
struct Question {
  IpcFigure what;
  int cores;
  std::string hand_over;

  std::string text(std::string_view sizes) const {
    return fmt::format("{} of {}, {}", what == IpcFigure::latency ? "latency" : "throughput", sizes,
                       cores == 1 ? "one core" : "two cores");
  }
};

struct Answer {
  Best ours, other;

  explicit operator bool() const { return ours.series != nullptr && other.series != nullptr; }
};

Answer answer(const IpcRun& run, const Question& question, std::uint64_t size) {
  const auto ours = [&question](const IpcSeries& series) {
    return series.cores == question.cores && series.shared_memory && series.hand_over == question.hand_over;
  };
  const auto other = [&question](const IpcSeries& series) {
    return series.cores == question.cores && !series.shared_memory;
  };
  return {best(run, question.what, size, ours), best(run, question.what, size, other)};
}

std::string line(const Question& question, std::uint64_t size, const Answer& answer) {
  const IpcFigure what = question.what;
  return fmt::format("{}: {} ({}) against {} ({}): {}", question.text(size_text(size)),
                     figure_text(what, answer.ours.figure), title(*answer.ours.series),
                     figure_text(what, answer.other.figure), title(*answer.other.series),
                     factor_text(what, answer.ours.figure, answer.other.figure));
}

std::set<std::uint64_t> sizes_of(const IpcRun& run) {
  std::set<std::uint64_t> sizes;
  for (const IpcSeries& series : run.series) {
    for (const IpcPoint& point : series.points) {
      if (point.missing.empty()) sizes.insert(point.size);
    }
  }
  return sizes;
}

std::vector<Question> questions(const IpcRun& run) {
  std::set<std::string> hand_overs;
  for (const IpcSeries& series : run.series) {
    if (series.shared_memory) hand_overs.insert(series.hand_over);
  }
  std::vector<Question> all;
  for (const int cores : {2, 1}) {
    for (const IpcFigure what : {IpcFigure::latency, IpcFigure::throughput}) {
      for (const std::string& hand_over : hand_overs) all.push_back({what, cores, hand_over});
    }
  }
  return all;
}

// The latency of the smallest messages, the throughput of the largest, and wherever something else is faster.
std::vector<std::string> figures(const IpcRun& run) {
  const std::set<std::uint64_t> sizes = sizes_of(run);
  std::vector<std::string> lines, slower;
  for (const Question& question : questions(run)) {
    std::string slower_at;
    for (const std::uint64_t size : sizes) {
      const Answer found = answer(run, question, size);
      if (!found) continue;
      if (size == (question.what == IpcFigure::latency ? *sizes.begin() : *sizes.rbegin()))
        lines.push_back(line(question, size, found));
      if (better(question.what, found.other.figure, found.ours.figure))
        slower_at += (slower_at.empty() ? "" : ", ") + size_text(size);
    }
    if (!slower_at.empty())
      slower.push_back(fmt::format("not faster with {}: {}", question.hand_over, question.text(slower_at)));
  }
  lines.insert(lines.end(), slower.begin(), slower.end());
  return lines;
}

std::string objection(const IpcRun& run, const std::string& path, const RunningKernel& here) {
  if (run.quick) return fmt::format("no: {} is of a quick run, whose figures are none; {}", path, kHowTo);
  if (here.boot.empty()) {
    return fmt::format(
        "no: this kernel does not tell one boot from another (no boot_id), so {} may be another's", path);
  }
  if (run.kernel.release != here.release) {
    return fmt::format("no: {} is of Linux {}, and this is {}; {}", path, run.kernel.release, here.release,
                       kHowTo);
  }
  if (run.kernel.boot != here.boot) {
    return fmt::format("no: {} is of another machine, or of this one before it was booted; {}", path, kHowTo);
  }
  return {};
}

}  // namespace

std::vector<std::string> ipc_evidence(const std::string& path, const RunningKernel& here) {
  if (path.empty())
    return {"no: neither XDG_CACHE_HOME nor HOME says where a run is kept; give it with --ipc FILE"};
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
    return {fmt::format("no: there is no run of bench_ipc at {}; {}", path, kHowTo)};
  IpcRun run;
  std::string sentence = read_ipc_run(path, run);
  if (!sentence.empty()) return {fmt::format("no: {}; {}", sentence, kHowTo)};
  sentence = objection(run, path, here);
  if (!sentence.empty()) return {sentence};
  std::vector<std::string> lines = figures(run);
  if (lines.empty()) return {fmt::format("no: {} compares shared memory with nothing; {}", path, kHowTo)};
  lines.insert(lines.begin(), fmt::format("on {} by bench_ipc, Linux {}, {} CPUs, medians of {} rounds",
                                          run.date, run.kernel.release, run.cpus, run.rounds));
  return lines;
}

}  // namespace shmcheck::harness
