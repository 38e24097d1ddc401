// madvise: hints that change nothing, and the advice that brings pages or takes them away.

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <functional>

#include "conformance/framework/conformance.h"
#include "conformance/framework/storage.h"
#include "conformance/framework/witness.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr size_t kAdvisedPages = 5;
// Younger than some C libraries.
constexpr int kFree = 8;
constexpr int kWipeOnFork = 18;
constexpr int kCold = 20;
constexpr int kPageOut = 21;
constexpr int kPopulateRead = 22;
constexpr int kPopulateWrite = 23;

size_t Advised() {
  return kAdvisedPages * page();
}

struct Advice {
  const char* name;
  int advice;
  bool optional;
};
constexpr Advice kHints[] = {
    {"MADV_NORMAL", MADV_NORMAL, false},
    {"MADV_RANDOM", MADV_RANDOM, false},
    {"MADV_SEQUENTIAL", MADV_SEQUENTIAL, false},
    {"MADV_WILLNEED", MADV_WILLNEED, false},
    {"MADV_COLD", kCold, true},
    {"MADV_PAGEOUT", kPageOut, true},
};

// Shared memory of kAdvisedPages pages that has no file of the test behind it. A segment has no whole pages.
void ForAnonymousAndSegment(const std::function<void(uint8_t* map)>& body) {
  {
    SCOPED_TRACE("shared anonymous memory");
    const Mapping map = MapSharedAnonymous(Advised());
    body(map.at());
  }
  SCOPED_TRACE("System V segment");
  const Segment segment(Advised() - 9);
  body(segment.Attach());
}

void ForAFile(const std::function<void(uint8_t* map)>& body) {
  const TempFile file(Advised());
  const Mapping map = MapShared(file.fd(), Advised());
  body(map.at());
  EXPECT_EQ(file.size(), Advised());
}

void ExpectHintsHarmless(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  const auto advise = [&] {
    for (const Advice& hint : kHints) {
      for (const size_t len : {size_t{1}, page(), 2 * page() + 1}) {
        const Outcome outcome = Returned(madvise(map + page(), len, hint.advice));
        if (hint.optional && outcome.error == EINVAL) break;
        EXPECT_THAT(outcome, Succeeds()) << hint.name << " length " << len;
      }
    }
  };
  const auto look = [&] { EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised())); };
  BeforeAndAfter(look, advise, look);
}

CONFORMANCE(Madvise, HintsNeverChangeAFile, Clause::madvise_hints_harmless, on::files) {
  TempFile file(Advised());
  const Mapping map = MapShared(file.fd(), Advised());
  ExpectHintsHarmless(map.at());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, Advised()));
  const Mapping copy = MapPrivate(file.fd(), Advised());
  ExpectHintsHarmless(copy.at());
}

CONFORMANCE(Madvise, HintsNeverChangeSharedMemory, Clause::madvise_hints_harmless) {
  ForAnonymousAndSegment(ExpectHintsHarmless);
}

// Dropping the page table entries of one process loses nothing, and later stores of the other are seen.
void ExpectDontneedLosesNothing(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  Child peer([&](Channel& test) {
    EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised()));
    EXPECT_THAT(Store(map + 2 * page() + 1, 0x51), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(map + 2 * page() + 1), Reads(0x51));
    EXPECT_THAT(Store(map + 2 * page() + 1, 0x52), Works());
    EXPECT_THAT(Returned(madvise(map, Advised(), MADV_DONTNEED)), Succeeds());
    EXPECT_THAT(Memory(map, page()), HoldsPattern(0, page()));
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(map + page()), Reads(0x53));
  });
  peer.Wait();
  EXPECT_THAT(Returned(madvise(map + page(), 3 * page(), MADV_DONTNEED)), Succeeds());
  peer.Signal();
  peer.Wait();
  std::vector<uint8_t> wanted = Pattern(0, Advised());
  wanted[2 * page() + 1] = 0x52;
  EXPECT_THAT(Memory(map, Advised()), BytesAre(wanted));
  ASSERT_THAT(Store(map + page(), 0x53), Works());
  EXPECT_THAT(Returned(madvise(map + page(), 1, MADV_DONTNEED)), Succeeds());
  EXPECT_THAT(Load(map + page()), Reads(0x53));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
}

CONFORMANCE(Madvise, DontneedLosesNoStoreToAFile, Clause::madvise_dontneed_shared, on::files) {
  ForAFile(ExpectDontneedLosesNothing);
}

