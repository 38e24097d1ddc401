// The shrinker on predicates that need no model: what is needed stays, what is not goes.

#include "harness/shrink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "harness/entropy.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using program::Op;
using program::OpCode;
using program::Program;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

Program parse(std::string_view text) {
  auto parsed = program::parse_program(text, "test");
  if (auto* error = std::get_if<program::ParseError>(&parsed)) {
    ADD_FAILURE() << error->to_string();
    return {};
  }
  return std::get<Program>(parsed);
}

std::string text_of(const Program& p) {
  return program::to_text(p);
}

constexpr std::string_view kLong = R"(p0 open f2 n1 access=rw flags=creat mode=0666
p0 ftruncate f2 size=3p-100
p0 mmap m4 f2 len=3p prot=rw flags=shared,fixed addr=a+3p
p0 mmap m5 - len=1p prot=r flags=private,anon
p0 fork p3
p3 store m4+1p+8 0x4243
p0 load m4+1p
p3 fork p5
p5 contents m5 len=1p
p5 exit
p0 shmget s3 key=k4 size=2p flags=creat mode=0600
p3 shmat m9 s3
p3 store m9 0x99
p0 shmctl s3 cmd=stat
p0 munmap m4+1p len=1p
p0 load m4+1p
)";

// A store by any process to a mapping that is there, then a munmap.
bool stores_then_unmaps(const Program& p) {
  std::uint32_t mapped = 0;
  bool stored = false;
  for (const Op& op : p.ops) {
    if (op.code == OpCode::mmap) mapped |= 1U << op.result;
    if (op.code == OpCode::store && op.addr.names_mapping()) stored |= (mapped >> op.addr.mapping() & 1) != 0;
    if (op.code == OpCode::munmap && stored) return true;
  }
  return false;
}

TEST(Shrink, KeepsWhatIsNeededAndNothingElse) {
  Shrunk s = shrink(parse(kLong), stores_then_unmaps);
  EXPECT_TRUE(s.complete);
  EXPECT_EQ(text_of(s.program),
            "p0 mmap m0 - len=1p prot=rw flags=anon\n"
            "p0 store m0 0x41\n"
            "p0 munmap m0 len=1p\n");
}

TEST(Shrink, GivesTheSameResultEveryTime) {
  EXPECT_EQ(shrink(parse(kLong), stores_then_unmaps).program,
            shrink(parse(kLong), stores_then_unmaps).program);
}

TEST(Shrink, IsBoundedInRuns) {
  unsigned runs = 0;
  auto counted = [&](const Program& p) {
    ++runs;
    return stores_then_unmaps(p);
  };
  Shrunk s = shrink(parse(kLong), counted, {.runs = 7, .time = std::chrono::hours(1)});
  EXPECT_EQ(runs, 7U);
  EXPECT_EQ(s.runs, 7U);
  EXPECT_FALSE(s.complete);
  EXPECT_TRUE(stores_then_unmaps(s.program));
}

TEST(Shrink, IsBoundedInTime) {
  Shrunk s = shrink(parse(kLong), stores_then_unmaps, {.runs = 1000, .time = std::chrono::milliseconds(0)});
  EXPECT_EQ(s.runs, 0U);
  EXPECT_EQ(s.program, parse(kLong));
}

TEST(Shrink, NeverTriesAProgramTwice) {
  std::vector<Program> tried;
  auto remember = [&](const Program& p) {
    tried.push_back(p);
    return stores_then_unmaps(p);
  };
  shrink(parse(kLong), remember);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    for (std::size_t j = i + 1; j < tried.size(); ++j) EXPECT_NE(tried[i], tried[j]) << i << " and " << j;
  }
}

TEST(Shrink, KeepsTheProcessThatIsNeeded) {
  // Two processes must store.
  auto two = [](const Program& p) {
    std::uint32_t alive = 1, stored = 0;
    for (const Op& op : p.ops) {
      if (op.code == OpCode::fork && (alive >> op.proc & 1) != 0) alive |= 1U << op.result;
      if (op.code == OpCode::store) stored |= (alive >> op.proc & 1) << op.proc;
    }
    return (stored & (stored - 1)) != 0;
  };
  Program p = parse(
      "p0 fork p3\np3 fork p5\np3 load m0\np5 store m3+1p 0x1122\np3 store m2 0x77\np0 store m1 0x05\n");
  EXPECT_EQ(text_of(shrink(p, two).program), "p0 fork p1\np1 store m0 0x41\np0 store m1 0x41\n");
}

