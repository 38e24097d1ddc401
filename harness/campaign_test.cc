// Campaigns against runners that misbehave in known ways.

#include "harness/campaign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <set>

#include "harness/campaign_model.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using Kind = CampaignFinding::Kind;
using program::OpCode;
using program::Program;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

bool has(const Program& program, OpCode code) {
  return std::any_of(program.ops.begin(), program.ops.end(),
                     [=](const program::Op& op) { return op.code == code; });
}

// The model with several programs under way, and a say in what comes of each.
class Bent final : public ProgramRunner {
 public:
  explicit Bent(const model::Fault* fault = nullptr, std::size_t window = 4)
      : facts_(model::model_facts(fault)), window_(window), fault_(fault) {}
  const program::Facts& facts() const override { return facts_; }
  std::size_t window() const override { return window_; }
  void submit(const Program& program) override {
    queue_.push_back(program);
    most_ = std::max(most_, queue_.size());
  }
  std::optional<ProgramRun> next() override {
    if (queue_.empty() || answers_ == last_) return std::nullopt;
    ++answers_;
    Program program = std::move(queue_.front());
    queue_.pop_front();
    ProgramRun run;
    run.trace = model::run_program(program, facts_, fault_);
    if (bend) bend(program, run);
    return run;
  }
  std::string why() const override { return "unplugged"; }

  std::function<void(const Program&, ProgramRun&)> bend;
  std::uint64_t last_ = UINT64_MAX;  // answers that it gives
  std::uint64_t answers_ = 0;
  std::size_t most_ = 0;

 private:
  program::Facts facts_;
  std::size_t window_;
  const model::Fault* fault_;
  std::deque<Program> queue_;
};

const model::Fault* some_fault() {
  return model::find_fault("shmget-excl-ignored");
}

CampaignOptions options(std::uint64_t programs) {
  CampaignOptions o;
  o.seed = 5;
  o.programs = programs;
  return o;
}

TEST(Campaign, KeepsTheWindowFullAndJudgesEveryProgram) {
  Bent runner;
  CampaignResult result = run_campaign(options(100), runner);
  EXPECT_EQ(runner.most_, 4U);
  EXPECT_EQ(runner.answers_, 100U);
  EXPECT_EQ(result.programs, 100U);
  EXPECT_EQ(result.stats.traces, 100U);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.stopped, "");
}

TEST(Campaign, ReportsADivergenceOnceAndCountsItsRepeats) {
  Bent runner(some_fault());
  CampaignOptions o = options(2000);
  std::vector<Kind> told;
  o.found = [&](const CampaignFinding& f) { told.push_back(f.kind); };
  CampaignResult result = run_campaign(o, runner);
  ASSERT_THAT(result.findings, SizeIs(testing::Ge(1U)));
  EXPECT_EQ(told.size(), result.findings.size());
  // An id of an object that nobody was to get shows in several ways.
  auto found = std::ranges::find(result.findings, clauses::Clause::shmget_excl, &CampaignFinding::clause);
  ASSERT_NE(found, result.findings.end());
  const CampaignFinding& f = *found;
  EXPECT_EQ(f.op, OpCode::shmget);
  EXPECT_EQ(f.finding.clause, f.clause);
  EXPECT_LE(f.program.ops.size(), 2U);
  EXPECT_EQ(f.found, make_program(f.seed, f.index, o.generator, runner.facts()));
  EXPECT_GT(f.repeats, 0U);
}

