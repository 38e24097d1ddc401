#include "liar/report.h"

#include <stdio.h>

#include <map>
#include <nlohmann/json.hpp>

namespace shmcheck::liar {
namespace {

using State = Judged::State;

enum class Kind { broken, beside, record, explained, survivor, skipped, failing, unjudged };
constexpr const char* kHeads[] = {"broken",  "beside",  "record",  "listed",
                                  "SURVIVE", "skipped", "FAILING", "unjudged"};
constexpr size_t kKinds = std::size(kHeads);

Kind kind_of(const Judged& judged, const Report& report) {
  switch (judged.state) {
    case State::broken:
      return judged.about ? Kind::broken : Kind::beside;
    case State::survived: {
      const Survivor* known = find_survivor(report.survivors, judged.test);
      if (known == nullptr) return Kind::survivor;
      return known->record ? Kind::record : Kind::explained;
    }
    case State::skipped:
      return Kind::skipped;
    case State::failing:
      return Kind::failing;
    case State::unjudged:
      break;
  }
  return Kind::unjudged;
}

std::string subject_of(const Judged& judged) {
  if (judged.clauses.empty()) return "?";
  return judged.clauses.front().substr(0, judged.clauses.front().find('.'));
}

std::string row(const std::string& name, const std::array<int, kKinds>& counts) {
  char cell[32];
  snprintf(cell, sizeof cell, "%-18s", name.c_str());
  std::string text = cell;
  int all = 0;
  for (const int count : counts) all += count;
  snprintf(cell, sizeof cell, "%7d", all);
  text += cell;
  for (const int count : counts) {
    snprintf(cell, sizeof cell, count == 0 ? "        ." : "%9d", count);
    text += cell;
  }
  return text + "\n";
}

}  // namespace

std::string table(const Report& report) {
  std::map<std::string, std::array<int, kKinds>> subjects;
  std::array<int, kKinds> sum{};
  for (const Judged& judged : report.judged) {
    const auto kind = static_cast<size_t>(kind_of(judged, report));
    ++subjects[subject_of(judged)][kind];
    ++sum[kind];
  }
  std::string text = "subject              tests";
  for (const char* head : kHeads) {
    char cell[32];
    snprintf(cell, sizeof cell, "%9s", head);
    text += cell;
  }
  text += "\n";
  for (const auto& [subject, counts] : subjects) text += row(subject, counts);
  return text + row("all", sum);
}

std::string complaints(const Report& report) {
  std::string text;
  for (const Judged& judged : report.judged) {
    switch (kind_of(judged, report)) {
      case Kind::survivor:
        text += "survives: " + judged.test + ": none of " + std::to_string(judged.tried) +
                " lies made it fail" + (judged.stage ? " (some broke its set-up)\n" : "\n");
        break;
      case Kind::failing:
        text += "fails without a lie: " + judged.test + ": " + judged.message + "\n";
        break;
      case Kind::broken:
      case Kind::beside:
        if (const Survivor* known = find_survivor(report.survivors, judged.test); known != nullptr) {
          text += "no survivor any more: " + judged.test + " (" + known->position + "): broken by " +
                  judged.lie + "\n";
        }
        break;
      default:
        break;
    }
  }
  if (!report.complete) return text;
  for (const Survivor& known : report.survivors) {
    const bool exists = std::any_of(report.judged.begin(), report.judged.end(), [&](const Judged& judged) {
      return find_survivor({known}, judged.test) != nullptr;
    });
    if (!exists) text += known.position + ": there is no test " + known.test + "\n";
  }
  return text;
}

std::string to_json(const Report& report) {
  nlohmann::ordered_json tests = nlohmann::ordered_json::array();
  for (const Judged& judged : report.judged) {
    nlohmann::ordered_json entry = {{"test", judged.test},
                                    {"clauses", judged.clauses},
                                    {"verdict", kHeads[static_cast<size_t>(kind_of(judged, report))]},
                                    {"lie", judged.lie},
                                    {"message", judged.message},
                                    {"tried", judged.tried}};
    if (const Survivor* known = find_survivor(report.survivors, judged.test)) entry["reason"] = known->reason;
    tests.push_back(std::move(entry));
  }
  return nlohmann::ordered_json{{"format", 1}, {"tests", tests}}.dump(1) + "\n";
}

BrokenBy broken_by(const std::vector<Judged>& judged) {
  BrokenBy broken;
  for (const Judged& each : judged) {
    if (each.state != State::broken) continue;
    std::string clauses;
    for (const std::string& clause : each.clauses) clauses += (clauses.empty() ? "" : ",") + clause;
    broken[each.test] = {clauses, each.lie};
  }
  return broken;
}

}  // namespace shmcheck::liar
