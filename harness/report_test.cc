// What is printed, filed and handed on of a result.

#include "harness/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness/conformance_report.h"
#include "harness/embedded.h"
#include "harness/evidence.h"
#include "harness/files.h"
#include "harness/options.h"
#include "harness/result_json.h"
#include "harness/testing/room.h"
#include "model/machine.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Finding example() {
  auto parsed = program::parse_program(
      "p0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 store m0 0x41\np0 load m0\n", "test");
  Finding finding;
  finding.part = Part::random;
  finding.clause = clauses::Clause::access_read;
  finding.subject = "program 7";
  finding.fs = "tmpfs";
  finding.program = std::get<program::Program>(std::move(parsed));
  finding.trace = model::run_program(finding.program, model::model_facts());
  finding.step = 2;
  finding.allowed = "0x41";
  finding.seen = "0x42";
  finding.seed = 99;
  return finding;
}

Result example_result() {
  Result result;
  result.command = "check";
  result.heard = true;
  result.judged_steps = 10;
  result.facts = {model::model_facts()};
  result.target = "uml:./my linux";
  result.boot_args = {"foo=1"};
  return result;
}

TEST(Report, ShowsClauseProgramAllowedSeenAndReplay) {
  Finding finding = example();
  finding.replay = replay_command(finding, example_result());
  const std::string text = describe(finding);
  EXPECT_THAT(text, HasSubstr("FAIL    access.read: random program 7 on tmpfs, step 3 (p0 load m0)"));
  EXPECT_THAT(text, HasSubstr(std::string(clauses::info(clauses::Clause::access_read).statement)));
  EXPECT_THAT(text, HasSubstr("=> p0 load m0"));
  EXPECT_THAT(text, HasSubstr("allowed  0x41\n  seen     0x42"));
  EXPECT_THAT(text, HasSubstr("seed     99"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "shmcheck run --target 'uml:./my linux' --boot-arg foo=1 --fs tmpfs --profile exact - <<'END'"));
}

TEST(Report, SaysWhichRulesRandomProgramsDidNotReach) {
  Result result = example_result();
  result.random.programs = 1;
  const auto ruled = [](const clauses::Info& info) { return info.has_rule(); };
  const auto rules = std::ranges::count_if(clauses::all(), ruled);
  EXPECT_THAT(random_statistics(result),
              HasSubstr(fmt::format("decided a step: 0 of {} with a rule\n", rules)));
  result.random.stats.decisive.set();
  EXPECT_THAT(random_statistics(result), HasSubstr(fmt::format("{} of {} with a rule\n", rules, rules)));
  result.random.stats.decisive.reset(static_cast<std::size_t>(clauses::Clause::access_read));
  EXPECT_THAT(random_statistics(result),
              HasSubstr(fmt::format("{} of {} with a rule; none of access.read\n", rules - 1, rules)));
}

TEST(Report, SaysThatNoClauseIsBroken) {
  Finding finding = example();
  finding.clause = clauses::Clause::none;
  EXPECT_THAT(describe(finding), HasSubstr("FAIL    no clause: random program 7"));
  EXPECT_THAT(describe(finding), HasSubstr("clause   none: the catalogue takes for granted"));
}

// It is counted, not looked into: the program that showed it first was not shrunk.
TEST(Report, AKnownFailureOfRandomProgramsIsOneLineAndItsReason) {
  Finding finding = example();
  finding.outcome = Outcome::xfail;
  finding.replay = "shmcheck run";
  finding.expected = "known: it is old";
  EXPECT_THAT(describe(finding), HasSubstr("  program\n"));
  finding.trace = {};
  const std::string text = describe(finding);
  EXPECT_THAT(text, HasSubstr("XFAIL   access.read: random program 7 on tmpfs\n"));
  EXPECT_THAT(text, HasSubstr("expected known: it is old\n"));
  EXPECT_THAT(text, Not(HasSubstr("  program\n")));
  EXPECT_THAT(text, Not(HasSubstr("replay")));
}

TEST(Report, WhereNothingWasRunOnlyTheReasonIsSaid) {
  Result result = example_result();
  result.judged_steps = 0;
  result.unjudged = "no program was left";
  EXPECT_EQ(summary(result), "\nnothing was judged: no program was left\nVERDICT unjudged");
  result.parts[static_cast<std::size_t>(Part::random)].run = 1;
  EXPECT_THAT(summary(result), HasSubstr("random "));
}

TEST(Report, WhatWasNotRunStandsBesideTheVerdict) {
  Result result = example_result();
  EXPECT_THAT(summary(result), Not(HasSubstr("not run")));
  result.parts[static_cast<std::size_t>(Part::conformance)].not_run = 3;
  result.parts[static_cast<std::size_t>(Part::corpus)].not_run = 2;
  const std::string text = summary(result);
  EXPECT_THAT(text, HasSubstr(", 3 not run for want of time"));
  EXPECT_THAT(text, HasSubstr("no unexpected finding, 5 tests and programs not run for want of time in"));
}

