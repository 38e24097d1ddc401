// Private mappings: stores stay with the one who made them.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/clocks.h"
#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

CONFORMANCE(Private, StoresAreSeenByNobodyElse, Clause::private_isolated, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), 3 * page());
  const Mapping other_private = MapPrivate(file.fd(), 3 * page());
  const Mapping map = MapPrivate(file.fd(), 3 * page());
  ASSERT_THAT(Load(map.at(page())),
              Reads(PatternByte(page())));  // one page is present before the stores, two are not
  EXPECT_THAT(Fill(map.at(), 0xf5, 3 * page()), Works());
  EXPECT_THAT(Memory(map.at(), 3 * page()), AllBytesAre(0xf5));
  EXPECT_THAT(KernelCopy(map.at(), 3 * page()), AllBytesAre(0xf5));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page()));
  EXPECT_THAT(Memory(shared.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  EXPECT_THAT(Memory(other_private.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  Child other([&](Channel&) {
    const Mapping own = MapPrivate(file.fd(), 3 * page());
    EXPECT_THAT(Memory(own.at(), 3 * page()), HoldsPattern(0, 3 * page()));
    EXPECT_THAT(Memory(shared.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  });
  EXPECT_THAT(other.Join(), ExitsWith(0));
}

CONFORMANCE(Private, StoresOfTheKernelAreSeenByNobodyElse, Clause::private_isolated, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  TempFile source(page());
  source.FillPattern(5);
  const Mapping map = MapPrivate(file.fd(), 2 * page());
  EXPECT_THAT(Returned(pread(source.fd(), map.at(page() / 2), page(), 0)),
              Returns(static_cast<long>(page())));
  EXPECT_THAT(Memory(map.at(page() / 2), page()), HoldsPattern(0, page(), 5));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Private, MsyncDoesNotPublishStores, Clause::private_isolated, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapPrivate(file.fd(), page());
  EXPECT_THAT(Store(map.at(3), 0xf5), Works());
  EXPECT_THAT(Returned(msync(map.at(), page(), MS_SYNC)), Succeeds());
  EXPECT_THAT(Returned(msync(map.at(), page(), MS_ASYNC)), Succeeds());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
  EXPECT_THAT(Load(map.at(3)), Reads(0xf5));
}

CONFORMANCE(Private, StoredPageNoLongerFollowsTheFile, Clause::private_page_granular_freeze, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), 2 * page());
  const Mapping map = MapPrivate(file.fd(), 2 * page());
  EXPECT_THAT(Store(map.at(0), 0xf5), Works());
  EXPECT_THAT(Store(map.at(2 * page() - 1), 0xf6), Works());
  EXPECT_THAT(Fill(shared.at(), 0x01, page()), Works());
  const std::vector<uint8_t> twos(page(), 0x02);
  file.Write(page(), twos.data(), twos.size());
  Child other([&](Channel&) { EXPECT_THAT(Store(shared.at(9), 0x03), Works()); });
  EXPECT_THAT(other.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(0)), Reads(0xf5));
  EXPECT_THAT(Memory(map.at(1), 2 * page() - 2), HoldsPattern(1, 2 * page() - 2));
  EXPECT_THAT(Load(map.at(2 * page() - 1)), Reads(0xf6));
}

CONFORMANCE(Private, UntouchedPageShowsOldOrNewBytes, Clause::private_later_file_changes, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping map = MapPrivate(file.fd(), 2 * page());
  ASSERT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));  // page 0 was read, page 1 was not
  file.FillPattern(1);
  for (const size_t at : {size_t{0}, page() - 1, page(), 2 * page() - 1}) {
    EXPECT_THAT(Load(map.at(at)), AnyOf(Reads(PatternByte(at)), Reads(PatternByte(at, 1)))) << at;
  }
}

CONFORMANCE(Private, ShowsTheFileAtFirst, Clause::private_initial_content, on::files) {
  TempFile file(3 * page() + 17);
  file.FillPattern(2);
  const Mapping shared = MapShared(file.fd(), 3 * page());
  ASSERT_THAT(Store(shared.at(page() + 5), 0x99), Works());
  auto wanted = Pattern(0, 3 * page() + 17, 2);
  wanted[page() + 5] = 0x99;
  for (const int prot : {PROT_READ, kReadWrite}) {
    const Mapping map = Map(file.fd(), 3 * page() + 17, prot, MAP_PRIVATE);
    EXPECT_THAT(Memory(map.at(), 3 * page() + 17), BytesAre(wanted));
  }
}

