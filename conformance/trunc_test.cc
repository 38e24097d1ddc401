// Truncation of a file under its mappings: removed pages fault, the cut page keeps what is below the new end,
// and nothing that was removed ever comes back.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "conformance/framework/conformance.h"
#include "conformance/framework/witness.h"

namespace shmcheck::conformance {
namespace {

constexpr unsigned kPrivate = 7;  // seed of what private mappings store
constexpr size_t kPages = 4;

size_t Full() {
  return kPages * page();
}
size_t PageEnd(size_t size) {
  return (size + page() - 1) / page() * page();
}

// Sizes to shrink a file of four pages to.
std::vector<size_t> ShrunkSizes() {
  const size_t p = page();
  return {0, 100, p - 1, p, p + 1, 3 * p};
}

// Ways to cut the file of a test to a size.
struct Cut {
  const char* name;
  void (*shrink)(const TempFile& file, size_t size);
};
constexpr Cut kByDescriptor = {"ftruncate", [](const TempFile& file, size_t size) {
                                 EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(size))),
                                             Succeeds());
                               }};
constexpr Cut kByPath = {"truncate", [](const TempFile& file, size_t size) {
                           EXPECT_THAT(Returned(truncate(file.path().c_str(), static_cast<off_t>(size))),
                                       Succeeds());
                         }};
constexpr Cut kByOpening = {"open with O_TRUNC", [](const TempFile& file, size_t) {
                              const Fd fd(open(file.path().c_str(), O_RDWR | O_TRUNC | O_CLOEXEC));
                              EXPECT_GE(fd.get(), 0) << ErrnoName(errno);
                            }};
constexpr Cut kByAnotherProcess = {"ftruncate by a third process", [](const TempFile& file, size_t size) {
                                     Child cutter([&](Channel&) { kByDescriptor.shrink(file, size); });
                                     EXPECT_THAT(cutter.Join(), ExitsWith(0));
                                   }};

// The mappings of one file, which look at it in every way there is.
struct Views {
  explicit Views(const TempFile& file)
      : shared(MapShared(file.fd(), Full())),
        reader(Map(file.fd(), Full(), PROT_READ, MAP_SHARED)),
        untouched(MapShared(file.fd(), Full())),
        clean_copy(MapPrivate(file.fd(), Full())),
        copy(MapPrivate(file.fd(), Full())) {}
  void Touch() const {
    for (const Mapping* map : {&shared, &reader, &clean_copy}) {
      EXPECT_THAT(Memory(map->at(), Full()), HoldsPattern(0, Full()));
    }
  }
  Mapping shared;
  Mapping reader;
  Mapping untouched;
  Mapping clean_copy;  // private, never stored to
  Mapping copy;        // private, stored to in every page
};

void ExpectFaultsFrom(const Mapping& map, size_t from, bool stores) {
  for (size_t at = from; at < map.size(); at += page()) {
    for (const size_t byte : {at, at + page() - 1}) {
      EXPECT_THAT(Load(map.at(byte)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte))) << byte;
      if (!stores) continue;
      EXPECT_THAT(Store(map.at(byte), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte))) << byte;
    }
  }
}

// What must be seen in the mappings of a file of pattern bytes that was cut to `size`.
void ExpectCut(const TempFile& file, const Views& views, size_t size) {
  const size_t end = PageEnd(size);
  EXPECT_EQ(file.size(), size);
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, size));
  for (const Mapping* map : {&views.shared, &views.reader, &views.untouched, &views.clean_copy}) {
    EXPECT_THAT(Memory(map->at(), size), HoldsPattern(0, size));
    ExpectFaultsFrom(*map, end, map != &views.reader);
  }
  for (const Mapping* map : {&views.shared, &views.reader, &views.untouched}) {
    EXPECT_THAT(Memory(map->at(size), end - size), AllBytesAre(0)) << "tail of the cut page";
  }
  EXPECT_THAT(KernelCopy(views.shared.at(), size), HoldsPattern(0, size));
  EXPECT_THAT(KernelCopy(views.reader.at(size), end - size), AllBytesAre(0)) << "tail of the cut page";
  EXPECT_THAT(Memory(views.copy.at(), size), HoldsPattern(0, size, kPrivate));
  EXPECT_THAT(Memory(views.copy.at(size), end - size),
              testing::AnyOf(HoldsPattern(size, end - size, kPrivate), AllBytesAre(0)));
  ExpectFaultsFrom(views.copy, end, true);
}

