// mprotect: what it changes, and what it refuses.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

// A page behaves as its protection says, and reads as `value`.
void ExpectProtection(uint8_t* address, int prot, uint8_t value) {
  SCOPED_TRACE("prot " + std::to_string(prot));
  if ((prot & PROT_READ) != 0) {
    EXPECT_THAT(Load(address), Reads(value));
  } else {
    EXPECT_THAT(Load(address), FaultsWith(SIGSEGV, SEGV_ACCERR, address));
  }
  if ((prot & PROT_WRITE) != 0) {
    EXPECT_THAT(Store(address, value), Works());
  } else {
    EXPECT_THAT(Store(address, static_cast<uint8_t>(~value)), FaultsWith(SIGSEGV, SEGV_ACCERR, address));
  }
}

void ExpectOnlyTheRangeChanges(const Mapping& map) {
  ASSERT_THAT(Fill(map.at(), 0x4b, 4 * page()), Works());
  struct Case {
    size_t first;
    size_t len;
    size_t last;  // pages first…last change
  };
  for (const Case& range : {Case{1, page(), 1}, Case{1, 1, 1}, Case{1, page() + 1, 2}, Case{0, page(), 0},
                            Case{3, page(), 3}, Case{0, 4 * page(), 3}}) {
    for (const int prot : {PROT_NONE, PROT_READ}) {
      SCOPED_TRACE("page " + std::to_string(range.first) + " len " + std::to_string(range.len));
      EXPECT_THAT(Returned(mprotect(map.at(range.first * page()), range.len, prot)), Succeeds());
      for (size_t i = 0; i < 4; ++i) {
        const bool changed = range.first <= i && i <= range.last;
        for (const size_t at : {i * page(), (i + 1) * page() - 1}) {
          ExpectProtection(map.at(at), changed ? prot : kReadWrite, 0x4b);
        }
      }
      EXPECT_THAT(Returned(mprotect(map.at(), 4 * page(), kReadWrite)), Succeeds());
      EXPECT_THAT(Memory(map.at(), 4 * page()), AllBytesAre(0x4b));
    }
  }
}

CONFORMANCE(Mprotect, ChangesThePagesOfTheRangeAndNoOthers, Clause::mprotect_sets, on::files) {
  const TempFile file(4 * page());
  ExpectOnlyTheRangeChanges(MapShared(file.fd(), 4 * page()));
  ExpectOnlyTheRangeChanges(MapPrivate(file.fd(), 4 * page()));
}

CONFORMANCE(Mprotect, ChangesThePagesOfAnonymousMemory, Clause::mprotect_sets) {
  ExpectOnlyTheRangeChanges(MapSharedAnonymous(4 * page()));
  ExpectOnlyTheRangeChanges(MapPrivateAnonymous(4 * page()));
}

CONFORMANCE(Mprotect, ChangesThePagesOfASegment, Clause::mprotect_sets) {
  const Segment segment(4 * page());
  const Mapping attached(segment.Attach(), 4 * page());
  ExpectOnlyTheRangeChanges(attached);
}

CONFORMANCE(Mprotect, ProtectionCanGoRoundInACircle, Clause::mprotect_violation, on::files) {
  TempFile file(page());
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), page(), kReadWrite, type);
    ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
    for (int round = 0; round < 3; ++round) {
      for (const int prot : {PROT_NONE, PROT_READ, kReadWrite, PROT_READ, PROT_NONE, kReadWrite}) {
        EXPECT_THAT(Returned(mprotect(map.at(), page(), prot)), Succeeds());
        ExpectProtection(map.at(11), prot, PatternByte(11));
        if (prot == PROT_NONE) continue;
        EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
      }
    }
  }
}

CONFORMANCE(Mprotect, SystemCallsCannotWriteIntoAPageMadeReadOnly, Clause::mprotect_violation,
            Clause::access_syscall_efault, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  ASSERT_THAT(Store(map.at(), PatternByte(0)), Works());
  ASSERT_THAT(Returned(mprotect(map.at(), page(), PROT_READ)), Succeeds());
  EXPECT_THAT(Returned(pread(file.fd(), map.at(100), 50, 0)), FailsWith(EFAULT));
  EXPECT_THAT(KernelCopy(map.at(), page()), HoldsPattern(0, page()));
}

CONFORMANCE(Mprotect, SystemCallsCannotReadAPageMadeInaccessible, Clause::mprotect_violation,
            Clause::access_syscall_efault, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  ASSERT_THAT(Load(map.at()), Reads(PatternByte(0)));
  ASSERT_THAT(Returned(mprotect(map.at(), page(), PROT_NONE)), Succeeds());
  EXPECT_EQ(KernelCopy(map.at(), page()).problem, "write gives EFAULT at byte 0");
  ASSERT_THAT(Returned(mprotect(map.at(), page(), kReadWrite)), Succeeds());
  EXPECT_THAT(KernelCopy(map.at(), page()), HoldsPattern(0, page()));
}

