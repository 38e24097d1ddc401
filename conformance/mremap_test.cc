// mremap: growing, shrinking and moving mappings.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr int kFixed = MREMAP_MAYMOVE | MREMAP_FIXED;

// mremap of a mapping that must work; the mapping then is the new one.
void Remap(Mapping& map, size_t new_size, int flags, void* new_address = nullptr) {
  const size_t old_size = map.size();
  void* const moved = RawMremap(map.at(), old_size, new_size, flags, new_address);
  if (moved == MAP_FAILED) Abandon(Where::Here(), "mremap fails with " + ErrnoName(errno));
  map.release();
  map = Mapping(moved, new_size);
}

void ExpectUnmapped(const uint8_t* start, size_t size) {
  for (size_t at = 0; at < size; at += page()) {
    EXPECT_THAT(Load(start + at), FaultsWith(SIGSEGV, SEGV_MAPERR, start + at));
  }
}

CONFORMANCE(Mremap, GrownFileMappingShowsTheFollowingBytes, Clause::mremap_grow, on::files) {
  TempFile file(3 * page() + 10);
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    Mapping map = Map(file.fd(), page(), kReadWrite, type);
    ASSERT_THAT(Load(map.at()), Works());
    Remap(map, 2 * page(), MREMAP_MAYMOVE);
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    Remap(map, 6 * page(), MREMAP_MAYMOVE);
    EXPECT_THAT(Memory(map.at(), 3 * page() + 10), HoldsPattern(0, 3 * page() + 10));
    EXPECT_THAT(Load(map.at(4 * page() - 1)), Reads(0));
    EXPECT_THAT(Load(map.at(4 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(4 * page())));
    EXPECT_THAT(Store(map.at(5 * page()), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(5 * page())));
  }
  EXPECT_EQ(file.size(), 3 * page() + 10);
}

CONFORMANCE(Mremap, GrowingInPlaceKeepsTheAddress, Clause::mremap_grow, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Hole hole(3 * page());
  const Mapping map = Map(file.fd(), page(), kReadWrite, MAP_SHARED | MAP_FIXED, 0, hole.at());
  EXPECT_THAT(Returned(RawMremap(map.at(), page(), 3 * page(), 0)), ReturnsAddress(map.at()));
  EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Mremap, GrownMappingAtAnOffsetContinuesThere, Clause::mremap_grow, on::files) {
  TempFile file(5 * page());
  file.FillPattern();
  Mapping map = Map(file.fd(), page(), PROT_READ, MAP_SHARED, static_cast<off_t>(2 * page()));
  Remap(map, 3 * page(), MREMAP_MAYMOVE);
  EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(2 * page(), 3 * page()));
  EXPECT_THAT(Store(map.at(2 * page()), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(2 * page())));
}

CONFORMANCE(Mremap, GrownPrivateAnonymousMemoryIsZeroAtTheEnd, Clause::mremap_grow,
            Clause::mremap_content_kept) {
  Mapping map = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  Remap(map, 5 * page(), MREMAP_MAYMOVE);
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(map.at(2 * page()), 3 * page()), AllBytesAre(0));
  EXPECT_THAT(Fill(map.at(), 0x2a, 5 * page()), Works());
}

CONFORMANCE(Mremap, MovedMappingIsStillShared, Clause::mremap_content_kept, on::files) {
  TempFile file(3 * page());
  const Mapping reserved = Reserve(3 * page());
  const Mapping peer = MapShared(file.fd(), 3 * page());
  Mapping map = MapShared(file.fd(), 3 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
  Child child([&](Channel& test) {
    test.Wait();  // the test has moved its mapping; ours is where it was
    EXPECT_THAT(Load(map.at(5)), Reads(0x2b));
    EXPECT_THAT(Store(map.at(page()), 0x2c), Works());
  });
  Remap(map, 3 * page(), kFixed, reserved.at());
  EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  EXPECT_THAT(Store(map.at(5), 0x2b), Works());
  EXPECT_THAT(Load(peer.at(5)), Reads(0x2b));
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(page())), Reads(0x2c));
  EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(page()), 1), AllBytesAre(0x2c));
}