void ExpectCutSeenEverywhere(const Cut& cut, const std::vector<size_t>& sizes) {
  for (const size_t size : sizes) {
    SCOPED_TRACE(std::string(cut.name) + " to " + std::to_string(size));
    TempFile file(Full());
    file.FillPattern();
    const Views views(file);
    ASSERT_THAT(FillPattern(views.copy.at(), 0, Full(), kPrivate), Works());
    BeforeAndAfter([&] { views.Touch(); }, [&] { cut.shrink(file, size); },
                   [&] { ExpectCut(file, views, size); });
  }
}

CONFORMANCE(Trunc, ShrinkingTakesTheRemovedPagesFromEveryMapping, Clause::trunc_shrink_faults,
            Clause::trunc_shrink_private, Clause::trunc_tail_zeroed, Clause::trunc_tail_private_kept,
            Clause::trunc_kept_part_intact, on::files) {
  ExpectCutSeenEverywhere(kByDescriptor, ShrunkSizes());
}

CONFORMANCE(Trunc, ShrinkingByAThirdProcessIsSeenAtOnce, Clause::trunc_shrink_faults,
            Clause::trunc_shrink_private, Clause::trunc_tail_zeroed, on::files) {
  ExpectCutSeenEverywhere(kByAnotherProcess, {1, page() + 1});
}

CONFORMANCE(Trunc, ShrinkingByPathActsAlike, Clause::trunc_truncate_by_path, on::directories) {
  ExpectCutSeenEverywhere(kByPath, ShrunkSizes());
}

CONFORMANCE(Trunc, OpeningWithTruncActsLikeShrinkingToNothing, Clause::trunc_o_trunc, on::directories) {
  ExpectCutSeenEverywhere(kByOpening, {0});
}

CONFORMANCE(Trunc, MappingsAtAnOffsetAreCutAtTheRightPage, Clause::trunc_shrink_faults, on::files) {
  for (const size_t size : ShrunkSizes()) {
    SCOPED_TRACE("F " + std::to_string(size));
    TempFile file(Full());
    file.FillPattern();
    const Mapping map =
        Map(file.fd(), Full() - page(), PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<off_t>(page()));
    EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(page(), map.size()));
    kByDescriptor.shrink(file, size);
    const size_t left = size > page() ? size - page() : 0;
    EXPECT_THAT(Memory(map.at(), left), HoldsPattern(page(), left));
    ExpectFaultsFrom(map, PageEnd(left), true);
  }
}

CONFORMANCE(Trunc, ProtectionOfAPrivateCopyDoesNotSaveIt, Clause::trunc_shrink_private, on::files) {
  TempFile file(Full());
  file.FillPattern();
  const Mapping copy = MapPrivate(file.fd(), Full());
  ASSERT_THAT(Fill(copy.at(), 0xee, Full()), Works());
  ASSERT_THAT(Returned(mprotect(copy.at(), Full(), PROT_READ)), Succeeds());
  Child child([&](Channel& test) {
    test.Wait();
    ExpectFaultsFrom(copy, page(), false);
  });
  kByDescriptor.shrink(file, page());
  ExpectFaultsFrom(copy, page(), false);
  EXPECT_THAT(Memory(copy.at(), page()), AllBytesAre(0xee));
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

void ExpectRegrown(const TempFile& file, const Views& views, size_t cut) {
  EXPECT_EQ(file.size(), Full());
  EXPECT_THAT(Contents(file.fd(), 0, cut), HoldsPattern(0, cut));
  EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(cut), Full() - cut), AllBytesAre(0));
  const Mapping fresh = MapShared(file.fd(), Full());
  for (const Mapping* map : {&views.shared, &views.reader, &views.untouched, &views.clean_copy, &fresh}) {
    EXPECT_THAT(Memory(map->at(), cut), HoldsPattern(0, cut));
    EXPECT_THAT(Memory(map->at(cut), Full() - cut), AllBytesAre(0));
  }
  const size_t tail = PageEnd(cut) - cut;
  EXPECT_THAT(Memory(views.copy.at(), cut), HoldsPattern(0, cut, kPrivate));
  EXPECT_THAT(Memory(views.copy.at(cut), tail),
              testing::AnyOf(HoldsPattern(cut, tail, kPrivate), AllBytesAre(0)));
  EXPECT_THAT(Memory(views.copy.at(PageEnd(cut)), Full() - PageEnd(cut)), AllBytesAre(0));
}

