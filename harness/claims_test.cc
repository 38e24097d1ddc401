// Every claim of the introductory text is decided by what is seen, and decided otherwise when that is
// otherwise.

#include "harness/claims.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "harness/investigate.h"
#include "harness/parts.h"
#include "model/faults.h"
#include "model/machine.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using clauses::Clause;
using clauses::Truth;
using Standing = ClaimVerdict::Standing;
using ::testing::AnyOf;
using ::testing::HasSubstr;

const ClaimVerdict& find(const std::vector<ClaimVerdict>& verdicts, std::string_view id) {
  return *std::find_if(verdicts.begin(), verdicts.end(),
                       [id](const ClaimVerdict& verdict) { return verdict.claim->id == id; });
}

void hold(Result& result, Clause clause) {
  ClauseTally& tally = result.tallies[static_cast<std::size_t>(clause)];
  ++tally.pass;
  tally.tests.push_back("A.Test");
}

// Every deciding clause holds but `without`, of which nothing was seen.
Result all_hold(std::initializer_list<Clause> without = {}) {
  Result result;
  for (const Clause clause : deciding_clauses()) {
    if (std::find(without.begin(), without.end(), clause) == without.end()) hold(result, clause);
  }
  return result;
}

void violate(Result& result, Clause clause, const std::string& expected = {}) {
  Finding finding;
  finding.clause = clause;
  finding.subject = "a/program";
  finding.expected = expected;
  add_finding(result, std::move(finding));
}

// --- the rules

TEST(Claims, AgreeWithTheCatalogueWhenEveryClauseHolds) {
  const Result result = all_hold();
  for (const ClaimVerdict& verdict : decide_claims(result)) {
    EXPECT_EQ(verdict.verdict, name(verdict.claim->truth)) << verdict.claim->id;
    EXPECT_EQ(verdict.standing, Standing::agrees) << verdict.claim->id;
  }
}

TEST(Claims, AreUndecidedWhenNothingRan) {
  Result result;
  result.absent.push_back({std::string(kConformanceTests), "no directory for it"});
  for (const ClaimVerdict& verdict : decide_claims(result)) {
    EXPECT_EQ(verdict.verdict, "undecided") << verdict.claim->id;
    EXPECT_EQ(verdict.standing, Standing::undecided) << verdict.claim->id;
    for (const ClaimClause& clause : verdict.clauses)
      EXPECT_EQ(clause.evidence, "no conformance tests: no directory for it");
  }
}

TEST(Claims, ChangeWithEveryClauseThatDecidesThem) {
  for (const clauses::Claim& claim : clauses::claims()) {
    for (const auto list : {claim.needs, claim.refutes, claim.refines}) {
      for (const Clause clause : list) {
        Result result = all_hold();
        violate(result, clause);
        const std::vector<ClaimVerdict> verdicts = decide_claims(result);
        const ClaimVerdict& verdict = find(verdicts, claim.id);
        EXPECT_EQ(verdict.standing, Standing::differs);
        EXPECT_NE(verdict.verdict, name(claim.truth)) << claim.id << " " << clauses::info(clause).id;
        EXPECT_THAT(verdict.verdict, HasSubstr(std::string(clauses::info(clause).id)));
      }
    }
  }
}