TEST(Shrink, RemovesPairsThatHideEachOther) {
  // Loads and stores balance, so no single op can go.
  auto balanced = [](const Program& p) {
    int balance = 0;
    for (const Op& op : p.ops) balance += op.code == OpCode::store ? 1 : op.code == OpCode::load ? -1 : 0;
    return balance == 0 && !p.ops.empty() && p.ops.back().code == OpCode::maps;
  };
  Program p = parse("p0 store m0 0x41\np0 load m0\np0 store m0 0x41\np0 load m0\np0 maps\n");
  EXPECT_EQ(text_of(shrink(p, balanced).program), "p0 maps\n");
}

TEST(Shrink, RemovesThreeThatOnlyPassTheTime) {
  auto third = [](const Program& p) {
    return p.ops.size() % 3 == 1 && p.ops.front().code == OpCode::fork && p.ops.back().code == OpCode::maps;
  };
  Program p = parse(
      "p0 fork p1\np0 close f0\np0 store m0 0x41\np0 close f1\np0 limits what=shmall\np0 load m0\np0 maps\n");
  auto kept = [&](const Program& q) {
    auto has = [&](OpCode code) {
      return std::any_of(q.ops.begin(), q.ops.end(), [=](const Op& op) { return op.code == code; });
    };
    return third(q) && has(OpCode::store) && has(OpCode::load);
  };
  EXPECT_EQ(text_of(shrink(p, kept).program), "p0 fork p1\np0 store m0 0x41\np0 load m0\np0 maps\n");
}

// What is in a file is put there by a write, or by a mapping and a store, of which neither can go alone.
TEST(Shrink, ExchangesWhatCannotGo) {
  auto puts_into_both = [](const Program& p) {
    std::array<bool, program::kFiles> mapped{}, put{};
    std::array<std::uint8_t, program::kMappings> file{};
    for (const Op& op : p.ops) {
      if (op.code == OpCode::mmap) mapped.at(op.object) = true, file[op.result] = op.object;
      if (op.code == OpCode::pwrite) put.at(op.object) = true;
      if (op.code == OpCode::store) put[file[op.addr.mapping()]] |= mapped[file[op.addr.mapping()]];
    }
    return std::count(put.begin(), put.end(), true) == 2;
  };
  Program p = parse(
      "p0 mmap m0 f1 len=1p prot=rw flags=shared\np0 store m0 0x41\n"
      "p0 mmap m1 f2 len=1p prot=rw flags=shared\np0 store m1 0x41\n");
  const Program shorter = shrink(p, puts_into_both).program;
  ASSERT_THAT(shorter.ops, SizeIs(2)) << text_of(shorter);
  EXPECT_EQ(shorter.ops[0].code, OpCode::pwrite);
  EXPECT_EQ(shorter.ops[1].code, OpCode::pwrite);
}

// A store to a mapping that lies so many pages from another one, which is needed as well.
Program store_at_distance(int pages) {
  auto stores_there = [pages](const Program& p) {
    std::array<int, program::kMappings> at{};
    bool has_long = false, stores = false;
    for (const Op& op : p.ops) {
      const bool is_long = op.code == OpCode::mmap && op.len.pages == 16;
      if (op.code == OpCode::mmap) at[op.result] = is_long ? 0 : pages;
      has_long |= is_long;
      if (op.code == OpCode::store && op.addr.names_mapping())
        stores |= at[op.addr.mapping()] + op.addr.pages == pages;
    }
    return has_long && stores;
  };
  return shrink(parse("p0 mmap m1 - len=16p prot=rw flags=private,anon\n"
                      "p0 mmap m2 - len=1p prot=rw flags=private,anon\np0 store m2 0x41\n"),
                stores_there)
      .program;
}

