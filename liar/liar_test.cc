// The liar must tell tests that can fail from tests that cannot, and must not take its own doing for a
// failure.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "liar/known.h"
#include "liar/plan.h"
#include "liar/verdict.h"

namespace {

using namespace shmcheck::liar;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Session {
  std::string text;
  int exit_code = -1;
};

Session run_liar(const std::string& options) {
  Session run;
  FILE* const pipe = popen((std::string(LIAR_BINARY) + " " + options + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return run;
  char chunk[4096];
  for (size_t count = fread(chunk, 1, sizeof chunk, pipe); count > 0;
       count = fread(chunk, 1, sizeof chunk, pipe))
    run.text.append(chunk, count);
  const int status = pclose(pipe);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

std::string on_lied_to(const std::string& options) {
  return "--binary " LIED_TO_BINARY " " + options;
}

// A file of the test's own.
class Scratch {
 public:
  explicit Scratch(const std::string& text = "") {
    char name[] = "/tmp/liar-test-XXXXXX";
    close(mkstemp(name));
    path_ = name;
    std::ofstream(path_) << text;
  }
  ~Scratch() { remove(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string text() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

// What the liar says of each test of the binary, by name.
class Campaign : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const Scratch json, list;
    session_ = run_liar(on_lied_to("--jobs 2 --json " + json.path() + " --list " + list.path()));
    list_ = list.text();
    const nlohmann::json result = nlohmann::json::parse(json.text());
    for (const auto& entry : result.at("tests")) tests_[entry.at("test").get<std::string>()] = entry;
  }
  static std::string of(const std::string& test, const char* key) {
    return tests_.at(test).at(key).get<std::string>();
  }

  static inline Session session_;
  static inline std::string list_;
  static inline std::map<std::string, nlohmann::json> tests_;
};

TEST_F(Campaign, VacuousTestsSurvive) {
  int vacuous = 0;
  for (const auto& [name, entry] : tests_) {
    if (!name.starts_with("Vacuous.")) continue;
    ++vacuous;
    EXPECT_EQ(of(name, "verdict"), "SURVIVE") << entry;
    EXPECT_GT(entry.at("tried").get<int>(), 10) << entry;
    EXPECT_THAT(session_.text, HasSubstr("survives: " + name));
  }
  EXPECT_EQ(vacuous, 5);
}

TEST_F(Campaign, GoodTestsAreBrokenByALieAboutTheirSubject) {
  struct Expected {
    const char* test;
    const char* lie;
    const char* message;
  };
  for (const Expected& expected : {
           Expected{"Good.SeesTheErrno", "munmap [", "fails with EINVAL"},
           Expected{"Good.SeesThatMunmapDoesSomething", "munmap [each]: does nothing",
                    "Load(map.release()).ok()"},
           Expected{"Good.SeesTheSignal", "SIGSEGV [each]: the access works", "raises SIGSEGV/SEGV_ACCERR"},
           Expected{"Good.SeesTheCountOfAttaches", "shmctl IPC_STAT [each]: shm_nattch", "Stat().shm_nattch"},
           Expected{"Good.SeesThatAForkShares", "fork [each]: the child has a copy", "reads 0x7"},
       }) {
    EXPECT_EQ(of(expected.test, "verdict"), "broken") << expected.test;
    EXPECT_THAT(of(expected.test, "lie"), StartsWith(expected.lie));
    EXPECT_THAT(of(expected.test, "message"), HasSubstr(expected.message));
  }
}

TEST_F(Campaign, SkippedAndFailingTestsAreNotJudged) {
  EXPECT_EQ(of("Good.LacksANeed", "verdict"), "skipped");
  EXPECT_EQ(of("Wrong.FailsWithoutALie", "verdict"), "FAILING");
  EXPECT_THAT(session_.text, HasSubstr("fails without a lie: Wrong.FailsWithoutALie"));
  EXPECT_EQ(session_.exit_code, 1);
}

TEST_F(Campaign, TheListNamesTestClausesAndLie) {
  EXPECT_THAT(list_, HasSubstr("\nGood.SeesTheErrno\tmunmap.unaligned\tmunmap ["));
  EXPECT_THAT(list_, testing::Not(HasSubstr("Vacuous")));
}

TEST(Liar, ListedSurvivorsAreExplained) {
  const Scratch survivors(
      "[[survivor]]\ntest = \"Vacuous.LooksAtNothing\"\nreason = \"on purpose\"\n"
      "[[record]]\ntest = \"Vacuous.AcceptsEveryAnswer\"\nreason = \"the freedom is total\"\n");
  const Session run = run_liar(on_lied_to(
      "--filter Vacuous.LooksAtNothing:Vacuous.AcceptsEveryAnswer --survivors " + survivors.path()));
  EXPECT_EQ(run.exit_code, 0) << run.text;
}

TEST(Liar, ASurvivorThatIsBrokenMustLeaveTheList) {
  const Scratch survivors("[[survivor]]\ntest = \"Good.SeesTheErrno\"\nreason = \"not true\"\n");
  const Session run =
      run_liar(on_lied_to("--search --filter Good.SeesTheErrno --survivors " + survivors.path()));
  EXPECT_THAT(run.text, HasSubstr("no survivor any more: Good.SeesTheErrno (" + survivors.path() + ":1)"));
  EXPECT_EQ(run.exit_code, 1);
}

TEST(Liar, TheKnownLieIsToldFirst) {
  const Scratch broken("Good.SeesTheErrno\tmunmap.unaligned\tmunmap [first]: errno of nothing documented\n");
  const Session run = run_liar(on_lied_to("--verbose --filter Good.SeesTheErrno --broken " + broken.path()));
  EXPECT_THAT(run.text,
              HasSubstr("broken    Good.SeesTheErrno: munmap [first]: errno of nothing documented (1)"));
  EXPECT_EQ(run.exit_code, 0);
}

TEST(Liar, BadInputGetsASentenceAndItsExitCode) {
  struct Case {
    std::string options;
    int exit_code;
    const char* sentence;
  };
  const Scratch bad_list("Good.SeesTheErrno munmap\n"), bad_toml("[[survivor]]\ntest = \"A.B\"\n"),
      typo("[[recrod]]\ntest = \"A.B\"\n");
  for (const Case& bad :
       {Case{"", 2, "--binary is required"},
        {on_lied_to("--nonsense"), 2, "--nonsense"},
        {on_lied_to("--filter No.Such"), 2, "no test has a name that matches No.Such"},
        {on_lied_to("--broken /nowhere/list"), 2, "/nowhere/list: No such file"},
        {on_lied_to("--broken " + bad_list.path()), 2, ":1: wanted: test TAB clauses TAB lie"},
        {on_lied_to("--survivors " + bad_toml.path()), 2, ":1: an entry needs a 'reason'"},
        {on_lied_to("--survivors " + typo.path()), 2, "only [[record]] and [[survivor]] tables"},
        {on_lied_to("--update"), 2, "--update needs --broken"},
        {"--binary /nowhere/binary", 125, "/nowhere/binary"},
        {"--binary /bin/true", 125, "/bin/true"}}) {
    const Session run = run_liar(bad.options);
    EXPECT_EQ(run.exit_code, bad.exit_code) << bad.options << "\n" << run.text;
    EXPECT_THAT(run.text, HasSubstr(bad.sentence));
  }
}

// --- what a failure is worth ------------------------------------------------------------------------------

Verdict verdict_of(const std::string& messages) {
  const auto verdicts = read_report("TEST A.B FAIL 3 munmap.removes,fork.dontfork\n" + messages);
  return verdicts.empty() ? Verdict{} : verdicts.front();
}

TEST(Verdict, AnExpectationCounts) {
  const Verdict verdict = verdict_of(
      "| a_test.cc:7: Value of: x\n| Expected: fails with EINVAL\n|   Actual: returns 0\n|   clause c: "
      "text\n");
  EXPECT_EQ(verdict.kind, Verdict::Kind::broken);
  EXPECT_EQ(verdict.message, "a_test.cc:7: Value of: x Expected: fails with EINVAL   Actual: returns 0");
  EXPECT_THAT(verdict.clauses, testing::ElementsAre("munmap.removes", "fork.dontfork"));
}

TEST(Verdict, WhatOnlyBreaksTheStageDoesNotCount) {
  for (const char* message :
       {"| a.cc:1: set-up: mmap fails with EINVAL\n", "| a.cc:1: crash: the test process died by SIGSEGV\n",
        "| a.cc:1: hang: the test had not ended after 10000 ms\n",
        "| a.cc:1: an access outside every probe raised SIGSEGV/SEGV_MAPERR at 0x1\n",
        "| a.cc:1: the test process left with exit code 121 in mid-test\n",
        "| a.cc:1: set-up: no pipe\n| b.cc:2: Value of: child.Join()\n| Expected: exits with 0\n|   Actual: "
        "exits "
        "with 120\n"}) {
    EXPECT_EQ(verdict_of(message).kind, Verdict::Kind::stage) << message;
  }
}

TEST(Verdict, AnExpectationBesideABrokenStageCounts) {
  EXPECT_EQ(
      verdict_of("| a.cc:1: set-up: no\n| b.cc:2: Value of: x\n| Expected: reads 0x1\n|   Actual: reads 0\n")
          .kind,
      Verdict::Kind::broken);
}

// --- the plan ---------------------------------------------------------------------------------------------

Recording recording_of(const char* label, long number, long result, int count) {
  Recording recording;
  const Event event{label, find_call(number), {}, result, false};
  recording[{When::before, label}] = {event, count};
  recording[{event.ok() ? When::success : When::failure, label}] = {event, count};
  recording[{When::answer, label}] = {event, count};
  return recording;
}

TEST(Plan, BeginsWithWhatTheClauseIsAbout) {
  Recording recording = recording_of("munmap", 11, -22, 3);
  recording.merge(recording_of("shmdt", 67, -22, 3));
  const auto lies_of = [&](const char* clause) { return plan(recording, {clause}); };
  EXPECT_EQ(lies_of("munmap.removes").front().name, "munmap [each]: succeeds");
  EXPECT_EQ(lies_of("shmdt.bad").front().name, "shmdt [each]: succeeds");
  bool beside = false;
  for (const Planned& planned : lies_of("mlock.counts")) beside = beside || !planned.about;
  EXPECT_TRUE(beside);
}

TEST(Plan, EveryNameLeadsBackToItsLie) {
  const Recording recording = recording_of("munmap", 11, 0, 5);
  const auto planned = plan(recording, {"munmap.removes"});
  ASSERT_GT(planned.size(), 10U);
  for (const Planned& each : planned) {
    const auto found = find_planned(each.name, recording, {"munmap.removes"});
    ASSERT_TRUE(found) << each.name;
    EXPECT_EQ(found->choice.lie, each.choice.lie);
    EXPECT_EQ(found->choice.which, each.choice.which) << each.name;
    const auto recalled = recall_planned(each.name, {"munmap.removes"});
    EXPECT_EQ(recalled.has_value(), each.name.find("[last]") == std::string::npos) << each.name;
    if (recalled) {
      EXPECT_EQ(recalled->choice.which, each.choice.which) << each.name;
    }
  }
  EXPECT_FALSE(find_planned("munmap [each]: no such lie", recording, {}));
  EXPECT_FALSE(find_planned("shmdt [each]: does nothing", recording, {}));
}

TEST(Lies, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Lie& lie : lies()) EXPECT_TRUE(names.insert(lie.name).second) << lie.name;
  EXPECT_GT(names.size(), 80U);
}

}  // namespace
