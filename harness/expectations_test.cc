#include "harness/expectations.h"

#include <gmock/gmock.h>

#include "program/text.h"

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kGood = R"(
[[expect]]
clause = "mmap.create.len-zero"
status = "fail"
when = { kernel = ">=6.1 <6.2", fs = "ext4" }
reason = "a test"
bug = "https://example.org/1"
)";

program::Facts facts(std::uint32_t release, program::FileSystem fs) {
  program::Facts facts;
  facts.release = release;
  facts.fs = fs;
  return facts;
}

Finding failure(clauses::Clause clause, std::string subject = "program 1") {
  Finding finding;
  finding.part = Part::random;
  finding.clause = clause;
  finding.subject = std::move(subject);
  return finding;
}

std::string complaint(std::string_view text) {
  Expectations expectations;
  return expectations.add_text("ci/expectations/uml.toml", text);
}

std::string with(std::string_view line) {
  return "[[expect]]\nstatus = \"fail\"\nreason = \"r\"\nbug = \"b\"\n" + std::string(line) + "\n";
}

TEST(Expectations, HoldUnderTheirConditionOnly) {
  Expectations expectations;
  ASSERT_EQ(expectations.add_text("f.toml", kGood), "");
  const Finding finding = failure(clauses::Clause::mmap_create_len_zero);
  using program::FileSystem;
  EXPECT_NE(expectations.find(finding, facts(program::release(6, 1, 90), FileSystem::ext4)), nullptr);
  EXPECT_EQ(expectations.find(finding, facts(program::release(6, 1, 90), FileSystem::tmpfs)), nullptr);
  EXPECT_EQ(expectations.find(finding, facts(program::release(6, 2), FileSystem::ext4)), nullptr);
  EXPECT_EQ(expectations.find(finding, facts(program::release(6, 0, 255), FileSystem::ext4)), nullptr);
  EXPECT_EQ(expectations.find(failure(clauses::Clause::mmap_create_null_addr),
                              facts(program::release(6, 1), FileSystem::ext4)),
            nullptr);
}

TEST(Expectations, ForeseeTheirStatusOnly) {
  Expectations expectations;
  ASSERT_EQ(expectations.add_text("f.toml", with("clause = \"mmap.create.len-zero\"")), "");
  Finding finding = failure(clauses::Clause::mmap_create_len_zero);
  EXPECT_NE(expectations.find(finding, {}), nullptr);
  finding.outcome = Outcome::crash;
  EXPECT_EQ(expectations.find(finding, {}), nullptr);
  finding.outcome = Outcome::flake;
  EXPECT_EQ(expectations.find(finding, {}), nullptr);
}

TEST(Expectations, OfAFlakeForeseeNoFailureThatRepeats) {
  Expectations expectations;
  ASSERT_EQ(expectations.add_text("f.toml",
                                  "[[expect]]\nclause = \"mmap.create.len-zero\"\nstatus = \"flake\"\n"
                                  "reason = \"r\"\nbug = \"b\"\n"),
            "");
  Finding finding = failure(clauses::Clause::mmap_create_len_zero);
  EXPECT_EQ(expectations.find(finding, {}), nullptr);
  finding.outcome = Outcome::flake;
  EXPECT_NE(expectations.find(finding, {}), nullptr);
}

TEST(Expectations, NameProgramsAndTests) {
  Expectations expectations;
  ASSERT_EQ(expectations.add_text(
                "f.toml", with("program = \"fork/dontfork\"") + with("test = \"Fork.Dontfork/tmpfs\"")),
            "");
  Finding finding = failure(clauses::Clause::mmap_create_len_zero, "fork/dontfork");
  finding.part = Part::corpus;
  EXPECT_NE(expectations.find(finding, {}), nullptr);
  finding.subject = "Fork.Dontfork/tmpfs";
  EXPECT_EQ(expectations.find(finding, {}), nullptr);
  finding.part = Part::conformance;
  EXPECT_NE(expectations.find(finding, {}), nullptr);
}

TEST(Expectations, RefuseAClauseThatDoesNotExist) {
  EXPECT_EQ(complaint(with("clause = \"mmap.create.len-zeroo\"")),
            "ci/expectations/uml.toml:5: no clause is named 'mmap.create.len-zeroo', did you mean "
            "'mmap.create.len-zero'?\n");
}