TEST(Shrink, SaysAnAddressByAnotherNameThatIsNear) {
  for (int pages : {3, -3, 8, -8}) {
    const Program p = store_at_distance(pages);
    ASSERT_THAT(p.ops, SizeIs(2)) << text_of(p);
    EXPECT_EQ(p.ops[1].addr.pages, pages) << text_of(p);
  }
  EXPECT_THAT(store_at_distance(9).ops, SizeIs(3)) << "too far";
}

TEST(Exchanges, ALimitIsLowerByWhatASegmentCounted) {
  Program p = parse(
      "p0 shmget s0 key=private size=2p+1\np0 limit what=shmall value=7\np0 limit what=shmmni value=3\n"
      "p0 shmget s1 key=private size=1p\n");
  EXPECT_THAT(exchanges(p),
              ElementsAre(parse("p0 limit what=shmall value=4\np0 limit what=shmmni value=2\n"
                                "p0 shmget s1 key=private size=1p\n"),
                          parse("p0 shmget s0 key=private size=2p+1\np0 limit what=shmall value=6\n"
                                "p0 limit what=shmmni value=2\n")));
  EXPECT_THAT(exchanges(parse("p0 shmget s0 key=private size=2p\np0 limit what=shmall value=1\n")), IsEmpty())
      << "no limit is below nothing";
  EXPECT_THAT(exchanges(parse("p0 shmget s0 key=private size=1p\np0 limit what=shmmni value=half+7\n")),
              IsEmpty())
      << "it is not near";
}

TEST(Exchanges, AWriteMakesUpForMappingAndStore) {
  Program p = parse("p0 mmap m0 f1 len=1p prot=rw flags=shared\np1 store m0+1p 0x1234\np0 pread f1 len=1p\n");
  EXPECT_THAT(exchanges(p), ElementsAre(parse("p1 pwrite f1 len=1p byte=0x41\np0 pread f1 len=1p\n")));
}

TEST(Exchanges, AWriteMakesUpForTheSizeThatAStoreNeeds) {
  Program p = parse("p0 ftruncate f1 size=1p\np0 mmap m0 f1 len=1p prot=rw flags=shared\np1 store m0 0x12\n");
  EXPECT_THAT(exchanges(p), ElementsAre(parse("p0 ftruncate f1 size=1p\np1 pwrite f1 len=1p byte=0x41\n"),
                                        parse("p0 mmap m0 f1 len=1p prot=rw flags=shared\n"
                                              "p1 pwrite f1 len=1p byte=0x41\n")));
  EXPECT_THAT(
      exchanges(parse("p0 ftruncate f1 size=1p\np0 pread_to f1 m0+1 len=1p\np0 pread_to f2 m0 len=1p\n")),
      ElementsAre(parse("p0 store m0+1 0x42\np0 pread_to f2 m0 len=1p\n"),
                  parse("p0 store m0+1p 0x42\np0 pread_to f2 m0 len=1p\n")));
  EXPECT_THAT(exchanges(parse("p0 ftruncate f2 size=1p\np0 mmap m0 f1 len=1p prot=rw flags=shared\n"
                              "p1 store m0 0x12\n")),
              SizeIs(1))
      << "another file's size stays";
}

TEST(Exchanges, AWrittenSizeMakesUpForAStoreElsewhere) {
  EXPECT_THAT(exchanges(parse("p0 shmat m0 s0\np0 store m0 0x41\np1 ftruncate f1 size=1p+1\n")),
              ElementsAre(parse("p0 shmat m0 s0\np1 pwrite f1 len=1p+1 byte=0x41\n")));
  EXPECT_THAT(exchanges(parse("p0 shmat m0 s0\np0 store m0 0x41\np1 ftruncate f1 size=half\n")), IsEmpty());
}

TEST(Exchanges, AReadMakesUpForMappingAndLoad) {
  Program p =
      parse("p0 mmap m0 f1 len=1p prot=rw flags=shared\np0 load m0\np1 contents m0 len=1p\np0 load m1\n");
  EXPECT_THAT(exchanges(p), ElementsAre(parse("p0 pread f1 len=1p\np1 contents m0 len=1p\np0 load m1\n"),
                                        parse("p0 load m0\np1 pread f1 len=1p\np0 load m1\n"),
                                        parse("p0 load m0\np1 contents m0 len=1p\np0 pread f1 len=1p\n")));
}