struct Rule {
  const char* what;
  const char* claim;
  std::vector<Clause> unseen, broken;
  const char* verdict;
  Standing standing;
};
const Rule kRules[] = {
    {"what it needs is broken",
     "S20",
     {},
     {Clause::eof_accessible_extent},
     "false here: eof.accessible-extent",
     Standing::differs},
    {"what it needs was not seen",
     "S20",
     {Clause::eof_accessible_extent},
     {},
     "undecided",
     Standing::undecided},
    {"one of its needs was not seen", "S2", {Clause::share_no_copy}, {}, "undecided", Standing::undecided},
    {"one is broken, one unseen",
     "S2",
     {Clause::share_no_copy},
     {Clause::share_immediate},
     "false here: share.immediate",
     Standing::differs},
    {"the refinement is broken",
     "S13",
     {},
     {Clause::mmap_type_both},
     "true, not as refined here: mmap.type.both",
     Standing::differs},
    {"the refinement was not seen", "S13", {Clause::mmap_type_both}, {}, "true, refined", Standing::agrees},
    {"nothing refutes it",
     "S25",
     {},
     {Clause::msync_fsync_equivalent, Clause::writeback_without_request},
     "true here: msync.fsync-equivalent, writeback.without-request",
     Standing::differs},
    {"what refutes it was not seen",
     "S25",
     {Clause::msync_fsync_equivalent, Clause::writeback_without_request},
     {},
     "undecided",
     Standing::undecided},
    {"one of two that refute it was seen",
     "S25",
     {Clause::writeback_without_request},
     {},
     "false",
     Standing::agrees},
    {"refuted, and what is true instead is broken",
     "S25",
     {},
     {Clause::msync_sync_durable},
     "false, broken here: msync.sync-durable",
     Standing::differs},
    {"what an advice rests on is broken",
     "S14",
     {},
     {Clause::mmap_fixed_replaces},
     "advice, false here: mmap.fixed.replaces",
     Standing::differs},
    {"what an internal claim makes visible is broken",
     "S34",
     {},
     {Clause::shmat_multiple},
     "internal, false here: shmat.multiple",
     Standing::differs},
};

TEST(Claims, FollowTheirRules) {
  for (const Rule& rule : kRules) {
    Result result;
    for (const Clause clause : deciding_clauses()) {
      const auto in = [clause](const auto& list) { return std::count(list.begin(), list.end(), clause) > 0; };
      if (in(rule.broken))
        violate(result, clause);
      else if (!in(rule.unseen))
        hold(result, clause);
    }
    const std::vector<ClaimVerdict> verdicts = decide_claims(result);
    EXPECT_EQ(find(verdicts, rule.claim).verdict, rule.verdict) << rule.what;
    EXPECT_EQ(find(verdicts, rule.claim).standing, rule.standing) << rule.what;
  }
}

TEST(Claims, AFailureThatIsExpectedChangesTheVerdictButNotTheAgreement) {
  Result result = all_hold();
  violate(result, Clause::eof_accessible_extent, "uml.toml:1: known");
  const std::vector<ClaimVerdict> verdicts = decide_claims(result);
  EXPECT_EQ(find(verdicts, "S20").verdict, "false here: eof.accessible-extent");
  EXPECT_EQ(find(verdicts, "S20").standing, Standing::known);
  EXPECT_EQ(find(verdicts, "S13").standing, Standing::agrees);
}

TEST(Claims, SayWhichProgramsAndTestsDecidedThem) {
  Result result = all_hold();
  violate(result, Clause::eof_seed_bound);
  ClauseTally& tally = result.tallies[static_cast<std::size_t>(Clause::eof_accessible_extent)];
  tally.programs = {"eof/one", "eof/two", "eof/three"};
  const std::string text = claims_in_full(decide_claims(result));
  EXPECT_THAT(text, HasSubstr("S23  false here: eof.seed-bound  The usable space"));
  EXPECT_THAT(
      text, HasSubstr("needs    eof.accessible-extent            held: eof/one, eof/two, A.Test and 1 more"));
  EXPECT_THAT(text, HasSubstr("needs    eof.seed-bound                   BROKEN: program a/program"));
}

// --- each of the fifty

