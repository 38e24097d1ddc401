// mlock: what is locked, how it is counted, and that refused calls leave the locks as they were.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;
using testing::Each;

constexpr unsigned kOnFault = 1;  // MLOCK_ONFAULT
constexpr int kMclOnFault = 4;    // MCL_ONFAULT

size_t FourPages() {
  return 4 * page();
}

// VmLck of the calling process, in pages.
size_t LockedPages() {
  return static_cast<size_t>(NumberIn("/proc/self/status", "VmLck")) * 1024 / page();
}

long Mlock2(const void* address, size_t len, unsigned flags) {
  return syscall(SYS_mlock2, address, len, flags);
}

void ExpectResident(const uint8_t* address, size_t size) {
  const Residency residency = ResidentPages(address, size);
  EXPECT_EQ(residency.problem, "");
  EXPECT_THAT(residency.pages, Each(true));
}

// Ranges of a mapping of four pages, and the pages that have a byte in them.
struct Range {
  size_t (*offset)();
  size_t (*len)();
  size_t first;
  size_t pages;
};
constexpr Range kAligned[] = {
    {[] { return size_t{0}; }, [] { return size_t{1}; }, 0, 1},
    {[] { return page(); }, [] { return page(); }, 1, 1},
    {[] { return page(); }, [] { return page() + 1; }, 1, 2},
    {[] { return size_t{0}; }, Full, 0, 4},
};
constexpr Range kUnaligned[] = {
    {[] { return size_t{100}; }, [] { return size_t{1}; }, 0, 1},
    {[] { return page() + 100; }, [] { return page(); }, 1, 2},
    {[] { return 2 * page() - 1; }, [] { return size_t{1}; }, 1, 1},
    {[] { return 2 * page() - 1; }, [] { return size_t{2}; }, 1, 2},
    {[] { return size_t{1}; }, [] { return FourPages() - 2; }, 0, 4},
};

void ExpectLocks(uint8_t* map, const Range& range) {
  SCOPED_TRACE("offset " + std::to_string(range.offset()) + " length " + std::to_string(range.len()));
  const size_t before = LockedPages();
  ASSERT_THAT(Returned(mlock(map + range.offset(), range.len())), Succeeds());
  EXPECT_EQ(LockedPages(), before + range.pages);
  ExpectResident(map + range.first * page(), range.pages * page());
  ASSERT_THAT(Returned(munlock(map + range.offset(), range.len())), Succeeds());
  EXPECT_EQ(LockedPages(), before);
}

CONFORMANCE(Mlock, LockedFilePagesAreResidentAndCounted, Clause::mlock_resident, Clause::mlock_accounting,
            need::proc, on::files) {
  for (const Range& range : kAligned) {
    const TempFile file(FourPages());
    const Mapping shared = MapShared(file.fd(), FourPages());
    ExpectLocks(shared.at(), range);
    const Mapping copy = MapPrivate(file.fd(), FourPages());
    ExpectLocks(copy.at(), range);
    const Mapping reader = Map(file.fd(), FourPages(), PROT_READ, MAP_SHARED);
    ExpectLocks(reader.at(), range);
    EXPECT_THAT(Memory(shared.at(), FourPages()), AllBytesAre(0));
  }
}

CONFORMANCE(Mlock, LockedMemoryIsResidentAndCounted, Clause::mlock_resident, Clause::mlock_accounting,
            need::proc) {
  for (const Range& range : kAligned) {
    const Mapping shared = MapSharedAnonymous(FourPages());
    ExpectLocks(shared.at(), range);
    const Mapping own = MapPrivateAnonymous(FourPages());
    ExpectLocks(own.at(), range);
    const Segment segment(FourPages() - 1);
    ExpectLocks(segment.Attach(), range);
  }
}

CONFORMANCE(Mlock, LockingKeepsContentAndPrivateCopies, Clause::mlock_resident, on::files) {
  TempFile file(FourPages());
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), FourPages());
  const Mapping copy = MapPrivate(file.fd(), FourPages());
  ASSERT_THAT(Fill(copy.at(), 0xee, page()), Works());
  for (const Mapping* map : {&shared, &copy}) {
    ASSERT_THAT(Returned(mlock(map->at(), FourPages())), Succeeds());
    ExpectResident(map->at(), FourPages());
    ASSERT_THAT(Returned(munlock(map->at(), FourPages())), Succeeds());
  }
  EXPECT_THAT(Memory(shared.at(), FourPages()), HoldsPattern(0, FourPages()));
  EXPECT_THAT(Memory(copy.at(), page()), AllBytesAre(0xee));
  EXPECT_THAT(Memory(copy.at(page()), 3 * page()), HoldsPattern(page(), 3 * page()));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, FourPages()));
}