TEST(Exchanges, AReadReachesThePageThatWasLoaded) {
  EXPECT_THAT(exchanges(parse("p0 mmap m0 f1 len=3p prot=r flags=shared off=1p\np0 load m0+2p\n")),
              ElementsAre(parse("p0 pread f1 len=4p\n")));
}

TEST(Exchanges, AnotherNameMakesUpForARename) {
  Program p = parse(
      "p0 open f0 n0 flags=creat\np0 rename n0 to=n1\np0 open f1 n0 flags=creat\np0 link n1 to=n2\n"
      "p0 close f1\n");
  EXPECT_THAT(exchanges(p),
              ElementsAre(parse("p0 open f0 n0 flags=creat\np0 open f1 n1 flags=creat\np0 link n0 to=n2\n"
                                "p0 close f1\n")));
  EXPECT_THAT(exchanges(parse("p0 rename n0 to=n1\np0 link n2 to=n1\np0 link n2 to=n0\np0 unlink n2\n")),
              ElementsAre(parse("p0 link n2 to=n0\np0 link n2 to=n1\np0 unlink n2\n")));
  EXPECT_THAT(exchanges(parse("p0 rename n0 to=n1\np0 rename n2 to=n0\n")),
              ElementsAre(parse("p0 rename n2 to=n1\n"), parse("p0 rename n0 to=n1\n")));
  EXPECT_THAT(exchanges(parse("p0 rename n1 to=n1\np0 unlink n1\n")), IsEmpty()) << "it has no other name";
}

TEST(Exchanges, StorageMakesUpForACrash) {
  EXPECT_THAT(
      exchanges(parse("p0 open f0 n0 flags=creat\np0 maps\np0 reboot p0 how=crash\np0 open f1 n0\n"
                      "p0 pread f1 len=2p\np0 maps\n")),
      ElementsAre(parse("p0 open f0 n0 flags=creat\np0 maps\np0 stored f0 len=2p\np0 maps\n"),
                  parse("p0 open f0 n0 flags=creat\np0 maps\np0 fsync f0\np0 pread f0 len=2p\np0 maps\n")));
  EXPECT_THAT(exchanges(parse("p0 open f0 n0 flags=creat\np0 reboot p0 how=crash\np0 open f1 n1\n"
                              "p0 pread f1 len=2p\n")),
              IsEmpty())
      << "it is another file";
}

TEST(Exchanges, FsyncMakesUpForARebootAfterWhichTheFileIsOpenedAgain) {
  EXPECT_THAT(
      exchanges(parse("p0 open f0 n0 flags=creat\np1 reboot p0\np0 open f1 n0\np0 ftruncate f1 size=1p\n")),
      IsEmpty())
      << "the process that it is for did not open the file";
  EXPECT_THAT(
      exchanges(parse("p0 open f0 n0 flags=creat\np0 reboot p0\np0 open f1 n0\np0 ftruncate f1 size=1p\n"
                      "p0 stored f1 len=2p\n")),
      ElementsAre(parse("p0 open f0 n0 flags=creat\np0 fsync f0\np0 ftruncate f0 size=1p\n"
                        "p0 stored f0 len=2p\n")));
}

TEST(Exchanges, ACrowdIsNearerByWhatWouldHaveBeenMapped) {
  EXPECT_THAT(exchanges(parse("p0 maps\np0 crowd left=3\np0 mlock m0 len=1p\n")),
              ElementsAre(parse("p0 maps\np0 crowd left=2\n"), parse("p0 maps\np0 crowd left=1\n")));
  EXPECT_THAT(exchanges(parse("p0 maps\np0 crowd left=1\np0 mlock m0 len=1p\n")), IsEmpty())
      << "there is no nearer";
}

