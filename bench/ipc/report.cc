#include "bench/ipc/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace shmcheck::bench {
namespace {

using harness::IpcFigure;
using harness::IpcPoint;
using harness::IpcRun;
using harness::IpcSeries;
using harness::size_text;

std::string cell(const IpcPoint& point, IpcFigure what) {
  if (!point.missing.empty()) return "-";
  const std::vector<double>& rounds = harness::rounds_of(point, what);
  const double median = harness::median_of_rounds(rounds);
  // Three digits of what is small; more would say what the next run denies.
  const int digits = median >= 100 ? 0 : median >= 10 ? 1 : 2;
  const std::string text = fmt::format("{:.{}f}", median, digits);
  return rounds.size() < 2 ? text : fmt::format("{} ±{:.0f}%", text, 50 * harness::spread_of_rounds(rounds));
}

using Row = std::vector<std::string>;

// The width on the screen: what continues a UTF-8 sequence takes none.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t to, bool left) {
  const std::string space(to - width(text), ' ');
  return left ? text + space : space + text;
}

// Markdown that can be read as it stands.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      text += fmt::format("| {} ", padded(rows[line][i], widths[i], i == 0));
    text += "|\n";
    if (line > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      text += i == 0 ? fmt::format("|{}", std::string(widths[i] + 2, '-'))
                     : fmt::format("|{}:", std::string(widths[i] + 1, '-'));
    text += "|\n";
  }
  return text;
}

std::string table(const IpcRun& run, IpcFigure what, int cores) {
  std::vector<Row> rows;
  for (const IpcSeries& series : run.series) {
    if (series.cores != cores) continue;
    if (rows.empty()) {
      rows.push_back({"mechanism"});
      for (const IpcPoint& point : series.points) rows.front().push_back(size_text(point.size));
    }
    Row& row = rows.emplace_back(Row{title(series)});
    for (const IpcPoint& point : series.points) row.push_back(cell(point, what));
  }
  if (rows.empty()) return {};
  return fmt::format("## {}, {}\n\n{}\n",
                     what == IpcFigure::latency ? "Latency (half a round trip, ns)" : "Throughput (MiB/s)",
                     cores == 1 ? "both processes on one core" : "on two cores", aligned(rows));
}

std::string missing(const IpcRun& run) {
  std::map<std::string, std::string> sizes_by_reason;
  for (const IpcSeries& series : run.series) {
    for (const IpcPoint& point : series.points) {
      if (point.missing.empty()) continue;
      std::string& sizes = sizes_by_reason[fmt::format("{}: {}", title(series), point.missing)];
      const std::string size = size_text(point.size);
      if (sizes.find(size) == std::string::npos) sizes += (sizes.empty() ? "" : ", ") + size;
    }
  }
  std::string text;
  for (const auto& [reason, sizes] : sizes_by_reason) text += fmt::format("- {} ({})\n", reason, sizes);
  const bool two = std::any_of(run.series.begin(), run.series.end(),
                               [](const IpcSeries& series) { return series.cores == 2; });
  if (!two)
    text += "- on two cores: this process may run on one only, where spinning would wait for nothing\n";
  return text.empty() ? "" : "What is missing:\n\n" + text;
}

}  // namespace

std::string tables(const IpcRun& run) {
  std::string text;
  for (const int cores : {2, 1}) {
    for (const IpcFigure what : {IpcFigure::latency, IpcFigure::throughput}) text += table(run, what, cores);
  }
  return text + missing(run);
}

std::string document(const IpcRun& run) {
  const std::string kernel = run.kernel.release.substr(0, run.kernel.release.find('-'));
  return fmt::format(
      R"(# Shared memory against other IPC

Written by `bench_ipc` on {}{}: Linux {}, {}, {} CPUs, load {:.2f} before it began{}.

Two processes ({}) exchange messages. Every message is written whole by its sender
and read whole by its receiver, who compares each byte with what was sent; both are part of the time. *In place* they do so
in the shared memory; otherwise in memory of their own, and the message is copied: by `memcpy` into a ring in shared memory
and out of it, or by the kernel. The ring holds 64 KiB, as a pipe does, and at least two messages. *Spinning*, a process
looks until the other has come; with *futex* it sleeps, and calls only if the other sleeps. `process_vm_readv` fetches the
message from the sender's memory, with that same futex. Figures are medians of {} rounds, each with two new processes and
the median of ten batches; behind ± is half the distance of the quartiles of the rounds.

![Latency and throughput over message size](ipc.svg)

{})",
      run.date, run.quick ? " (a quick run, whose figures say nothing)" : "", kernel, run.arch, run.cpus,
      run.load, run.group_nice == 0 ? "" : fmt::format(", its scheduling group at nice {}", run.group_nice),
      run.placement, run.rounds, tables(run));
}

}  // namespace shmcheck::bench