TEST(Campaign, ReportsWhatAShorterProgramShowsInsteadOfWhatWasSeenFirst) {
  unsigned elsewhere = 0;
  for (const model::Fault& fault : model::faults()) {
    Bent runner(&fault);
    CampaignOptions o = options(100'000);
    o.seed = 3;
    o.first = true;
    CampaignResult result = run_campaign(o, runner);
    ASSERT_THAT(result.findings, SizeIs(1)) << fault.name;
    const CampaignFinding& f = result.findings[0];
    EXPECT_EQ(f.finding.clause, f.clause);
    const program::OutcomeKind seen = f.trace.steps[f.finding.step].outcome.kind;
    EXPECT_EQ(shown_by(f.trace, o.profile), (Shown{f.clause, f.op, seen}));
    const program::Trace found = model::run_program(f.found, runner.facts(), &fault);
    EXPECT_EQ(model::judge_trace(found, o.profile).first()->clause, f.first_clause);
    if (f.clause != f.first_clause) ++elsewhere;
  }
  EXPECT_GT(elsewhere, 10U);
  EXPECT_LT(elsewhere, model::faults().size() / 2) << "most first findings are right";
}

// A wrong success must not become a wrong failure that a shorter program shows of the same clause.
TEST(Campaign, ShrinkingKeepsWhetherSuccessOrFailureWasWrong) {
  auto parsed = program::parse_program(
      "p0 shmget s0 key=k1 size=1p flags=creat mode=600\np0 shmctl s0 cmd=stat\n"
      "p0 shmget s1 key=k1 size=1p flags=creat,excl mode=600\n",
      "test");
  const auto found = std::get<Program>(parsed);
  Bent runner(some_fault());
  runner.bend = [](const Program& program, ProgramRun& run) {
    if (has(program, OpCode::shmctl)) return;
    for (program::Step& step : run.trace.steps) {
      if (step.op.code != OpCode::shmget || step.op.result != 1) continue;
      step.outcome = {};
      step.outcome.kind = program::OutcomeKind::error;
      step.outcome.error = ENOENT;
    }
  };
  CampaignOptions o = options(1);
  o.source = [&](std::uint64_t&) { return found; };
  CampaignResult result = run_campaign(o, runner);
  ASSERT_THAT(result.findings, SizeIs(1));
  const CampaignFinding& f = result.findings[0];
  EXPECT_EQ(f.clause, clauses::Clause::shmget_excl);
  EXPECT_EQ(f.trace.steps[f.finding.step].outcome.kind, program::OutcomeKind::ok);
  EXPECT_TRUE(has(f.program, OpCode::shmctl)) << "without shmctl the call fails, if for a wrong reason";
}

TEST(Campaign, StopsAtTheFirstFindingWhenAsked) {
  Bent runner(some_fault());
  CampaignOptions o = options(100'000);
  o.first = true;
  CampaignResult result = run_campaign(o, runner);
  EXPECT_THAT(result.findings, SizeIs(1));
  EXPECT_LT(result.programs, 5000U);
}

TEST(Campaign, GivesTheSameFindingsForTheSameSeedWhateverTheWindow) {
  Bent narrow(some_fault(), 1), wide(some_fault(), 16);
  CampaignOptions o = options(1000);
  CampaignResult a = run_campaign(o, narrow), b = run_campaign(o, wide);
  ASSERT_EQ(a.findings.size(), b.findings.size());
  for (std::size_t i = 0; i < a.findings.size(); ++i) {
    EXPECT_EQ(a.findings[i].index, b.findings[i].index);
    EXPECT_EQ(a.findings[i].program, b.findings[i].program);
  }
  EXPECT_EQ(a.stats.steps, b.stats.steps);
}

TEST(Campaign, CallsWhatDoesNotComeAgainAFlakeAndReportsItOnce) {
  Bent runner;
  // The fifth run of every hundred shows an error that no clause allows.
  std::uint64_t runs = 0;
  runner.bend = [&](const Program&, ProgramRun& run) {
    if (++runs % 100 != 5) return;
    for (program::Step& step : run.trace.steps) {
      if (step.op.code != OpCode::mmap || step.outcome.kind != program::OutcomeKind::ok) continue;
      step.outcome = {};
      step.outcome.kind = program::OutcomeKind::error;
      step.outcome.error = 5;
      return;
    }
  };
  CampaignOptions o = options(3000);
  o.first = true;
  std::size_t told = 0;
  o.found = [&](const CampaignFinding&) { ++told; };
  CampaignResult result = run_campaign(o, runner);
  EXPECT_EQ(result.programs, 3000U) << "a flake must not end a run that stops at the first finding";
  EXPECT_THAT(result.findings, Each(Field(&CampaignFinding::kind, Kind::flake)));
  EXPECT_THAT(result.findings, SizeIs(testing::Ge(1U)));
  EXPECT_EQ(told, result.findings.size());
  std::set<std::pair<clauses::Clause, OpCode>> different;
  for (const CampaignFinding& f : result.findings) different.insert({f.clause, f.op});
  EXPECT_EQ(different.size(), result.findings.size());
}

TEST(Campaign, ShrinksWhatKillsTheTarget) {
  Bent runner;
  runner.bend = [](const Program& program, ProgramRun& run) {
    if (!has(program, OpCode::mremap)) return;
    run.end = ProgramRun::End::lost;
    run.trace.steps.clear();
    run.sentence = "killed by signal 11";
  };
  CampaignResult result = run_campaign(options(200), runner);
  ASSERT_THAT(result.findings, SizeIs(1));
  EXPECT_EQ(result.findings[0].kind, Kind::lost);
  EXPECT_EQ(result.findings[0].sentence, "killed by signal 11");
  EXPECT_TRUE(has(result.findings[0].program, OpCode::mremap));
  EXPECT_LE(result.findings[0].program.ops.size(), 3U);
  EXPECT_LE(result.findings[0].shrink_runs, 40U);
}

TEST(Campaign, ReportsATargetLostWhileADivergenceIsShrunk) {
  Bent runner(some_fault());
  runner.bend = [](const Program& program, ProgramRun& run) {
    if (program.ops.size() != 2 || program.ops[1].code != OpCode::shmget) return;
    run.end = ProgramRun::End::lost;
    run.trace.steps.clear();
    run.sentence = "killed by signal 11";
  };
  CampaignResult result = run_campaign(options(2000), runner);
  std::set<Kind> kinds;
  for (const CampaignFinding& f : result.findings) kinds.insert(f.kind);
  EXPECT_THAT(kinds, ElementsAre(Kind::divergence, Kind::lost));
}

TEST(Campaign, CountsATimeoutOnlyIfItRepeats) {
  Bent runner;
  std::uint64_t runs = 0;
  bool again = false;
  runner.bend = [&](const Program&, ProgramRun& run) {
    if (again || ++runs == 3) run.end = ProgramRun::End::timeout, run.sentence = "op 3 took 10 s";
  };
  CampaignResult once = run_campaign(options(50), runner);
  EXPECT_THAT(once.findings, ElementsAre(Field(&CampaignFinding::kind, Kind::flake)));
  again = true;
  CampaignResult always = run_campaign(options(5), runner);
  ASSERT_THAT(always.findings, SizeIs(1));
  EXPECT_EQ(always.findings[0].kind, Kind::timeout);
}

TEST(Campaign, EndsWhenTheTargetRefusesPrograms) {
  Bent runner;
  runner.bend = [](const Program&, ProgramRun& run) {
    run.end = ProgramRun::End::refused;
    run.trace.steps.clear();
    run.sentence = "no directory for programs";
  };
  CampaignResult result = run_campaign(options(50), runner);
  EXPECT_THAT(result.findings, ElementsAre(Field(&CampaignFinding::kind, Kind::refused)));
  EXPECT_EQ(result.stopped, "no directory for programs");
  EXPECT_LT(result.programs, 10U);
}

TEST(Campaign, EndsWhenTheRunnerGivesNoAnswer) {
  Bent runner;
  runner.last_ = 20;
  CampaignResult result = run_campaign(options(1000), runner);
  EXPECT_EQ(result.programs, 20U);
  EXPECT_EQ(result.stopped, "unplugged");
}

TEST(Campaign, ReportsTheLossOfATargetThatCannotBeStartedAgain) {
  Bent runner;
  runner.last_ = 1;  // of four that are under way
  runner.bend = [](const Program&, ProgramRun& run) { run.end = ProgramRun::End::lost; };
  CampaignResult result = run_campaign(options(100), runner);
  EXPECT_EQ(result.programs, 1U);
  EXPECT_THAT(result.findings, ElementsAre(Field(&CampaignFinding::kind, Kind::lost)));
  EXPECT_EQ(result.stopped, "unplugged");
}

TEST(Campaign, EndsAtItsTimeAndWhenInterrupted) {
  Bent runner;
  CampaignOptions late = options(1000);
  late.end = std::chrono::steady_clock::now();
  EXPECT_EQ(run_campaign(late, runner).programs, 0U);
  CampaignOptions o = options(1000);
  o.interrupted = [&] { return runner.answers_ >= 7; };
  EXPECT_LT(run_campaign(o, runner).programs, 20U);
}

TEST(Campaign, NeitherConfirmsNorShrinksWhatIsExpected) {
  Bent runner(some_fault());
  CampaignOptions o = options(1500);
  o.expected = [](clauses::Clause clause, const Program&) { return clause == clauses::Clause::shmget_excl; };
  CampaignResult result = run_campaign(o, runner);
  EXPECT_THAT(result.findings,
              Each(Field(&CampaignFinding::clause, testing::Ne(clauses::Clause::shmget_excl))));
  EXPECT_GT(result.expected, 0U);
}

}  // namespace
}  // namespace shmcheck::harness