CONFORMANCE(Madvise, DontneedLosesNoStoreToSharedMemory, Clause::madvise_dontneed_shared) {
  ForAnonymousAndSegment(ExpectDontneedLosesNothing);
}

CONFORMANCE(Madvise, DontneedKeepsAStoreOnItsWayToStorage, Clause::madvise_dontneed_shared, need::ext4,
            need::block_device) {
  TempFile file(Advised(), Place::ext4);
  file.FillPattern(1);
  const Storage storage(file);
  const Mapping map = MapShared(file.fd(), Advised());
  ASSERT_THAT(FillPattern(map.at(), 0, Advised(), 2), Works());
  ASSERT_THAT(Returned(madvise(map.at(), Advised(), MADV_DONTNEED)), Succeeds());
  ASSERT_THAT(Returned(msync(map.at(), Advised(), MS_SYNC)), Succeeds());
  EXPECT_THAT(storage.Contents(0, Advised()), HoldsPattern(0, Advised(), 2));
}

CONFORMANCE(Madvise, DontneedMakesPrivateAnonymousMemoryZero, Clause::madvise_dontneed_private_anon) {
  for (const size_t len : {size_t{1}, page() - 1, page(), page() + 1, 2 * page()}) {
    SCOPED_TRACE("length " + std::to_string(len));
    const Mapping map = MapPrivateAnonymous(Advised());
    ASSERT_THAT(FillPattern(map.at(), 0, Advised()), Works());
    const size_t end = page() + (len + page() - 1) / page() * page();
    Child peer([&](Channel& test) {  // has copies of its own
      test.Wait();
      EXPECT_THAT(Memory(map.at(), Advised()), HoldsPattern(0, Advised()));
    });
    ASSERT_THAT(Returned(madvise(map.at(page()), len, MADV_DONTNEED)), Succeeds());
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    EXPECT_THAT(Memory(map.at(page()), end - page()), AllBytesAre(0));
    EXPECT_THAT(Memory(map.at(end), Advised() - end), HoldsPattern(end, Advised() - end));
    EXPECT_THAT(Store(map.at(page()), 1), Works());
    EXPECT_THAT(Load(map.at(page())), Reads(1));
    peer.Signal();
    EXPECT_THAT(peer.Join(), ExitsWith(0));
  }
}

CONFORMANCE(Madvise, DontneedOnAPrivateFileMappingShowsTheFileAgain, Clause::madvise_dontneed_private_file,
            on::files) {
  TempFile file(Advised());
  file.FillPattern(1);
  const Mapping copy = MapPrivate(file.fd(), Advised());
  ASSERT_THAT(Fill(copy.at(), 0xee, Advised()), Works());
  file.FillPattern(2);
  Child peer([&](Channel& test) {
    test.Wait();
    EXPECT_THAT(Memory(copy.at(), Advised()), AllBytesAre(0xee));
  });
  ASSERT_THAT(Returned(madvise(copy.at(page()), page() + 1, MADV_DONTNEED)), Succeeds());
  EXPECT_THAT(Memory(copy.at(page()), 2 * page()), HoldsPattern(page(), 2 * page(), 2));
  EXPECT_THAT(Memory(copy.at(), page()), AllBytesAre(0xee));
  EXPECT_THAT(Memory(copy.at(3 * page()), 2 * page()), AllBytesAre(0xee));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, Advised(), 2));
  EXPECT_THAT(Store(copy.at(page()), 0xdd), Works());
  EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(page()), 1), AllBytesAre(PatternByte(page(), 2)));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
}

// Page 1 is locked. What lies outside the lock may have been advised before the failure.
void ExpectLockedPageStays(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  ASSERT_THAT(Returned(mlock(map + page(), page())), Succeeds());
  for (const int advice : {MADV_DONTNEED, MADV_REMOVE}) {
    EXPECT_THAT(Returned(madvise(map + page(), page(), advice)), FailsWith(EINVAL)) << advice;
    EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised())) << advice;
    EXPECT_THAT(Returned(madvise(map + page(), 1, advice)), FailsWith(EINVAL)) << advice;
    EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised())) << advice;
    EXPECT_THAT(Returned(madvise(map, 2 * page(), advice)), FailsWith(EINVAL))
        << advice << ", lock at the end";
    EXPECT_THAT(Memory(map + page(), Advised() - page()), HoldsPattern(page(), Advised() - page())) << advice;
    ASSERT_THAT(FillPattern(map, 0, page()), Works());
  }
  ASSERT_THAT(Returned(munlock(map, Advised())), Succeeds());
  EXPECT_THAT(Returned(madvise(map + page(), page(), MADV_DONTNEED)), Succeeds());
}