CONFORMANCE(Mprotect, UnalignedAddressFails, Clause::mprotect_unaligned, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  for (const size_t at : {size_t{1}, page() - 1, page() + 8}) {
    EXPECT_THAT(Returned(mprotect(map.at(at), 1, PROT_NONE)), FailsWith(EINVAL)) << at;
  }
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(map.at(), 1), Works());
}

CONFORMANCE(Mprotect, LengthZeroChangesNothing, Clause::mprotect_len_zero, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Returned(mprotect(map.at(), 0, PROT_NONE)), Returns(0));
  EXPECT_THAT(Store(map.at(), 1), Works());
}

CONFORMANCE(Mprotect, UnknownProtectionFails, Clause::mprotect_invalid_prot, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  for (const int bit : {0x100, 0x1000, 0x800000, 0x40000000}) {
    EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ | bit)), FailsWith(EINVAL)) << std::hex << bit;
  }
  EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN)),
              FailsWith(EINVAL));
  EXPECT_THAT(Store(map.at(), 1), Works());
}

CONFORMANCE(Mprotect, RangeWithAHoleFails, Clause::mprotect_unmapped, on::files) {
  TempFile file(5 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 5 * page());
  ASSERT_THAT(Returned(munmap(map.at(2 * page()), page())), Succeeds());
  EXPECT_THAT(Returned(mprotect(map.at(page()), 3 * page(), PROT_READ)), FailsWith(ENOMEM));
  EXPECT_THAT(Store(map.at(0), PatternByte(0)), Works()) << "before the range";
  EXPECT_THAT(Store(map.at(page()), PatternByte(page())),
              testing::AnyOf(Works(), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(page()))))
      << "before the hole: changed or not";
  EXPECT_THAT(Store(map.at(3 * page()), PatternByte(3 * page())), Works()) << "behind the hole";
  EXPECT_THAT(Returned(mprotect(map.at(2 * page()), page(), PROT_READ)), FailsWith(ENOMEM));
  EXPECT_THAT(Returned(mprotect(map.at(2 * page()), 2 * page(), PROT_NONE)), FailsWith(ENOMEM));
  EXPECT_THAT(Store(map.at(3 * page()), PatternByte(3 * page())), Works()) << "the range begins in the hole";
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 5 * page()));
}

CONFORMANCE(Mprotect, SharedMappingOfAReadOnlyDescriptorStaysReadOnly, Clause::mprotect_shared_upgrade_denied,
            on::directories) {
  TempFile file(2 * page());
  file.FillPattern();
  const Fd fd = file.Reopen(O_RDONLY);
  for (const int prot : {PROT_READ, PROT_NONE}) {
    const Mapping map = Map(fd.get(), 2 * page(), prot, MAP_SHARED);
    EXPECT_THAT(Returned(mprotect(map.at(), 2 * page(), kReadWrite)), FailsWith(EACCES));
    EXPECT_THAT(Returned(mprotect(map.at(page()), page(), PROT_WRITE)), FailsWith(EACCES));
    ExpectProtection(map.at(), prot, PatternByte(0));
    ASSERT_THAT(Returned(mprotect(map.at(), page(), PROT_READ)), Succeeds());
    EXPECT_THAT(Returned(mprotect(map.at(), page(), kReadWrite)), FailsWith(EACCES));
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Mprotect, SharedMappingOfAWritableDescriptorCanBecomeWritable,
            Clause::mprotect_shared_upgrade_allowed, on::directories) {
  TempFile file(page());
  Fd fd = file.Reopen(O_RDWR);
  const Mapping map = Map(fd.get(), page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Store(map.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at()));
  fd.reset();
  ASSERT_THAT(Returned(fchmod(file.fd(), 0)), Succeeds());
  EXPECT_THAT(Returned(mprotect(map.at(), page(), kReadWrite)), Succeeds());
  EXPECT_THAT(Store(map.at(), 0x4c), Works());
  EXPECT_THAT(Contents(file.fd(), 0, 1), AllBytesAre(0x4c));
}

CONFORMANCE(Mprotect, PrivateMappingOfAReadOnlyDescriptorCanBecomeWritable, Clause::mprotect_private_upgrade,
            on::directories) {
  TempFile file(page());
  file.FillPattern();
  const Fd fd = file.Reopen(O_RDONLY);
  const Mapping map = Map(fd.get(), page(), PROT_READ, MAP_PRIVATE);
  ASSERT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Returned(mprotect(map.at(), page(), kReadWrite)), Succeeds());
  EXPECT_THAT(Store(map.at(), 0x4d), Works());
  EXPECT_THAT(Load(map.at()), Reads(0x4d));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
}

CONFORMANCE(Mprotect, PrivateStoresStayPrivateOverProtectionChanges, Clause::mprotect_violation,
            Clause::private_isolated, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapPrivate(file.fd(), page());
  EXPECT_THAT(Store(map.at(), 0x4e), Works());
  for (const int prot : {PROT_READ, PROT_NONE, kReadWrite}) {
    EXPECT_THAT(Returned(mprotect(map.at(), page(), prot)), Succeeds());
  }
  EXPECT_THAT(Load(map.at()), Reads(0x4e));
  EXPECT_THAT(Store(map.at(1), 0x4f), Works());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
}

}  // namespace
}  // namespace shmcheck::conformance
