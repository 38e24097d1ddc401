// The conformance binary's report, read as it comes.
//
//   BEGIN name clause,clause
//   TEST name PASS|FAIL|SKIP|NOTRUN ms clause,clause
//   | a message of that test
//
// Other lines are gtest's own output.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/clauses.h"

namespace shmcheck::harness {

struct ConformanceTest {
  enum class Status { pass, fail, skip, not_run } status = Status::pass;
  std::string name;
  double ms = 0;
  std::vector<clauses::Clause> clauses;
  std::string messages;
};

class ConformanceReport {
 public:
  explicit ConformanceReport(std::function<void(const ConformanceTest&)> seen) : seen_(std::move(seen)) {}

  void feed(std::string_view text);
  void end();  // hands over the last test

  // The test that began and did not end; else the one that was reported last.
  const ConformanceTest& last() const { return running_ ? *running_ : test_; }
  bool is_running() const { return running_.has_value(); }
  // The last lines that are none of the report's.
  const std::string& rest() const { return rest_; }

 private:
  void line(std::string_view line);
  void hand_over();

  std::function<void(const ConformanceTest&)> seen_;
  void begin(std::string_view line);

  std::string open_, rest_;
  ConformanceTest test_;
  std::optional<ConformanceTest> running_;
  bool has_test_ = false;
};

// Empty on success, else what is wrong with the line.
std::string parse_test_line(std::string_view line, ConformanceTest& test);

}  // namespace shmcheck::harness