TEST(Exchanges, AChildDoesEverythingWhoseParentEnds) {
  Program p = parse("p0 fork p1\np1 fork p2\np0 kill p1\np2 load m0\n");
  EXPECT_THAT(exchanges(p), Contains(parse("p0 fork p1\np1 load m0\n")));
  EXPECT_THAT(exchanges(parse("p0 fork p1\np0 exit\np1 maps\n")), Contains(parse("p0 maps\n")))
      << "a parent that ends itself";
  EXPECT_THAT(exchanges(parse("p0 fork p1\np1 fork p2\np0 kill p1\np0 kill p2\n")),
              Contains(parse("p0 fork p1\np0 kill p1\n")))
      << "a child that is ended in its turn";
}

TEST(Exchanges, AParentDoesWhatItsChildDid) {
  EXPECT_THAT(exchanges(parse("p0 fork p1\np1 maps\np0 maps\n")), ElementsAre(parse("p0 maps\np0 maps\n")));
  EXPECT_THAT(exchanges(parse("p0 maps\np1 maps\n")), IsEmpty()) << "there is no child";
}

TEST(Exchanges, AStoreNeedsNoContentOfTheFileThatWasRead) {
  EXPECT_THAT(exchanges(parse("p0 pwrite f1 len=1p byte=0x41\np0 pread_to f1 m0+8 len=1p\n")),
              ElementsAre(parse("p0 store m0+8 0x42\n"), parse("p0 store m0+1p+7 0x42\n")));
}

TEST(Shrink, SimplifiesEveryKindOfArgument) {
  Program p = parse(
      "p0 mremap m3 m2+2p+8 old=3p-1 new=half-1p flags=maymove,fixed,dontunmap to=a+7p+100\n"
      "p0 shmctl s4 cmd=set owner=u2 mode=0123\n"
      "p0 store a+5p-8 0x1122334455667788\n"
      "p0 pwrite f3 len=3p+5 byte=0x77 off=2p-1\n");
  Shrunk s = shrink(p, [](const Program& q) { return q.ops.size() == 4; });
  EXPECT_EQ(text_of(s.program),
            "p0 mremap m1 m0 old=1p new=1p\n"
            "p0 shmctl s0 cmd=stat\n"
            "p0 store a 0x41\n"
            "p0 pwrite f0 len=1p byte=0x41\n");
}

TEST(SimplerForms, AReadIntoMemoryBecomesAStore) {
  const Program read = parse("p1 pread_to f3 m0+1p len=8 off=2\n");
  EXPECT_THAT(simpler_forms(read.ops[0]), ::testing::Contains(parse("p1 store m0+1p 0x41\n").ops[0]));
}

TEST(SimplerForms, ATransferNeedsNoMemory) {
  const Program transfers = parse("p1 pread_to f3 m0+1p len=8 off=2\np0 pwrite_from f3 m0 len=1p\n");
  EXPECT_THAT(simpler_forms(transfers.ops[0]),
              ::testing::Contains(parse("p1 pread f3 len=8 off=2\n").ops[0]));
  EXPECT_THAT(simpler_forms(transfers.ops[1]),
              ::testing::Contains(parse("p0 pwrite f3 len=1p byte=0x41\n").ops[0]));
}

TEST(SimplerForms, AReadOfSeveralPagesBecomesAStoreToTheLast) {
  const Program read = parse("p0 pread_to f0 m0+1p len=2p\n");
  EXPECT_THAT(simpler_forms(read.ops[0]), ::testing::Contains(parse("p0 store m0+2p 0x42\n").ops[0]));
}

TEST(SimplerForms, AreNormalizedAndDifferent) {
  SeededEntropy dice(7);
  for (int i = 0; i < 2000; ++i) {
    Op op;
    op.code = static_cast<OpCode>(dice.below(program::kOpCodes));
    op.small = static_cast<std::uint8_t>(dice.below(256));
    op.byte = static_cast<std::uint8_t>(dice.below(256));
    op.mode = static_cast<std::uint16_t>(dice.below(512));
    op.flags = dice.below(4096);
    op.value = dice.below(UINT32_MAX);
    for (auto* q : {&op.addr, &op.len, &op.off, &op.to}) {
      q->base = static_cast<std::uint8_t>(dice.below(program::kBases));
      q->pages = static_cast<std::int16_t>(dice.between(0, 200)) - 100;
      q->bytes = static_cast<std::int16_t>(dice.between(0, 9000)) - 4500;
    }
    program::normalize(op);
    for (Op form : simpler_forms(op)) {
      EXPECT_NE(form, op);
      Op again = form;
      program::normalize(again);
      EXPECT_EQ(form, again);
    }
  }
}