TEST(Report, EndsWithTheVerdict) {
  Result result = example_result();
  EXPECT_THAT(summary(result), ::testing::EndsWith("VERDICT pass"));
  EXPECT_EQ(result.exit_code(), 0);
  add_finding(result, example());
  EXPECT_THAT(summary(result), ::testing::EndsWith("VERDICT fail"));
  EXPECT_EQ(result.exit_code(), 1);
  result.findings[0].in_baseline = true;
  EXPECT_EQ(result.exit_code(), 0);
  result.judged_steps = 0;
  EXPECT_THAT(summary(result), ::testing::EndsWith("VERDICT unjudged"));
  EXPECT_EQ(result.exit_code(), 125);
}

TEST(Report, UnexpectedPassFails) {
  Result result = example_result();
  result.failed_reasons = {"x was expected to fail and passed: delete the expectation at f.toml:3"};
  EXPECT_EQ(result.exit_code(), 1);
  EXPECT_THAT(summary(result), HasSubstr("XPASS   x was expected"));
}

TEST(ShellWord, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("uml:/a/b-c_d=1"), "uml:/a/b-c_d=1");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(ResultJson, SharesAddUp) {
  Result one = example_result();
  one.random.programs = 5;
  one.random.stats.steps = 50;
  one.random.stats.per_op[0].steps = 7;
  one.random.stats.freedoms[0] = 3;
  one.parts[static_cast<std::size_t>(Part::random)].run = 5;
  add_finding(one, example());
  Result sum = one;
  ASSERT_EQ(add_share(share_to_json(one), sum), "");
  EXPECT_EQ(sum.random.programs, 10U);
  EXPECT_EQ(sum.random.stats.steps, 100U);
  EXPECT_EQ(sum.random.stats.per_op[0].steps, 14U);
  EXPECT_EQ(sum.random.stats.freedoms[0], 6U);
  ASSERT_EQ(sum.findings.size(), 1U);
  EXPECT_EQ(sum.findings[0].times, 2U);
  Result fresh = example_result();
  ASSERT_EQ(add_share(share_to_json(one), fresh), "");
  ASSERT_EQ(fresh.findings.size(), 1U);
  EXPECT_EQ(describe(fresh.findings[0]), describe(one.findings[0]));
  EXPECT_NE(add_share("{", fresh), "");
}

TEST(ResultJson, SurvivesBytesThatAreNoText) {
  Result result = example_result();
  result.warnings.push_back("a console wrote \xff\xfe");
  EXPECT_THAT(to_json(result), HasSubstr("a console wrote"));
}

TEST(Baseline, HoldsTheIdentitiesOfFindings) {
  const Room room;
  Result result = example_result();
  add_finding(result, example());
  ASSERT_EQ(write_file(room.path + "/r.json", to_json(result)), "");
  std::vector<std::string> identities;
  ASSERT_EQ(read_baseline(room.path + "/r.json", identities), "");
  EXPECT_THAT(identities, ElementsAre(example().identity()));
}

TEST(Baseline, RefusesOtherFiles) {
  const Room room;
  std::vector<std::string> identities;
  EXPECT_THAT(read_baseline(room.path + "/none", identities), HasSubstr("cannot read this file"));
  ASSERT_EQ(write_file(room.path + "/x", "hello"), "");
  EXPECT_THAT(read_baseline(room.path + "/x", identities), HasSubstr("this is no result of shmcheck --json"));
  ASSERT_EQ(write_file(room.path + "/y", "{\"format\": 99, \"findings\": []}"), "");
  EXPECT_THAT(read_baseline(room.path + "/y", identities),
              HasSubstr("has format 99, and this command reads format 1"));
}

// --- files
// --------------------------------------------------------------------------------------------------

TEST(Files, OfAFindingCanBeReadBack) {
  const Room room;
  Options options;
  options.dir = room.path + "/made/here";
  ASSERT_EQ(prepare_directory(options.dir), "");
  Finding finding = example();
  ASSERT_EQ(write_files(finding, options, example_result()), "");
  ASSERT_GE(finding.files.size(), 2U);
  for (const std::string& path : finding.files) {
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (path.ends_with(".prog")) {
      auto parsed = program::parse_program(text, path);
      ASSERT_TRUE(std::holds_alternative<program::Program>(parsed)) << text;
      EXPECT_EQ(std::get<program::Program>(parsed), finding.program);
    } else if (path.ends_with(".trace")) {
      auto parsed = program::parse_trace(text, path);
      ASSERT_TRUE(std::holds_alternative<program::Trace>(parsed)) << text;
      EXPECT_EQ(std::get<program::Trace>(parsed), finding.trace);
    }
  }
}