CONFORMANCE(Madvise, LockedFilePagesAreNotTakenAway, Clause::madvise_dontneed_locked, on::files) {
  ForAFile(ExpectLockedPageStays);
}

CONFORMANCE(Madvise, LockedPagesAreNotTakenAway, Clause::madvise_dontneed_locked) {
  ForAnonymousAndSegment(ExpectLockedPageStays);
  const Mapping own = MapPrivateAnonymous(Advised());
  ASSERT_THAT(FillPattern(own.at(), 0, Advised()), Works());
  ASSERT_THAT(Returned(mlock(own.at(page()), page())), Succeeds());
  EXPECT_THAT(Returned(madvise(own.at(page()), page(), MADV_DONTNEED)), FailsWith(EINVAL));
  EXPECT_THAT(Memory(own.at(), Advised()), HoldsPattern(0, Advised()));
}

void ExpectRemoveZeroes(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  Outcome outcome;
  std::vector<uint8_t> wanted = Pattern(0, Advised());
  std::fill(wanted.begin() + static_cast<long>(page()), wanted.begin() + static_cast<long>(3 * page()),
            uint8_t{0});
  BeforeAndAfter([&] { EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised())); },
                 [&] {
                   outcome = Returned(madvise(map + page(), page() + 1, MADV_REMOVE));
                   EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EOPNOTSUPP)));
                   if (!outcome.ok()) {
                     EXPECT_THAT(Fill(map + page(), 0, 2 * page()), Works());
                   }
                 },
                 [&] {
                   EXPECT_THAT(Memory(map, Advised()), BytesAre(wanted));
                   EXPECT_THAT(KernelCopy(map, Advised()), BytesAre(wanted));
                 });
  BeforeAndAfter([&] { EXPECT_THAT(Load(map + page()), Reads(0)); },
                 [&] { EXPECT_THAT(Store(map + page(), 0x66), Works()); },
                 [&] { EXPECT_THAT(Load(map + page()), Reads(0x66)); });
}

CONFORMANCE(Madvise, RemoveZeroesAFileForEverybody, Clause::madvise_remove, on::files) {
  ForAFile(ExpectRemoveZeroes);
}

CONFORMANCE(Madvise, RemoveZeroesSharedMemoryForEverybody, Clause::madvise_remove) {
  ForAnonymousAndSegment(ExpectRemoveZeroes);
}

