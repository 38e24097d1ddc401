// What the build says about a bad catalogue.
#include "clauses/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shmcheck::clauses {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kChapter = R"(number = 1
title = "Files"

[[clause]]
id = "mmap.one"
statement = "One is one."
strength = "posix"
source = "mmap(2); doc-vs-kernel D1; S1"
check = "as `root`"
marks = ["root"]
rulings = ["D1"]
seeds = ["S1"]
)";
const std::string kRulings = R"([[ruling]]
id = "D1"
document = "One."
kernel = "Two."
ruling = "accept both"
clauses = ["mmap.one"]
)";
const std::string kClaims = R"([[claim]]
id = "S1"
claim = "One."
verdict = "true"
needs = ["mmap.one"]
)";

std::string replaced(std::string text, const std::string& old_part, const std::string& new_part) {
  const std::size_t at = text.find(old_part);
  EXPECT_NE(at, std::string::npos) << "the test's own text lacks: " << old_part;
  return at == std::string::npos ? text : text.replace(at, old_part.size(), new_part);
}

std::vector<std::string> errors(const std::string& chapter, const std::string& rulings = kRulings,
                                const std::string& claims = kClaims,
                                const std::string& file = "d/01-mmap.toml") {
  return read_catalogue({{file, chapter}, {"d/rulings.toml", rulings}, {"d/claims.toml", claims}}).errors;
}

struct BadEntry {
  const char* name;
  std::string old_part, new_part;
  const char* error;
};

void PrintTo(const BadEntry& bad, std::ostream* out) {
  *out << bad.name;
}

class BadClause : public ::testing::TestWithParam<BadEntry> {};

TEST_P(BadClause, IsNamedWithFileAndLine) {
  const BadEntry& bad = GetParam();
  EXPECT_THAT(errors(replaced(kChapter, bad.old_part, bad.new_part)), ::testing::Contains(bad.error));
}

const std::string kSecond = R"([[clause]]
id = "mmap-one.x"
statement = "Two."
strength = "linux"
source = "none"
check = "none"
)";

