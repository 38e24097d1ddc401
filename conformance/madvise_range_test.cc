// madvise: which ranges, addresses and advices are taken, and what a refused call leaves alone.

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

constexpr size_t kRangePages = 5;
constexpr int kUnknownAdvice[] = {5, 7, 999, -1};

size_t AdvisedRange() {
  return kRangePages * page();
}

CONFORMANCE(Madvise, UnalignedAddressIsInvalidAndChangesNothing, Clause::madvise_unaligned, on::files) {
  TempFile file(AdvisedRange());
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), AdvisedRange());
  const Mapping own = MapPrivateAnonymous(AdvisedRange());
  ASSERT_THAT(FillPattern(own.at(), 0, AdvisedRange()), Works());
  for (const int advice : {MADV_NORMAL, MADV_WILLNEED, MADV_DONTNEED, MADV_REMOVE}) {
    for (const size_t shift : {size_t{1}, page() / 2, page() - 1}) {
      for (const size_t len : {size_t{0}, size_t{1}, page()}) {
        EXPECT_THAT(Returned(madvise(shared.at(shift), len, advice)), FailsWith(EINVAL))
            << advice << " " << shift;
        EXPECT_THAT(Returned(madvise(own.at(shift), len, advice)), FailsWith(EINVAL))
            << advice << " " << shift;
      }
    }
  }
  EXPECT_THAT(Memory(shared.at(), AdvisedRange()), HoldsPattern(0, AdvisedRange()));
  EXPECT_THAT(Memory(own.at(), AdvisedRange()), HoldsPattern(0, AdvisedRange()));
}

CONFORMANCE(Madvise, UnknownAdviceIsInvalid, Clause::madvise_unaligned, Clause::madvise_len_zero) {
  const Mapping map = MapSharedAnonymous(AdvisedRange());
  ASSERT_THAT(FillPattern(map.at(), 0, AdvisedRange()), Works());
  for (const int advice : kUnknownAdvice) {
    EXPECT_THAT(Returned(madvise(map.at(), AdvisedRange(), advice)), FailsWith(EINVAL)) << advice;
    EXPECT_THAT(Returned(madvise(map.at(), 0, advice)), FailsWith(EINVAL)) << advice;
    EXPECT_THAT(Returned(madvise(nullptr, 0, advice)), FailsWith(EINVAL)) << advice;
  }
  EXPECT_THAT(Memory(map.at(), AdvisedRange()), HoldsPattern(0, AdvisedRange()));
}

CONFORMANCE(Madvise, LengthZeroAsksWhetherTheAdviceExists, Clause::madvise_len_zero) {
  const Mapping map = MapPrivateAnonymous(page());
  const Hole hole(page());
  ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
  for (const int advice :
       {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_REMOVE}) {
    EXPECT_THAT(Returned(madvise(nullptr, 0, advice)), Succeeds()) << advice;
    EXPECT_THAT(Returned(madvise(map.at(), 0, advice)), Succeeds()) << advice;
    EXPECT_THAT(Returned(madvise(hole.at(), 0, advice)), Succeeds()) << advice;
  }
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
}

// DONTNEED on private anonymous memory, REMOVE on shared anonymous memory: either makes the mapped parts
// zero.
void ExpectAppliedAroundTheHole(const std::function<Mapping(size_t)>& make, int advice) {
  for (size_t hole = 1; hole < kRangePages; ++hole) {
    SCOPED_TRACE("hole at page " + std::to_string(hole));
    const Mapping map = make((kRangePages + 1) * page());
    ASSERT_THAT(FillPattern(map.at(), 0, map.size()), Works());
    ASSERT_THAT(Returned(munmap(map.at(hole * page()), page())), Succeeds());
    EXPECT_THAT(Returned(madvise(map.at(hole * page()), page(), advice)), FailsWith(ENOMEM)) << "hole alone";
    EXPECT_THAT(Memory(map.at(), hole * page()), HoldsPattern(0, hole * page()));
    EXPECT_THAT(Returned(madvise(map.at(page()), (kRangePages - 1) * page(), advice)), FailsWith(ENOMEM));
    for (size_t at = 0; at <= kRangePages; ++at) {
      if (at == hole) {
        EXPECT_THAT(Load(map.at(at * page())), FaultsWith(SIGSEGV, SEGV_MAPERR, map.at(at * page())));
      } else if (at == 0 || at == kRangePages) {
        EXPECT_THAT(Memory(map.at(at * page()), page()), HoldsPattern(at * page(), page()))
            << "outside the range";
      } else {
        EXPECT_THAT(Memory(map.at(at * page()), page()), AllBytesAre(0)) << "page " << at;
      }
    }
  }
}

CONFORMANCE(Madvise, HoleFailsButTheAdviceIsAppliedAroundIt, Clause::madvise_hole) {
  ExpectAppliedAroundTheHole([](size_t size) { return MapPrivateAnonymous(size); }, MADV_DONTNEED);
  ExpectAppliedAroundTheHole([](size_t size) { return MapSharedAnonymous(size); }, MADV_REMOVE);
}

CONFORMANCE(Madvise, HintsOverAHoleFailToo, Clause::madvise_hole, on::files) {
  TempFile file(AdvisedRange());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), AdvisedRange());
  ASSERT_THAT(Returned(munmap(map.at(2 * page()), page())), Succeeds());
  for (const int advice : {MADV_NORMAL, MADV_RANDOM, MADV_WILLNEED, MADV_DONTNEED}) {
    EXPECT_THAT(Returned(madvise(map.at(), AdvisedRange(), advice)), FailsWith(ENOMEM)) << advice;
    EXPECT_THAT(Returned(madvise(map.at(2 * page()), AdvisedRange() - 2 * page(), advice)), FailsWith(ENOMEM))
        << advice;
    EXPECT_THAT(Returned(madvise(map.at(page()), 2 * page(), advice)), FailsWith(ENOMEM)) << advice;
    EXPECT_THAT(Returned(madvise(map.at(), 2 * page(), advice)), Succeeds()) << advice;
  }
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, AdvisedRange()));
}

CONFORMANCE(Madvise, RangeThatWrapsFailsAndSparesWhatLiesBelow, Clause::madvise_hole) {
  const Mapping map = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  for (const size_t len : {~size_t{0}, ~size_t{0} - page() + 1, ~size_t{0} - 5 * page()}) {
    EXPECT_THAT(Returned(madvise(map.at(page()), len, MADV_DONTNEED)), FailsWithAnyOf({EINVAL, ENOMEM}))
        << len;
  }
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
}

}  // namespace
}  // namespace shmcheck::conformance