CONFORMANCE(Trunc, RegrownRangeReadsZeroInOldMappings, Clause::trunc_regrow_zero,
            Clause::trunc_regrow_no_remap, Clause::trunc_kept_part_intact, on::files) {
  for (const size_t cut : ShrunkSizes()) {
    SCOPED_TRACE("cut to " + std::to_string(cut));
    TempFile file(Full());
    file.FillPattern();
    const Views views(file);
    ASSERT_THAT(FillPattern(views.copy.at(), 0, Full(), kPrivate), Works());
    const auto shrink_and_grow = [&] {
      kByDescriptor.shrink(file, cut);
      EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(Full()))), Succeeds());
    };
    BeforeAndAfter([&] { views.Touch(); }, shrink_and_grow, [&] { ExpectRegrown(file, views, cut); });
    EXPECT_THAT(Store(views.shared.at(Full() - 1), 0x31), Works());
    for (const Mapping* map : {&views.reader, &views.untouched})
      EXPECT_THAT(Load(map->at(Full() - 1)), Reads(0x31));
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(Full()) - 1, 1), AllBytesAre(0x31));
  }
}

CONFORMANCE(Trunc, RegrowthAfterAFaultMakesThePageUsableAgain, Clause::trunc_regrow_no_remap, on::files) {
  TempFile file(Full());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), Full());
  const auto cycle = [&] {
    for (int round = 0; round < 20; ++round) {
      kByDescriptor.shrink(file, page() + 1);
      EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
      kByDescriptor.shrink(file, Full());
      EXPECT_THAT(Load(map.at(2 * page())), Reads(0));
      EXPECT_THAT(Memory(map.at(page() + 1), page() - 1), AllBytesAre(0));
      EXPECT_THAT(Fill(map.at(page() + 1), 0xcc, Full() - page() - 1), Works());
    }
  };
  BeforeAndAfter([&] { EXPECT_THAT(Load(map.at(2 * page())), Works()); }, cycle,
                 [&] { EXPECT_THAT(Load(map.at(2 * page())), Reads(0xcc)); });
}

CONFORMANCE(Trunc, RemovedStoresStayAwayAfterTheyWereWrittenBack, Clause::trunc_regrow_zero, on::files) {
  const TempFile file(Full());
  const Mapping map = MapShared(file.fd(), Full());
  ASSERT_THAT(FillPattern(map.at(), 0, Full()), Works());
  ASSERT_THAT(Returned(msync(map.at(), Full(), MS_SYNC)), Succeeds());
  kByDescriptor.shrink(file, 3);
  ASSERT_THAT(Returned(msync(map.at(), Full(), MS_SYNC)), Succeeds());
  kByDescriptor.shrink(file, Full());
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  ASSERT_THAT(Answered(posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED)), Succeeds());
  EXPECT_THAT(Memory(map.at(), 3), HoldsPattern(0, 3));
  EXPECT_THAT(Memory(map.at(3), Full() - 3), AllBytesAre(0));
  EXPECT_THAT(Contents(file.fd(), 3, Full() - 3), AllBytesAre(0));
}

