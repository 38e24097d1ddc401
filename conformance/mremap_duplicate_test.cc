// mremap with old size 0, with MREMAP_DONTUNMAP, and of objects that do not grow; remap_file_pages.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

void ExpectSecondMapping(const Mapping& map) {
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  const Outcome outcome = Returned(RawMremap(map.at(), 0, 2 * page(), MREMAP_MAYMOVE));
  ASSERT_THAT(outcome, Succeeds());
  const Mapping second(outcome.address(), 2 * page());
  ASSERT_NE(second.at(), map.at());
  EXPECT_THAT(Memory(second.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page())) << "the first stays";
  EXPECT_THAT(Store(map.at(3), 0x3a), Works());
  EXPECT_THAT(Load(second.at(3)), Reads(0x3a));
  EXPECT_THAT(Store(second.at(page()), 0x3b), Works());
  EXPECT_THAT(Load(map.at(page())), Reads(0x3b));
}

CONFORMANCE(Mremap, OldSizeZeroDuplicatesASharedFileMapping, Clause::mremap_duplicate_shared, on::files) {
  const TempFile file(2 * page());
  ExpectSecondMapping(MapShared(file.fd(), 2 * page()));
}

CONFORMANCE(Mremap, OldSizeZeroDuplicatesSharedAnonymousMemory, Clause::mremap_duplicate_shared) {
  ExpectSecondMapping(MapSharedAnonymous(2 * page()));
}

CONFORMANCE(Mremap, OldSizeZeroDuplicatesFromTheMiddleOfAMapping, Clause::mremap_duplicate_shared,
            on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 4 * page());
  const Outcome outcome = Returned(RawMremap(map.at(2 * page()), 0, page(), MREMAP_MAYMOVE));
  ASSERT_THAT(outcome, Succeeds());
  const Mapping second(outcome.address(), page());
  EXPECT_THAT(Memory(second.at(), page()), HoldsPattern(2 * page(), page()));
  EXPECT_THAT(Store(second.at(), 0x3c), Works());
  EXPECT_THAT(Load(map.at(2 * page())), Reads(0x3c));
}

CONFORMANCE(Mremap, OldSizeZeroOfAPrivateMappingFails, Clause::mremap_duplicate_private, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapPrivate(file.fd(), page());
  const Mapping anonymous = MapPrivateAnonymous(page());
  for (const Mapping* mapping : {&map, &anonymous}) {
    EXPECT_THAT(Returned(RawMremap(mapping->at(), 0, page(), MREMAP_MAYMOVE)), FailsWith(EINVAL));
  }
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
}

// Ruling D9: the manual says EINVAL, the kernel ENOMEM.
CONFORMANCE(Mremap, OldSizeZeroWithoutLeaveToMoveFails, Clause::mremap_duplicate_no_maymove, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Returned(RawMremap(map.at(), 0, page(), 0)), FailsWithAnyOf({EINVAL, ENOMEM}));
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
}

// Ruling D20: the mapping grows, the object does not.
void ExpectObjectKeepsItsSize(Mapping& map) {
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  const Outcome outcome = Returned(RawMremap(map.at(), 2 * page(), 4 * page(), MREMAP_MAYMOVE));
  if (!outcome.ok()) {
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page())) << "after a refused request";
    return;
  }
  map.release();
  const Mapping grown(outcome.address(), 4 * page());
  EXPECT_THAT(Memory(grown.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(grown.at(2 * page() - 1), 1), Works());
  for (const size_t at : {2 * page(), 4 * page() - 1}) {
    EXPECT_THAT(Load(grown.at(at)), FaultsWith(SIGBUS, BUS_ADRERR, grown.at(at)));
    EXPECT_THAT(Store(grown.at(at), 1), FaultsWith(SIGBUS, BUS_ADRERR, grown.at(at)));
  }
}

CONFORMANCE(Mremap, GrownSharedAnonymousMappingHasNothingBehindTheNewPages,
            Clause::mremap_shared_anon_fixed_size) {
  Mapping map = MapSharedAnonymous(2 * page());
  ExpectObjectKeepsItsSize(map);
}

CONFORMANCE(Mremap, GrownAttachHasNothingBehindTheNewPages, Clause::mremap_shared_anon_fixed_size) {
  const Segment segment(2 * page());
  Mapping map(segment.Attach(), 2 * page());
  ExpectObjectKeepsItsSize(map);
  EXPECT_EQ(segment.Stat().shm_segsz, 2 * page());
}

