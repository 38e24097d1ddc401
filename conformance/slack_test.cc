// Slack: the bytes of the last file page at or beyond the end of the file.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/filesystem.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr uint8_t kStale = 0xa7;
constexpr size_t kSize = 100;  // of the file, no multiple of anything interesting

size_t SlackSize() {
  return page() - kSize;
}

// Every byte is zero or the one that was stored there: nothing else can ever be seen.
void ExpectZeroOrStale(const Bytes& bytes) {
  EXPECT_EQ(bytes.problem, "");
  for (size_t i = 0; i < bytes.data.size(); ++i) {
    if (bytes.data[i] != 0 && bytes.data[i] != kStale) {
      ADD_FAILURE() << "byte " << i << " is " << int{bytes.data[i]} << ", wanted 0 or the stored "
                    << int{kStale};
      return;
    }
  }
}

CONFORMANCE(Slack, IsZeroInAFreshFile, Clause::slack_zero_filled, on::files) {
  TempFile file(kSize);
  file.FillPattern();
  const Mapping shared = MapShared(file.fd(), page());
  const Mapping copy = MapPrivate(file.fd(), page());
  for (const Mapping* map : {&shared, &copy}) {
    EXPECT_THAT(Memory(map->at(), kSize), HoldsPattern(0, kSize));
    EXPECT_THAT(Memory(map->at(kSize), SlackSize()), AllBytesAre(0));
    EXPECT_THAT(KernelCopy(map->at(kSize), SlackSize()), AllBytesAre(0));
  }
}

CONFORMANCE(Slack, IsZeroWhenThePageComesFromStorage, Clause::slack_zero_filled, need::ext4) {
  TempFile file(2 * page(), Place::ext4);
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  file.Resize(page() + kSize);
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  ASSERT_THAT(Answered(posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED)), Succeeds());
  const Mapping map = MapShared(file.fd(), 2 * page());
  EXPECT_THAT(Memory(map.at(), page() + kSize), HoldsPattern(0, page() + kSize));
  EXPECT_THAT(Memory(map.at(page() + kSize), SlackSize()), AllBytesAre(0));
}

CONFORMANCE(Slack, TakesStoresAndGivesThemBack, Clause::slack_writable, Clause::slack_size_unchanged,
            on::files) {
  TempFile file(kSize);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  for (const size_t at : {kSize, kSize + 1, page() - 1}) {
    EXPECT_THAT(Store(map.at(at), kStale), Works());
    EXPECT_THAT(Load(map.at(at)), Reads(kStale)) << at;
  }
  EXPECT_EQ(file.size(), kSize);
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, kSize));
}

CONFORMANCE(Slack, StoresNeverChangeTheSize, Clause::slack_size_unchanged, on::files) {
  for (const size_t size : {size_t{0}, size_t{1}, kSize, page() - 1, page() + 1}) {
    SCOPED_TRACE("F " + std::to_string(size));
    const TempFile file(size);
    Mapping map = MapShared(file.fd(), 2 * page());
    const size_t accessible = (size + page() - 1) / page() * page();
    for (size_t at = size; at < accessible; ++at) ASSERT_THAT(Store(map.at(at), kStale), Works());
    EXPECT_EQ(file.size(), size) << "after the stores";
    EXPECT_THAT(Returned(msync(map.at(), 2 * page(), MS_SYNC)), Succeeds());
    EXPECT_EQ(file.size(), size) << "after msync";
    map.Unmap();
    EXPECT_EQ(file.size(), size) << "after munmap";
    EXPECT_THAT(Returned(fsync(file.fd())), Succeeds());
    EXPECT_EQ(file.size(), size) << "after fsync";
  }
}