// A writer that stores into a page which comes and goes, without any agreement with the one that cuts.
struct Race {
  volatile uint32_t stop;
  volatile uint32_t faults;
};

void StoreUntilStopped(const Mapping& map, volatile Race* race) {
  while (race->stop == 0) {
    const Access access = Store(map.at(2 * page() + 5), 0xaa);
    if (access.ok()) continue;
    race->faults = race->faults + 1;
    EXPECT_THAT(access, FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
  }
  // The cut was complete before the stop was given.
  EXPECT_THAT(Store(map.at(2 * page() + 5), 0xaa), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
}

CONFORMANCE(Trunc, ConcurrentStoresEitherWorkOrFaultAndNeverComeBack, Clause::trunc_race_safe, on::files) {
  const TempFile file(Full());
  const Mapping map = MapShared(file.fd(), Full());
  const Mapping control = MapSharedAnonymous(sizeof(Race));
  auto* const race = reinterpret_cast<volatile Race*>(control.at());
  for (int round = 0; round < 10; ++round) {
    race->stop = 0;
    Child writer([&](Channel& test) {
      test.Signal();
      StoreUntilStopped(map, race);
    });
    writer.Wait();
    for (int i = 0; i < 10; ++i) {
      kByDescriptor.shrink(file, page());
      kByDescriptor.shrink(file, Full());
    }
    kByDescriptor.shrink(file, page());
    race->stop = 1;
    EXPECT_THAT(writer.Join(), ExitsWith(0));
    EXPECT_EQ(file.size(), page());
    kByDescriptor.shrink(file, Full());
    EXPECT_THAT(Memory(map.at(), Full()), AllBytesAre(0));
    EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0));
  }
}

CONFORMANCE(Trunc, GrowthBeyondTheSizeLimitFailsAndChangesNothing, Clause::trunc_size_limit, on::files) {
  TempFile file(page() + 10);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), Full());
  Child limited([&](Channel&) {
    const RlimitGuard limit(RLIMIT_FSIZE, 2 * page());
    signal(SIGXFSZ, SIG_IGN);
    for (const size_t size : {2 * page() + 1, 3 * page(), Full()}) {
      EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(size))), FailsWith(EFBIG)) << size;
      EXPECT_EQ(file.size(), page() + 10);
      EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
    }
    EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(2 * page()))), Succeeds()) << "at the limit";
    EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(page() + 10))), Succeeds()) << "shrinking";
  });
  EXPECT_THAT(limited.Join(), ExitsWith(0));
  EXPECT_THAT(Memory(map.at(), page() + 10), HoldsPattern(0, page() + 10));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 10));
}

CONFORMANCE(Trunc, GrowthBeyondTheSizeLimitRaisesSigxfsz, Clause::trunc_size_limit, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), 3 * page());
  Child limited([&](Channel&) {
    const RlimitGuard limit(RLIMIT_FSIZE, 2 * page());
    signal(SIGXFSZ, SIG_DFL);
    EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(3 * page()))), FailsWith(EFBIG));
  });
  EXPECT_THAT(limited.Join(), DiesBy(SIGXFSZ));
  EXPECT_EQ(file.size(), page());
  EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
}

CONFORMANCE(Trunc, GrowthBeyondTheLimitOfTheFileSystemFails, Clause::trunc_size_limit, need::ext4) {
  TempFile file(page() + 1, Place::ext4);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 3 * page());
  EXPECT_THAT(Returned(ftruncate(file.fd(), std::numeric_limits<off_t>::max())), FailsWith(EFBIG));
  EXPECT_THAT(Returned(truncate(file.path().c_str(), std::numeric_limits<off_t>::max())), FailsWith(EFBIG));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 1));
  EXPECT_THAT(Memory(map.at(), page() + 1), HoldsPattern(0, page() + 1));
  EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
}

}  // namespace
}  // namespace shmcheck::conformance