TEST(Expectations, RefuseWhatTheyDoNotUnderstand) {
  EXPECT_THAT(
      complaint(
          "[[expect]]\nclause = \"mmap.create.len-zero\"\nreason = \"r\"\nbug = \"b\"\nstatus = \"fails\"\n"),
      HasSubstr(":5: status is fail, flake, skip or crash, not 'fails', did you mean 'fail'?"));
  EXPECT_THAT(complaint(with("clauze = \"mmap.create.len-zero\"")),
              HasSubstr("no key is named 'clauze', did you mean 'clause'?"));
  EXPECT_THAT(complaint("[[expect]]\nclause = \"mmap.create.len-zero\"\nstatus = \"fail\"\nreason = \"r\"\n"),
              HasSubstr("an expectation needs 'bug'"));
  EXPECT_THAT(complaint(with("")), HasSubstr("names a clause, a program, a test or an op"));
  EXPECT_THAT(complaint(with("op = \"madwise\"")),
              HasSubstr("no op is named 'madwise', did you mean 'madvise'?"));
  EXPECT_THAT(complaint(with("op = \"madvise advise=free\"")),
              HasSubstr("'advise=free' is no argument of madvise"));
  EXPECT_THAT(complaint(with("op = \"madvise advice=free\"")), HasSubstr("its status is skip"));
  EXPECT_THAT(complaint(with("clause = \"mmap.create.len-zero\"\nwhen = { kernel = \"6.1\" }")),
              HasSubstr("'6.1' is no bound of a kernel release"));
  EXPECT_THAT(complaint("expect = 3\n"), HasSubstr("only [[expect]] tables"));
  EXPECT_THAT(complaint("[[expect\n"), StartsWith("ci/expectations/uml.toml:1: "));
}

TEST(Expectations, AnOpIsMatchedByNameAndArguments) {
  Expectations expectations;
  const std::string entry =
      "[[expect]]\nop = \"madvise advice=free\"\nstatus = \"skip\"\nreason = \"r\"\nbug = \"b\"\n";
  ASSERT_EQ(expectations.add_text("f.toml", entry), "");
  auto op = [](std::string_view text) {
    return std::get<program::Program>(program::parse_program(text, "t")).ops.at(0);
  };
  const Expectation& only = expectations.all().front();
  EXPECT_TRUE(only.matches(op("p0 madvise m0 len=1p advice=free\n")));
  EXPECT_TRUE(only.matches(op("p3 madvise a len=2p advice=free\n")));
  EXPECT_FALSE(only.matches(op("p0 madvise m0 len=1p advice=dontneed\n")));
  EXPECT_FALSE(only.matches(op("p0 munmap m0 len=1p\n")));
  EXPECT_EQ(expectations.find(failure(clauses::Clause::mmap_create_len_zero), {}), nullptr);
  EXPECT_EQ(expectations.skips("", {}), nullptr);
}

TEST(Expectations, UnexpectedPassSaysWhichLineToDelete) {
  Expectations expectations;
  ASSERT_EQ(expectations.add_text("ci/expectations/uml.toml", with("clause = \"mmap.create.len-zero\"")), "");
  Result result;
  result.facts = {{}};
  EXPECT_TRUE(unexpected_passes(expectations, result, {}).empty());  // it was not tested
  result.tallies[static_cast<std::size_t>(clauses::Clause::mmap_create_len_zero)].pass = 1;
  EXPECT_TRUE(unexpected_passes(expectations, result, {}).empty());  // random programs may have missed it
  PartCount& corpus = result.parts[static_cast<std::size_t>(Part::corpus)];
  corpus.run = 1;
  const auto passes = unexpected_passes(expectations, result, {});
  ASSERT_EQ(passes.size(), 1U);
  EXPECT_EQ(passes[0].sentence,
            "mmap.create.len-zero was expected to fail and passed: delete the expectation at "
            "ci/expectations/uml.toml:1");
  corpus.not_run = 1;
  EXPECT_TRUE(unexpected_passes(expectations, result, {}).empty());  // it may fail in what was not run
  corpus.not_run = 0;
  result.findings.push_back(failure(clauses::Clause::mmap_create_len_zero));
  EXPECT_TRUE(unexpected_passes(expectations, result, {}).empty());  // it failed, as expected
}

}  // namespace
}  // namespace shmcheck::harness
