#include "clauses/clauses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace shmcheck::clauses {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The census of the catalogue. Whoever adds or moves a clause corrects a row here on purpose.
struct Census {
  std::size_t posix, linux_documented, defacto, seed_only, also_seed;
  bool operator==(const Census&) const = default;
};
constexpr Census kCensus[] = {{22, 25, 6, 0, 12}, {9, 9, 2, 0, 7},   {8, 4, 3, 1, 5},  {12, 9, 3, 0, 5},
                              {8, 9, 1, 0, 7},    {17, 23, 5, 0, 1}, {14, 8, 5, 0, 7}, {5, 11, 4, 0, 0},
                              {7, 22, 3, 0, 0},   {16, 25, 0, 0, 0}, {21, 7, 2, 0, 8}, {17, 12, 2, 0, 4},
                              {5, 3, 5, 0, 2},    {11, 21, 5, 0, 2}, {2, 11, 0, 0, 6}, {5, 6, 2, 0, 0},
                              {0, 16, 4, 0, 5},   {0, 9, 2, 0, 0},   {0, 15, 3, 0, 3}, {5, 1, 6, 0, 0}};

Census count(std::uint8_t chapter) {
  std::array<std::size_t, std::size(kStrengthNames)> by_strength{};
  std::size_t also_seed = 0;
  for (const Info& i : all()) {
    if (i.chapter != chapter) continue;
    ++by_strength[static_cast<std::size_t>(i.strength)];
    also_seed += i.seed ? 1 : 0;
  }
  return {by_strength[0], by_strength[1], by_strength[2], by_strength[3], also_seed};
}

void PrintTo(const Census& c, std::ostream* out) {
  *out << c.posix << " posix, " << c.linux_documented << " linux, " << c.defacto << " defacto, "
       << c.seed_only << " seed only, " << c.also_seed << " also seed";
}

TEST(Catalogue, EveryChapterHasItsClausesOfEachStrength) {
  ASSERT_THAT(chapters(), SizeIs(std::size(kCensus)));
  for (const Chapter& chapter : chapters()) {
    EXPECT_EQ(count(chapter.number), kCensus[chapter.number - 1])
        << int{chapter.number} << ". " << chapter.title;
  }
}

TEST(Catalogue, HasAsManyClausesRulingsAndClaimsAsItSays) {
  static_assert(kCount == 494);
  EXPECT_THAT(all(), SizeIs(kCount));
  EXPECT_THAT(rulings(), SizeIs(38));
  EXPECT_THAT(claims(), SizeIs(50));
}

TEST(Catalogue, ChaptersAreNumberedInOrderAndClausesFollowThem) {
  EXPECT_EQ(chapters().front().number, 1);
  EXPECT_EQ(chapters().back().number, 20);
  EXPECT_TRUE(std::is_sorted(all().begin(), all().end(),
                             [](const Info& a, const Info& b) { return a.chapter < b.chapter; }));
}

TEST(Catalogue, CoreSubsetHas181Clauses) {
  std::size_t core = 0;
  for (std::uint16_t n = 0; n < kCount; ++n) core += in_core(Clause{n}) ? 1 : 0;
  EXPECT_EQ(core, 181U);
}

TEST(InCore, NeedsPosixOrTheSeedAndNoMark) {
  EXPECT_TRUE(in_core(Clause::mmap_create_len_zero));               // posix, unmarked
  EXPECT_TRUE(in_core(Clause::mmap_type_both));                     // defacto+seed, unmarked
  EXPECT_FALSE(in_core(Clause::mmap_create_hint_free));             // linux
  EXPECT_FALSE(in_core(Clause::mmap_create_same_file_many_opens));  // linux+seed, `root`
  EXPECT_FALSE(in_core(Clause::eof_seed_bound));                    // seed only
  EXPECT_FALSE(in_core(Clause::none));
}

TEST(Info, CarriesEveryColumnOfTheCatalogue) {
  const Info& i = info(Clause::slack_dirty_extend);
  EXPECT_EQ(i.id, "slack.dirty-extend");
  EXPECT_EQ(i.statement.substr(0, 60), "If slack held stored data when the file was extended (`ftrun");
  EXPECT_EQ(i.source, "truncate(2); mmap(2) BUGS; doc-vs-kernel D3");
  EXPECT_EQ(i.check, "`fs:ext4` expects zero (`kver`), `fs:tmpfs` records");
  EXPECT_EQ(i.freedom, "zero or the stale slack bytes; nothing else");
  EXPECT_EQ(i.strength, Strength::kLinux);
  EXPECT_EQ(name(i.strength), "linux");
  EXPECT_FALSE(i.seed);
  EXPECT_EQ(i.chapter, 3);
  EXPECT_EQ(i.marks, kFsExt4 | kFsTmpfs | kKver);
  EXPECT_THAT(i.rulings, ElementsAre(3));
  EXPECT_THAT(i.claims, IsEmpty());
  EXPECT_THAT(info(Clause::mmap_create_returns_start).claims, ElementsAre(8, 11));
}

