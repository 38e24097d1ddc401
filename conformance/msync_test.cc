// msync: its arguments, its failures, and that it never changes what anybody sees in memory.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr int kUnknownFlag = 0x40;

struct Flags {
  const char* name;
  int flags;
};
constexpr Flags kAllowed[] = {
    {"MS_SYNC", MS_SYNC},
    {"MS_ASYNC", MS_ASYNC},
    {"MS_SYNC+MS_INVALIDATE", MS_SYNC | MS_INVALIDATE},
    {"MS_ASYNC+MS_INVALIDATE", MS_ASYNC | MS_INVALIDATE},
};

// msync of every range that a mapping of three pages has: page by page, all of it, odd lengths, across the
// last page.
void ExpectEveryRangeSyncs(uint8_t* map) {
  for (const Flags& flags : kAllowed) {
    SCOPED_TRACE(flags.name);
    for (size_t first = 0; first < 3; ++first) {
      for (const size_t len : {size_t{1}, page() - 1, page(), page() + 1, 3 * page()}) {
        if (first * page() + len > 3 * page()) continue;
        EXPECT_THAT(Returned(msync(map + first * page(), len, flags.flags)), Succeeds())
            << "page " << first << " length " << len;
      }
    }
  }
}

// A peer that has the memory mapped and touched stays in the way of a wrong invalidation.
void ExpectSyncKeepsContent(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, 3 * page(), 3), Works());
  Child peer([&](Channel& test) {
    EXPECT_THAT(Memory(map, 3 * page()), HoldsPattern(0, 3 * page(), 3));
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(map, 3 * page()), HoldsPattern(0, 3 * page(), 3));
    EXPECT_THAT(Store(map + page(), 0x77), Works());
  });
  peer.Wait();
  ExpectEveryRangeSyncs(map);
  EXPECT_THAT(Memory(map, 3 * page()), HoldsPattern(0, 3 * page(), 3));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map + page()), Reads(0x77));
}

CONFORMANCE(Msync, SharedAnonymousMemorySyncsWithoutEffect, Clause::msync_anonymous) {
  const Mapping map = MapSharedAnonymous(3 * page());
  ExpectSyncKeepsContent(map.at());
}

CONFORMANCE(Msync, PrivateAnonymousMemorySyncsWithoutEffect, Clause::msync_private) {
  const Mapping map = MapPrivateAnonymous(3 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
  ExpectEveryRangeSyncs(map.at());
  EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Msync, SegmentSyncsWithoutEffect, Clause::msync_anonymous) {
  const Segment segment(3 * page() - 5);
  uint8_t* const attached = segment.Attach();
  ExpectSyncKeepsContent(attached);
  EXPECT_EQ(segment.Stat().shm_segsz, 3 * page() - 5);
  EXPECT_EQ(segment.Stat().shm_nattch, 1U);
  uint8_t* const second = segment.Attach(SHM_RDONLY);
  ExpectEveryRangeSyncs(second);
  EXPECT_THAT(Load(second), Reads(PatternByte(0, 3)));
}

CONFORMANCE(Msync, SyncOfAFileKeepsContentAndSize, Clause::msync_anonymous, Clause::msync_async_returns,
            Clause::writeback_never_beyond_size, on::files) {
  const size_t size = 2 * page() + 100;
  const TempFile file(size);
  const Mapping map = MapShared(file.fd(), size);
  const Mapping other = MapShared(file.fd(), size);
  ASSERT_THAT(FillPattern(map.at(), 0, size), Works());
  EXPECT_THAT(Memory(other.at(), size), HoldsPattern(0, size));
  ExpectEveryRangeSyncs(map.at());
  ExpectEveryRangeSyncs(other.at());
  for (const Mapping* view : {&map, &other}) EXPECT_THAT(Memory(view->at(), size), HoldsPattern(0, size));
  EXPECT_EQ(file.size(), size);
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, size));
}

CONFORMANCE(Msync, SyncNeverMakesAFileLonger, Clause::writeback_never_beyond_size, on::files) {
  for (const size_t size : {size_t{0}, size_t{1}, page() - 1, page(), page() + 1}) {
    SCOPED_TRACE("F " + std::to_string(size));
    const TempFile file(size);
    const Mapping map = MapShared(file.fd(), 4 * page());
    const size_t accessible = (size + page() - 1) / page() * page();
    ASSERT_THAT(Fill(map.at(), 0x6b, accessible), Works());
    for (const Flags& flags : kAllowed) {
      EXPECT_THAT(Returned(msync(map.at(), 4 * page(), flags.flags)), Succeeds()) << flags.name;
      EXPECT_EQ(file.size(), size) << flags.name;
    }
    EXPECT_THAT(Returned(fsync(file.fd())), Succeeds());
    EXPECT_THAT(Returned(fdatasync(file.fd())), Succeeds());
    EXPECT_THAT(Returned(syncfs(file.fd())), Succeeds());
    EXPECT_EQ(file.size(), size);
    EXPECT_THAT(WholeFile(file.fd()), BytesAre(std::vector<uint8_t>(size, 0x6b)));
    EXPECT_THAT(Load(map.at(accessible)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(accessible)));
  }
}

