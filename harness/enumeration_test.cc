// What is enumerated is all there is, once.

#include "harness/enumeration.h"

#include <gmock/gmock.h>

#include <set>

#include "program/text.h"

namespace shmcheck::harness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Alphabet alphabet(std::string_view text) {
  auto parsed = parse_alphabet(text, "test");
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) ADD_FAILURE() << error->to_string();
  return std::get<Alphabet>(std::move(parsed));
}

std::string error(std::string_view text) {
  auto parsed = parse_alphabet(text, "test");
  const auto* error = std::get_if<program::ParseError>(&parsed);
  return error == nullptr ? "" : error->to_string();
}

std::vector<std::string> all(const Enumeration& enumeration) {
  std::vector<std::string> programs;
  for (std::uint64_t index = 0; auto program = enumeration.from(index); ++index)
    programs.push_back(program::to_text(*program));
  return programs;
}

TEST(Enumeration, HasEveryProgramOnceShortestFirst) {
  const Enumeration two({alphabet("[ops]\np0 load a\np0 fork p1\n[observe]\np0 maps\n")}, 2);
  const std::string load = "p0 load a\n", fork = "p0 fork p1\n", maps = "p0 maps\n";
  EXPECT_THAT(all(two), ElementsAre(load + maps, fork + maps, load + load + maps, load + fork + maps,
                                    fork + load + maps, fork + fork + maps));
  EXPECT_EQ(two.programs(), 6U);
  EXPECT_EQ(two.end(), 6U);
}

TEST(Enumeration, LeavesOutMirrorImages) {
  const Enumeration alike(
      {alphabet("[scene]\np0 fork p1\np0 fork p2\n[ops]\np1 load a\np2 load a\n[alike]\np1 p2\n")}, 2);
  const std::string scene = "p0 fork p1\np0 fork p2\n", one = "p1 load a\n", two = "p2 load a\n";
  EXPECT_THAT(all(alike), ElementsAre(scene + one, scene + one + one, scene + one + two));
  EXPECT_EQ(alike.programs(), 3U);
}

TEST(Enumeration, GoesOnAtAnyIndexAndThroughAlphabets) {
  std::string letters = "[ops]\n";
  for (int i = 0; i < 5; ++i) letters += "p0 load a+" + std::to_string(i) + "\n";
  const Enumeration both({alphabet(letters), alphabet("[scene]\np0 maps\n" + letters)}, 3);
  EXPECT_EQ(both.end(), 2U * (5 + 25 + 125));
  const std::vector<std::string> programs = all(both);
  EXPECT_EQ(std::set<std::string>(programs.begin(), programs.end()).size(), programs.size());
  ASSERT_EQ(programs.size(), both.end());
  for (std::uint64_t start : {0U, 4U, 5U, 29U, 30U, 154U, 155U, 160U, 309U}) {
    std::uint64_t index = start;
    EXPECT_EQ(program::to_text(*both.from(index)), programs[start]);
    EXPECT_EQ(index, start);
  }
  std::uint64_t behind = both.end();
  EXPECT_FALSE(both.from(behind));
}

TEST(Alphabet, ErrorsHaveTheirPlace) {
  EXPECT_THAT(error("[ops]\n\np0 lod a\n"), HasSubstr("test:3:"));
  EXPECT_THAT(error("# nothing\n"), HasSubstr("no operation in a section [ops]"));
  EXPECT_THAT(error("p0 load a\n"), HasSubstr("test:1:1: expected [scene], [ops], [observe] or [alike]"));
  EXPECT_THAT(error("[opps]\n"), HasSubstr("unknown section '[opps]'"));
  EXPECT_THAT(error("[ops]\np0 load a\n[alike]\np1\n"), HasSubstr("test:4:1: expected two to 16 names"));
  EXPECT_THAT(error("[ops]\np1 load a\n[alike]\np1 p2\n"),
              HasSubstr("mirror image of 'p1 load a': p2 load a"));
}

}  // namespace
}  // namespace shmcheck::harness
