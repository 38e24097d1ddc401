// What reaches the storage beneath a file mapping, when it must, and when it must not.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/storage.h"

namespace shmcheck::conformance {
namespace {

constexpr unsigned kOld = 1;
constexpr unsigned kNew = 2;

// A file of five and a half pages on ext4 whose storage is known to hold the pattern kOld.
struct Stored {
  Stored() : file(SizeOf(), Place::ext4) { file.FillPattern(kOld); }
  static size_t SizeOf() { return 5 * page() + 77; }
  size_t size() const { return SizeOf(); }
  TempFile file;
};

// Whole pages (cut at the end of the file) are old or new; write-back never mixes anything else in.
void ExpectOldOrNew(const Storage& storage, size_t size) {
  for (size_t at = 0; at < size; at += page()) {
    const size_t count = std::min(page(), size - at);
    EXPECT_THAT(storage.Contents(at, count),
                testing::AnyOf(HoldsPattern(at, count, kOld), HoldsPattern(at, count, kNew)))
        << "byte " << at;
  }
}

struct Range {
  size_t first;  // page
  size_t pages;  // covered
  size_t (*len)();
  int flags;
};
constexpr Range kRanges[] = {
    {0, 6, [] { return 5 * page() + 77; }, MS_SYNC},
    {0, 1, [] { return size_t{1}; }, MS_SYNC},
    {2, 1, [] { return page(); }, MS_SYNC | MS_INVALIDATE},
    {1, 3, [] { return 2 * page() + 1; }, MS_SYNC},
    {5, 1, [] { return page(); }, MS_SYNC},
    {3, 3, [] { return 3 * page(); }, MS_SYNC | MS_INVALIDATE},
};

void ExpectOnStorage(const Storage& storage, const Range& range, unsigned seed) {
  const size_t at = range.first * page();
  const size_t count = std::min(range.pages * page(), Stored::SizeOf() - at);
  EXPECT_THAT(storage.Contents(at, count), HoldsPattern(at, count, seed));
}

CONFORMANCE(Writeback, SyncHasWrittenTheRangeWhenItReturns, Clause::msync_sync_durable,
            Clause::msync_sync_range, need::ext4, need::block_device) {
  for (const Range& range : kRanges) {
    SCOPED_TRACE("page " + std::to_string(range.first) + " length " + std::to_string(range.len()));
    const Stored stored;
    const Storage storage(stored.file);
    const Mapping map = MapShared(stored.file.fd(), stored.size());
    ASSERT_THAT(FillPattern(map.at(), 0, stored.size(), kNew), Works());
    ASSERT_THAT(Returned(msync(map.at(range.first * page()), range.len(), range.flags)), Succeeds());
    ExpectOnStorage(storage, range, kNew);
    ExpectOldOrNew(storage, stored.size());
    EXPECT_THAT(WholeFile(stored.file.fd()), HoldsPattern(0, stored.size(), kNew));
  }
}

CONFORMANCE(Writeback, EverySyncWritesTheStoresSinceTheLastOne, Clause::msync_sync_durable, need::ext4,
            need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping map = MapShared(stored.file.fd(), stored.size());
  const Range all = kRanges[0];
  for (unsigned round = 2; round < 6; ++round) {
    ASSERT_THAT(FillPattern(map.at(), 0, stored.size(), round), Works());
    ASSERT_THAT(Returned(msync(map.at(), all.len(), MS_SYNC)), Succeeds());
    ExpectOnStorage(storage, all, round);
  }
}

CONFORMANCE(Writeback, SyncWritesStoresOfOtherProcessesAndMappings, Clause::msync_sync_durable, need::ext4,
            need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping map = MapShared(stored.file.fd(), stored.size());
  const Mapping other = MapShared(stored.file.fd(), stored.size());
  ASSERT_THAT(FillPattern(other.at(), 0, 2 * page(), kNew), Works());
  Child writer([&](Channel&) {
    EXPECT_THAT(FillPattern(map.at(2 * page()), 2 * page(), stored.size() - 2 * page(), kNew), Works());
  });
  EXPECT_THAT(writer.Join(), ExitsWith(0));
  ASSERT_THAT(Returned(msync(map.at(), stored.size(), MS_SYNC)), Succeeds());
  ExpectOnStorage(storage, kRanges[0], kNew);
}

CONFORMANCE(Writeback, SyncWritesEveryMappingOfTheRange, Clause::msync_sync_durable, need::ext4,
            need::block_device) {
  const Stored one;
  const Stored two;
  const Storage of_one(one.file);
  const Storage of_two(two.file);
  const Mapping area = Reserve(4 * page());
  const int prot = PROT_READ | PROT_WRITE;
  Map(one.file.fd(), page(), prot, MAP_SHARED | MAP_FIXED, static_cast<off_t>(page()), area.at(page()))
      .release();
  Map(two.file.fd(), page(), prot, MAP_SHARED | MAP_FIXED, static_cast<off_t>(3 * page()),
      area.at(2 * page()))
      .release();
  ASSERT_THAT(FillPattern(area.at(page()), page(), page(), kNew), Works());
  ASSERT_THAT(FillPattern(area.at(2 * page()), 3 * page(), page(), kNew), Works());
  ASSERT_THAT(Returned(msync(area.at(), 4 * page(), MS_SYNC)), Succeeds());
  EXPECT_THAT(of_one.Contents(page(), page()), HoldsPattern(page(), page(), kNew));
  EXPECT_THAT(of_two.Contents(3 * page(), page()), HoldsPattern(3 * page(), page(), kNew));
  EXPECT_THAT(of_one.Contents(0, page()), HoldsPattern(0, page(), kOld));
}

CONFORMANCE(Writeback, SyncThroughAReadOnlyProtectedMappingWrites, Clause::msync_readonly_protection,
            need::ext4, need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping writer = MapShared(stored.file.fd(), stored.size());
  const Mapping reader = Map(stored.file.fd(), stored.size(), PROT_READ, MAP_SHARED);
  ASSERT_THAT(FillPattern(writer.at(), 0, stored.size(), kNew), Works());
  ASSERT_THAT(Returned(msync(reader.at(), stored.size(), MS_SYNC)), Succeeds());
  ExpectOnStorage(storage, kRanges[0], kNew);
}

// Ruling D14: nothing is promised for the first, everything for the second.
CONFORMANCE(Writeback, SyncThroughAReadOnlyDescriptorMayWriteAndFsyncOnItDoes,
            Clause::msync_readonly_descriptor, Clause::msync_fsync_equivalent, need::ext4,
            need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping writer = MapShared(stored.file.fd(), stored.size());
  const Fd read_only = stored.file.Reopen(O_RDONLY);
  const Mapping reader = Map(read_only.get(), stored.size(), PROT_READ, MAP_SHARED);
  ASSERT_THAT(FillPattern(writer.at(), 0, stored.size(), kNew), Works());
  EXPECT_THAT(Returned(msync(reader.at(), stored.size(), MS_SYNC)), Succeeds());
  ExpectOldOrNew(storage, stored.size());
  ASSERT_THAT(Returned(fsync(read_only.get())), Succeeds());
  ExpectOnStorage(storage, kRanges[0], kNew);
}

CONFORMANCE(Writeback, FsyncAndFdatasyncOnAnyDescriptorWriteMappedStores, Clause::msync_fsync_equivalent,
            need::ext4, need::block_device) {
  for (const auto sync : {&fsync, &fdatasync}) {
    for (const int flags : {O_RDWR, O_RDONLY, O_WRONLY}) {
      SCOPED_TRACE(std::string(sync == &fsync ? "fsync" : "fdatasync") + ", open flags " +
                   std::to_string(flags));
      const Stored stored;
      const Storage storage(stored.file);
      const Fd other = stored.file.Reopen(flags);
      const Mapping map = MapShared(stored.file.fd(), stored.size());
      ASSERT_THAT(FillPattern(map.at(), 0, stored.size(), kNew), Works());
      ASSERT_THAT(Returned(sync(other.get())), Succeeds());
      ExpectOnStorage(storage, kRanges[0], kNew);
    }
  }
}

CONFORMANCE(Writeback, AsyncAndUnmapPromiseNothingButKeepWhatALaterSyncWrites, Clause::msync_async_returns,
            Clause::writeback_no_implicit_on_munmap, Clause::writeback_visible_before, need::ext4,
            need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  Mapping map = MapShared(stored.file.fd(), stored.size());
  ASSERT_THAT(FillPattern(map.at(), 0, stored.size(), kNew), Works());
  ASSERT_THAT(Returned(msync(map.at(), stored.size(), MS_ASYNC)), Succeeds());
  ExpectOldOrNew(storage, stored.size());
  map.Unmap();
  Child user([&](Channel&) {
    const Mapping own = MapShared(stored.file.fd(), stored.size());
    EXPECT_THAT(Memory(own.at(), stored.size()), HoldsPattern(0, stored.size(), kNew));
  });
  EXPECT_THAT(user.Join(), ExitsWith(0));
  ExpectOldOrNew(storage, stored.size());
  EXPECT_THAT(WholeFile(stored.file.fd()), HoldsPattern(0, stored.size(), kNew));
  const Mapping again = MapShared(stored.file.fd(), stored.size());
  ASSERT_THAT(Returned(msync(again.at(), stored.size(), MS_SYNC)), Succeeds());
  ExpectOnStorage(storage, kRanges[0], kNew);
}

CONFORMANCE(Writeback, StoresOfAnEndedProcessAreVisibleWhateverTheStorageHolds,
            Clause::writeback_no_implicit_on_munmap, Clause::writeback_visible_before, need::ext4,
            need::block_device) {
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping before = MapShared(stored.file.fd(), stored.size());
  EXPECT_THAT(Memory(before.at(), stored.size()), HoldsPattern(0, stored.size(), kOld));
  Child writer([&](Channel&) {
    const Mapping own = MapShared(stored.file.fd(), stored.size());
    EXPECT_THAT(FillPattern(own.at(), 0, stored.size(), kNew), Works());
    kill(getpid(), SIGKILL);
  });
  EXPECT_THAT(writer.Join(), DiesBy(SIGKILL));
  ExpectOldOrNew(storage, stored.size());
  EXPECT_THAT(Memory(before.at(), stored.size()), HoldsPattern(0, stored.size(), kNew));
  EXPECT_THAT(WholeFile(stored.file.fd()), HoldsPattern(0, stored.size(), kNew));
}

CONFORMANCE(Writeback, SyncThroughAPrivateMappingMayWriteOthersStoresButNeverItsOwn,
            Clause::msync_private_does_not_flush, Clause::msync_private, Clause::writeback_private_never,
            need::ext4, need::block_device) {
  constexpr unsigned kPrivate = 9;
  const Stored stored;
  const Storage storage(stored.file);
  const Mapping shared = MapShared(stored.file.fd(), stored.size());
  const Mapping copy = MapPrivate(stored.file.fd(), stored.size());
  ASSERT_THAT(FillPattern(copy.at(), 0, 2 * page(), kPrivate), Works());
  ASSERT_THAT(FillPattern(shared.at(), 0, stored.size(), kNew), Works());
  EXPECT_THAT(Returned(msync(copy.at(), stored.size(), MS_SYNC)), Succeeds());
  ExpectOldOrNew(storage, stored.size());
  ASSERT_THAT(Returned(fsync(stored.file.fd())), Succeeds());
  ExpectOnStorage(storage, kRanges[0], kNew);
  EXPECT_THAT(Memory(copy.at(), 2 * page()), HoldsPattern(0, 2 * page(), kPrivate));
}

CONFORMANCE(Writeback, SyncedStoresComeBackFromTheStorage, Clause::msync_sync_durable, need::ext4) {
  const size_t size = 3 * page() + 5;
  const TempFile file(size, Place::ext4);
  Mapping map = MapShared(file.fd(), size);
  ASSERT_THAT(FillPattern(map.at(), 0, size), Works());
  ASSERT_THAT(Returned(msync(map.at(), size, MS_SYNC)), Succeeds());
  map.Unmap();
  ASSERT_THAT(Answered(posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED)), Succeeds());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, size));
  const Mapping again = MapShared(file.fd(), size);
  EXPECT_THAT(Memory(again.at(), size), HoldsPattern(0, size));
}

}  // namespace
}  // namespace shmcheck::conformance