CONFORMANCE(Msync, NeitherSyncNorAsyncIsAllowed, Clause::msync_no_flag, on::files) {
  TempFile file(2 * page() + 1);
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), 3 * page());
  const Mapping copy = MapPrivate(file.fd(), 3 * page());
  ASSERT_THAT(Store(copy.at(5), 0xee), Works());
  for (const int flags : {0, MS_INVALIDATE}) {
    for (const Mapping* map : {&shared, &copy}) {
      EXPECT_THAT(Returned(msync(map->at(), 3 * page(), flags)), AnyOf(Succeeds(), FailsWith(EINVAL)));
    }
  }
  EXPECT_THAT(Memory(shared.at(), file.size()), HoldsPattern(0, file.size()));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page() + 1));
}

// Arguments that can never be right, whatever is mapped.
struct BadCall {
  const char* name;
  size_t shift;  // of the address
  int flags;
};
constexpr BadCall kBothFlags[] = {
    {"MS_SYNC+MS_ASYNC", 0, MS_SYNC | MS_ASYNC},
    {"MS_SYNC+MS_ASYNC+MS_INVALIDATE", 0, MS_SYNC | MS_ASYNC | MS_INVALIDATE},
};
constexpr BadCall kBadFlags[] = {
    {"unknown flag alone", 0, kUnknownFlag},
    {"MS_SYNC and an unknown flag", 0, MS_SYNC | kUnknownFlag},
    {"MS_ASYNC and the bit above the known ones", 0, MS_ASYNC | 8},
    {"every bit", 0, -1},
    {"the sign bit", 0, MS_SYNC | static_cast<int>(0x80000000U)},
};
constexpr BadCall kUnaligned[] = {
    {"one byte behind", 1, MS_SYNC},
    {"eight bytes behind", 8, MS_ASYNC},
    {"MS_INVALIDATE", 1, MS_SYNC | MS_INVALIDATE},
    {"half a page", 2048, MS_SYNC},
};

// The calls fail for shared and private mappings alike, and change nothing.
template <size_t N>
void ExpectInvalid(const BadCall (&calls)[N]) {
  const size_t size = 2 * page() + 7;
  TempFile file(size);
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), size);
  const Mapping copy = MapPrivate(file.fd(), size);
  const Mapping anonymous = MapSharedAnonymous(size);
  ASSERT_THAT(Store(copy.at(3), 0xee), Works());
  for (const BadCall& call : calls) {
    for (const Mapping* map : {&shared, &copy, &anonymous}) {
      for (const size_t len : {size_t{1}, page(), size - call.shift, size_t{0}}) {
        EXPECT_THAT(Returned(msync(map->at(call.shift), len, call.flags)), FailsWith(EINVAL))
            << call.name << ", length " << len;
      }
    }
  }
  EXPECT_THAT(Memory(shared.at(), size), HoldsPattern(0, size));
  EXPECT_THAT(Load(copy.at(3)), Reads(0xee));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, size));
}

CONFORMANCE(Msync, SyncAndAsyncTogetherAreInvalid, Clause::msync_both_flags, on::files) {
  ExpectInvalid(kBothFlags);
}

CONFORMANCE(Msync, UnknownFlagsAreInvalid, Clause::msync_bad_flag, on::files) {
  ExpectInvalid(kBadFlags);
}

CONFORMANCE(Msync, UnalignedAddressIsInvalid, Clause::msync_unaligned, on::files) {
  ExpectInvalid(kUnaligned);
}

CONFORMANCE(Msync, LastByteOfAPageIsUnalignedToo, Clause::msync_unaligned, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Returned(msync(map.at(page() - 1), 1, MS_SYNC)), FailsWith(EINVAL));
  EXPECT_THAT(Returned(msync(map.at(page() / 2), page() / 2, MS_ASYNC)), FailsWith(EINVAL));
}