CONFORMANCE(Mlock, LockedPagesStayWhenTheCacheIsDropped, Clause::mlock_stays, need::ext4) {
  TempFile file(FourPages(), Place::ext4);
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const Mapping map = MapShared(file.fd(), FourPages());
  ASSERT_THAT(Returned(mlock(map.at(page()), 2 * page())), Succeeds());
  ASSERT_THAT(Answered(posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED)), Succeeds());
  ExpectResident(map.at(page()), 2 * page());
  EXPECT_THAT(Memory(map.at(), FourPages()), HoldsPattern(0, FourPages()));
}

CONFORMANCE(Mlock, UnalignedAddressesAreRoundedDown, Clause::mlock_unaligned, Clause::mlock_resident,
            need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  const Outcome outcome = Returned(mlock(map.at(100), 1));
  EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EINVAL)));
  EXPECT_EQ(LockedPages(), outcome.ok() ? 1U : 0U);
  ASSERT_THAT(Returned(munlock(map.at(), FourPages())), Succeeds());
  if (!outcome.ok()) return;
  for (const Range& range : kUnaligned) ExpectLocks(map.at(), range);
  ASSERT_THAT(Returned(mlock(map.at(), FourPages())), Succeeds());
  EXPECT_THAT(Returned(munlock(map.at(2 * page() - 1), 2)), Succeeds());
  EXPECT_EQ(LockedPages(), 2U) << "munlock of two bytes across an edge releases two pages";
}

CONFORMANCE(Mlock, LengthZeroLocksNothing, Clause::mlock_accounting, need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  EXPECT_THAT(Returned(mlock(map.at(), 0)), Succeeds());
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, LockingAgainCountsOnceAndOneUnlockUndoesAll, Clause::mlock_accounting,
            Clause::mlock_no_stacking, need::proc, on::files) {
  const TempFile file(FourPages());
  const Mapping map = MapShared(file.fd(), FourPages());
  ASSERT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds());
  EXPECT_EQ(LockedPages(), 2U);
  ASSERT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds());
  EXPECT_EQ(LockedPages(), 2U);
  ASSERT_THAT(Returned(mlock(map.at(page()), 2 * page())), Succeeds());
  EXPECT_EQ(LockedPages(), 3U) << "overlapping lock";
  ASSERT_THAT(Returned(munlock(map.at(page()), page())), Succeeds());
  EXPECT_EQ(LockedPages(), 2U) << "hole in the lock";
  ASSERT_THAT(Returned(munlock(map.at(page()), page())), Succeeds());
  EXPECT_EQ(LockedPages(), 2U) << "unlocking what is not locked";
  ASSERT_THAT(Returned(mlock(map.at(), FourPages())), Succeeds());
  EXPECT_EQ(LockedPages(), 4U);
  ASSERT_THAT(Returned(munlock(map.at(), FourPages())), Succeeds());
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, UnmappingALockedRangeReleasesItsCount, Clause::mlock_accounting, Clause::mlock_stays,
            need::proc) {
  Mapping map = MapSharedAnonymous(FourPages());
  ASSERT_THAT(Returned(mlock(map.at(), FourPages())), Succeeds());
  ASSERT_THAT(Returned(munmap(map.at(page()), page())), Succeeds());
  EXPECT_EQ(LockedPages(), 3U);
  map.Unmap();
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, EveryMappingAndProcessHasItsOwnLocks, Clause::mlock_per_mapping, need::proc, on::files) {
  const TempFile file(FourPages());
  const Mapping one = MapShared(file.fd(), FourPages());
  const Mapping two = MapShared(file.fd(), FourPages());
  ASSERT_THAT(Returned(mlock(one.at(), FourPages())), Succeeds());
  ASSERT_THAT(Returned(mlock(two.at(), 2 * page())), Succeeds());
  EXPECT_EQ(LockedPages(), 6U);
  Child peer([&](Channel& test) {
    ASSERT_THAT(Returned(mlock(one.at(), page())), Succeeds());
    EXPECT_EQ(LockedPages(), 1U);
    test.Signal();
    test.Wait();
    EXPECT_EQ(LockedPages(), 1U) << "after the test unlocked its own";
    ASSERT_THAT(Returned(munlock(one.at(), FourPages())), Succeeds());
  });
  peer.Wait();
  EXPECT_EQ(LockedPages(), 6U) << "after another process locked";
  ASSERT_THAT(Returned(munlock(one.at(), FourPages())), Succeeds());
  EXPECT_EQ(LockedPages(), 2U) << "after the other mapping was unlocked";
  ExpectResident(two.at(), 2 * page());
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_EQ(LockedPages(), 2U) << "after another process unlocked";
}