// Parent and child change every page after fork; each must keep its own bytes.
void ExpectIsolatedAfterFork(const Mapping& map) {
  ASSERT_THAT(FillPattern(map.at(), 0, map.size()), Works());
  Child child([&](Channel& test) {
    EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(0, map.size()));
    test.Signal();
    test.Wait();  // the parent has stored 0x11 into the first half
    EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(0, map.size()));
    EXPECT_THAT(Fill(map.at(map.size() / 2), 0x22, map.size() / 2), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(map.at(), map.size() / 2), HoldsPattern(0, map.size() / 2));
    EXPECT_THAT(Memory(map.at(map.size() / 2), map.size() / 2), AllBytesAre(0x22));
  });
  child.Wait();
  EXPECT_THAT(Fill(map.at(), 0x11, map.size() / 2), Works());
  child.Signal();
  child.Wait();  // the child has stored 0x22 into the second half
  EXPECT_THAT(Memory(map.at(), map.size() / 2), AllBytesAre(0x11));
  EXPECT_THAT(Memory(map.at(map.size() / 2), map.size() / 2), HoldsPattern(map.size() / 2, map.size() / 2));
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Private, FileMappingIsIsolatedAfterFork, Clause::private_fork_isolated, on::files) {
  const TempFile file(4 * page());
  ExpectIsolatedAfterFork(MapPrivate(file.fd(), 4 * page()));
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0));
}

CONFORMANCE(Private, MappingOfAnUnlinkedFileIsIsolatedAfterFork, Clause::private_fork_isolated,
            on::directories) {
  TempFile file(4 * page());
  file.Unlink();
  ExpectIsolatedAfterFork(MapPrivate(file.fd(), 4 * page()));
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0));
}

CONFORMANCE(Private, AnonymousMemoryIsIsolatedAfterFork, Clause::private_fork_isolated) {
  ExpectIsolatedAfterFork(MapPrivateAnonymous(4 * page()));
}

// What test, child and grandchild have in common is copied for whoever of them stores to it first, be it the
// last.
void ExpectIsolatedOverThreeGenerations(const Mapping& map) {
  ASSERT_THAT(FillPattern(map.at(), 0, map.size()), Works());
  const size_t third = map.size() / 3;
  Child child([&](Channel& test) {
    Child grandchild([&](Channel&) {
      EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(0, map.size()));
      EXPECT_THAT(Fill(map.at(), 0x33, third), Works());
      EXPECT_THAT(Memory(map.at(third), 2 * third), HoldsPattern(third, 2 * third));
    });
    EXPECT_THAT(grandchild.Join(), ExitsWith(0));
    EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(0, map.size()));
    EXPECT_THAT(Fill(map.at(third), 0x22, third), Works());
    test.Signal();
    test.Wait();  // the test has stored 0x11 into the last third
    EXPECT_THAT(Memory(map.at(2 * third), third), HoldsPattern(2 * third, third));
  });
  child.Wait();
  EXPECT_THAT(Memory(map.at(), map.size()), HoldsPattern(0, map.size()));
  EXPECT_THAT(Fill(map.at(2 * third), 0x11, third), Works());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Private, FileMappingIsIsolatedOverThreeGenerations, Clause::private_fork_isolated, on::files) {
  const TempFile file(3 * page());
  ExpectIsolatedOverThreeGenerations(MapPrivate(file.fd(), 3 * page()));
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0));
}

CONFORMANCE(Private, AnonymousMemoryIsIsolatedOverThreeGenerations, Clause::private_fork_isolated) {
  ExpectIsolatedOverThreeGenerations(MapPrivateAnonymous(3 * page()));
}

CONFORMANCE(Private, UntouchedPagesAreIsolatedAfterFork, Clause::private_fork_isolated, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping map = MapPrivate(file.fd(), 2 * page());
  const Mapping anonymous = MapPrivateAnonymous(2 * page());
  Child child([&](Channel&) {
    EXPECT_THAT(Store(map.at(0), 0x44), Works());
    EXPECT_THAT(Store(anonymous.at(0), 0x44), Works());
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(anonymous.at(), 2 * page()), AllBytesAre(0));
}

CONFORMANCE(Private, UnmappingDiscardsTheStores, Clause::private_discard, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  for (int round = 0; round < 3; ++round) {
    Mapping map = MapPrivate(file.fd(), 2 * page());
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    EXPECT_THAT(Fill(map.at(), 0xf5, 2 * page()), Works());
    map.Unmap();
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
  }
}

CONFORMANCE(Private, StoresChangeNoTimesOfTheFile, Clause::private_ro_file_unchanged_times, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  Mapping map = MapPrivate(file.fd(), 2 * page());
  const struct stat before = file.Stat();
  AwaitClockPast(before.st_ctim);
  EXPECT_THAT(Fill(map.at(), 0xf5, 2 * page()), Works());
  EXPECT_THAT(Returned(msync(map.at(), 2 * page(), MS_SYNC)), Succeeds());
  map.Unmap();
  const struct stat after = file.Stat();
  EXPECT_TRUE(Same(after.st_mtim, before.st_mtim));
  EXPECT_TRUE(Same(after.st_ctim, before.st_ctim));
}

}  // namespace
}  // namespace shmcheck::conformance