CONFORMANCE(Msync, HoleInTheRangeFailsWithEnomem, Clause::msync_unmapped, on::files) {
  TempFile file(5 * page());
  file.FillPattern();
  for (size_t hole = 0; hole < 5; ++hole) {
    SCOPED_TRACE("hole at page " + std::to_string(hole));
    const Mapping map = MapShared(file.fd(), 5 * page());
    ASSERT_THAT(Returned(munmap(map.at(hole * page()), page())), Succeeds());
    for (const int flags : {MS_SYNC, MS_ASYNC, MS_SYNC | MS_INVALIDATE}) {
      EXPECT_THAT(Returned(msync(map.at(), 5 * page(), flags)), FailsWith(ENOMEM));
      EXPECT_THAT(Returned(msync(map.at(hole * page()), 1, flags)), FailsWith(ENOMEM));
      if (hole == 0) continue;
      EXPECT_THAT(Returned(msync(map.at(), hole * page() + 1, flags)), FailsWith(ENOMEM));
      EXPECT_THAT(Returned(msync(map.at(), hole * page(), flags)), Succeeds()) << "up to the hole";
    }
    for (size_t at = 0; at < 5; ++at) {
      if (at == hole) {
        EXPECT_THAT(Load(map.at(at * page())), FaultsWith(SIGSEGV, SEGV_MAPERR, map.at(at * page())));
      } else {
        EXPECT_THAT(Memory(map.at(at * page()), page()), HoldsPattern(at * page(), page()));
      }
    }
  }
}

CONFORMANCE(Msync, RangeThatWrapsOrLeavesTheAddressSpaceFailsWithEnomem, Clause::msync_unmapped) {
  const Mapping map = MapSharedAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  const size_t top = ~size_t{0} - page() + 1;  // a multiple of a page
  for (const int flags : {MS_SYNC, MS_ASYNC}) {
    EXPECT_THAT(Returned(msync(map.at(page()), top, flags)), FailsWith(ENOMEM)) << "wraps";
    EXPECT_THAT(Returned(msync(map.at(), top / 2 / page() * page(), flags)), FailsWith(ENOMEM)) << "too long";
    EXPECT_THAT(Returned(msync(reinterpret_cast<void*>(top), page(), flags)), FailsWith(ENOMEM))
        << "last page";
  }
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Msync, RangeOverSeveralMappingsOfAnyProtectionSyncs, Clause::msync_unmapped, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping area = Reserve(6 * page());
  const int fixed = MAP_SHARED | MAP_FIXED;
  Map(file.fd(), page(), PROT_READ | PROT_WRITE, fixed, 0, area.at(page())).release();
  Map(file.fd(), page(), PROT_NONE, fixed, static_cast<off_t>(page()), area.at(2 * page())).release();
  Map(-1, page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0, area.at(4 * page()))
      .release();
  ASSERT_THAT(Store(area.at(4 * page()), 0x12), Works());
  ExpectEveryRangeSyncs(area.at());
  ExpectEveryRangeSyncs(area.at(3 * page()));
  EXPECT_THAT(Load(area.at(4 * page())), Reads(0x12));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Msync, LengthZeroSucceedsMappedOrNot, Clause::msync_len_zero, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  const Hole hole(page());
  for (const int flags : {MS_SYNC, MS_ASYNC}) {
    EXPECT_THAT(Returned(msync(map.at(), 0, flags)), Succeeds());
    EXPECT_THAT(Returned(msync(hole.at(), 0, flags)), Succeeds());
    EXPECT_THAT(Returned(msync(nullptr, 0, flags)), Succeeds());
  }
}

