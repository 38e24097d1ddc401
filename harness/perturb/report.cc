#include "harness/perturb/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/perturb/reviewed.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using nlohmann::json;

std::string_view op_name(program::OpCode op) {
  return op == program::OpCode::end ? "end" : program::spec(op).name;
}

std::string_view freedom_name(model::Freedom freedom) {
  return freedom == model::Freedom::count ? "none" : to_string(freedom);
}

// By what freedom which lies were accepted: what was reviewed, or else all that it may have been.
using ByFreedom = std::map<std::tuple<model::Freedom, std::size_t, program::OpCode>, PerProfile>;

ByFreedom by_freedom(const TrialResult& result) {
  const std::map<Grant, unsigned> known = reviewed();
  ByFreedom rows;
  for (const auto& [key, counts] : result.accepted) {
    for (std::size_t p = 0; p < kProfiles.size(); ++p) {
      std::vector<model::Freedom> freedoms = explained(known, key, p);
      if (freedoms.empty()) {
        for (const Grant& grant : grants_of(key)) freedoms.push_back(grant.freedom);
      }
      if (freedoms.empty()) freedoms.push_back(model::Freedom::count);
      if (counts[p] == 0) continue;
      for (const model::Freedom freedom : freedoms) rows[{freedom, key.lie, key.op}][p] += counts[p];
    }
  }
  return rows;
}

std::string profile_heads() {
  std::string text;
  for (const model::Profile profile : kProfiles) text += fmt::format("{:>9}", to_string(profile));
  return text;
}

std::string numbers(const PerProfile& counts) {
  std::string text;
  for (const std::uint64_t count : counts) text += fmt::format("{:>9}", count);
  return text;
}

std::string lie_row(std::string_view name, const LieCount& c) {
  std::string text = fmt::format("{:<18}{:>7}", name, c.told);
  for (std::size_t p = 0; p < kProfiles.size(); ++p) {
    const bool exact = p + 1 == kProfiles.size();
    if (exact) text += fmt::format("{:>9}{:>7}", c.at_once[p], c.later[p]);
    text += fmt::format("{:>9}", c.allowed[p]);
  }
  std::uint64_t holes = 0, unseen = 0;
  for (std::size_t p = 0; p < kProfiles.size(); ++p) holes += c.holes[p], unseen += c.unseen[p];
  return text + fmt::format("{:>7}{:>8}\n", holes, unseen);
}

json profile_counts(const PerProfile& counts) {
  json out = json::object();
  for (std::size_t p = 0; p < kProfiles.size(); ++p) out[std::string(to_string(kProfiles[p]))] = counts[p];
  return out;
}

json freedom_names(const Accepted& accepted) {
  json names = json::array();
  for (const Grant& grant : grants_of(accepted)) names.push_back(to_string(grant.freedom));
  return names;
}

std::string describe(const Example& example) {
  const program::Step& told = example.told.steps[example.step];
  return fmt::format(
      "  program {}, step {}: {}\n    truth {}\n    lie   {}\n{}\n", example.index, example.step + 1,
      program::to_text(told.op), program::to_text(example.truth, told.op, example.told.facts),
      program::to_text(told.outcome, told.op, example.told.facts), program::to_text(example.told));
}

}  // namespace

std::string table_of(const TrialResult& result) {
  std::string text = fmt::format("{:<25}{:>27}{:>25}\n", "", "accepted with a reason", "exact");
  text += fmt::format("{:<18}{:>7}{:>9}{:>9}{:>9}{:>9}{:>7}{:>9}{:>7}{:>8}\n", "lie", "told", "posix",
                      "linux", "defacto", "at once", "later", "accepted", "holes", "unseen");
  LieCount all;
  for (std::size_t i = 0; i < result.lies.size(); ++i) {
    const LieCount& c = result.lies[i];
    text += lie_row(perturbations()[i].name, c);
    all.told += c.told;
    for (std::size_t p = 0; p < kProfiles.size(); ++p) {
      all.at_once[p] += c.at_once[p];
      all.later[p] += c.later[p];
      all.allowed[p] += c.allowed[p];
      all.holes[p] += c.holes[p];
      all.unseen[p] += c.unseen[p];
    }
  }
  text += lie_row("all", all);
  text +=
      fmt::format("\naccepted, because of\n{:<24}{:<18}{:<13}{}\n", "freedom", "lie", "op", profile_heads());
  for (const auto& [key, counts] : by_freedom(result)) {
    const auto& [freedom, lie, op] = key;
    text += fmt::format("{:<24}{:<18}{:<13}{}\n", freedom_name(freedom), perturbations()[lie].name,
                        op_name(op), numbers(counts));
  }
  if (result.unseen.empty()) return text;
  text += fmt::format("\nunseen, because the judge had stopped before at\n{:<55}{}\n", "freedom",
                      profile_heads());
  for (const auto& [freedom, counts] : result.unseen)
    text += fmt::format("{:<55}{}\n", freedom_name(freedom), numbers(counts));
  return text;
}

std::string holes_of(const TrialResult& result) {
  std::string text;
  for (const auto& [key, counts] : result.accepted) {
    if (key.freedoms != 0) continue;
    text += fmt::format("\nHOLE    {} of {} is accepted for no reason\n", perturbations()[key.lie].name,
                        op_name(key.op));
    text += describe(result.examples.at(key));
  }
  for (const auto& [key, profiles] : not_reviewed(result)) {
    for (const Grant& grant : grants_of(key))
      text += fmt::format("\nNEW     {}", review_line(grant, profiles));
    text += "\n";
    text += describe(result.examples.at(key));
  }
  return text;
}

bool sees_all(const TrialResult& result) {
  for (const auto& [key, counts] : result.accepted) {
    if (key.freedoms == 0) return false;
  }
  return not_reviewed(result).empty();
}

std::string trial_json(const TrialHead& head, const TrialResult& result) {
  json lies = json::object(), accepted = json::array(), unseen = json::object();
  for (std::size_t i = 0; i < result.lies.size(); ++i) {
    const LieCount& c = result.lies[i];
    lies[std::string(perturbations()[i].name)] = {
        {"help", perturbations()[i].help},      {"told", c.told},
        {"at_once", profile_counts(c.at_once)}, {"later", profile_counts(c.later)},
        {"allowed", profile_counts(c.allowed)}, {"holes", profile_counts(c.holes)},
        {"unseen", profile_counts(c.unseen)}};
  }
  const std::map<Accepted, unsigned> fresh = not_reviewed(result);
  for (const auto& [key, counts] : result.accepted) {
    const Example& example = result.examples.at(key);
    accepted.push_back({{"lie", perturbations()[key.lie].name},
                        {"field", perturbations()[key.lie].field},
                        {"op", op_name(key.op)},
                        {"freedoms", freedom_names(key)},
                        {"profiles", profile_counts(counts)},
                        {"reviewed", key.freedoms != 0 && !fresh.contains(key)},
                        {"example", {{"program", example.index}, {"step", example.step + 1}}}});
  }
  for (const auto& [freedom, counts] : result.unseen)
    unseen[std::string(freedom_name(freedom))] = profile_counts(counts);
  return json{{"command", "perturb"},
              {"target", head.target},
              {"fs", head.file_systems},
              {"seed", head.seed},
              {"seconds", head.seconds},
              {"traces", result.traces},
              {"steps", result.steps},
              {"unhealthy", result.unhealthy},
              {"lies", lies},
              {"accepted", accepted},
              {"unseen", unseen},
              {"verdict", sees_all(result) ? "pass" : "fail"}}
             .dump(2) +
         "\n";
}

}  // namespace shmcheck::harness