CONFORMANCE(Mlock, HoleInTheRangeFailsAndLocksNothingOutsideIt, Clause::mlock_unmapped,
            Clause::mlock_failure_no_change, need::proc, on::files) {
  const TempFile file(6 * page());
  for (size_t hole = 1; hole < 5; ++hole) {
    SCOPED_TRACE("hole at page " + std::to_string(hole));
    const Mapping map = MapShared(file.fd(), 6 * page());
    ASSERT_THAT(Returned(munmap(map.at(hole * page()), page())), Succeeds());
    EXPECT_THAT(Returned(mlock(map.at(page()), 4 * page())), FailsWith(ENOMEM));
    // Ruling D16: nothing, what lies before the hole, or everything that is mapped.
    EXPECT_THAT(LockedPages(), AnyOf(0U, hole - 1, 3U));
    ASSERT_THAT(Returned(munlock(map.at(), hole * page())), Succeeds());
    ASSERT_THAT(Returned(munlock(map.at((hole + 1) * page()), (5 - hole) * page())), Succeeds());
    EXPECT_EQ(LockedPages(), 0U);
    EXPECT_THAT(Returned(mlock(map.at(hole * page()), 1)), FailsWith(ENOMEM));
    EXPECT_EQ(LockedPages(), 0U) << "hole alone";
    EXPECT_THAT(Returned(munlock(map.at(hole * page()), 1)), FailsWith(ENOMEM));
  }
}

CONFORMANCE(Mlock, FailureKeepsTheLocksThatWereThere, Clause::mlock_failure_no_change, need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  ASSERT_THAT(Returned(mlock(map.at(), page())), Succeeds());
  ASSERT_THAT(Returned(munmap(map.at(2 * page()), page())), Succeeds());
  EXPECT_THAT(Returned(mlock(map.at(), FourPages())), FailsWith(ENOMEM));
  EXPECT_THAT(LockedPages(), AnyOf(1U, 2U, 3U));
  ExpectResident(map.at(), page());
}

CONFORMANCE(Mlock, PagesWithoutAccessOrBeyondTheFileCannotBeLocked, Clause::mlock_inaccessible, on::files) {
  TempFile file(page() + 1);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FourPages());
  EXPECT_THAT(Returned(mlock(map.at(), FourPages())), FailsWith(ENOMEM));
  EXPECT_THAT(Returned(mlock(map.at(2 * page()), 1)), FailsWith(ENOMEM));
  ASSERT_THAT(Returned(munlock(map.at(), FourPages())), Succeeds());
  EXPECT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds()) << "up to the last page of the file";
  const Mapping none = Map(file.fd(), page(), PROT_NONE, MAP_SHARED);
  EXPECT_THAT(Returned(mlock(none.at(), page())), AnyOf(Succeeds(), FailsWith(ENOMEM)));
  EXPECT_THAT(Load(none.at()), FaultsWith(SIGSEGV, SEGV_ACCERR, none.at()));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 1));
}

// Lengths that still wrap when they are rounded up to pages (ruling D17).
std::vector<size_t> WrappingLengths() {
  const size_t top = ~size_t{0} - page() + 1;
  return {top, top - page()};
}

// Without privilege such a length also breaks the limit, and either error may be reported.
CONFORMANCE(Mlock, LockingARangeThatWrapsIsInvalidAndChangesNoLock, Clause::mlock_wrap, need::machine_root,
            need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  ASSERT_THAT(Returned(mlock(map.at(page()), page())), Succeeds());
  for (const size_t len : WrappingLengths()) {
    for (const size_t at : {page(), 3 * page()}) {
      EXPECT_THAT(Returned(mlock(map.at(at), len)), FailsWith(EINVAL)) << len;
      EXPECT_THAT(Returned(Mlock2(map.at(at), len, kOnFault)), FailsWith(EINVAL)) << len;
    }
  }
  EXPECT_EQ(LockedPages(), 1U);
}

