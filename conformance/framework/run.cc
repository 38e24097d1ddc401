#include "conformance/framework/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "clauses/clauses.h"
#include "conformance/framework/memory.h"
#include "conformance/framework/outcome.h"
#include "conformance/framework/report.h"
#include "gtest/gtest.h"

namespace shmcheck::conformance {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kMostFailures = 20;
constexpr milliseconds kKillPatience{5000};

// What one run of one case came to.
struct Result {
  std::vector<Record> failures;
  std::optional<std::string> skipped;
  std::vector<int> segments;
  std::vector<std::string> objects;  // names of POSIX shared memory
  bool done = false;                 // the body was left in the normal way
};

Options run_options;
Clock::time_point run_start;
std::vector<std::pair<long, std::string>> slow_tests;

void Fail(Result& result, std::string text) {
  result.failures.push_back({Record::Kind::failure, 0, "", std::move(text)});
}

void Take(Result& result, std::string& buffer) {
  for (Record& record : TakeRecords(buffer)) {
    switch (record.kind) {
      case Record::Kind::failure:
        if (result.failures.size() < kMostFailures) result.failures.push_back(std::move(record));
        break;
      case Record::Kind::skip:
        result.skipped = record.text;
        break;
      case Record::Kind::segment:
        result.segments.push_back(record.line);
        break;
      case Record::Kind::object:
        result.objects.push_back(record.text);
        break;
      case Record::Kind::done:
        result.done = true;
        break;
    }
  }
}

// Reads what is in the pipe; false at its end.
bool Drain(int fd, std::string& buffer) {
  char chunk[4096];
  for (;;) {
    const ssize_t count = read(fd, chunk, sizeof chunk);
    if (count > 0) {
      buffer.append(chunk, static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      return count != 0;
    }
  }
}

bool Needs(const TestCase& test, NeedKind kind) {
  const auto& needs = test.spec->needs;
  return std::any_of(needs.begin(), needs.end(), [=](const Need& need) { return need.kind == kind; });
}

// An exception must not leave this process: further up, GoogleTest would catch it and go on with the next
// test, as a second runner.
void RunBody(const TestSpec& spec) {
  try {
    spec.body();
  } catch (const std::exception& thrown) {
    Send(Record::Kind::failure, spec.file, spec.line,
         std::string("an exception ended the body: ") + thrown.what());
    _exit(120);
  }
}

// The test process: namespaces it asked for, then the body.
[[noreturn]] void BecomeTest(const TestCase& test, const ReportPipe& pipe, const sigset_t& mask) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  close(pipe.read_end);
  UseReportFd(pipe.write_end);
  RouteAssertionsToReport();
  InstallFaultHandler();
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  SetPlace(test.place);
  const int flags = (Needs(test, NeedKind::ipc_namespace) ? CLONE_NEWIPC : 0) |
                    (Needs(test, NeedKind::mount_namespace) ? CLONE_NEWNS : 0);
  if (flags != 0 && unshare(flags) != 0) Abandon(Where::Here(), "unshare fails with " + ErrnoName(errno));
  if ((flags & CLONE_NEWNS) != 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    Abandon(Where::Here(), "making mounts private fails with " + ErrnoName(errno));
  }
  RunBody(*test.spec);
  Send(Record::Kind::done, "", 0, "");
  _exit(0);
}

// Waits for a change of a child until the deadline; SIGCHLD is blocked outside ppoll, so none is missed.
void WaitForNews(int fd, Clock::time_point deadline, const sigset_t& mask) {
  const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(deadline - Clock::now()));
  const timespec timeout{static_cast<time_t>(left.count() / 1'000'000'000),
                         static_cast<long>(left.count() % 1'000'000'000)};
  pollfd news{fd, POLLIN, 0};
  ppoll(&news, fd < 0 ? 0 : 1, &timeout, &mask);
}

std::vector<pid_t> OwnChildren() {
  std::vector<pid_t> children;
  const std::string path = "/proc/self/task/" + std::to_string(getpid()) + "/children";
  FILE* const file = fopen(path.c_str(), "re");
  if (file == nullptr) return children;
  for (int pid = 0; fscanf(file, "%d", &pid) == 1;) children.push_back(pid);
  fclose(file);
  return children;
}

// Ends every process that the test left behind, also those that left its process group: orphans come to us.
void EndStragglers(pid_t group, const sigset_t& mask, Result& result) {
  const auto deadline = Clock::now() + kKillPatience;
  for (;;) {
    if (env().private_pids) {
      kill(-1, SIGKILL);
    } else {
      kill(-group, SIGKILL);
      for (const pid_t child : OwnChildren()) kill(child, SIGKILL);
    }
    pid_t ended;
    do {
      ended = waitpid(-1, nullptr, WNOHANG);
    } while (ended > 0);
    if (ended < 0) return;  // ECHILD: all gone
    if (Clock::now() > deadline) return Fail(result, "a process of the test cannot be killed");
    WaitForNews(-1, deadline, mask);
  }
}

void Explain(Result& result, int status, bool timed_out, long limit_ms) {
  if (timed_out) {
    Fail(result, "hang: the test had not ended after " + std::to_string(limit_ms) + " ms");
  } else if (WIFSIGNALED(status)) {
    Fail(result, "crash: the test process died by " + SignalName(WTERMSIG(status)));
  } else if (!result.done && result.failures.empty() && !result.skipped) {
    Fail(result,
         "the test process left with exit code " + std::to_string(WEXITSTATUS(status)) + " in mid-test");
  }
}

// SIGCHLD is blocked for the life of this object, so that only ppoll can take it.
class ChildSignalBlocked {
 public:
  ChildSignalBlocked() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &outside_);
    signal(SIGCHLD, [](int) {});
  }
  ChildSignalBlocked(const ChildSignalBlocked&) = delete;
  ~ChildSignalBlocked() { sigprocmask(SIG_SETMASK, &outside_, nullptr); }
  const sigset_t& outside() const { return outside_; }

 private:
  sigset_t outside_;
};

Result RunCase(const TestCase& test) {
  Result result;
  const ChildSignalBlocked blocked;
  const sigset_t& mask = blocked.outside();
  const ReportPipe pipe = OpenReportPipe();
  fcntl(pipe.read_end, F_SETFL, O_NONBLOCK);
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) BecomeTest(test, pipe, mask);
  close(pipe.write_end);
  if (child < 0) {
    Fail(result, "fork fails with " + ErrnoName(errno));
    close(pipe.read_end);
    return result;
  }
  const auto limit_ms = static_cast<long>(test.spec->limit_seconds * 1000 * env().slowness);
  const auto deadline = Clock::now() + milliseconds(limit_ms);
  std::string buffer;
  int status = 0;
  bool ended = false;
  bool open = true;
  while (!ended && Clock::now() < deadline) {
    if (open) open = Drain(pipe.read_end, buffer);
    Take(result, buffer);
    ended = waitpid(child, &status, WNOHANG) == child;
    if (!ended) WaitForNews(open ? pipe.read_end : -1, deadline, mask);
  }
  EndStragglers(child, mask, result);
  Drain(pipe.read_end, buffer);
  Take(result, buffer);
  close(pipe.read_end);
  Explain(result, status, !ended, limit_ms);
  return result;
}

