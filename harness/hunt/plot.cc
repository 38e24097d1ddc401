// The plot of `shmcheck faults`, as SVG by hand: two step curves over a logarithmic axis.
#include <fmt/format.h>

#include <cmath>

#include "harness/hunt/report.h"

namespace shmcheck::harness {
namespace {

constexpr double kLeft = 56, kTop = 34, kWidth = 560, kHeight = 280, kRight = 20, kBottom = 46;
constexpr double kFirst = 10;  // ops at the left edge

struct Scale {
  double last;        // ops at the right edge
  std::size_t count;  // faults at the top
  double x(double ops) const {
    const double at = std::log(std::max(ops, kFirst) / kFirst) / std::log(last / kFirst);
    return kLeft + kWidth * std::min(at, 1.0);
  }
  double y(std::size_t faults) const {
    return kTop +
           kHeight * (1 - static_cast<double>(faults) / static_cast<double>(std::max<std::size_t>(count, 1)));
  }
};

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, text);
}

std::string line(double x1, double y1, double x2, double y2, std::string_view color) {
  return fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2, y2, color);
}

// Each fault that is caught lifts the curve by one.
std::string curve(std::vector<std::uint64_t> ops, const Scale& scale, std::string_view color) {
  std::ranges::sort(ops);
  std::string path = fmt::format("M{:.1f} {:.1f}", scale.x(kFirst), scale.y(0));
  for (std::size_t i = 0; i < ops.size(); ++i)
    path += fmt::format("H{:.1f}V{:.1f}", scale.x(static_cast<double>(ops[i])), scale.y(i + 1));
  return fmt::format("<path d=\"{}H{:.1f}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path,
                     scale.x(scale.last), color);
}

std::string axes(const Scale& scale) {
  std::string text;
  for (double ops = kFirst; ops <= scale.last * 1.0001; ops *= 10) {
    text += line(scale.x(ops), kTop, scale.x(ops), kTop + kHeight, "#ddd");
    const std::string label = ops < 1000 ? fmt::format("{:.0f}", ops) : fmt::format("{:.0f}k", ops / 1000);
    text += text_at(scale.x(ops), kTop + kHeight + 17, "middle", label);
  }
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const std::size_t faults = scale.count * static_cast<std::size_t>(quarter) / 4;
    text += line(kLeft, scale.y(faults), kLeft + kWidth, scale.y(faults), "#ddd");
    text += text_at(kLeft - 8, scale.y(faults) + 4, "end", std::to_string(faults));
  }
  text += text_at(kLeft + kWidth / 2, kTop + kHeight + 37, "middle", "ops judged until the fault was caught");
  return text;
}

}  // namespace

std::string hunts_svg(const std::vector<Hunt>& hunts, const HuntOptions& options) {
  const Scale scale{static_cast<double>(std::max<std::uint64_t>(options.ops, 100)), hunts.size()};
  std::vector<std::uint64_t> median, worst;
  for (const Hunt& hunt : hunts) {
    median.push_back(hunt.median_ops());
    if (hunt.caught()) worst.push_back(hunt.worst_ops());
  }
  std::erase_if(median, [&](std::uint64_t ops) { return ops >= options.ops; });
  constexpr std::string_view kMedianColor = "#1a7f37", kWorstColor = "#b35900";
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kLeft + kWidth + kRight, kTop + kHeight + kBottom);
  text += axes(scale);
  text += curve(worst, scale, kWorstColor) + curve(median, scale, kMedianColor);
  text += text_at(kLeft, 20, "start",
                  fmt::format("{} faults of the running model, by random programs", hunts.size()));
  text += fmt::format(
      "<g font-size=\"12\"><text x=\"{0:.0f}\" y=\"{1:.0f}\" fill=\"{2}\">median of {4} seeds</text>"
      "<text x=\"{0:.0f}\" y=\"{3:.0f}\" fill=\"{5}\">worst of {4} seeds</text></g>\n</svg>\n",
      kLeft + 14, kTop + 22, kMedianColor, kTop + 40, options.seeds, kWorstColor);
  return text;
}

}  // namespace shmcheck::harness
