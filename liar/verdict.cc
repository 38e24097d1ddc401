#include "liar/verdict.h"

#include <algorithm>
#include <regex>
#include <sstream>

namespace shmcheck::liar {
namespace {

// Failures that say that a test could not go on, not that it saw something wrong. A child that ends otherwise
// than with 0 only repeats what was reported before it ended.
constexpr std::string_view kOfTheStage[] = {
    "set-up: ",
    "crash: ",
    "hang: ",
    "an exception ended the body: ",
    "the test process left with exit code",
    "a process of the test cannot be killed",
    "an access outside every probe raised",
    "Expected: exits with 0",
};

bool of_the_stage(std::string_view failure) {
  return std::any_of(std::begin(kOfTheStage), std::end(kOfTheStage),
                     [&](std::string_view words) { return failure.find(words) != std::string_view::npos; });
}

// Each failure begins with its position.
std::vector<std::string> split_failures(const std::vector<std::string>& lines) {
  static const std::regex kPosition("^[^ ]+\\.(cc|h):[0-9]+: .*");
  std::vector<std::string> failures;
  for (const std::string& line : lines) {
    if (line.starts_with("  clause ") || line.starts_with("  replay: ")) continue;
    if (failures.empty() || std::regex_match(line, kPosition)) {
      failures.push_back(line);
    } else {
      failures.back() += "\n" + line;
    }
  }
  return failures;
}

std::string on_one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n' && c != '\t')
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  return line;
}

Verdict::Kind kind_of(const std::string& word) {
  if (word == "PASS") return Verdict::Kind::passed;
  if (word == "FAIL") return Verdict::Kind::stage;
  return word == "SKIP" ? Verdict::Kind::skipped : Verdict::Kind::missing;
}

void conclude(Verdict& verdict, const std::vector<std::string>& lines) {
  const std::vector<std::string> failures = split_failures(lines);
  if (!failures.empty()) verdict.message = on_one_line(failures.front());
  if (verdict.kind != Verdict::Kind::stage) return;
  const auto seen = std::find_if_not(failures.begin(), failures.end(),
                                     [](const std::string& failure) { return of_the_stage(failure); });
  if (seen == failures.end()) return;
  verdict.kind = Verdict::Kind::broken;
  verdict.message = on_one_line(*seen);
}

}  // namespace

std::vector<Verdict> read_report(std::string_view report) {
  std::vector<Verdict> verdicts;
  std::vector<std::string> messages;
  std::istringstream lines{std::string(report)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| ")) {
      messages.push_back(line.substr(2));
    } else if (line.starts_with("TEST ")) {
      if (!verdicts.empty()) conclude(verdicts.back(), messages);
      messages.clear();
      std::istringstream words(line.substr(5));
      std::string kind, clauses, clause;
      Verdict& verdict = verdicts.emplace_back();
      words >> verdict.test >> kind >> verdict.ms >> clauses;
      verdict.kind = kind_of(kind);
      for (std::istringstream list(clauses); std::getline(list, clause, ',');)
        verdict.clauses.push_back(clause);
    }
  }
  if (!verdicts.empty()) conclude(verdicts.back(), messages);
  return verdicts;
}

}  // namespace shmcheck::liar