// What is only recorded grants something and demands nothing, so that it needs no reason why no rule decides
// it.
TEST(Info, WhatIsOnlyRecordedGrants) {
  std::vector<std::string_view> recorded;
  for (const Info& i : all()) {
    if ((i.marks & kRecord) == 0) continue;
    recorded.push_back(i.id);
    EXPECT_NE(i.freedom, "") << i.id;
    EXPECT_EQ(i.no_rule, "") << i.id;
  }
  EXPECT_THAT(recorded, ElementsAre("times.mtime-redirty"));
}

TEST(Info, NoneHasANameAndNoText) {
  EXPECT_EQ(info(Clause::none).id, "none");
  EXPECT_EQ(info(Clause{kCount}).id, "none");
  EXPECT_EQ(info(Clause::none).statement, "");
}

TEST(Find, InvertsInfoForEveryClause) {
  for (std::uint16_t n = 0; n < kCount; ++n) {
    EXPECT_EQ(find(info(Clause{n}).id), Clause{n});
  }
}

TEST(Find, KnowsNeitherWrongIdsNorEnumeratorsNorNone) {
  EXPECT_EQ(find("mmap.create.len-zer0"), std::nullopt);
  EXPECT_EQ(find("mmap_create_len_zero"), std::nullopt);
  EXPECT_EQ(find("none"), std::nullopt);
  EXPECT_EQ(find(""), std::nullopt);
}

TEST(Rulings, ARulingNamesExactlyTheClausesWhichCiteIt) {
  for (std::uint8_t n = 1; n <= rulings().size(); ++n) {
    const Ruling& ruling = rulings()[n - 1U];
    EXPECT_EQ(ruling.id, "D" + std::to_string(n));
    for (const Clause clause : ruling.clauses) {
      EXPECT_THAT(info(clause).rulings, Contains(n)) << info(clause).id;
    }
  }
  EXPECT_THAT(rulings()[15].clauses,
              ElementsAre(Clause::mlock_failure_no_change, Clause::mlock_inaccessible));
}

TEST(Claims, SayWhatEachOfTheirClausesMeans) {
  const Claim& one_page = claims()[20];
  EXPECT_EQ(one_page.id, "S21");
  EXPECT_EQ(one_page.truth, Truth::refined);
  EXPECT_THAT(one_page.needs, ElementsAre(Clause::eof_one_byte_file));
  EXPECT_THAT(one_page.refines, ElementsAre(Clause::slack_zero_filled, Clause::slack_never_stored));
  EXPECT_THAT(one_page.refutes, IsEmpty());
  EXPECT_EQ(claims()[2].truth, Truth::no);
  EXPECT_THAT(claims()[2].refutes, ElementsAre(Clause::pshm_open_same_name, Clause::memfd_create));
}

// A clause that has two meanings for one claim would decide nothing.
TEST(Claims, NameAClauseOnce) {
  for (const Claim& claim : claims()) {
    std::vector<Clause> all(claim.needs.begin(), claim.needs.end());
    all.insert(all.end(), claim.refutes.begin(), claim.refutes.end());
    all.insert(all.end(), claim.refines.begin(), claim.refines.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end()) << claim.id;
  }
}

TEST(Nearest, OffersTheIdThatWasMeantFirst) {
  ASSERT_THAT(nearest("mmap.create.len-zer0"), ::testing::Not(IsEmpty()));
  EXPECT_EQ(nearest("mmap.create.len-zer0").front(), "mmap.create.len-zero");
  EXPECT_EQ(nearest("eof.onebyte-file").front(), "eof.one-byte-file");
  EXPECT_THAT(nearest("shmget.creat"), Contains("shmget.create"));
}

TEST(Nearest, OffersAFewOrNone) {
  EXPECT_LE(nearest("shmctl.set").size(), 3U);
  EXPECT_THAT(nearest("qqqqqqqqqqqqqqqqqqqqqqqq"), IsEmpty());
}

}  // namespace
}  // namespace shmcheck::clauses