CONFORMANCE(Slack, IsNeverReturnedByRead, Clause::slack_not_readable, on::files) {
  TempFile file(kSize);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  ASSERT_THAT(Fill(map.at(kSize), kStale, SlackSize()), Works());
  std::vector<uint8_t> buffer(page(), 0x11);
  EXPECT_THAT(Returned(pread(file.fd(), buffer.data(), 1, kSize)), Returns(0));
  EXPECT_THAT(Returned(pread(file.fd(), buffer.data(), page(), kSize + 1)), Returns(0));
  EXPECT_THAT(Returned(pread(file.fd(), buffer.data(), page(), static_cast<off_t>(page()) - 1)), Returns(0));
  EXPECT_EQ(buffer, std::vector<uint8_t>(page(), 0x11));
  EXPECT_THAT(Returned(pread(file.fd(), buffer.data(), page(), kSize - 10)), Returns(10));
  EXPECT_EQ(buffer[10], 0x11);
  EXPECT_THAT(Returned(lseek(file.fd(), 0, SEEK_SET)), Returns(0));
  EXPECT_THAT(Returned(read(file.fd(), buffer.data(), page())), Returns(kSize));
  EXPECT_THAT(Returned(read(file.fd(), buffer.data(), page())), Returns(0));
  const iovec parts[] = {{buffer.data(), 64}, {buffer.data() + 64, page() - 64}};
  EXPECT_THAT(Returned(preadv(file.fd(), parts, 2, 0)), Returns(kSize));
}

CONFORMANCE(Slack, StoresNeverReachTheStorage, Clause::slack_never_stored, need::ext4, need::block_device) {
  TempFile file(kSize, Place::ext4);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  ASSERT_THAT(Fill(map.at(kSize), kStale, SlackSize()), Works());
  ASSERT_THAT(Returned(msync(map.at(), page(), MS_SYNC)), Succeeds());
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const int64_t position = DeviceOffset(file.fd(), 0);
  ASSERT_GT(position, 0) << "the file has no block after msync";
  const DeviceOpening device = OpenDeviceBeneath(file.path());
  ASSERT_EQ(device.problem, "");
  ASSERT_THAT(Returned(ioctl(device.fd.get(), BLKFLSBUF)), Succeeds());
  int block_size = 0;
  ASSERT_THAT(Returned(ioctl(file.fd(), FIGETBSZ, &block_size)), Succeeds());
  EXPECT_THAT(Contents(device.fd.get(), position, kSize), HoldsPattern(0, kSize));
  EXPECT_THAT(Contents(device.fd.get(), position + static_cast<off_t>(kSize),
                       static_cast<size_t>(block_size) - kSize),
              AllBytesAre(0));
}