// In a child with a mount namespace of its own: 0 if `sentence` is what preparing the directory says.
int prepare_on(const std::string& dir, const char* options, unsigned long flags, std::string_view sentence) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      ::_exit(77);
    if (::mount("test", dir.c_str(), "tmpfs", flags, options) != 0) ::_exit(78);
    const std::string said = prepare_directory(dir);
    const bool left =
        std::filesystem::exists(dir + "/.shmcheck") || std::filesystem::exists(dir + "/.shmcheck.part");
    ::_exit(said.find(sentence) == std::string::npos ? 1 : left ? 2 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(Files, DirectoryThatIsReadOnlyOrFullIsFoundOutBeforeTheRun) {
  const Room room;
  const int read_only = prepare_on(room.path, "", MS_RDONLY, "Read-only file system");
  if (read_only == 77) GTEST_SKIP() << "this caller may not make a mount namespace";
  EXPECT_EQ(read_only, 0);
  EXPECT_EQ(prepare_on(room.path, "size=4k", 0, "No space left on device"), 0);
}

// --- what comes from elsewhere
// ------------------------------------------------------------------------------

TEST(ConformanceReport, IsReadInPiecesOfAnySize) {
  const std::string text =
      "[==========] Running 2 tests\nTEST Eof.One/tmpfs FAIL 12 access.read,eof.slack.zero\n| a.cc:3: wanted "
      "1\n| got 2\n"
      "noise\nBEGIN Eof.Two access.read\nTEST Eof.Two SKIP 0 access.read\n| no ext4\nTEST Eof.Three PASS 1 "
      "access.read\nTEST Eof.Four "
      "NOTRUN 0 access.read";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, text.size()}) {
    std::vector<ConformanceTest> seen;
    ConformanceReport report([&seen](const ConformanceTest& test) { seen.push_back(test); });
    for (std::size_t at = 0; at < text.size(); at += piece) report.feed(text.substr(at, piece));
    report.end();
    // The clause of the first test does not exist, so the test is left out and the trouble kept.
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_THAT(report.rest(), HasSubstr("names the clause eof.slack.zero, which does not exist"));
    EXPECT_EQ(seen[0].name, "Eof.Two");
    EXPECT_EQ(seen[0].messages, "no ext4\n");
    EXPECT_EQ(seen[1].status, ConformanceTest::Status::pass);
    EXPECT_EQ(seen[2].status, ConformanceTest::Status::not_run);
    EXPECT_EQ(report.last().name, "Eof.Four");
    EXPECT_FALSE(report.is_running());
  }
}

TEST(ConformanceReport, ATestThatDoesNotEndIsKnownByNameAndClauses) {
  ConformanceReport report([](const ConformanceTest&) {});
  report.feed("TEST Eof.One PASS 1 access.read\nBEGIN Eof.Two access.write,access.none\n[ RUN ] Eof.Two\n");
  report.end();
  EXPECT_TRUE(report.is_running());
  EXPECT_EQ(report.last().name, "Eof.Two");
  EXPECT_THAT(report.last().clauses,
              ElementsAre(clauses::Clause::access_write, clauses::Clause::access_none));
}

TEST(Evidence, KeepsTheLastLinesAndTheFirstAlarm) {
  Evidence evidence;
  for (int i = 0; i < 1000; ++i) evidence.append("line " + std::to_string(i) + "\r\n");
  evidence.append("BUG: KASAN: use-after-free in shm_close\nOops: again\nunfinished \x1b");
  EXPECT_EQ(evidence.tail(2), "Oops: again\nunfinished .\n");
  EXPECT_EQ(evidence.alarm(), "BUG: KASAN: use-after-free in shm_close");
  EXPECT_THAT(evidence.tail(10'000), ::testing::Not(HasSubstr("line 100\n")));
}

TEST(Embedded, ExecutorConformanceAndInitramfsAreThere) {
  EXPECT_GT(embedded_executor().size(), 10'000U);
  EXPECT_GT(embedded_conformance().size(), 10'000U);
  std::vector<std::string> names;
  for (const ArchiveFile& file : read_cpio(embedded_initramfs())) names.emplace_back(file.name);
  EXPECT_THAT(names, ElementsAre("init", "conformance"));
}

TEST(Embedded, DamagedArchiveGivesWhatIsWhole) {
  const std::span<const std::uint8_t> archive = embedded_initramfs();
  EXPECT_EQ(read_cpio(archive.first(embedded_executor().size() + 1000)).size(), 1U);
  EXPECT_TRUE(read_cpio(archive.first(100)).empty());
  EXPECT_TRUE(read_cpio({}).empty());
}

TEST(Options, TimeIsReadWithItsUnit) {
  milliseconds time{};
  EXPECT_EQ(parse_time("45s", time), "");
  EXPECT_EQ(time.count(), 45'000);
  EXPECT_EQ(parse_time("500ms", time), "");
  EXPECT_EQ(time.count(), 500);
  EXPECT_EQ(parse_time("2m", time), "");
  EXPECT_EQ(time.count(), 120'000);
  for (const char* wrong : {"", "s", "0s", "-3s", "4 s", "99999999999h", "3x"})
    EXPECT_NE(parse_time(wrong, time), "") << wrong;
}

}  // namespace
}  // namespace shmcheck::harness