CONFORMANCE(Madvise, RemoveWorksAtTheOffsetOfTheMappingAndReleasesStorage, Clause::madvise_remove,
            on::files) {
  TempFile file(8 * page() + 5);
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const blkcnt_t before = file.Stat().st_blocks;
  const Mapping map =
      Map(file.fd(), 5 * page(), PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<off_t>(3 * page()));
  const Mapping copy = MapPrivate(file.fd(), file.size());
  ASSERT_THAT(Store(copy.at(5 * page() + 1), 0xee), Works());
  const Outcome outcome = Returned(madvise(map.at(page()), 2 * page(), MADV_REMOVE));
  if (outcome.error == EOPNOTSUPP)
    GTEST_SKIP() << "MADV_REMOVE is not supported here (freedom of the clause)";
  ASSERT_THAT(outcome, Succeeds());
  // Before any load: on tmpfs that gives a hole its page again.
  EXPECT_LE(file.Stat().st_blocks, before - static_cast<blkcnt_t>(2 * page() / 512));
  std::vector<uint8_t> wanted = Pattern(0, 8 * page() + 5);
  std::fill_n(wanted.begin() + static_cast<long>(4 * page()), 2 * page(), uint8_t{0});
  EXPECT_THAT(WholeFile(file.fd()), BytesAre(wanted));
  EXPECT_THAT(Memory(map.at(page()), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Load(copy.at(5 * page() + 1)), Reads(0xee)) << "a private copy stays";
}

CONFORMANCE(Madvise, RemoveReleasesPagesOfASegment, Clause::madvise_remove, need::ipc_namespace) {
  const Segment segment(Advised());
  uint8_t* const map = segment.Attach();
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  shm_info info{};
  ASSERT_GE(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)), 0);
  EXPECT_EQ(info.shm_rss, kAdvisedPages);
  // The first page is unmapped, so that the mapping no longer starts at the first page of the object.
  ASSERT_THAT(Returned(munmap(map, page())), Succeeds());
  ASSERT_THAT(Returned(madvise(map + 2 * page(), 2 * page(), MADV_REMOVE)), Succeeds());
  ASSERT_GE(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)), 0);
  EXPECT_EQ(info.shm_rss, kAdvisedPages - 2);
  EXPECT_EQ(segment.Stat().shm_segsz, Advised());
  uint8_t* const again = segment.Attach(SHM_RDONLY);
  EXPECT_THAT(Memory(again, 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(again + 2 * page(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Memory(again + 4 * page(), page()), HoldsPattern(4 * page(), page()));
}

CONFORMANCE(Madvise, RemoveNeedsASharedMappingOfAWritableDescriptor,
            Clause::madvise_remove_not_shared_writable, on::files) {
  TempFile file(Advised());
  file.FillPattern();
  const Fd reader = file.Reopen(O_RDONLY);
  const Mapping copy = MapPrivate(file.fd(), Advised());
  const Mapping clean_copy = Map(reader.get(), Advised(), PROT_READ, MAP_PRIVATE);
  const Mapping read_only = Map(reader.get(), Advised(), PROT_READ, MAP_SHARED);
  ASSERT_THAT(Fill(copy.at(), 0xee, page()), Works());
  for (const Mapping* map : {&copy, &clean_copy, &read_only}) {
    for (const size_t len : {page(), Advised()}) {
      EXPECT_THAT(Returned(madvise(map->at(), len, MADV_REMOVE)), FailsWith(EACCES));
    }
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, Advised()));
  EXPECT_THAT(Memory(copy.at(), page()), AllBytesAre(0xee));
  EXPECT_THAT(Memory(read_only.at(), Advised()), HoldsPattern(0, Advised()));
}

CONFORMANCE(Madvise, RemoveIsRefusedForPrivateAnonymousMemory, Clause::madvise_remove_not_shared_writable) {
  const Mapping map = MapPrivateAnonymous(Advised());
  ASSERT_THAT(FillPattern(map.at(), 0, Advised()), Works());
  EXPECT_THAT(Returned(madvise(map.at(), Advised(), MADV_REMOVE)), FailsWithAnyOf({EINVAL, EACCES}));
  EXPECT_THAT(Memory(map.at(), Advised()), HoldsPattern(0, Advised()));
}

CONFORMANCE(Madvise, RemoveThroughACurrentlyReadOnlyMappingZeroesOrChangesNothing,
            Clause::madvise_remove_not_shared_writable, on::files) {
  TempFile file(Advised());
  file.FillPattern();
  const Mapping map = Map(file.fd(), Advised(), PROT_READ, MAP_SHARED);
  const Outcome outcome = Returned(madvise(map.at(page()), page(), MADV_REMOVE));
  EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWithAnyOf({EACCES, EOPNOTSUPP})));
  if (outcome.ok()) {
    EXPECT_THAT(Memory(map.at(page()), page()), AllBytesAre(0));
  } else {
    EXPECT_THAT(Memory(map.at(page()), page()), HoldsPattern(page(), page()));
  }
  EXPECT_THAT(Contents(file.fd(), 0, page()), HoldsPattern(0, page()));
  EXPECT_THAT(Memory(map.at(2 * page()), 3 * page()), HoldsPattern(2 * page(), 3 * page()));
}

void ExpectFreeAndWipeRefused(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, Advised()), Works());
  for (const int advice : {kFree, kWipeOnFork}) {
    EXPECT_THAT(Returned(madvise(map, Advised(), advice)), FailsWith(EINVAL)) << advice;
    EXPECT_THAT(Returned(madvise(map + page(), 1, advice)), FailsWith(EINVAL)) << advice;
  }
  const auto look = [&] { EXPECT_THAT(Memory(map, Advised()), HoldsPattern(0, Advised())); };
  BeforeAndAfter(
      look, [] {}, look);
}

CONFORMANCE(Madvise, FreeAndWipeOnForkAreRefusedForFiles, Clause::madvise_free_shared, on::files) {
  ForAFile(ExpectFreeAndWipeRefused);
  const TempFile file(Advised());
  const Mapping copy = MapPrivate(file.fd(), Advised());
  ExpectFreeAndWipeRefused(copy.at());
}