void CleanUp(const Result& result) {
  for (const int id : result.segments) shmctl(id, IPC_RMID, nullptr);
  for (const std::string& name : result.objects) shm_unlink(name.c_str());
  for (const Directory& directory : env().directories) Sweep(directory);
}

std::string ClauseIds(const TestSpec& spec) {
  std::string ids;
  for (const Clause clause : spec.clauses)
    ids += (ids.empty() ? "" : ",") + std::string(clauses::info(clause).id);
  return ids;
}

// What every failing test says last: the clauses, and the one command that shows it again.
std::string Epilogue(const TestCase& test) {
  std::string text;
  for (const Clause clause : test.spec->clauses) {
    const auto& info = clauses::info(clause);
    text += "\n  clause " + std::string(info.id) + ": " + std::string(info.statement);
  }
  std::string places;
  const std::string& path = env().at(test.place).path;
  if (test.place != Place::tmpfs && !path.empty())
    places = std::string(" --dir-") + PlaceName(test.place) + "=" + path.substr(0, path.rfind('/'));
  return text + "\n  replay: conformance" + places + " --gtest_filter=" + test.spec->suite + "." + test.name;
}

void WriteReport(const std::string& lines) {
  if (run_options.report_fd < 0) return;
  for (size_t at = 0; at < lines.size();) {
    const ssize_t count = write(run_options.report_fd, lines.data() + at, lines.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fprintf(stderr, "conformance: --report-fd=%d: %s\n", run_options.report_fd, ErrnoName(errno).c_str());
      exit(2);
    }
    at += static_cast<size_t>(count);
  }
}

void ReportBegin(const TestCase& test) {
  WriteReport(std::string("BEGIN ") + test.spec->suite + "." + test.name + " " + ClauseIds(*test.spec) +
              "\n");
}

void ReportLine(const TestCase& test, const char* verdict, long ms, const std::string& text) {
  std::string lines = std::string("TEST ") + test.spec->suite + "." + test.name + " " + verdict + " " +
                      std::to_string(ms) + " " + ClauseIds(*test.spec) + "\n";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines += "| " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  WriteReport(lines);
}

long Milliseconds(Clock::duration time) {
  return static_cast<long>(std::chrono::duration_cast<milliseconds>(time).count());
}

