#include "conformance/framework/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "gtest/gtest.h"

namespace shmcheck::conformance {
namespace {

int report_fd = -1;

// One record must be one write of at most PIPE_BUF bytes, so that writers in several processes cannot
// interleave.
struct Header {
  uint16_t size;  // of the whole record
  uint16_t file_size;
  int32_t line;
  char kind;
};

int MoveHigh(int fd, int wanted) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, wanted);
  if (moved < 0) return fd;
  close(fd);
  return moved;
}

class ReportListener : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    const auto kind = result.skipped() ? Record::Kind::skip : Record::Kind::failure;
    if (result.passed()) return;
    Send(kind, result.file_name() == nullptr ? "" : result.file_name(), result.line_number(),
         result.message());
  }
};

}  // namespace

ReportPipe OpenReportPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const int high = static_cast<int>(std::min<rlim_t>(files.rlim_cur, 1024)) - 8;
  return {MoveHigh(ends[0], high), MoveHigh(ends[1], high)};
}

std::vector<Record> TakeRecords(std::string& buffer) {
  std::vector<Record> records;
  Header header;
  size_t at = 0;
  while (buffer.size() - at >= sizeof header) {
    std::memcpy(&header, buffer.data() + at, sizeof header);
    if (buffer.size() - at < header.size) break;
    const char* body = buffer.data() + at + sizeof header;
    const size_t text_size = header.size - sizeof header - header.file_size;
    records.push_back({static_cast<Record::Kind>(header.kind), header.line,
                       std::string(body, header.file_size), std::string(body + header.file_size, text_size)});
    at += header.size;
  }
  buffer.erase(0, at);
  return records;
}

void UseReportFd(int fd) {
  report_fd = fd;
}
int ReportFd() {
  return report_fd;
}

void Send(Record::Kind kind, const char* file, int line, std::string_view text) {
  char record[PIPE_BUF];
  Header header{};
  const std::string_view name = std::string_view(file).substr(0, 256);
  const size_t room = sizeof record - sizeof header - name.size();
  const std::string_view kept = text.substr(0, room);
  header.size = static_cast<uint16_t>(sizeof header + name.size() + kept.size());
  header.file_size = static_cast<uint16_t>(name.size());
  header.line = line;
  header.kind = static_cast<char>(kind);
  std::memcpy(record, &header, sizeof header);
  std::memcpy(record + sizeof header, name.data(), name.size());
  std::memcpy(record + sizeof header + name.size(), kept.data(), kept.size());
  ssize_t written;
  do {
    written = write(report_fd, record, header.size);
  } while (written < 0 && errno == EINTR);
  // Without a report the runner would take silence for success: it demands a final record, so dying is safe.
  if (written != header.size) _exit(121);
}

void RouteAssertionsToReport() {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  delete listeners.Release(listeners.default_xml_generator());
  listeners.Append(new ReportListener);
}

void Abandon(Where where, std::string_view what) {
  Send(Record::Kind::failure, where.file, where.line, "set-up: " + std::string(what));
  _exit(120);
}

}  // namespace shmcheck::conformance
