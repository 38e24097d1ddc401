// The way from a test process, its children and helpers back to the runner: one pipe, one atomic record per
// event.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::conformance {

// Source position of a set-up step, taken where the step is called.
struct Where {
  const char* file;
  int line;
  static constexpr Where Here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

struct Record {
  enum class Kind : char { failure = 'F', skip = 'K', segment = 'S', object = 'O', done = 'X' };
  Kind kind;
  int line;
  std::string file;
  std::string text;
};

// Runner side: makes the pipe; both ends are moved to high descriptor numbers.
struct ReportPipe {
  int read_end = -1;
  int write_end = -1;
};
ReportPipe OpenReportPipe();
std::vector<Record> TakeRecords(std::string& buffer);

// Test side. The writing end is inherited by every descendant; helpers get its number.
void UseReportFd(int fd);
int ReportFd();
void Send(Record::Kind kind, const char* file, int line, std::string_view text);
// Makes gtest's own assertions of this process go to the pipe and nowhere else.
void RouteAssertionsToReport();

// Set-up that failed: a failure with its position, and the end of this process.
[[noreturn]] void Abandon(Where where, std::string_view what);

}  // namespace shmcheck::conformance
