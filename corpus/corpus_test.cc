// The programs of the corpus, held to their own rules: a comment that names what is shown, canonical text,
// clauses that exist and are exercised, and outcomes of the model that every profile allows.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "clauses/clauses.h"
#include "model/faults.h"
#include "model/judge.h"
#include "model/machine.h"
#include "program/text.h"

namespace shmcheck {
namespace {

namespace fs = std::filesystem;
using model::Profile;

constexpr std::size_t kShortest = 5, kLongest = 25;  // ops; a program should be read at one glance

std::string read(const fs::path& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string name_of(const fs::path& path) {
  return fs::relative(path, CORPUS).replace_extension().string();
}

std::vector<fs::path> programs() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(CORPUS)) {
    if (entry.path().extension() == ".prog") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The first part of a clause's id.
std::string_view subject_of(std::string_view id) {
  return id.substr(0, id.find('.'));
}

// Where a program of this folder belongs. The id of `sysv.life.…` has two words for its subject.
bool in_folder(std::string_view id, std::string_view folder) {
  return subject_of(id) == folder || id.starts_with(std::string(folder) + '.');
}

// The claim that claims/s07-….prog is about, or null.
const clauses::Claim* claim_of(const fs::path& path) {
  if (path.parent_path().filename() != "claims") return nullptr;
  const std::string number = path.filename().string().substr(1, 2);
  const std::string id = "S" + number.substr(number[0] == '0' ? 1 : 0);
  for (const clauses::Claim& claim : clauses::claims()) {
    if (claim.id == id) return &claim;
  }
  throw std::runtime_error(path.string() + " is named after no claim");
}

bool decides(const clauses::Claim& claim, clauses::Clause clause) {
  const auto in = [clause](auto list) { return std::find(list.begin(), list.end(), clause) != list.end(); };
  return in(claim.needs) || in(claim.refutes) || in(claim.refines);
}

bool belongs(std::string_view id, const fs::path& path) {
  const clauses::Claim* claim = claim_of(path);
  if (claim == nullptr) return in_folder(id, path.parent_path().filename().string());
  const auto clause = clauses::find(id);
  return clause && decides(*claim, *clause);
}

class Corpus : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    text_ = read(GetParam());
    comment_ = program::leading_comment(text_);
    auto parsed = program::parse_program(text_, name_of(GetParam()) + ".prog");
    if (const auto* error = std::get_if<program::ParseError>(&parsed)) FAIL() << error->to_string();
    program_ = std::get<program::Program>(std::move(parsed));
  }

  std::string text_, comment_;
  program::Program program_;
};

TEST_P(Corpus, IsCanonicalText) {
  EXPECT_EQ(program::comment_block(comment_) + program::to_text(program_), text_);
}

TEST_P(Corpus, IsShort) {
  EXPECT_GE(program_.ops.size(), kShortest);
  EXPECT_LE(program_.ops.size(), kLongest);
}

TEST_P(Corpus, SaysWhatItShowsAndNamesClausesOfItsFolder) {
  std::string first = comment_.substr(0, comment_.find('\n'));
  EXPECT_GE(first.size(), 20U) << "the first line says what the program shows";
  std::vector<std::string> ids = program::clause_ids(comment_);
  EXPECT_TRUE(std::any_of(ids.begin(), ids.end(), [&](const auto& id) { return belongs(id, GetParam()); }))
      << "no clause of " << GetParam().parent_path().filename();
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    EXPECT_TRUE(clauses::find(id)) << id << " is no clause; near it: "
                                   << fmt::format("{}", fmt::join(clauses::nearest(id), ", "));
    EXPECT_TRUE(seen.insert(id).second) << id << " is named twice";
  }
}

// An unbound name is a slip of the writer: the program would go on and show nothing.
TEST_P(Corpus, BindsEveryNameThatItUses) {
  program::Facts disk = model::model_facts();
  disk.fs = program::FileSystem::ext4;  // what has no storage is not unmounted
  program::Trace trace = model::run_program(program_, disk);
  for (const program::Step& step : trace.steps) {
    EXPECT_NE(step.outcome.kind, program::OutcomeKind::unbound) << to_text(step.op);
    EXPECT_NE(step.outcome.kind, program::OutcomeKind::withheld) << to_text(step.op);
  }
}