CONFORMANCE(Madvise, FreeAndWipeOnForkAreRefusedForSharedMemory, Clause::madvise_free_shared) {
  ForAnonymousAndSegment(ExpectFreeAndWipeRefused);
}

void ExpectPopulated(uint8_t* map, int advice) {
  const Outcome outcome = Returned(madvise(map + page(), 2 * page() + 1, advice));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(ResidentPages(map + page(), 3 * page()).pages, testing::Each(true));
  EXPECT_THAT(Memory(map, Advised()), AllBytesAre(0));
}

CONFORMANCE(Madvise, PopulateMakesFilePagesResident, Clause::madvise_populate_read, need::kernel(5, 14),
            on::files) {
  ForAFile([](uint8_t* map) { ExpectPopulated(map, kPopulateRead); });
  ForAFile([](uint8_t* map) { ExpectPopulated(map, kPopulateWrite); });
}

CONFORMANCE(Madvise, PopulateMakesSharedMemoryResident, Clause::madvise_populate_read, need::kernel(5, 14)) {
  ForAnonymousAndSegment([](uint8_t* map) { ExpectPopulated(map, kPopulateRead); });
  ForAnonymousAndSegment([](uint8_t* map) { ExpectPopulated(map, kPopulateWrite); });
}

CONFORMANCE(Madvise, PopulateKeepsContentAndPrivateCopies, Clause::madvise_populate_read, need::kernel(5, 14),
            on::files) {
  TempFile file(Advised());
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), Advised());
  const Mapping copy = MapPrivate(file.fd(), Advised());
  ASSERT_THAT(Store(copy.at(page()), 0xee), Works());
  for (const int advice : {kPopulateRead, kPopulateWrite}) {
    for (const Mapping* map : {&shared, &copy}) {
      EXPECT_THAT(Returned(madvise(map->at(), Advised(), advice)), Succeeds());
      EXPECT_THAT(ResidentPages(map->at(), Advised()).pages, testing::Each(true));
    }
  }
  EXPECT_THAT(Memory(shared.at(), Advised()), HoldsPattern(0, Advised()));
  EXPECT_THAT(Load(copy.at(page())), Reads(0xee));
  EXPECT_THAT(Memory(copy.at(2 * page()), 3 * page()), HoldsPattern(2 * page(), 3 * page()));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, Advised()));
}

CONFORMANCE(Madvise, PopulateBeyondTheEndOfTheFileFailsWithoutASignal, Clause::madvise_populate_errors,
            need::kernel(5, 14), on::files) {
  TempFile file(page() + 1);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), Advised());
  for (const int advice : {kPopulateRead, kPopulateWrite}) {
    EXPECT_THAT(Returned(madvise(map.at(), Advised(), advice)), FailsWith(EFAULT));
    EXPECT_THAT(Returned(madvise(map.at(2 * page()), page(), advice)), FailsWith(EFAULT));
    EXPECT_THAT(Returned(madvise(map.at(), 2 * page(), advice)), Succeeds())
        << "up to the last page of the file";
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 1));
}

CONFORMANCE(Madvise, PopulateAgainstTheProtectionIsInvalid, Clause::madvise_populate_errors,
            need::kernel(5, 14), on::files) {
  TempFile file(Advised());
  file.FillPattern();
  const Mapping none = Map(file.fd(), Advised(), PROT_NONE, MAP_SHARED);
  const Mapping reader = Map(file.fd(), Advised(), PROT_READ, MAP_SHARED);
  const Mapping copy = Map(file.fd(), Advised(), PROT_READ, MAP_PRIVATE);
  EXPECT_THAT(Returned(madvise(none.at(), Advised(), kPopulateRead)), FailsWith(EINVAL));
  for (const Mapping* map : {&none, &reader, &copy}) {
    EXPECT_THAT(Returned(madvise(map->at(), Advised(), kPopulateWrite)), FailsWith(EINVAL));
    EXPECT_THAT(Returned(madvise(map->at(), 1, kPopulateWrite)), FailsWith(EINVAL));
  }
  EXPECT_THAT(Returned(madvise(reader.at(), Advised(), kPopulateRead)), Succeeds());
  EXPECT_THAT(Memory(reader.at(), Advised()), HoldsPattern(0, Advised()));
}

}  // namespace
}  // namespace shmcheck::conformance
