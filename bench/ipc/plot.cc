// Four panels as SVG: a color for each mechanism, a dash for how it is used.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bench/ipc/report.h"

namespace shmcheck::bench {
namespace {

using harness::IpcFigure;
using harness::IpcPoint;
using harness::IpcRun;
using harness::IpcSeries;
using harness::size_text;

constexpr double kLeft = 62, kTop = 46, kWidth = 380, kHeight = 300, kGapX = 74, kGapY = 76, kLegend = 216;

struct Panel {
  IpcFigure figure = IpcFigure::latency;
  int cores = 2;
  double left = 0, top = 0;
  double x_last = 2;                   // largest message; 1 is at the left edge
  double decade_low = 0, decades = 1;  // of the vertical axis

  double x(double size) const { return left + kWidth * std::log(size) / std::log(x_last); }
  double y(double figure) const { return top + kHeight * (1 - (std::log10(figure) - decade_low) / decades); }
};

struct Color {
  std::string_view mechanism, color;
  double width;  // where lines coincide, each is to be seen below the next one
};
constexpr std::array kColors = {
    Color{"file mapping", "#9ec9f5", 5},
    Color{"anonymous mapping", "#3f8fdd", 3.2},
    Color{"System V segment", "#0a2f6b", 1.4},
    Color{"process_vm_readv", "#7b3294", 1.7},
    Color{"pipe", "#d62728", 1.7},
    Color{"Unix stream socket", "#ff8c00", 1.7},
    Color{"POSIX message queue", "#8c564b", 1.7},
    Color{"System V message queue", "#e377c2", 1.7},
};

struct Style {
  std::string_view name, hand_over;
  bool in_place;
  std::string_view dash;
};
constexpr std::array kStyles = {
    Style{"spinning, in place", "spinning", true, "none"},
    Style{"spinning, copied", "spinning", false, "9 4"},
    Style{"futex, in place", "futex", true, "2 3"},
    Style{"futex, copied", "futex", false, "9 3 2 3"},
};

Color color_of(const IpcSeries& series) {
  for (const Color& one : kColors) {
    if (one.mechanism == series.mechanism) return one;
  }
  return {series.mechanism, "#000", 1.7};
}

std::string_view dash_of(const IpcSeries& series) {
  for (const Style& one : kStyles) {
    if (one.hand_over == series.hand_over && one.in_place == series.in_place) return one.dash;
  }
  return "none";
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text,
                    std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     text);
}

std::string stroke(std::string_view path, std::string_view color, double width, std::string_view dash) {
  return fmt::format(
      "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-dasharray=\"{}\"/>\n", path,
      color, width, dash);
}

double figure_of(const IpcPoint& point, const Panel& panel) {
  return harness::median_of_rounds(harness::rounds_of(point, panel.figure));
}

void fit(Panel& panel, const IpcRun& run) {
  double low = 1e300, high = 0;
  for (const IpcSeries& series : run.series) {
    for (const IpcPoint& point : series.points) {
      panel.x_last = std::max(panel.x_last, static_cast<double>(point.size));
      if (!point.missing.empty()) continue;
      low = std::min(low, figure_of(point, panel));
      high = std::max(high, figure_of(point, panel));
    }
  }
  if (high == 0) return;
  panel.decade_low = std::floor(std::log10(low));
  panel.decades = std::max(1.0, std::ceil(std::log10(high)) - panel.decade_low);
}

std::string decade_label(double value) {
  if (value >= 1e6) return fmt::format("{:.0f}M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.0f}k", value / 1e3);
  return fmt::format("{:g}", value);
}

std::string grid(const Panel& panel, const IpcRun& run) {
  std::string text;
  for (const IpcPoint& point : run.series.front().points) {
    const double x = panel.x(static_cast<double>(point.size));
    text += stroke(fmt::format("M{:.1f} {:.1f}v{:.1f}", x, panel.top, kHeight), "#ddd", 1, "none");
    text += text_at(x, panel.top + kHeight + 17, "middle", size_text(point.size));
  }
  for (int decade = 0; decade <= static_cast<int>(panel.decades); ++decade) {
    const double value = std::pow(10, panel.decade_low + decade), y = panel.y(value);
    text += stroke(fmt::format("M{:.1f} {:.1f}h{:.1f}", panel.left, y, kWidth), "#ddd", 1, "none");
    text += text_at(panel.left - 7, y + 4, "end", decade_label(value));
  }
  const std::string head = fmt::format(
      "{}, {}", panel.figure == IpcFigure::latency ? "Latency (half a round trip), ns" : "Throughput, MiB/s",
      panel.cores == 1 ? "both processes on one core" : "on two cores");
  text += text_at(panel.left, panel.top - 12, "start", head, " font-weight=\"bold\"");
  return text + text_at(panel.left + kWidth / 2, panel.top + kHeight + 35, "middle", "size of a message");
}

std::string curve(const IpcSeries& series, const Panel& panel) {
  std::string path;
  for (const IpcPoint& point : series.points) {
    if (!point.missing.empty()) continue;
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", panel.x(static_cast<double>(point.size)),
                        panel.y(figure_of(point, panel)));
  }
  if (path.empty()) return {};
  const Color color = color_of(series);
  return stroke(path, color.color, color.width, dash_of(series));
}

std::string legend(double left) {
  double y = kTop + 4;
  std::string text = text_at(left, y, "start", "mechanism", " font-weight=\"bold\"");
  const auto entry = [&](std::string_view color, double width, std::string_view dash, std::string_view name) {
    y += 20;
    text += stroke(fmt::format("M{:.1f} {:.1f}h38", left, y - 4), color, width, dash);
    text += text_at(left + 46, y, "start", name);
  };
  for (const Color& one : kColors) entry(one.color, one.width, "none", one.mechanism);
  y += 36;
  text += text_at(left, y, "start", "shared memory, how used", " font-weight=\"bold\"");
  for (const Style& one : kStyles) entry("#444", 2.2, one.dash, one.name);
  return text;
}

}  // namespace

std::string plot(const IpcRun& run) {
  std::string text;
  double bottom = 0;
  for (const int cores : {2, 1}) {
    const auto of_this = [cores](const IpcSeries& series) { return series.cores == cores; };
    if (std::none_of(run.series.begin(), run.series.end(), of_this)) continue;
    for (const IpcFigure figure : {IpcFigure::latency, IpcFigure::throughput}) {
      Panel panel;
      panel.figure = figure;
      panel.cores = cores;
      panel.left = kLeft + (figure == IpcFigure::latency ? 0 : kWidth + kGapX);
      panel.top = bottom + kTop;
      fit(panel, run);
      text += grid(panel, run);
      for (const IpcSeries& series : run.series) {
        if (of_this(series)) text += curve(series, panel);
      }
    }
    bottom += kTop + kHeight + kGapY - kTop / 2;
  }
  const double legend_left = kLeft + 2 * kWidth + kGapX + 36;
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
             "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
             "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
             legend_left + kLegend, bottom) +
         text + legend(legend_left) + "</svg>\n";
}

}  // namespace shmcheck::bench
