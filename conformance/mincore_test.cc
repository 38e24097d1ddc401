// mincore: one bit per page, about the object and not about the caller's page table.

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::Each;

constexpr uint8_t kGuard = 0xa5;

size_t Full() {
  return 4 * page();
}

// The bytes of a vector with a guard byte at either end.
struct Vector {
  Vector() { memset(bytes, kGuard, sizeof bytes); }
  unsigned char* at() { return bytes + 1; }
  unsigned char bytes[16];
};

void ExpectOneEntryPerPage(uint8_t* map) {
  ASSERT_THAT(Load(map), Works());
  ASSERT_THAT(Store(map + 2 * page(), 0), Works());
  for (const size_t len : {size_t{1}, page() - 1, page(), page() + 1, 3 * page(), 3 * page() + 1, Full()}) {
    SCOPED_TRACE("length " + std::to_string(len));
    const size_t entries = (len + page() - 1) / page();
    Vector vector;
    ASSERT_THAT(Returned(mincore(map, len, vector.at())), Succeeds());
    EXPECT_EQ(vector.bytes[0], kGuard);
    EXPECT_EQ(vector.at()[entries], kGuard) << "byte behind the vector";
    EXPECT_EQ(vector.at()[0] & 1, 1) << "page 0";
    if (entries > 2) {
      EXPECT_EQ(vector.at()[2] & 1, 1) << "page 2";
    }
  }
  Vector second;
  ASSERT_THAT(Returned(mincore(map + 2 * page(), page(), second.at())), Succeeds());
  EXPECT_EQ(second.at()[0] & 1, 1) << "range that starts at page 2";
  EXPECT_EQ(second.at()[1], kGuard);
  EXPECT_THAT(Memory(map, Full()), AllBytesAre(0));
}

CONFORMANCE(Mincore, VectorHasOneByteForEachStartedPage, Clause::mincore_vector, on::files) {
  const TempFile file(Full());
  const Mapping map = MapShared(file.fd(), Full());
  ExpectOneEntryPerPage(map.at());
}

CONFORMANCE(Mincore, VectorHasOneByteForEachStartedPageOfMemory, Clause::mincore_vector) {
  const Mapping shared = MapSharedAnonymous(Full());
  ExpectOneEntryPerPage(shared.at());
  const Mapping own = MapPrivateAnonymous(Full());
  ExpectOneEntryPerPage(own.at());
  const Segment segment(Full() - 1);
  ExpectOneEntryPerPage(segment.Attach());
}

CONFORMANCE(Mincore, LengthZeroWritesNothing, Clause::mincore_vector) {
  const Mapping map = MapSharedAnonymous(page());
  Vector vector;
  EXPECT_THAT(Returned(mincore(map.at(), 0, vector.at())), Succeeds());
  EXPECT_EQ(vector.at()[0], kGuard);
}

CONFORMANCE(Mincore, PagesFarFromEveryTouchedOneAreNotResident, Clause::mincore_vector) {
  // Neighbours of a touched page may have come with it; pages of another huge page have not.
  const size_t far = 4096 * page();
  const Mapping map = MapSharedAnonymous(far + page());
  EXPECT_THAT(ResidentPages(map.at(far), page()).pages, testing::ElementsAre(false));
  ASSERT_THAT(Store(map.at(), 1), Works());
  EXPECT_THAT(ResidentPages(map.at(), page()).pages, testing::ElementsAre(true));
  EXPECT_THAT(ResidentPages(map.at(far), page()).pages, testing::ElementsAre(false));
  ASSERT_THAT(Load(map.at(far)), Reads(0));
  EXPECT_THAT(ResidentPages(map.at(far), page()).pages, testing::ElementsAre(true));
}

CONFORMANCE(Mincore, RangeOverSeveralMappingsHasTheBitsOfEach, Clause::mincore_vector, on::files) {
  const TempFile file(2 * page());
  const Mapping area = Reserve(4 * page());
  const int prot = PROT_READ | PROT_WRITE;
  Map(file.fd(), page(), prot, MAP_SHARED | MAP_FIXED, static_cast<off_t>(page()), area.at(page())).release();
  Map(-1, page(), prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0, area.at(2 * page())).release();
  ASSERT_THAT(Store(area.at(page()), 1), Works());
  ASSERT_THAT(Store(area.at(2 * page()), 1), Works());
  EXPECT_THAT(ResidentPages(area.at(), 4 * page()).pages, testing::ElementsAre(false, true, true, false));
}

CONFORMANCE(Mincore, UnalignedAddressIsInvalid, Clause::mincore_errors, on::files) {
  const TempFile file(Full());
  const Mapping map = MapShared(file.fd(), Full());
  for (const size_t shift : {size_t{1}, size_t{8}, page() / 2, page() - 1}) {
    Vector vector;
    EXPECT_THAT(Returned(mincore(map.at(shift), page(), vector.at())), FailsWith(EINVAL)) << shift;
    EXPECT_EQ(vector.at()[0], kGuard);
  }
}