INSTANTIATE_TEST_SUITE_P(
    , BadClause,
    ::testing::Values(
        BadEntry{"Strength", "\"posix\"", "\"possix\"", "d/01-mmap.toml:7: unknown strength 'possix'"},
        BadEntry{"Mark", "[\"root\"]", "[\"root\", \"rot\"]", "d/01-mmap.toml:10: unknown mark 'rot'"},
        BadEntry{"MarkOnlyListed", "as `root`", "as root",
                 "d/01-mmap.toml:4: mark 'root' of 'mmap.one' stands in 'marks' but not in 'check'"},
        BadEntry{"MarkOnlyInText", "as `root`", "as `root` `swap`",
                 "d/01-mmap.toml:4: mark 'swap' of 'mmap.one' stands in 'check' but not in 'marks'"},
        BadEntry{"Key", "check =", "chek =", "d/01-mmap.toml:9: unknown key 'chek'"},
        BadEntry{"Missing", "statement = \"One is one.\"\n", "",
                 "d/01-mmap.toml:4: key 'statement' is missing"},
        BadEntry{"Empty", "\"One is one.\"", "\"\"",
                 "d/01-mmap.toml:6: 'statement' must be a string that is not empty"},
        BadEntry{"Seed", "strength", "seed = 1\nstrength", "d/01-mmap.toml:7: 'seed' must be true or false"},
        BadEntry{"Id", "mmap.one", "Mmap",
                 "d/01-mmap.toml:4: id 'Mmap' is not words of [a-z0-9] joined by . or -"},
        BadEntry{"ListType", "[\"root\"]", "\"root\"", "d/01-mmap.toml:10: 'marks' must be an array"},
        BadEntry{"ElementType", "[\"root\"]", "[1]", "d/01-mmap.toml:10: wrong type of element in 'marks'"},
        BadEntry{"Citation", "; S1", "", "d/01-mmap.toml:4: 'seeds' differs from what 'source' cites"},
        BadEntry{"CitationForm", "[\"D1\"]", "[\"d1\"]", "d/01-mmap.toml:11: 'd1' is not of the form D1"},
        BadEntry{"NoRuling", "D1; S1\"", "D1, D2; S1\"",
                 "d/01-mmap.toml:4: 'rulings' differs from what 'source' cites"},
        BadEntry{"Number", "number = 1", "number = 2",
                 "d/01-mmap.toml:1: chapter 1 is expected here: a file 01-NAME.toml with number = 1"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Catalogue, AGoodOneIsReadWhole) {
  const Reading reading = read_catalogue(
      {{"d/01-mmap.toml", kChapter}, {"d/rulings.toml", kRulings}, {"d/claims.toml", kClaims}});
  EXPECT_THAT(reading.errors, IsEmpty());
  ASSERT_EQ(reading.catalogue.clauses.size(), 1U);
  EXPECT_EQ(reading.catalogue.clauses[0].marks, kRoot);
  EXPECT_EQ(reading.catalogue.chapters[0].title, "Files");
  EXPECT_THAT(reading.catalogue.rulings[0].clauses, ElementsAre(ElementsAre(0U)));
}

TEST(Catalogue, TwoClausesCannotShareAnId) {
  const std::string again = replaced(kSecond, "mmap-one.x", "mmap.one");
  EXPECT_THAT(errors(kChapter + again),
              ElementsAre("d/01-mmap.toml:13: id 'mmap.one' is taken by d/01-mmap.toml:4"));
}

TEST(Catalogue, TwoIdsCannotShareAnEnumerator) {
  const std::string first = replaced(kSecond, "mmap-one.x", "a.b-c");
  const std::string second = replaced(kSecond, "mmap-one.x", "a.b.c");
  EXPECT_THAT(errors(kChapter + first + second),
              ElementsAre("d/01-mmap.toml:19: id 'a.b.c' is taken by d/01-mmap.toml:13"));
}

TEST(Catalogue, RulingsAndClaimsNameExistingClauses) {
  EXPECT_THAT(errors(kChapter, kRulings, replaced(kClaims, "mmap.one", "mmap.two")),
              ElementsAre("d/claims.toml:5: 'S1' names the clause 'mmap.two', which does not exist"));
}

TEST(Catalogue, ARulingAndAClauseKnowOfEachOther) {
  const std::string uncited =
      replaced(replaced(kChapter, "doc-vs-kernel D1; ", ""), "rulings = [\"D1\"]\n", "");
  EXPECT_THAT(errors(uncited),
              ElementsAre("d/rulings.toml:1: 'mmap.one' does not cite 'D1', which lists it"));
  const std::string other = replaced(kSecond, "mmap-one.x", "mmap.two");
  EXPECT_THAT(errors(kChapter + other, replaced(kRulings, "mmap.one", "mmap.two")),
              ElementsAre("d/01-mmap.toml:4: 'D1' does not list 'mmap.one', which cites it",
                          "d/rulings.toml:1: 'mmap.two' does not cite 'D1', which lists it"));
}

TEST(Catalogue, ClausesCiteExistingRulingsAndClaims) {
  const std::string cites =
      replaced(replaced(kChapter, "D1; S1\"", "D1, D9; S1, S9\""), "[\"D1\"]", "[\"D1\", \"D9\"]");
  EXPECT_THAT(errors(replaced(cites, "[\"S1\"]", "[\"S1\", \"S9\"]")),
              ElementsAre("d/01-mmap.toml:4: no claim 'S9'", "d/01-mmap.toml:4: no ruling 'D9'"));
}

TEST(Catalogue, RulingsAreNumberedWithoutGaps) {
  EXPECT_THAT(errors(kChapter, replaced(kRulings, "\"D1\"", "\"D2\"")),
              ::testing::Contains("d/rulings.toml:1: 'D1' is expected here, not 'D2'"));
}

TEST(Catalogue, ClaimsNameClauses) {
  const std::string none = replaced(kClaims, "needs = [\"mmap.one\"]", "");
  EXPECT_THAT(errors(kChapter, kRulings, none), ElementsAre("d/claims.toml:1: 'S1' names no clause"));
}

TEST(Catalogue, TheVerdictOfAClaimFollowsFromItsClauses) {
  const auto claims = [](const std::string& verdict, const std::string& key) {
    return errors(kChapter, kRulings, replaced(replaced(kClaims, "needs", key), "\"true\"", verdict));
  };
  EXPECT_THAT(claims("\"maybe\"", "needs"), ElementsAre("d/claims.toml:1: unknown verdict 'maybe'"));
  for (const auto& [verdict, key] : {std::pair{"\"true\"", "refutes"}, {"\"false\"", "needs"}}) {
    EXPECT_THAT(claims(verdict, key),
                ElementsAre("d/claims.toml:1: 'S1' must be false if a clause refutes it, and only then"));
  }
  EXPECT_THAT(claims("\"true\"", "refines"),
              ElementsAre("d/claims.toml:1: 'S1' must be refined if a clause refines it"));
  EXPECT_THAT(claims("\"false\"", "refutes"), IsEmpty());
}

TEST(Catalogue, BrokenTomlIsNamedWithFileAndLine) {
  const auto seen = errors(replaced(kChapter, "\"posix\"", "\"posix"));
  ASSERT_FALSE(seen.empty());
  EXPECT_THAT(seen.front(), HasSubstr("d/01-mmap.toml:7: "));
}

TEST(Catalogue, AChapterFileOutOfOrderIsNamed) {
  EXPECT_THAT(
      errors(kChapter, kRulings, kClaims, "d/02-mmap.toml"),
      ElementsAre("d/02-mmap.toml:1: chapter 1 is expected here: a file 01-NAME.toml with number = 1"));
}

}  // namespace
}  // namespace shmcheck::clauses