CONFORMANCE(Mremap, MovedPrivateMappingKeepsItsStores, Clause::mremap_content_kept, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping reserved = Reserve(3 * page());
  Mapping map = MapPrivate(file.fd(), 3 * page());
  ASSERT_THAT(Store(map.at(page()), 0x2d), Works());
  Remap(map, 3 * page(), kFixed, reserved.at());
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Load(map.at(page())), Reads(0x2d));
  EXPECT_THAT(Store(map.at(2 * page()), 0x2e), Works());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page())) << "the mapping is still private";
}

CONFORMANCE(Mremap, ProtectionAndTypeAreKept, Clause::mremap_content_kept, need::proc, on::files) {
  TempFile file(4 * page());
  for (const int prot : {PROT_NONE, PROT_READ, kReadWrite, PROT_READ | PROT_EXEC}) {
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
      const Mapping reserved = Reserve(4 * page());
      Mapping map = Map(file.fd(), 2 * page(), prot, type);
      const std::string perms = PermsByPage(map.at(), page())[0];
      Remap(map, 4 * page(), kFixed, reserved.at());
      EXPECT_EQ(PermsByPage(map.at(), 4 * page()), std::vector<std::string>(4, perms));
      Remap(map, page(), MREMAP_MAYMOVE);
      EXPECT_EQ(PermsByPage(map.at(), page()), std::vector<std::string>(1, perms));
    }
  }
}

CONFORMANCE(Mremap, OldRangeIsGoneAfterAMove, Clause::mremap_old_range_gone, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    for (const size_t new_pages : {1, 2, 3}) {
      SCOPED_TRACE("from 2 pages to " + std::to_string(new_pages));
      const Mapping reserved = Reserve(3 * page());
      const Hole hole(2 * page());
      Mapping map = Map(file.fd(), 2 * page(), kReadWrite, type | MAP_FIXED, 0, hole.at());
      ASSERT_THAT(Store(map.at(), PatternByte(0)), Works());
      Remap(map, new_pages * page(), kFixed, reserved.at());
      ExpectUnmapped(hole.at(), 2 * page());
      EXPECT_THAT(Memory(map.at(), new_pages * page()), HoldsPattern(0, new_pages * page()));
    }
  }
}

CONFORMANCE(Mremap, ShrinkingUnmapsTheTail, Clause::mremap_shrink, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    for (const int flags : {0, MREMAP_MAYMOVE}) {
      const Hole hole(4 * page());
      const Mapping map = Map(file.fd(), 4 * page(), kReadWrite, type | MAP_FIXED, 0, hole.at());
      EXPECT_THAT(Returned(RawMremap(map.at(), 4 * page(), 2 * page(), flags)), ReturnsAddress(map.at()));
      EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
      ExpectUnmapped(map.at(2 * page()), 2 * page());
      EXPECT_THAT(Returned(RawMremap(map.at(), 2 * page(), 1, flags)), ReturnsAddress(map.at()));
      EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
      ExpectUnmapped(map.at(page()), page());
    }
  }
  EXPECT_EQ(file.size(), 4 * page());
}

CONFORMANCE(Mremap, GrowingWithoutRoomFailsAndKeepsTheMapping, Clause::mremap_no_move_no_room, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping reserved = Reserve(3 * page());
  const Mapping map = Map(file.fd(), page(), kReadWrite, MAP_SHARED | MAP_FIXED, 0, reserved.at());
  for (const size_t new_pages : {2, 3}) {
    EXPECT_THAT(Returned(RawMremap(map.at(), page(), new_pages * page(), 0)), FailsWith(ENOMEM));
  }
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Store(map.at(), 1), Works());
  EXPECT_THAT(Contents(file.fd(), 0, 1), AllBytesAre(1));
  EXPECT_THAT(Load(reserved.at(page())), FaultsWith(SIGSEGV, SEGV_ACCERR, reserved.at(page())));
}