// Each claim that programs can decide, and a broken kernel on which it is decided otherwise.
struct Flip {
  const char* claim;
  const char* fault;
};
void PrintTo(const Flip& flip, std::ostream* out) {
  *out << flip.claim << " by " << flip.fault;
}
const std::vector<Flip> kFlips = {
    {"S1", "shmat-is-private"},
    {"S2", "fork-loses-shared-mapping"},
    {"S3", "shm-open-name-per-process"},
    {"S4", "mmap-offset-ignored"},
    {"S5", "private-is-shared"},
    {"S6", "private-is-shared"},
    {"S8", "mmap-offset-ignored"},
    {"S9", "mmap-write-only-mappable"},
    {"S10", "prot-none-readable"},
    {"S11", "mmap-offset-rounded-down"},
    {"S12", "prot-none-readable"},
    {"S14", "mmap-noreplace-ignored"},
    {"S16", "shared-anonymous-is-private"},
    {"S17", "private-store-reaches-relatives"},
    {"S18", "shared-anonymous-is-private"},
    {"S19", "slack-store-extends"},
    {"S20", "eof-one-page-too-many"},
    {"S21", "slack-store-extends"},
    {"S22", "eof-reads-zero"},
    {"S23", "eof-one-page-too-many"},
    {"S24", "pwrite-lost-for-mapped"},
    {"S25", "fsync-does-nothing"},
    {"S26", "slack-stored"},
    {"S27", "maps-without-id"},
    {"S28", "shmat-is-private"},
    {"S29", "shmget-excl-ignored"},
    {"S30", "maps-without-id"},
    {"S31", "shmat-unchecked"},
    {"S33", "shmget-lookup-sets-cpid"},
    {"S34", "shmat-is-private"},
    {"S35", "shmat-last-page-missing"},
    {"S36", "shmget-lookup-sets-cpid"},
    {"S37", "rmid-anyone"},
    {"S38", "munmap-keeps-count"},
    {"S40", "shmget-creates-always"},
    {"S41", "shmdt-detaches-all"},
    {"S42", "set-changes-creator"},
    {"S44", "limit-shmmni-one-more"},
    {"S45", "limit-by-anyone"},
    {"S46", "msync-does-nothing"},
    {"S48", "rmid-immediate"},
    {"S49", "rmid-marked-survives"},
    {"S50", "exit-clears-shared"},
    // By a machine that is started anew.
    {"S46", "crash-loses-what-was-synced"},
    {"S47", "reboot-keeps-segments"},
    {"S47", "reboot-keeps-objects"},
    {"S48", "reboot-keeps-segments"},
    {"S49", "reboot-keeps-segments"},
    {"S50", "unmount-writes-nothing"},
};

// A run on the healthy model, to which tests may add what was seen elsewhere.
class Watched {
 public:
  Watched() : run_("claims", options_, output_) {
    output_.be_quiet();
    EXPECT_TRUE(run_.open());
  }

  // The corpus on a model with this fault, or none.
  void run_corpus(const model::Fault* fault) {
    for (const NamedProgram& one : corpus_programs(run_, deciding_clauses())) {
      Answer answer;
      answer.program = one.program;
      answer.trace = model::run_program(one.program, model::model_facts(fault), fault);
      model::JudgeStats stats;
      std::optional<Finding> finding = find_in(answer, model::Profile::exact, stats);
      add_decided(run_.result(), stats, one.name);
      if (finding) {
        finding->part = Part::corpus;
        finding->subject = one.name;
        add_finding(run_.result(), std::move(*finding));
      } else {
        for (const Clause clause : one.shows)
          run_.result().tallies[static_cast<std::size_t>(clause)].add_program(one.name);
      }
    }
  }

  Run& run() { return run_; }

 private:
  static Options on_the_model() {
    Options options;
    EXPECT_EQ(parse_target("model", {}, options.target), "");
    return options;
  }

  Options options_ = on_the_model();
  Output output_;
  Run run_;
};

TEST(EveryClaim, AgreesWithTheCatalogueOrIsUndecidedOnTheHealthyModel) {
  Watched seen;
  seen.run_corpus(nullptr);
  std::size_t decided = 0;
  for (const ClaimVerdict& verdict : decide_claims(seen.run().result())) {
    EXPECT_THAT(verdict.standing, AnyOf(Standing::agrees, Standing::undecided)) << verdict.claim->id;
    decided += verdict.standing == Standing::agrees ? 1 : 0;
  }
  EXPECT_GE(decided, 35U) << "the others need a test as well";
}