CONFORMANCE(Mlock, UnlockingARangeThatWrapsIsInvalidAndChangesNoLock, Clause::mlock_wrap, need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  ASSERT_THAT(Returned(mlock(map.at(), FourPages())), Succeeds());
  for (const size_t len : WrappingLengths()) {
    EXPECT_THAT(Returned(munlock(map.at(page()), len)), FailsWith(EINVAL)) << len;
  }
  EXPECT_EQ(LockedPages(), 4U);
}

void ExpectLimitHolds() {
  const Mapping map = MapSharedAnonymous(FourPages());
  {
    const RlimitGuard limit(RLIMIT_MEMLOCK, 2 * page());
    EXPECT_THAT(Returned(mlock(map.at(), 3 * page())), FailsWith(ENOMEM));
    EXPECT_EQ(LockedPages(), 0U);
    EXPECT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds()) << "exactly the limit";
    EXPECT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds()) << "the same pages again";
    EXPECT_THAT(Returned(mlock(map.at(2 * page()), 1)), FailsWith(ENOMEM)) << "one byte more";
    EXPECT_THAT(Returned(mlock(map.at(2 * page() - 1), 2)), FailsWith(ENOMEM)) << "across the edge";
    EXPECT_THAT(Returned(Mlock2(map.at(2 * page()), page(), kOnFault)), FailsWith(ENOMEM));
    EXPECT_EQ(LockedPages(), 2U);
    EXPECT_THAT(Returned(munlock(map.at(), page())), Succeeds());
    EXPECT_THAT(Returned(mlock(map.at(2 * page()), page())), Succeeds()) << "room was made";
    EXPECT_EQ(LockedPages(), 2U);
  }
  const RlimitGuard none(RLIMIT_MEMLOCK, 0);
  EXPECT_THAT(Returned(mlock(map.at(3 * page()), 1)), FailsWith(EPERM));
  EXPECT_THAT(Returned(mlockall(MCL_FUTURE)), FailsWith(EPERM));
  EXPECT_EQ(LockedPages(), 2U) << "a lower limit takes no lock away";
  EXPECT_THAT(Returned(munlock(map.at(), FourPages())), Succeeds());
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, LimitHoldsForTheUnprivileged, Clause::mlock_limit, need::second_uid, need::proc) {
  Child user([&](Channel&) {
    BecomeUnprivileged();
    ExpectLimitHolds();
  });
  EXPECT_THAT(user.Join(), ExitsWith(0));
}

CONFORMANCE(Mlock, LimitDoesNotHoldForRoot, Clause::mlock_limit, need::machine_root, need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  for (const unsigned long bytes : {page(), size_t{0}}) {
    const RlimitGuard limit(RLIMIT_MEMLOCK, bytes);
    EXPECT_THAT(Returned(mlock(map.at(), FourPages())), Succeeds());
    EXPECT_EQ(LockedPages(), 4U);
  }
}

void ExpectLockOnFault(uint8_t* map) {
  ASSERT_THAT(Store(map + page(), 1), Works());
  ASSERT_THAT(Returned(Mlock2(map, 3 * page(), kOnFault)), Succeeds());
  EXPECT_THAT(ResidentPages(map, FourPages()).pages, testing::ElementsAre(false, true, false, false));
  EXPECT_EQ(LockedPages(), 3U);
  ASSERT_THAT(Store(map + 2 * page(), 2), Works());
  EXPECT_THAT(ResidentPages(map, FourPages()).pages, testing::ElementsAre(false, true, true, false));
  EXPECT_EQ(LockedPages(), 3U);
  EXPECT_THAT(Returned(madvise(map + 2 * page(), page(), MADV_DONTNEED)), FailsWith(EINVAL))
      << "it is locked";
  ASSERT_THAT(Returned(Mlock2(map, 3 * page(), 0)), Succeeds());
  EXPECT_THAT(ResidentPages(map, FourPages()).pages, testing::ElementsAre(true, true, true, false));
  EXPECT_EQ(LockedPages(), 3U);
  ASSERT_THAT(Returned(munlock(map, FourPages())), Succeeds());
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, OnFaultLocksWhatIsAndWillBeThereButFaultsNothingIn, Clause::mlock2_onfault, need::proc) {
  const Mapping own = MapPrivateAnonymous(FourPages());
  ExpectLockOnFault(own.at());
  const Mapping shared = MapSharedAnonymous(FourPages());
  ExpectLockOnFault(shared.at());
  const Segment segment(FourPages());
  ExpectLockOnFault(segment.Attach());
}