std::optional<std::string> MissingNeeds(const TestCase& test) {
  for (const Need& need : NeedsOf(test)) {
    if (const auto evidence = Missing(need)) return NeedName(need) + ": " + *evidence;
  }
  return std::nullopt;
}

class IsolatedTest : public testing::Test {
 public:
  explicit IsolatedTest(TestCase test) : test_(std::move(test)) {}

  void TestBody() override {
    const auto begin = Clock::now();
    if (run_options.budget_ms >= 0 && Milliseconds(begin - run_start) > run_options.budget_ms) {
      ReportLine(test_, "NOTRUN", 0,
                 "the budget of " + std::to_string(run_options.budget_ms) + " ms is spent");
      GTEST_SKIP() << "not run: the budget of " << run_options.budget_ms << " ms is spent";
    }
    if (const auto missing = MissingNeeds(test_)) {
      ReportLine(test_, "SKIP", 0, *missing);
      GTEST_SKIP() << *missing;
    }
    ReportBegin(test_);
    const Result result = RunCase(test_);
    CleanUp(result);
    const long ms = Milliseconds(Clock::now() - begin);
    if (ms > 200) slow_tests.emplace_back(ms, std::string(test_.spec->suite) + "." + test_.name);
    Conclude(result, ms);
  }

 private:
  void Conclude(const Result& result, long ms) {
    if (result.failures.empty() && result.skipped) {
      ReportLine(test_, "SKIP", ms, *result.skipped);
      GTEST_SKIP() << *result.skipped;
    }
    std::string all;
    for (size_t i = 0; i < result.failures.size(); ++i) {
      const Record& failure = result.failures[i];
      const bool placed = !failure.file.empty();
      const std::string file = placed ? failure.file : test_.spec->file;
      const int line = placed ? failure.line : test_.spec->line;
      const std::string text = failure.text + (i + 1 == result.failures.size() ? Epilogue(test_) : "");
      all += file + ":" + std::to_string(line) + ": " + text + "\n";
      ADD_FAILURE_AT(file.c_str(), line) << text;
    }
    ReportLine(test_, result.failures.empty() ? "PASS" : "FAIL", ms, all);
  }

  TestCase test_;
};

bool Wanted(const TestSpec& spec, const std::vector<Clause>& clauses) {
  return clauses.empty() || std::any_of(spec.clauses.begin(), spec.clauses.end(), [&clauses](Clause clause) {
           return std::find(clauses.begin(), clauses.end(), clause) != clauses.end();
         });
}

// Whether tests on several places come to this one.
bool Comes(const TestSpec& spec, Place place, const Options& options) {
  switch (place) {
    case Place::none:
      return false;
    case Place::tmpfs:
    case Place::ext4:
      return true;
    case Place::memfd:
      return spec.on == On::files;
    default:
      return !options.directories[static_cast<size_t>(place)].empty();
  }
}

}  // namespace

std::vector<TestCase> ExpandPlaces(const Options& options) {
  std::vector<TestCase> cases;
  for (const TestSpec& spec : Specs()) {
    if (spec.on == On::once) {
      cases.push_back({&spec, Place::none, spec.name});
      continue;
    }
    for (size_t i = 0; i < kPlaceCount; ++i) {
      const auto place = static_cast<Place>(i);
      if (Comes(spec, place, options))
        cases.push_back({&spec, place, std::string(spec.name) + "/" + PlaceName(place)});
    }
  }
  return cases;
}

std::vector<Need> NeedsOf(const TestCase& test) {
  std::vector<Need> needs = test.spec->needs;
  if (test.place == Place::tmpfs) needs.push_back(need::tmpfs);
  if (test.place == Place::ext4) needs.push_back(need::ext4);
  if (test.place == Place::memfd) needs.push_back(need::memfd);
  return needs;
}

void RegisterWithGtest(const Options& options) {
  run_options = options;
  run_start = Clock::now();
  for (const TestCase& test : ExpandPlaces(options)) {
    if (!Wanted(*test.spec, options.clauses)) continue;
    testing::RegisterTest(test.spec->suite, test.name.c_str(), nullptr, nullptr, test.spec->file,
                          test.spec->line, [test]() -> IsolatedTest* { return new IsolatedTest(test); });
  }
}

void ListClauses() {
  for (const TestCase& test : ExpandPlaces({})) {
    std::string needs;
    for (const Need& need : NeedsOf(test)) needs += (needs.empty() ? "" : ",") + NeedName(need);
    printf("%s.%s\t%s\t%s\n", test.spec->suite, test.name.c_str(), ClauseIds(*test.spec).c_str(),
           needs.c_str());
  }
}

void PrintSlowTests() {
  std::sort(slow_tests.rbegin(), slow_tests.rend());
  for (const auto& [ms, name] : slow_tests) printf("slow: %s %ld ms\n", name.c_str(), ms);
}

}  // namespace shmcheck::conformance