class ByAFault : public testing::TestWithParam<Flip> {};

TEST_P(ByAFault, IsDecidedOtherwise) {
  const model::Fault* fault = model::find_fault(GetParam().fault);
  ASSERT_NE(fault, nullptr);
  Watched seen;
  seen.run_corpus(fault);
  const std::vector<ClaimVerdict> verdicts = decide_claims(seen.run().result());
  const ClaimVerdict& verdict = find(verdicts, GetParam().claim);
  EXPECT_EQ(verdict.standing, Standing::differs) << verdict.verdict;
  EXPECT_NE(verdict.verdict, name(verdict.claim->truth));
}

INSTANTIATE_TEST_SUITE_P(EveryClaim, ByAFault, testing::ValuesIn(kFlips), [](const auto& param) {
  std::string name = fmt::format("{}_{}", param.param.claim, param.param.fault);
  std::ranges::replace(name, '-', '_');
  return name;
});

// --- by conformance tests

// The tests of the conformance binary, all passed.
std::vector<ConformanceTest> all_tests() {
  std::vector<ConformanceTest> tests;
  const std::unique_ptr<FILE, int (*)(FILE*)> list(::popen(CONFORMANCE_BINARY " --list-clauses", "r"),
                                                   ::pclose);
  char line[4096];
  while (list != nullptr && std::fgets(line, sizeof line, list.get()) != nullptr) {
    const std::string_view text(line);
    const std::size_t name_end = text.find('\t'), ids_end = text.find('\t', name_end + 1);
    ConformanceTest test;
    const std::string report = fmt::format("TEST {} PASS 1 {}", text.substr(0, name_end),
                                           text.substr(name_end + 1, ids_end - name_end - 1));
    EXPECT_EQ(parse_test_line(report, test), "");
    tests.push_back(std::move(test));
  }
  EXPECT_GT(tests.size(), 300U);
  return tests;
}

bool names(const ConformanceTest& test, Clause clause) {
  return std::find(test.clauses.begin(), test.clauses.end(), clause) != test.clauses.end();
}

// All of them pass but those that name this clause.
void run_tests(Run& run, std::vector<ConformanceTest> tests, Clause failing) {
  for (ConformanceTest& test : tests) {
    if (names(test, failing)) test.status = ConformanceTest::Status::fail;
    count_test(run, test);
  }
}

TEST(EveryClaim, AgreesWithTheCatalogueWhenAllProgramsAndTestsPass) {
  Watched seen;
  seen.run_corpus(nullptr);
  run_tests(seen.run(), all_tests(), Clause::none);
  for (const ClaimVerdict& verdict : decide_claims(seen.run().result()))
    EXPECT_EQ(verdict.verdict, name(verdict.claim->truth)) << verdict.claim->id;
}

TEST(EveryClaim, IsDecidedOtherwiseByAFailingTestOfEachOfItsClauses) {
  const std::vector<ConformanceTest> tests = all_tests();
  std::set<std::string_view> flipped;
  for (const Clause clause : deciding_clauses()) {
    const bool tested =
        std::any_of(tests.begin(), tests.end(), [clause](const auto& test) { return names(test, clause); });
    if (!tested) continue;
    Watched seen;
    run_tests(seen.run(), tests, clause);
    for (const ClaimVerdict& verdict : decide_claims(seen.run().result())) {
      const bool decides = std::any_of(verdict.clauses.begin(), verdict.clauses.end(),
                                       [clause](const ClaimClause& one) { return one.clause == clause; });
      if (!decides) continue;
      EXPECT_EQ(verdict.standing, Standing::differs) << verdict.claim->id << " " << clauses::info(clause).id;
      flipped.insert(verdict.claim->id);
    }
  }
  EXPECT_EQ(flipped.size(), clauses::claims().size());
}

}  // namespace
}  // namespace shmcheck::harness
