// conformance: hand-written tests of the documented clauses on direct system calls.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string_view>

#include "clauses/clauses.h"
#include "conformance/framework/environment.h"
#include "conformance/framework/process.h"
#include "conformance/framework/run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shmcheck::conformance {
namespace {

// Exit status, besides 0: all passed, 1: some failed, 2: a wrong option. The harness knows it by value: it
// has the binary, not its source.
constexpr int kNothingMatches = 3;

constexpr std::string_view kDir = "--dir-";

constexpr char kUsage[] =
    "usage: conformance [option…] [--gtest_… option…]\n"
    "  --list-clauses     print: test, clauses, needs (separated by tabs), and leave\n"
    "  --dir-tmpfs=PATH   work in this directory of a tmpfs (default: a private one, or /dev/shm, or "
    "$TMPDIR)\n"
    "  --dir-FS=PATH      work in this directory of another file system as well: ext4, ext4_1k (1 KiB "
    "blocks), xfs,\n"
    "                     btrfs or overlay\n"
    "  --report-fd=N      write to descriptor N, per test: BEGIN name clause,clause as it begins, then\n"
    "                     TEST name PASS|FAIL|SKIP|NOTRUN ms clause,clause\n"
    "                     followed by the messages, as lines that begin with '| '\n"
    "  --clauses=ID,…     only tests that name one of these clauses\n"
    "  --budget-ms=N      start no test after N milliseconds\n"
    "exit code: 0 all tests passed or were skipped, 1 a test failed, 2 usage, 3 no test has a name that "
    "matches\n";

// The value of --name=value, or null.
const char* ValueOf(std::string_view argument, std::string_view name) {
  if (!argument.starts_with(name) || argument.size() <= name.size() || argument[name.size()] != '=')
    return nullptr;
  return argument.data() + name.size() + 1;
}

bool ParseNumber(const char* text, long& number) {
  char* end = nullptr;
  number = strtol(text, &end, 10);
  return *text != '\0' && *end == '\0' && number >= 0;
}

bool ParseClauses(std::string_view ids, std::vector<clauses::Clause>& list) {
  while (true) {
    const size_t comma = ids.find(',');
    const auto clause = clauses::find(ids.substr(0, comma));
    if (!clause) return false;
    list.push_back(*clause);
    if (comma == std::string_view::npos) return true;
    ids.remove_prefix(comma + 1);
  }
}

bool ParseOption(const char* argument, Options& options) {
  long number = 0;
  if (strcmp(argument, "--list-clauses") == 0) {
    options.list_clauses = true;
  } else if (const std::string_view dir = argument; dir.starts_with(kDir)) {
    const size_t equals = std::min(dir.find('='), dir.size());
    const Place place = PlaceOf(dir.substr(kDir.size(), equals - kDir.size()));
    if (place == Place::none || equals + 1 >= dir.size()) return false;
    options.directories[static_cast<size_t>(place)] = dir.substr(equals + 1);
  } else if (const char* fd = ValueOf(argument, "--report-fd")) {
    if (!ParseNumber(fd, number)) return false;
    options.report_fd = static_cast<int>(number);
  } else if (const char* budget = ValueOf(argument, "--budget-ms")) {
    return ParseNumber(budget, options.budget_ms);
  } else if (const char* ids = ValueOf(argument, "--clauses")) {
    return ParseClauses(ids, options.clauses);
  } else {
    return false;
  }
  return true;
}

// A filter of the tests in all places but the first.
std::string InFurtherPlaces() {
  std::string filter;
  for (size_t i = static_cast<size_t>(Place::tmpfs) + 1; i < kPlaceCount; ++i)
    filter += (filter.empty() ? "*/" : ":*/") + std::string(PlaceName(static_cast<Place>(i)));
  return filter;
}

// The tests that were asked for: 0 if all passed, 1 if not, -1 if there are none. Within a budget every test
// comes once before any comes again in another place: time that runs out shall not cost a clause.
int RunTests(const Options& options) {
  const std::string asked = testing::GTEST_FLAG(filter);
  const size_t dash = asked.find('-');
  const std::string wanted = asked.substr(0, dash),
                    without = dash == std::string::npos ? "" : asked.substr(dash + 1);
  const bool all = wanted.empty() || wanted == "*";
  if (options.budget_ms < 0 || !all) {
    const int failed = RUN_ALL_TESTS();
    return testing::UnitTest::GetInstance()->test_to_run_count() == 0 ? -1 : failed;
  }
  const std::string again = InFurtherPlaces(), separator = without.empty() ? "" : ":";
  testing::GTEST_FLAG(filter) = "*-" + again + separator + without;
  int failed = RUN_ALL_TESTS();
  const int count = testing::UnitTest::GetInstance()->test_to_run_count();
  testing::GTEST_FLAG(filter) = again + (without.empty() ? "" : "-" + without);
  failed |= RUN_ALL_TESTS();
  return count + testing::UnitTest::GetInstance()->test_to_run_count() == 0 ? -1 : failed;
}

int Main(int argc, char** argv) {
  int helper_exit = 0;
  if (RunAsHelper(argc, argv, helper_exit)) return helper_exit;
  testing::InitGoogleMock(&argc, argv);
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (ParseOption(argv[i], options)) continue;
    fprintf(stderr, "conformance: cannot make sense of '%s'\n%s", argv[i], kUsage);
    return 2;
  }
  if (options.list_clauses) {
    ListClauses();
    return 0;
  }
  RegisterWithGtest(options);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  EnterEnvironment(options, argv[0]);
  PrintEnvironment();
  const int run = RunTests(options);
  PrintSlowTests();
  if (run < 0) {
    fprintf(stderr, "conformance: no test has a name that matches\n");
    LeaveEnvironment();
    return kNothingMatches;
  }
  LeaveEnvironment();
  return run == 0 ? 0 : 1;
}

}  // namespace
}  // namespace shmcheck::conformance

int main(int argc, char** argv) {
  return shmcheck::conformance::Main(argc, argv);
}