CONFORMANCE(Mlock, UnknownFlagsOfMlock2AreInvalid, Clause::mlock2_bad_flag, need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  for (const unsigned flags : {2U, 3U, 4U, 0x80000000U, ~0U}) {
    EXPECT_THAT(Returned(Mlock2(map.at(), FourPages(), flags)), FailsWith(EINVAL)) << flags;
  }
  EXPECT_EQ(LockedPages(), 0U);
}

CONFORMANCE(Mlock, MlockallWithoutAScopeOrWithUnknownFlagsIsInvalid, Clause::mlockall_flags, need::proc) {
  Child child([&](Channel&) {
    const size_t before = LockedPages();
    for (const int flags : {0, kMclOnFault, 8, MCL_CURRENT | 8, MCL_FUTURE | 64, -1}) {
      EXPECT_THAT(Returned(mlockall(flags)), FailsWith(EINVAL)) << flags;
    }
    const Mapping later = MapSharedAnonymous(page());
    EXPECT_EQ(LockedPages(), before);
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Mlock, MlockallFutureLocksNewMappingsAtCreation, Clause::mlockall_future, need::root, need::proc,
            on::files) {
  const TempFile file(FourPages());
  const Segment segment(FourPages());
  const Mapping old = MapSharedAnonymous(FourPages());
  Child child([&](Channel&) {
    ASSERT_THAT(Returned(mlockall(MCL_FUTURE)), Succeeds());
    size_t locked = LockedPages();
    EXPECT_THAT(ResidentPages(old.at(), FourPages()).pages, Each(false)) << "older mapping";
    const auto expect_locked = [&](const uint8_t* map) {
      locked += 4;
      EXPECT_EQ(LockedPages(), locked);
      ExpectResident(map, FourPages());
    };
    const Mapping shared = MapShared(file.fd(), FourPages());
    expect_locked(shared.at());
    const Mapping copy = MapPrivate(file.fd(), FourPages());
    expect_locked(copy.at());
    const Mapping anonymous = MapSharedAnonymous(FourPages());
    expect_locked(anonymous.at());
    expect_locked(segment.Attach());
    ASSERT_THAT(Returned(munlockall()), Succeeds());
    EXPECT_EQ(LockedPages(), 0U);
    const Mapping later = MapSharedAnonymous(FourPages());
    EXPECT_EQ(LockedPages(), 0U) << "munlockall ends MCL_FUTURE";
    EXPECT_THAT(Memory(shared.at(), FourPages()), AllBytesAre(0));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Mlock, MlockallCurrentLocksWhatIsMappedAndNothingLater, Clause::mlockall_future, need::root,
            need::proc) {
  const Mapping map = MapSharedAnonymous(FourPages());
  Child child([&](Channel&) {
    ASSERT_THAT(Returned(mlockall(MCL_CURRENT)), Succeeds());
    ExpectResident(map.at(), FourPages());
    const size_t locked = LockedPages();
    EXPECT_GE(locked, 4U);
    const Mapping later = MapSharedAnonymous(FourPages());
    EXPECT_EQ(LockedPages(), locked);
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Mlock, MlockallFutureOnFaultFaultsNothingIn, Clause::mlockall_future, Clause::mlock2_onfault,
            need::root, need::proc) {
  Child child([&](Channel&) {
    ASSERT_THAT(Returned(mlockall(MCL_FUTURE | kMclOnFault)), Succeeds());
    const size_t locked = LockedPages();
    const Mapping map = MapSharedAnonymous(FourPages());
    EXPECT_EQ(LockedPages(), locked + 4);
    ASSERT_THAT(Store(map.at(page()), 1), Works());
    EXPECT_THAT(ResidentPages(map.at(), FourPages()).pages, testing::ElementsAre(false, true, false, false));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
