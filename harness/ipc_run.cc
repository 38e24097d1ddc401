#include "harness/ipc_run.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace shmcheck::harness {
namespace {

using nlohmann::json;

constexpr int kIpcFormat = 1;

json point_json(const IpcPoint& point) {
  if (!point.missing.empty()) return {{"size", point.size}, {"missing", point.missing}};
  return {{"size", point.size}, {"latency_ns", point.latency_ns}, {"mib_s", point.mib_s}};
}

json series_json(const IpcSeries& series) {
  json points = json::array();
  for (const IpcPoint& point : series.points) points.push_back(point_json(point));
  return {{"mechanism", series.mechanism}, {"shared_memory", series.shared_memory},
          {"hand_over", series.hand_over}, {"in_place", series.in_place},
          {"cores", series.cores},         {"points", points}};
}

std::vector<double> figures_of(const json& in) {
  const auto figures = in.get<std::vector<double>>();
  const bool good = std::all_of(figures.begin(), figures.end(),
                                [](double figure) { return std::isfinite(figure) && figure > 0; });
  if (figures.empty() || !good) throw std::runtime_error("a figure is none above 0");
  return figures;
}

IpcPoint point_of(const json& in) {
  IpcPoint point;
  point.size = in.at("size");
  if (in.contains("missing")) {
    point.missing = in.at("missing");
  } else {
    point.latency_ns = figures_of(in.at("latency_ns"));
    point.mib_s = figures_of(in.at("mib_s"));
  }
  return point;
}

IpcSeries series_of(const json& in) {
  IpcSeries series;
  series.mechanism = in.at("mechanism");
  series.shared_memory = in.at("shared_memory");
  series.hand_over = in.at("hand_over");
  series.in_place = in.at("in_place");
  series.cores = in.at("cores");
  for (const json& point : in.at("points")) series.points.push_back(point_of(point));
  return series;
}

IpcRun run_of(const json& in) {
  IpcRun run;
  run.date = in.at("date");
  run.kernel = {in.at("kernel"), in.at("boot")};
  run.arch = in.at("arch");
  run.cpus = in.at("cpus");
  run.load = in.at("load");
  run.group_nice = in.at("group_nice");
  run.rounds = in.at("rounds");
  run.quick = in.at("quick");
  run.placement = in.at("placement");
  for (const json& series : in.at("series")) run.series.push_back(series_of(series));
  return run;
}

// Between two figures where the position falls between them.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

}  // namespace

RunningKernel running_kernel() {
  RunningKernel kernel;
  struct utsname name = {};
  if (::uname(&name) == 0) kernel.release = name.release;
  std::ifstream boot("/proc/sys/kernel/random/boot_id");
  std::getline(boot, kernel.boot);
  return kernel;
}

std::string title(const IpcSeries& series) {
  std::string text = series.mechanism;
  if (!series.hand_over.empty()) text += ", " + series.hand_over;
  return series.in_place ? text + ", in place" : text;
}

std::string size_text(std::uint64_t size) {
  if (size >= 1 << 20) return fmt::format("{} MiB", size >> 20);
  if (size >= 1 << 10) return fmt::format("{} KiB", size >> 10);
  return fmt::format("{} B", size);
}

const std::vector<double>& rounds_of(const IpcPoint& point, IpcFigure figure) {
  return figure == IpcFigure::latency ? point.latency_ns : point.mib_s;
}

double median_of_rounds(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return quantile(figures, 0.5);
}

double spread_of_rounds(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return (quantile(figures, 0.75) - quantile(figures, 0.25)) / quantile(figures, 0.5);
}

std::string to_json(const IpcRun& run) {
  json series = json::array();
  for (const IpcSeries& one : run.series) series.push_back(series_json(one));
  const json out = {{"format", kIpcFormat},
                    {"date", run.date},
                    {"kernel", run.kernel.release},
                    {"boot", run.kernel.boot},
                    {"arch", run.arch},
                    {"cpus", run.cpus},
                    {"load", run.load},
                    {"group_nice", run.group_nice},
                    {"rounds", run.rounds},
                    {"quick", run.quick},
                    {"placement", run.placement},
                    {"series", series}};
  return out.dump(1) + "\n";
}

std::string read_ipc_run(const std::string& path, IpcRun& run) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fmt::format("{}: {}", path, std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || !text) return fmt::format("{}: this file cannot be read", path);
  try {
    const json parsed = json::parse(text.str());
    if (parsed.at("format") != kIpcFormat) {
      return fmt::format("{}: this run has format {}, and this command reads format {}", path,
                         parsed.at("format").dump(), kIpcFormat);
    }
    run = run_of(parsed);
  } catch (const json::exception& error) {
    return fmt::format("{}: this is no run of bench_ipc: {}", path, error.what());
  } catch (const std::runtime_error& error) {
    return fmt::format("{}: this is no run of bench_ipc: {}", path, error.what());
  }
  return {};
}

std::string kept_ipc_run() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  // A relative path is to be ignored, says the XDG base directory specification.
  const std::string cache = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (cache.starts_with('/')) return cache + "/shmcheck/ipc.json";
  return home.starts_with('/') ? home + "/.cache/shmcheck/ipc.json" : "";
}

}  // namespace shmcheck::harness
