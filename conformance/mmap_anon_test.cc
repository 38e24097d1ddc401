// Anonymous mappings, and /dev/zero which is the old form of them.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

CONFORMANCE(Mmap, AnonymousMemoryIsZero, Clause::mmap_anon_zero) {
  for (int round = 0; round < 4; ++round) {
    for (const int type : kTypes) {
      for (const size_t len : {size_t{1}, page() + 1, 16 * page()}) {
        const size_t covered = (len + page() - 1) / page() * page();
        const Mapping map = Map(-1, len, kReadWrite, type | MAP_ANONYMOUS);
        EXPECT_THAT(Memory(map.at(), covered), AllBytesAre(0));
        // The next round gets pages that were dirty.
        EXPECT_THAT(Fill(map.at(), 0xdb, covered), Works());
      }
    }
  }
}

CONFORMANCE(Mmap, AnonymousMemoryIsZeroForReadersAndTheKernel, Clause::mmap_anon_zero) {
  for (const int type : kTypes) {
    const Mapping map = Map(-1, 2 * page(), PROT_READ, type | MAP_ANONYMOUS);
    EXPECT_THAT(KernelCopy(map.at(), 2 * page()), AllBytesAre(0));
    EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
  }
}

CONFORMANCE(Mmap, DescriptorOfAnonymousMemoryIsIgnored, Clause::mmap_anon_fd_ignored, on::directories) {
  TempFile file(page());
  file.FillPattern();
  const Fd write_only = file.Reopen(O_WRONLY);
  for (const int type : kTypes) {
    for (const int fd : {-1, -2, 1 << 20, file.fd(), write_only.get()}) {
      const Outcome outcome = Returned(RawMmap(nullptr, page(), kReadWrite, type | MAP_ANONYMOUS, fd, 0));
      ASSERT_THAT(outcome, Succeeds()) << "descriptor " << fd;
      const Mapping map(outcome.address(), page());
      EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0)) << "descriptor " << fd;
      EXPECT_THAT(Fill(map.at(), 0xdb, page()), Works());
    }
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
}

CONFORMANCE(Mmap, OffsetOfAnonymousMemoryHasNoInfluence, Clause::mmap_anon_offset) {
  for (const int type : kTypes) {
    for (const size_t first : {1, 3, 100}) {
      const Outcome outcome = Returned(RawMmap(nullptr, 2 * page(), kReadWrite, type | MAP_ANONYMOUS, -1,
                                               static_cast<off_t>(first * page())));
      ASSERT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EINVAL)));
      if (!outcome.ok()) continue;
      const Mapping map(outcome.address(), 2 * page());
      EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
      EXPECT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
      EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    }
  }
}

CONFORMANCE(Mmap, SharedAnonymousMappingsAreDistinctObjects, Clause::mmap_anon_distinct) {
  const Mapping one = MapSharedAnonymous(2 * page());
  const Mapping two = MapSharedAnonymous(2 * page());
  EXPECT_THAT(Fill(one.at(), 0x1f, 2 * page()), Works());
  EXPECT_THAT(Memory(two.at(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Fill(two.at(), 0x2f, 2 * page()), Works());
  EXPECT_THAT(Memory(one.at(), 2 * page()), AllBytesAre(0x1f));
}

CONFORMANCE(Mmap, ZeroDeviceIsASharedAnonymousMapping, Clause::mmap_anon_dev_zero, need::path("/dev/zero")) {
  const Fd fd = Open("/dev/zero", O_RDWR);
  const Mapping one = MapShared(fd.get(), 2 * page());
  const Mapping two = MapShared(fd.get(), 2 * page());
  EXPECT_THAT(Memory(one.at(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Fill(one.at(), 0x61, page()), Works());
  EXPECT_THAT(Memory(two.at(), 2 * page()), AllBytesAre(0));
  Child child([&](Channel& test) {
    EXPECT_THAT(Memory(one.at(), page()), AllBytesAre(0x61));
    EXPECT_THAT(Store(one.at(page()), 0x62), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(one.at(0)), Reads(0x63));
  });
  child.Wait();
  EXPECT_THAT(Load(one.at(page())), Reads(0x62));
  EXPECT_THAT(Store(one.at(0), 0x63), Works());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Memory(two.at(), 2 * page()), AllBytesAre(0));
}

CONFORMANCE(Mmap, PrivateZeroDeviceIsPrivateMemory, Clause::mmap_anon_dev_zero, need::path("/dev/zero")) {
  const Fd fd = Open("/dev/zero", O_RDWR);
  const Mapping map = MapPrivate(fd.get(), page());
  EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
  EXPECT_THAT(Store(map.at(), 0x61), Works());
  Child child([&](Channel&) { EXPECT_THAT(Store(map.at(), 0x62), Works()); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at()), Reads(0x61));
}

CONFORMANCE(Mmap, GrowsdownCannotBeShared, Clause::mmap_anon_growsdown_shared) {
  EXPECT_THAT(
      Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0)),
      FailsWith(EINVAL));
}

CONFORMANCE(Mmap, GrowsdownCannotShareAFile, Clause::mmap_anon_growsdown_shared, on::files) {
  const TempFile file(page());
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED | MAP_GROWSDOWN, file.fd(), 0)),
              FailsWith(EINVAL));
}

}  // namespace
}  // namespace shmcheck::conformance
