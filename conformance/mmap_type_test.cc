// The type of a mapping: shared, private, validated, and flags that the kernel does not know.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

// Bits that no flag of Linux uses, outside the field of huge page sizes (26…31). A kernel may give one a
// meaning.
constexpr int kUndefinedBits[] = {0x200000, 0x400000, 0x800000, 0x1000000, 0x2000000};

CONFORMANCE(Mmap, MissingTypeFails, Clause::mmap_type_required, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping old = MapShared(file.fd(), page());
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, 0, file.fd(), 0)), FailsWith(EINVAL));
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, MAP_ANONYMOUS, -1, 0)), FailsWith(EINVAL));
  EXPECT_THAT(Returned(RawMmap(old.at(), page(), PROT_READ, MAP_FIXED, file.fd(), 0)), FailsWith(EINVAL));
  EXPECT_THAT(Returned(RawMmap(old.at(), page(), PROT_READ, MAP_FIXED | MAP_ANONYMOUS, -1, 0)),
              FailsWith(EINVAL));
  EXPECT_THAT(Memory(old.at(), page()), HoldsPattern(0, page()));
}

CONFORMANCE(Mmap, BothTypesTogetherShareAFile, Clause::mmap_type_both, on::files) {
  const TempFile file(page());
  const Outcome outcome =
      Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED | MAP_PRIVATE, file.fd(), 0));
  ASSERT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EINVAL)));
  if (!outcome.ok()) return;
  const Mapping map(outcome.address(), page());
  EXPECT_THAT(Store(map.at(17), 0x31), Works());
  EXPECT_THAT(Contents(file.fd(), 17, 1), AllBytesAre(0x31));
  EXPECT_THAT(Returned(pwrite(file.fd(), "q", 1, 18)), Returns(1));
  EXPECT_THAT(Load(map.at(18)), Reads('q'));
}

CONFORMANCE(Mmap, BothTypesTogetherFailForAnonymousMemory, Clause::mmap_type_both) {
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
              FailsWith(EINVAL));
}

CONFORMANCE(Mmap, ValidatedTypeSharesAFile, Clause::mmap_type_both, on::files) {
  const TempFile file(page());
  const Mapping map = Map(file.fd(), page(), kReadWrite, MAP_SHARED_VALIDATE);
  const Mapping other = MapShared(file.fd(), page());
  EXPECT_THAT(Store(map.at(), 0x32), Works());
  EXPECT_THAT(Load(other.at()), Reads(0x32));
}

CONFORMANCE(Mmap, ValidatedTypeRefusesUnknownFlags, Clause::mmap_type_validate_unknown, on::files) {
  const TempFile file(page());
  int refused = 0;
  for (const int bit : kUndefinedBits) {
    const Outcome outcome =
        Returned(RawMmap(nullptr, page(), PROT_READ, MAP_SHARED_VALIDATE | bit, file.fd(), 0));
    EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EOPNOTSUPP))) << std::hex << bit;
    refused += outcome.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 0) << "no kernel knows all of these bits";
}

CONFORMANCE(Mmap, PlainTypesIgnoreUnknownFlags, Clause::mmap_type_shared_ignores_unknown, on::files) {
  TempFile file(page());
  file.FillPattern();
  for (const int bit : kUndefinedBits) {
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
      const Outcome outcome = Returned(RawMmap(nullptr, page(), PROT_READ, type | bit, file.fd(), 0));
      ASSERT_THAT(outcome, Succeeds()) << std::hex << bit;
      const Mapping map(outcome.address(), page());
      EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    }
  }
}

CONFORMANCE(Mmap, SyncIsRefusedWithoutDax, Clause::mmap_type_map_sync_needs_dax, on::files) {
  const TempFile file(page());
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED_VALIDATE | MAP_SYNC, file.fd(), 0)),
              FailsWith(EOPNOTSUPP));
}

// Ruling D6: the manual says ignored, file systems with DAX refuse.
CONFORMANCE(Mmap, SyncWithoutValidationIsIgnoredOrRefused, Clause::mmap_type_map_sync_legacy, on::files) {
  const TempFile file(page());
  const Outcome outcome = Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED | MAP_SYNC, file.fd(), 0));
  ASSERT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EOPNOTSUPP)));
  if (!outcome.ok()) return;
  const Mapping map(outcome.address(), page());
  EXPECT_THAT(Store(map.at(), 0x33), Works());
  EXPECT_THAT(Contents(file.fd(), 0, 1), AllBytesAre(0x33));
}

}  // namespace
}  // namespace shmcheck::conformance