// MS_INVALIDATE over `map` of three pages, whose middle page is locked.
void ExpectInvalidateRefusesLockedPage(uint8_t* map) {
  ASSERT_THAT(FillPattern(map, 0, 3 * page()), Works());
  ASSERT_THAT(Returned(mlock(map + page(), page())), Succeeds());
  for (const int flags : {MS_INVALIDATE | MS_SYNC, MS_INVALIDATE | MS_ASYNC}) {
    EXPECT_THAT(Returned(msync(map, 3 * page(), flags)), FailsWith(EBUSY));
    EXPECT_THAT(Returned(msync(map + page(), 1, flags)), FailsWith(EBUSY));
    EXPECT_THAT(Returned(msync(map, page() + 1, flags)), FailsWith(EBUSY)) << "lock at the end";
    EXPECT_THAT(Returned(msync(map + page(), 2 * page(), flags)), FailsWith(EBUSY)) << "lock at the start";
    EXPECT_THAT(Returned(msync(map, page(), flags)), Succeeds()) << "page before the lock";
    EXPECT_THAT(Returned(msync(map + 2 * page(), page(), flags)), Succeeds()) << "page after the lock";
  }
  EXPECT_THAT(Returned(msync(map, 3 * page(), MS_SYNC)), Succeeds());
  EXPECT_THAT(Returned(msync(map, 3 * page(), MS_ASYNC)), Succeeds());
  EXPECT_THAT(Memory(map, 3 * page()), HoldsPattern(0, 3 * page()));
  ASSERT_THAT(Returned(munlock(map, 3 * page())), Succeeds());
  EXPECT_THAT(Returned(msync(map, 3 * page(), MS_INVALIDATE | MS_SYNC)), Succeeds());
  EXPECT_THAT(Memory(map, 3 * page()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Msync, InvalidatingALockedFileRangeIsBusy, Clause::msync_invalidate_locked, on::files) {
  const TempFile file(3 * page());
  const Mapping shared = MapShared(file.fd(), 3 * page());
  ExpectInvalidateRefusesLockedPage(shared.at());
  const Mapping copy = MapPrivate(file.fd(), 3 * page());
  ExpectInvalidateRefusesLockedPage(copy.at());
}

CONFORMANCE(Msync, InvalidatingLockedMemoryIsBusy, Clause::msync_invalidate_locked) {
  const Mapping anonymous = MapSharedAnonymous(3 * page());
  ExpectInvalidateRefusesLockedPage(anonymous.at());
  const Segment segment(3 * page());
  ExpectInvalidateRefusesLockedPage(segment.Attach());
}

CONFORMANCE(Msync, AfterInvalidateAllMappingsAgreeWithTheFile, Clause::msync_invalidate_coherent, on::files) {
  const size_t size = 2 * page() + 50;
  TempFile file(size);
  file.FillPattern(1);
  const Mapping map = MapShared(file.fd(), size);
  const Mapping other = MapShared(file.fd(), size);
  Child peer([&](Channel& test) {
    for (unsigned round = 2; round < 6; ++round) {
      EXPECT_THAT(Memory(map.at(), size), HoldsPattern(0, size, round - 1));
      test.Signal();
      test.Wait();
      EXPECT_THAT(Memory(map.at(), size), HoldsPattern(0, size, round));
    }
  });
  for (unsigned round = 2; round < 6; ++round) {
    peer.Wait();
    if (round % 2 == 0) {
      file.FillPattern(round);
    } else {
      ASSERT_THAT(FillPattern(other.at(), 0, size, round), Works());
    }
    EXPECT_THAT(Returned(msync(map.at(), size, MS_INVALIDATE | (round < 4 ? MS_SYNC : MS_ASYNC))),
                Succeeds());
    for (const Mapping* view : {&map, &other})
      EXPECT_THAT(Memory(view->at(), size), HoldsPattern(0, size, round));
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, size, round));
    peer.Signal();
  }
  EXPECT_THAT(peer.Join(), ExitsWith(0));
}

CONFORMANCE(Msync, PrivateStoresStayOutOfTheFile, Clause::msync_private, Clause::writeback_private_never,
            on::files) {
  const size_t size = 3 * page() - 9;
  TempFile file(size);
  file.FillPattern();
  const Mapping copy = MapPrivate(file.fd(), size);
  const Mapping shared = MapShared(file.fd(), size);
  ASSERT_THAT(Fill(copy.at(page() - 4), 0xee, page()), Works());
  ExpectEveryRangeSyncs(copy.at());
  const Fd reader = file.Reopen(O_RDONLY);
  for (const int fd : {file.fd(), reader.get()}) {
    EXPECT_THAT(Returned(fsync(fd)), Succeeds());
    EXPECT_THAT(WholeFile(fd), HoldsPattern(0, size));
  }
  EXPECT_THAT(Memory(shared.at(), size), HoldsPattern(0, size));
  EXPECT_THAT(Memory(copy.at(), page() - 4), HoldsPattern(0, page() - 4));
  EXPECT_THAT(Memory(copy.at(page() - 4), page()), AllBytesAre(0xee));
  EXPECT_THAT(Memory(copy.at(2 * page() - 4), size - 2 * page() + 4),
              HoldsPattern(2 * page() - 4, size - 2 * page() + 4));
}

CONFORMANCE(Msync, ReadOnlyMappingsOfEveryDescriptorSync, Clause::msync_readonly_descriptor,
            Clause::msync_readonly_protection, on::files) {
  const size_t size = 3 * page();
  const TempFile file(size);
  const Mapping writer = MapShared(file.fd(), size);
  ASSERT_THAT(FillPattern(writer.at(), 0, size), Works());
  const Fd reader = file.Reopen(O_RDONLY);
  for (const int fd : {file.fd(), reader.get()}) {
    const Mapping map = Map(fd, size, PROT_READ, MAP_SHARED);
    ExpectEveryRangeSyncs(map.at());
    EXPECT_THAT(Memory(map.at(), size), HoldsPattern(0, size));
  }
  EXPECT_THAT(Memory(writer.at(), size), HoldsPattern(0, size));
}

CONFORMANCE(Msync, RangeBeyondTheEndOfTheFileSyncs, Clause::msync_anonymous,
            Clause::writeback_never_beyond_size, on::files) {
  TempFile file(page() / 2);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 3 * page());
  ExpectEveryRangeSyncs(map.at());
  EXPECT_EQ(file.size(), page() / 2);
  file.Resize(0);
  ExpectEveryRangeSyncs(map.at());
  EXPECT_EQ(file.size(), 0U);
}

}  // namespace
}  // namespace shmcheck::conformance