CONFORMANCE(Slack, OtherMappersSeeZeroOrTheStoredByte, Clause::slack_shared_between_mappers, on::files) {
  const TempFile file(kSize);
  const Mapping writer = MapShared(file.fd(), page());
  const Mapping reader = MapShared(file.fd(), page());
  ASSERT_THAT(Fill(writer.at(kSize), kStale, SlackSize()), Works());
  ExpectZeroOrStale(Memory(reader.at(kSize), SlackSize()));
  Child child([&](Channel&) {
    const Mapping own = MapShared(file.fd(), page());
    ExpectZeroOrStale(Memory(own.at(kSize), SlackSize()));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Slack, LaterMappersSeeZeroOrTheStoredByte, Clause::slack_may_persist, on::files) {
  const TempFile file(kSize);
  Mapping first = MapShared(file.fd(), page());
  ASSERT_THAT(Fill(first.at(kSize), kStale, SlackSize()), Works());
  first.Unmap();
  Mapping second = MapShared(file.fd(), page());
  ExpectZeroOrStale(Memory(second.at(kSize), SlackSize()));
  EXPECT_THAT(Returned(msync(second.at(), page(), MS_SYNC)), Succeeds());
  second.Unmap();
  const Mapping third = MapShared(file.fd(), page());
  ExpectZeroOrStale(Memory(third.at(kSize), SlackSize()));
  EXPECT_EQ(file.size(), kSize);
}

CONFORMANCE(Slack, IsClearedByWriteBack, Clause::slack_cleared_by_writeback, need::ext4) {
  TempFile file(kSize, Place::ext4);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  ASSERT_THAT(Fill(map.at(kSize), kStale, SlackSize()), Works());
  ASSERT_THAT(Returned(msync(map.at(), page(), MS_SYNC)), Succeeds());
  EXPECT_THAT(Memory(map.at(kSize), SlackSize()), AllBytesAre(0));
  EXPECT_THAT(Memory(map.at(), kSize), HoldsPattern(0, kSize));
}

// Extensions of a file of kSize bytes. `end` is the new size; a byte written by the extension itself is at
// end-1.
struct Extension {
  const char* name;
  size_t (*end)();
  void (*extend)(int fd, size_t end);
  uint8_t last_byte;
};
void Truncate(int fd, size_t end) {
  ASSERT_THAT(Returned(ftruncate(fd, static_cast<off_t>(end))), Succeeds());
}
void WriteLast(int fd, size_t end) {
  ASSERT_THAT(Returned(pwrite(fd, "Z", 1, static_cast<off_t>(end) - 1)), Returns(1));
}
constexpr Extension kExtensions[] = {
    {"ftruncate inside the page", [] { return page() - 1; }, Truncate, 0},
    {"ftruncate to the end of the page", [] { return page(); }, Truncate, 0},
    {"ftruncate across the page", [] { return page() + kSize; }, Truncate, 0},
    {"pwrite inside the page", [] { return page() - 1; }, WriteLast, 'Z'},
    {"pwrite across the page", [] { return page() + kSize; }, WriteLast, 'Z'},
};

CONFORMANCE(Slack, CleanSlackBecomesZerosOfTheExtendedFile, Clause::slack_extend_exposes_zero, on::files) {
  for (const Extension& extension : kExtensions) {
    SCOPED_TRACE(extension.name);
    TempFile file(kSize);
    file.FillPattern();
    const Mapping old = MapShared(file.fd(), 2 * page());
    ASSERT_THAT(Memory(old.at(), kSize), HoldsPattern(0, kSize));
    const size_t end = extension.end();
    extension.extend(file.fd(), end);
    const Mapping fresh = MapShared(file.fd(), 2 * page());
    EXPECT_EQ(file.size(), end);
    EXPECT_THAT(Contents(file.fd(), kSize, end - kSize - 1), AllBytesAre(0));
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(end) - 1, 1), AllBytesAre(extension.last_byte));
    for (const Mapping* map : {&old, &fresh}) {
      EXPECT_THAT(Memory(map->at(), kSize), HoldsPattern(0, kSize));
      EXPECT_THAT(Memory(map->at(kSize), end - kSize - 1), AllBytesAre(0));
      EXPECT_THAT(Load(map->at(end - 1)), Reads(extension.last_byte));
    }
  }
}

// The file after an extension over slack that had been stored to, as pread gives it, without its last byte.
Bytes AddedOverDirtySlack(const Extension& extension, Place place) {
  TempFile file(kSize, place);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Fill(map.at(kSize), kStale, SlackSize()), Works());
  const size_t end = extension.end();
  extension.extend(file.fd(), end);
  EXPECT_EQ(file.size(), end);
  EXPECT_THAT(Contents(file.fd(), 0, kSize), HoldsPattern(0, kSize));
  return Contents(file.fd(), kSize, end - kSize - 1);
}

CONFORMANCE(Slack, ExtendingOverDirtySlackGivesZeroOrTheStoredBytes, Clause::slack_dirty_extend, on::files) {
  for (const Extension& extension : kExtensions) {
    SCOPED_TRACE(extension.name);
    ExpectZeroOrStale(AddedOverDirtySlack(extension, place()));
  }
}

// Ruling D3: old kernels expose the stored bytes on ext4 as well; 6.18 was seen to clear them.
CONFORMANCE(Slack, ExtendingOverDirtySlackGivesZeroOnExt4, Clause::slack_dirty_extend, need::ext4,
            need::kernel(6, 18)) {
  for (const Extension& extension : kExtensions) {
    SCOPED_TRACE(extension.name);
    EXPECT_THAT(AddedOverDirtySlack(extension, Place::ext4), AllBytesAre(0));
  }
}

}  // namespace
}  // namespace shmcheck::conformance