CONFORMANCE(Mremap, FixedReplacesWhatWasThere, Clause::mremap_fixed, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  TempFile victim(4 * page());
  victim.FillPattern(1);
  const Mapping target = MapShared(victim.fd(), 4 * page());
  const Mapping map = MapShared(file.fd(), 2 * page());
  EXPECT_THAT(Returned(RawMremap(map.at(), 2 * page(), 2 * page(), kFixed, target.at(page()))),
              ReturnsAddress(target.at(page())));
  EXPECT_THAT(Memory(target.at(), page()), HoldsPattern(0, page(), 1));
  EXPECT_THAT(Memory(target.at(page()), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(target.at(3 * page()), page()), HoldsPattern(3 * page(), page(), 1));
  EXPECT_THAT(Store(target.at(page()), 1), Works());
  EXPECT_THAT(Contents(file.fd(), 0, 1), AllBytesAre(1));
  EXPECT_THAT(WholeFile(victim.fd()), HoldsPattern(0, 4 * page(), 1));
}

// Requests that must fail with one errno; a mapping of four pages and an area of four pages are there.
struct BadRequest {
  const char* what;
  Outcome (*call)(const Mapping& map, const Mapping& area);
};
constexpr BadRequest kFixedErrors[] = {
    {"MREMAP_FIXED without MREMAP_MAYMOVE",
     [](const Mapping& map, const Mapping& area) {
       return Returned(RawMremap(map.at(), 4 * page(), 4 * page(), MREMAP_FIXED, area.at()));
     }},
    {"unaligned new address",
     [](const Mapping& map, const Mapping& area) {
       return Returned(RawMremap(map.at(), 2 * page(), 2 * page(), kFixed, area.at(1)));
     }},
    {"new range is the old one",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(), 4 * page(), 4 * page(), kFixed, map.at()));
     }},
    {"new range overlaps the end of the old one",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(), 2 * page(), 2 * page(), kFixed, map.at(page())));
     }},
    {"new range overlaps the start of the old one",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(page()), 2 * page(), 2 * page(), kFixed, map.at()));
     }},
};
constexpr BadRequest kInvalid[] = {
    {"unknown flag",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(), 4 * page(), 4 * page(), 0x100));
     }},
    {"unknown flag with MREMAP_MAYMOVE",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(), 4 * page(), 8 * page(), MREMAP_MAYMOVE | 0x40));
     }},
    {"unaligned old address",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(1), page(), 2 * page(), MREMAP_MAYMOVE));
     }},
    {"unaligned old address, shrinking",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(8), 2 * page(), page(), 0));
     }},
    {"new size 0",
     [](const Mapping& map, const Mapping&) { return Returned(RawMremap(map.at(), 4 * page(), 0, 0)); }},
    {"new size 0 with MREMAP_MAYMOVE",
     [](const Mapping& map, const Mapping&) {
       return Returned(RawMremap(map.at(), 4 * page(), 0, MREMAP_MAYMOVE));
     }},
};

template <size_t Count>
void ExpectInvalid(const BadRequest (&requests)[Count]) {
  TempFile file(8 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), 4 * page(), kReadWrite, type);
    const Mapping area = MapPrivateAnonymous(4 * page());
    ASSERT_THAT(Fill(area.at(), 0x2f, 4 * page()), Works());
    for (const BadRequest& request : requests) {
      SCOPED_TRACE(request.what);
      EXPECT_THAT(request.call(map, area), FailsWith(EINVAL));
      EXPECT_THAT(Memory(map.at(), 4 * page()), HoldsPattern(0, 4 * page()));
      EXPECT_THAT(Memory(area.at(), 4 * page()), AllBytesAre(0x2f));
    }
  }
}

CONFORMANCE(Mremap, ImpossibleFixedRequestsFailAndChangeNothing, Clause::mremap_fixed_errors, on::files) {
  ExpectInvalid(kFixedErrors);
}

CONFORMANCE(Mremap, InvalidRequestsFailAndChangeNothing, Clause::mremap_einval, on::files) {
  ExpectInvalid(kInvalid);
}

CONFORMANCE(Mremap, UnmappedOldRangeFails, Clause::mremap_unmapped) {
  const Mapping reserved = Reserve(2 * page());
  const Hole hole(2 * page());
  EXPECT_THAT(Returned(RawMremap(hole.at(), page(), 2 * page(), MREMAP_MAYMOVE)), FailsWith(EFAULT));
  EXPECT_THAT(Returned(RawMremap(hole.at(), page(), page(), kFixed, reserved.at())), FailsWith(EFAULT));
  EXPECT_THAT(Returned(RawMremap(hole.at(), page(), 2 * page(), 0)), FailsWith(EFAULT));
}