TEST(CanonicalNames, AreDenseInOrderOfFirstUse) {
  Program p = parse(
      "p0 open f6 n5\np0 fork p4\np4 mmap m9 f6 len=1p prot=r flags=shared addr=m3\n"
      "p0 shmget s5 key=k7 size=1p\np0 shmget s2 key=k3 size=1p\np0 shmget s1 key=k7 size=1p\np4 mmap m1 bad "
      "len=1p prot=r\n");
  EXPECT_EQ(text_of(canonical_names(p)),
            "p0 open f0 n0\np0 fork p1\np1 mmap m1 f0 len=1p prot=r flags=shared addr=m0\n"
            "p0 shmget s0 key=k1 size=1p\np0 shmget s1 key=k2 size=1p\np0 shmget s2 key=k1 size=1p\np1 mmap "
            "m2 bad len=1p prot=r\n");
  EXPECT_EQ(text_of(canonical_names(parse("p0 rename n4 to=n2\np0 link n2 to=n4\np0 shm_unlink o3\n"
                                          "p0 shm_open f0 long\np0 shm_open f0 o1\np0 shm_open f0 o3\n"))),
            "p0 rename n0 to=n1\np0 link n1 to=n0\np0 shm_unlink o0\n"
            "p0 shm_open f0 long\np0 shm_open f0 o1\np0 shm_open f0 o0\n");
}

TEST(CanonicalNames, KeepsTheLargestFamiliesApart) {
  std::string given, wanted;
  const auto all = [&](std::string_view before, unsigned first, unsigned count, std::string_view behind) {
    for (unsigned n = first; n < count; ++n) {
      given += std::string(before) + std::to_string(count - 1 - n + first) + std::string(behind);
      wanted += std::string(before) + std::to_string(n) + std::string(behind);
    }
  };
  all("p0 mmap m", 0, program::kMappings, " - len=1p prot=r flags=private,anon\n");
  all("p0 fork p", 1, program::kProcesses, "\n");
  EXPECT_EQ(text_of(canonical_names(parse(given))), wanted);
}

TEST(Merge, UsesTheOtherName) {
  Program p = parse(
      "p0 shmget s0 key=k1 size=1p\np0 shmget s3 key=k1 size=1p\np0 shmat m0 s3\np0 shmat m1 s0\np0 store m1 "
      "0x41\n");
  EXPECT_EQ(text_of(*merge(p, 1, 0)),
            "p0 shmget s0 key=k1 size=1p\np0 shmat m0 s0\np0 shmat m1 s0\np0 store m1 0x41\n");
  EXPECT_EQ(text_of(*merge(p, 3, 2)),
            "p0 shmget s0 key=k1 size=1p\np0 shmget s3 key=k1 size=1p\np0 shmat m0 s3\np0 store m0 0x41\n");
  EXPECT_EQ(
      text_of(*merge(p, 3, 2, 1)),
      "p0 shmget s0 key=k1 size=1p\np0 shmget s3 key=k1 size=1p\np0 shmat m0 s3\np0 store m0+1p 0x41\n");
  EXPECT_EQ(
      text_of(*merge(p, 3, 2, -1)),
      "p0 shmget s0 key=k1 size=1p\np0 shmget s3 key=k1 size=1p\np0 shmat m0 s3\np0 store m0-1p 0x41\n");
  EXPECT_FALSE(merge(p, 1, 0, 1).has_value()) << "only addresses lie pages apart";
  EXPECT_FALSE(merge(p, 0, 0).has_value());
  EXPECT_FALSE(merge(p, 0, 2).has_value());
  EXPECT_FALSE(merge(p, 4, 2).has_value());
}

TEST(Exchanges, ExitIsInsteadOfADeath) {
  const Program p = parse("p0 shmat m0 s0\np1 store m0-1 0x41 act=default\np0 load m0\n");
  EXPECT_THAT(exchanges(p), ElementsAre(parse("p1 exit\np0 load m0\n")));
}