CONFORMANCE(Mincore, VectorThatCannotBeWrittenIsABadAddress, Clause::mincore_errors) {
  const Mapping map = MapSharedAnonymous(Full());
  const Mapping reader = Map(-1, page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
  const Hole hole(page());
  const Mapping none = Reserve(page());
  for (uint8_t* const vector : {reader.at(), hole.at(), none.at(), static_cast<uint8_t*>(nullptr)}) {
    EXPECT_THAT(Returned(mincore(map.at(), Full(), vector)), FailsWith(EFAULT));
  }
  // The vector starts in a good page and ends in one that is gone.
  const Mapping edge = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(Returned(munmap(edge.at(page()), page())), Succeeds());
  EXPECT_THAT(Returned(mincore(map.at(), Full(), edge.at(page() - 3))), FailsWith(EFAULT));
  EXPECT_THAT(Returned(mincore(map.at(), Full(), edge.at(page() - 4))), Succeeds());
  EXPECT_THAT(Memory(reader.at(), page()), AllBytesAre(0));
}

CONFORMANCE(Mincore, UnmappedPagesInTheRangeGiveEnomem, Clause::mincore_errors, on::files) {
  const TempFile file(Full());
  for (size_t hole = 0; hole < 4; ++hole) {
    SCOPED_TRACE("hole at page " + std::to_string(hole));
    const Mapping map = MapShared(file.fd(), Full());
    ASSERT_THAT(Returned(munmap(map.at(hole * page()), page())), Succeeds());
    Vector vector;
    EXPECT_THAT(Returned(mincore(map.at(), Full(), vector.at())), FailsWith(ENOMEM));
    EXPECT_EQ(vector.at()[4], kGuard);
    EXPECT_THAT(Returned(mincore(map.at(hole * page()), 1, vector.at())), FailsWith(ENOMEM));
    if (hole == 0) continue;
    EXPECT_THAT(Returned(mincore(map.at(), hole * page(), vector.at())), Succeeds()) << "up to the hole";
    EXPECT_THAT(Returned(mincore(map.at(), hole * page() + 1, vector.at())), FailsWith(ENOMEM));
  }
}

CONFORMANCE(Mincore, RangeOutsideTheAddressSpaceGivesEnomem, Clause::mincore_errors) {
  const Mapping map = MapSharedAnonymous(page());
  Vector vector;
  const size_t top = ~size_t{0} - page() + 1;
  EXPECT_THAT(Returned(mincore(reinterpret_cast<void*>(top), page(), vector.at())), FailsWith(ENOMEM));
  EXPECT_THAT(Returned(mincore(map.at(), top / 2 / page() * page(), vector.at())), FailsWith(ENOMEM));
  EXPECT_EQ(vector.bytes[0], kGuard);
}

// The freedom is to report everything resident, so only a touched page can be judged.
CONFORMANCE(Mincore, ForeignReadOnlyFilesShowTheTruthOrEverything, Clause::mincore_privacy, need::root,
            need::second_uid, on::directories) {
  const TempFile file(Full());
  ASSERT_THAT(Returned(fchmod(file.fd(), 0644)), Succeeds());
  const Mapping own = MapShared(file.fd(), Full());
  ASSERT_THAT(Store(own.at(page()), 1), Works());
  const Residency truth = ResidentPages(own.at(), Full());
  const Fd reader = file.Reopen(O_RDONLY);  // the directories above may be closed to the other user
  Child user([&](Channel&) {
    BecomeUnprivileged();
    const Mapping map = Map(reader.get(), Full(), PROT_READ, MAP_SHARED);
    const Residency seen = ResidentPages(map.at(), Full());
    EXPECT_EQ(seen.problem, "");
    EXPECT_THAT(seen.pages, testing::AnyOf(truth.pages, std::vector<bool>(4, true)));
  });
  EXPECT_THAT(user.Join(), ExitsWith(0));
}

void ExpectBitsOfTheObject(uint8_t* map) {
  Child peer([&](Channel&) { EXPECT_THAT(Store(map + page(), 1), Works()); });
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(ResidentPages(map + page(), page()).pages, Each(true)) << "touched by another process";
  ASSERT_THAT(Store(map + 2 * page(), 2), Works());
  ASSERT_THAT(Returned(madvise(map, Full(), MADV_DONTNEED)), Succeeds());
  EXPECT_THAT(ResidentPages(map + page(), 2 * page()).pages, Each(true)) << "after MADV_DONTNEED";
  EXPECT_THAT(Load(map + page()), Reads(1));
  EXPECT_THAT(Load(map + 2 * page()), Reads(2));
}

CONFORMANCE(Mincore, PagesOfAFileCountWhoeverTouchedThem, Clause::mincore_shared_cache, on::files) {
  const TempFile file(Full());
  const Mapping map = MapShared(file.fd(), Full());
  ExpectBitsOfTheObject(map.at());
  const Mapping fresh = MapShared(file.fd(), Full());
  EXPECT_THAT(ResidentPages(fresh.at(page()), 2 * page()).pages, Each(true)) << "mapping nobody touched";
}

CONFORMANCE(Mincore, PagesOfSharedMemoryCountWhoeverTouchedThem, Clause::mincore_shared_cache) {
  const Mapping map = MapSharedAnonymous(Full());
  ExpectBitsOfTheObject(map.at());
  const Segment segment(Full());
  ExpectBitsOfTheObject(segment.Attach());
  EXPECT_THAT(ResidentPages(segment.Attach() + page(), 2 * page()).pages, Each(true)) << "fresh attach";
}

}  // namespace
}  // namespace shmcheck::conformance
