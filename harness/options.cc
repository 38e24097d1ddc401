#include "harness/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "harness/suggest.h"

namespace shmcheck::harness {

bool Options::wants(Part part) const {
  return parts.empty() || std::find(parts.begin(), parts.end(), to_string(part)) != parts.end();
}

model::Profile default_profile(const TargetSpec& target) {
  return target.kind == TargetKind::command ? model::Profile::linux : model::Profile::exact;
}

std::string parse_time(std::string_view text, milliseconds& time) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr Unit kUnits[] = {{"", 1000},    {"s", 1000},     {"ms", 1},
                             {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const auto* known =
      std::find_if(std::begin(kUnits), std::end(kUnits), [unit](const Unit& u) { return u.name == unit; });
  constexpr std::int64_t kLongest = 7LL * 24 * 3'600'000;
  const bool good =
      error == std::errc() && known != std::end(kUnits) && number > 0 && number <= kLongest / known->ms;
  if (!good) return fmt::format("'{}' is no length of time; write 45s, 500ms or 10m", text);
  time = milliseconds(number * known->ms);
  return {};
}

std::string parse_profile(std::string_view text, model::Profile& profile) {
  std::vector<std::string_view> names;
  for (const auto p :
       {model::Profile::posix, model::Profile::linux, model::Profile::defacto, model::Profile::exact}) {
    names.push_back(model::to_string(p));
    if (names.back() == text) {
      profile = p;
      return {};
    }
  }
  return fmt::format("no profile is named '{}'{}; there are posix, linux, defacto and exact", text,
                     did_you_mean(text, names));
}

}  // namespace shmcheck::harness