TEST(Exchanges, RemovalIsInsteadOfADeathAndForcedRemoval) {
  const Program p = parse(
      "p0 fork p1\np0 shmget s0 key=private size=1p\np0 store a 0x41 act=default\n"
      "p1 limit what=rmid_forced value=1\np1 sysvipc\n");
  EXPECT_THAT(exchanges(p), IsSupersetOf({parse("p0 shmget s0 key=private size=1p\np0 shmctl s0 cmd=rmid\n"
                                                "p0 sysvipc\n"),
                                          parse("p0 shmget s0 key=private size=1p\n"
                                                "p0 limit what=rmid_forced value=1\np0 sysvipc\n")}));
}

TEST(OwnFiles, AreInSlotsThatNobodyElseUses) {
  Program p = parse("p0 open f0 n0\np0 fork p1\np1 close f0\np1 open f0 n1\np1 close f0\np0 close f2\n");
  EXPECT_EQ(text_of(*with_own_files(p, 1)),
            "p0 open f0 n0\np0 fork p1\np1 close f0\np1 open f1 n1\np1 close f1\np0 close f2\n");
  EXPECT_FALSE(with_own_files(p, 2).has_value()) << "it opens nothing";
  std::string all = "p0 fork p1\np1 open f0 n0\n";
  for (unsigned file = 0; file < program::kFiles; ++file) all += "p0 close f" + std::to_string(file) + "\n";
  EXPECT_FALSE(with_own_files(parse(all), 1).has_value()) << "no slot is left";
}

// What is read is the first file's and the second's: neither can go.
TEST(Shrink, GivesFilesOfOneNameToOneProcess) {
  auto both = [](const Program& p) {
    std::array<std::array<std::uint8_t, program::kFiles>, program::kProcesses> open{};
    std::uint8_t read = 0;
    for (const Op& op : p.ops) {
      if (op.code == OpCode::fork) open[op.result] = open[op.proc];
      if (op.code == OpCode::open) open[op.proc][op.result] = static_cast<std::uint8_t>(op.object + 1);
      if (op.code == OpCode::pread && op.object < program::kFiles) read |= open[op.proc][op.object];
    }
    return read == 3;
  };
  Program p = parse("p0 open f0 n0\np0 fork p1\np1 open f0 n1\np1 pread f0 len=1p\np0 pread f0 len=1p\n");
  const Program shortest = shrink(p, both).program;
  EXPECT_EQ(shortest.ops.size(), 4U) << text_of(shortest);
}

TEST(Shrink, GivesAParentTheMachineThatIsStartedAnew) {
  auto starts = [](const Program& p) {
    std::uint32_t alive = 1;
    bool started = false;
    for (const Op& op : p.ops) {
      if (op.code == OpCode::fork) alive |= 1U << op.result;
      if (op.code == OpCode::reboot) started = (alive >> op.result & 1) != 0, alive = 1U << op.result;
      if (op.code == OpCode::maps && started && (alive >> op.proc & 1) != 0) return true;
    }
    return false;
  };
  EXPECT_EQ(text_of(shrink(parse("p0 fork p1\np0 reboot p1\np1 maps\n"), starts).program),
            "p0 reboot p0\np0 maps\n");
}

TEST(Dependents, EndWhereANameIsBoundAgain) {
  Program p = parse(
      "p0 mmap m0 - len=1p prot=rw flags=private,anon\n"
      "p0 load m0\n"
      "p0 mmap m1 - len=1p prot=rw flags=private,anon addr=m0\n"
      "p0 load m1\n"
      "p0 mmap m0 - len=1p prot=rw flags=private,anon\n"
      "p0 load m0\n");
  EXPECT_THAT(dependents(p, 0), ElementsAre(true, true, true, true, false, false));
  EXPECT_THAT(dependents(p, 4), ElementsAre(false, false, false, false, true, true));
}

TEST(Dependents, IncludeWhatAForkedProcessDoes) {
  Program p = parse("p0 fork p1\np1 maps\np1 fork p2\np2 maps\np0 maps\n");
  EXPECT_THAT(dependents(p, 0), ElementsAre(true, true, true, true, false));
}

}  // namespace
}  // namespace shmcheck::harness