CONFORMANCE(Mremap, DontunmapLeavesAZeroedOldRange, Clause::mremap_dontunmap, need::kernel(5, 7)) {
  const Mapping map = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  const Outcome outcome =
      Returned(RawMremap(map.at(), 2 * page(), 2 * page(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
  ASSERT_THAT(outcome, Succeeds());
  const Mapping moved(outcome.address(), 2 * page());
  EXPECT_THAT(Memory(moved.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Fill(map.at(), 0x3d, 2 * page()), Works());
  EXPECT_THAT(Memory(moved.at(), 2 * page()), HoldsPattern(0, 2 * page())) << "the two ranges are distinct";
}

CONFORMANCE(Mremap, DontunmapOfAPartLeavesItMappedAndZero, Clause::mremap_dontunmap, need::kernel(5, 7)) {
  for (const size_t first : {0, 1, 2}) {
    SCOPED_TRACE("pages " + std::to_string(first) + "+2 of 4");
    const size_t at = first * page();
    const Mapping map = MapPrivateAnonymous(4 * page());
    ASSERT_THAT(FillPattern(map.at(), 0, 4 * page()), Works());
    const Outcome outcome =
        Returned(RawMremap(map.at(at), 2 * page(), 2 * page(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    ASSERT_THAT(outcome, Succeeds());
    const Mapping moved(outcome.address(), 2 * page());
    EXPECT_THAT(Memory(moved.at(), 2 * page()), HoldsPattern(at, 2 * page()));
    EXPECT_THAT(Memory(map.at(at), 2 * page()), AllBytesAre(0)) << "the old range";
    EXPECT_THAT(Fill(map.at(at), 0x3d, 2 * page()), Works());
    EXPECT_THAT(Memory(map.at(), at), HoldsPattern(0, at)) << "before it";
    EXPECT_THAT(Memory(map.at(at + 2 * page()), 2 * page() - at),
                HoldsPattern(at + 2 * page(), 2 * page() - at))
        << "behind it";
    EXPECT_THAT(Memory(moved.at(), 2 * page()), HoldsPattern(at, 2 * page()));
  }
}

CONFORMANCE(Mremap, DontunmapNeedsMaymoveAndEqualSizes, Clause::mremap_einval, need::kernel(5, 7)) {
  const Mapping map = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  EXPECT_THAT(Returned(RawMremap(map.at(), 2 * page(), 2 * page(), MREMAP_DONTUNMAP)), FailsWith(EINVAL));
  EXPECT_THAT(Returned(RawMremap(map.at(), 2 * page(), 4 * page(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP)),
              FailsWith(EINVAL));
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
}

// Ruling D11: refused, or both ranges show the object.
void ExpectRefusedOrTwice(const Mapping& map, bool shared) {
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  const Outcome outcome =
      Returned(RawMremap(map.at(), 2 * page(), 2 * page(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
  EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EINVAL)));
  if (!outcome.ok()) {
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    return;
  }
  const Mapping second(outcome.address(), 2 * page());
  EXPECT_THAT(Memory(second.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  if (!shared) return;
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(second.at(page()), 0x3e), Works());
  EXPECT_THAT(Load(map.at(page())), Reads(0x3e));
}

CONFORMANCE(Mremap, DontunmapOfFilesIsRefusedOrMapsThemTwice, Clause::mremap_dontunmap_shared,
            need::kernel(5, 7), on::files) {
  const TempFile file(2 * page());
  ExpectRefusedOrTwice(MapShared(file.fd(), 2 * page()), true);
  ExpectRefusedOrTwice(MapPrivate(file.fd(), 2 * page()), false);
}

CONFORMANCE(Mremap, DontunmapOfSharedMemoryIsRefusedOrMapsItTwice, Clause::mremap_dontunmap_shared,
            need::kernel(5, 7)) {
  ExpectRefusedOrTwice(MapSharedAnonymous(2 * page()), true);
  const Segment segment(2 * page());
  const Mapping attached(segment.Attach(), 2 * page());
  ExpectRefusedOrTwice(attached, true);
}

// The call is deprecated and emulated by mmap; glibc still has its wrapper.
CONFORMANCE(RemapFilePages, ShowsTheChosenPagesAtTheChosenAddresses, Clause::remap_file_pages_order,
            on::files) {
  constexpr size_t kPages = 4;
  TempFile file(kPages * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), kPages * page());
  for (size_t i = 0; i < kPages; ++i) {
    const Outcome outcome = Returned(remap_file_pages(map.at(i * page()), page(), 0, kPages - 1 - i, 0));
    if (outcome.error == ENOSYS) GTEST_SKIP() << "remap_file_pages is not there";
    ASSERT_THAT(outcome, Succeeds());
  }
  for (size_t i = 0; i < kPages; ++i) {
    const size_t shown = (kPages - 1 - i) * page();
    EXPECT_THAT(Memory(map.at(i * page()), page()), HoldsPattern(shown, page())) << "page " << i;
  }
  EXPECT_THAT(Store(map.at(0), 0x3f), Works());
  EXPECT_THAT(Contents(file.fd(), static_cast<off_t>((kPages - 1) * page()), 1), AllBytesAre(0x3f));
}

CONFORMANCE(RemapFilePages, PrivateMappingOrProtectionFails, Clause::remap_file_pages_einval, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping copy = MapPrivate(file.fd(), 2 * page());
  const Mapping shared = MapShared(file.fd(), 2 * page());
  const Outcome outcome = Returned(remap_file_pages(copy.at(), page(), 0, 1, 0));
  if (outcome.error == ENOSYS) GTEST_SKIP() << "remap_file_pages is not there";
  EXPECT_THAT(outcome, FailsWith(EINVAL));
  EXPECT_THAT(Returned(remap_file_pages(shared.at(), page(), PROT_READ, 1, 0)), FailsWith(EINVAL));
  for (const Mapping* map : {&copy, &shared})
    EXPECT_THAT(Memory(map->at(), 2 * page()), HoldsPattern(0, 2 * page()));
}

}  // namespace
}  // namespace shmcheck::conformance
