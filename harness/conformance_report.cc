#include "harness/conformance_report.h"

#include <fmt/format.h>

#include <sstream>
#include <utility>

namespace shmcheck::harness {
namespace {

constexpr std::size_t kRestBytes = 4096;
constexpr std::string_view kBegin = "BEGIN ", kTest = "TEST ", kMessage = "| ";

bool status_of(std::string_view word, ConformanceTest::Status& status) {
  using Status = ConformanceTest::Status;
  struct Word {
    std::string_view name;
    Status status;
  };
  constexpr Word kWords[] = {
      {"PASS", Status::pass}, {"FAIL", Status::fail}, {"SKIP", Status::skip}, {"NOTRUN", Status::not_run}};
  for (const Word& known : kWords) {
    if (known.name != word) continue;
    status = known.status;
    return true;
  }
  return false;
}

std::string parse_clauses(const std::string& ids, ConformanceTest& test) {
  std::istringstream list(ids);
  std::string id;
  while (std::getline(list, id, ',')) {
    const auto clause = clauses::find(id);
    if (!clause) return fmt::format("the test {} names the clause {}, which does not exist", test.name, id);
    test.clauses.push_back(*clause);
  }
  return {};
}

std::string not_understood(std::string_view line) {
  return fmt::format("a line of the report is not understood: {}", line);
}

// Empty on success, else what is wrong with the line.
std::string parse_begin_line(std::string_view line, ConformanceTest& test) {
  std::istringstream words{std::string(line)};
  std::string keyword, ids;
  if (!(words >> keyword >> test.name) || keyword != "BEGIN") return not_understood(line);
  words >> ids;
  return parse_clauses(ids, test);
}

}  // namespace

std::string parse_test_line(std::string_view line, ConformanceTest& test) {
  std::istringstream words{std::string(line)};
  std::string keyword, status, ids;
  if (!(words >> keyword >> test.name >> status >> test.ms) || keyword != "TEST" ||
      !status_of(status, test.status))
    return not_understood(line);
  words >> ids;
  return parse_clauses(ids, test);
}

void ConformanceReport::feed(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    open_ += text.substr(0, end);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
    line(open_);
    open_.clear();
  }
}

void ConformanceReport::begin(std::string_view line) {
  hand_over();
  const std::string trouble = parse_begin_line(line, running_.emplace());
  if (!trouble.empty()) rest_ += trouble + "\n";
}

void ConformanceReport::line(std::string_view line) {
  if (line.starts_with(kBegin)) {
    begin(line);
  } else if (line.starts_with(kTest)) {
    hand_over();
    running_.reset();
    test_ = {};
    const std::string trouble = parse_test_line(line, test_);
    has_test_ = trouble.empty();
    if (!trouble.empty()) rest_ += trouble + "\n";
  } else if (line.starts_with(kMessage) && has_test_) {
    test_.messages += std::string(line.substr(kMessage.size())) + "\n";
  } else {
    rest_ += std::string(line) + "\n";
    if (rest_.size() > kRestBytes) rest_.erase(0, rest_.size() - kRestBytes);
  }
}

void ConformanceReport::hand_over() {
  if (has_test_) seen_(test_);
  has_test_ = false;
}

void ConformanceReport::end() {
  if (!open_.empty()) line(std::exchange(open_, {}));
  hand_over();
}

}  // namespace shmcheck::harness