// File system and page size decide about slack and ends; a program must be right on all of them.
void expect_allowed(const program::Program& program, const program::Facts& facts) {
  program::Trace trace = model::run_program(program, facts);
  for (Profile profile : {Profile::posix, Profile::linux, Profile::defacto, Profile::exact}) {
    model::TraceVerdict verdict = judge_trace(trace, profile);
    EXPECT_EQ(verdict.unjudged_reason, "");
    for (const model::Finding& f : verdict.findings) {
      ADD_FAILURE() << fmt::format("{}, pages of {}, {}: step {} `{}`: {}: allowed {}, seen {}",
                                   to_string(facts.fs), facts.page_size, to_string(profile), f.step + 1,
                                   to_text(trace.steps[f.step].op), clauses::info(f.clause).id, f.allowed,
                                   f.seen);
    }
  }
}

TEST_P(Corpus, WhatTheModelDoesIsAllowedInEveryProfile) {
  program::Facts facts = model::model_facts();
  for (program::FileSystem fs : {program::FileSystem::tmpfs, program::FileSystem::ext4}) {
    for (std::uint32_t page : {4096U, 16384U, 65536U}) {
      facts.fs = fs;
      facts.page_size = facts.shmlba = page;
      expect_allowed(program_, facts);
    }
  }
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = name_of(info.param);
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Programs, Corpus, testing::ValuesIn(programs()), test_name);

// What a broken kernel does wrong must show in some program, and be blamed on the clause it breaks.
class Faulty : public testing::TestWithParam<const model::Fault*> {};

TEST_P(Faulty, IsCaughtByAProgram) {
  const model::Fault& fault = *GetParam();
  std::set<std::string_view> blamed;
  for (const fs::path& path : programs()) {
    auto parsed = program::parse_program(read(path), name_of(path));
    ASSERT_TRUE(std::holds_alternative<program::Program>(parsed)) << path;
    program::Trace trace =
        model::run_program(std::get<program::Program>(parsed), model::model_facts(&fault), &fault);
    model::TraceVerdict verdict = judge_trace(trace, Profile::exact);
    const model::Finding* first = verdict.first();
    if (first == nullptr) continue;
    blamed.insert(clauses::info(first->clause).id);
    if (std::find(fault.clauses.begin(), fault.clauses.end(), first->clause) != fault.clauses.end()) return;
  }
  FAIL() << fault.description << "; blamed: " << fmt::format("{}", fmt::join(blamed, ", "));
}

std::vector<const model::Fault*> all_faults() {
  std::vector<const model::Fault*> all;
  for (const model::Fault& fault : model::faults()) all.push_back(&fault);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Faults, Faulty, testing::ValuesIn(all_faults()), [](const auto& param) {
  std::string name(param.param->name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// What no program can show, and why.
struct Without {
  const char* claim;
  const char* why;
};
constexpr Without kWithoutProgram[] = {
    {"S39", "about headers"},
};

TEST(CorpusAsAWhole, HasAProgramForEveryClaimOfTheIntroductoryText) {
  std::set<std::string_view> decided;
  for (const fs::path& path : programs()) {
    const clauses::Claim* claim = claim_of(path);
    if (claim == nullptr) continue;
    decided.insert(claim->id);
  }
  for (const Without& without : kWithoutProgram) {
    EXPECT_TRUE(decided.insert(without.claim).second)
        << without.claim << " has a program after all: delete '" << without.why << "'";
  }
  EXPECT_EQ(decided.size(), clauses::claims().size());
}

// Where document and kernel differ, a program shows them apart.
TEST(CorpusAsAWhole, HasAProgramForEveryRuling) {
  std::set<clauses::Clause> named;
  for (const fs::path& path : programs()) {
    for (const std::string& id : program::clause_ids(program::leading_comment(read(path)))) {
      if (auto clause = clauses::find(id)) named.insert(*clause);
    }
  }
  for (const clauses::Ruling& ruling : clauses::rulings()) {
    bool shown = std::any_of(ruling.clauses.begin(), ruling.clauses.end(),
                             [&](clauses::Clause clause) { return named.contains(clause); });
    EXPECT_TRUE(shown) << ruling.id << ": " << ruling.document;
  }
}

TEST(CorpusAsAWhole, EverySubjectHasPrograms) {
  for (const char* subject :
       {"mmap",   "access",   "eof",       "slack", "share", "private", "fork",   "exit",
        "munmap", "mprotect", "mremap",    "trunc", "msync", "madvise", "shmget", "shmat",
        "shmdt",  "shmctl",   "sysv.life", "perm",  "prec",  "proc",    "pshm",   "claims"}) {
    EXPECT_TRUE(std::any_of(fs::directory_iterator(fs::path(CORPUS) / subject), fs::directory_iterator(),
                            [](const auto& entry) { return entry.path().extension() == ".prog"; }))
        << subject;
  }
}

}  // namespace
}  // namespace shmcheck