CONFORMANCE(Mremap, ResizingOverSeveralMappingsFails, Clause::mremap_several_mappings, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  ASSERT_THAT(Returned(mprotect(map.at(page()), page(), PROT_READ)), Succeeds());
  EXPECT_THAT(Returned(RawMremap(map.at(), 2 * page(), 4 * page(), MREMAP_MAYMOVE)), FailsWith(EFAULT));
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(map.at(), 1), Works());
  EXPECT_THAT(Store(map.at(page()), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(page())));
}

void ExpectLocked(long before, size_t pages) {
  EXPECT_EQ(NumberIn("/proc/self/status", "VmLck"), before + static_cast<long>(pages * page() / 1024));
}

CONFORMANCE(Mremap, LockPersistsOverResizeAndMove, Clause::mremap_lock_kept, need::root, need::proc,
            on::files) {
  const TempFile file(8 * page());
  const long before = NumberIn("/proc/self/status", "VmLck");
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping reserved = Reserve(8 * page());
    Mapping map = Map(file.fd(), 2 * page(), kReadWrite, type);
    ASSERT_THAT(Returned(mlock(map.at(), 2 * page())), Succeeds());
    ExpectLocked(before, 2);
    Remap(map, 4 * page(), MREMAP_MAYMOVE);
    ExpectLocked(before, 4);
    Remap(map, 8 * page(), kFixed, reserved.at());
    ExpectLocked(before, 8);
    Remap(map, page(), 0);
    ExpectLocked(before, 1);
  }
  EXPECT_EQ(NumberIn("/proc/self/status", "VmLck"), before);
}

// From one page to `pages`, where it is and at another place.
void ExpectGrowthIsLocked(Mapping map, size_t pages) {
  const long before = NumberIn("/proc/self/status", "VmLck");
  const Mapping reserved = Reserve(2 * pages * page());
  ASSERT_THAT(Returned(mlock(map.at(), page())), Succeeds());
  ExpectLocked(before, 1);
  for (const size_t grown : {pages / 2, pages}) {
    Remap(map, grown * page(), grown == pages ? kFixed : MREMAP_MAYMOVE, reserved.at());
    ExpectLocked(before, grown);
    const Residency residency = ResidentPages(map.at(), grown * page());
    EXPECT_EQ(residency.problem, "");
    EXPECT_THAT(residency.pages, testing::Each(true)) << "a locked mapping grew to " << grown << " pages";
  }
}

CONFORMANCE(Mremap, WhatALockedFileMappingGrowsByIsResident, Clause::mremap_lock_kept, need::root, need::proc,
            on::files) {
  for (const int type : kTypes) {
    const TempFile file(8 * page());
    ExpectGrowthIsLocked(Map(file.fd(), page(), kReadWrite, type), 8);
  }
}

CONFORMANCE(Mremap, WhatLockedMemoryGrowsByIsResident, Clause::mremap_lock_kept, need::root, need::proc) {
  ExpectGrowthIsLocked(MapPrivateAnonymous(page()), 8);
}

CONFORMANCE(Mremap, GrowingALockedMappingBeyondTheLimitFails, Clause::mremap_locked_limit, need::second_uid) {
  Child child([](Channel&) {
    const rlimit four_pages{4 * page(), 4 * page()};
    ASSERT_THAT(Returned(setrlimit(RLIMIT_MEMLOCK, &four_pages)), Succeeds());
    BecomeUnprivileged();
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
      Mapping map = Map(-1, 3 * page(), kReadWrite, type | MAP_ANONYMOUS);
      ASSERT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
      ASSERT_THAT(Returned(mlock(map.at(), 3 * page())), Succeeds());
      EXPECT_THAT(Returned(RawMremap(map.at(), 3 * page(), 5 * page(), MREMAP_MAYMOVE)), FailsWith(EAGAIN));
      EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
    }
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
