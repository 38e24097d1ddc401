// Times of a mapped file.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conformance/framework/clocks.h"
#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

constexpr time_t kLongAgo = 1'000'000;

void SetTimes(int fd, time_t access, time_t modification) {
  const timespec times[] = {{access, 0}, {modification, 0}};
  ASSERT_THAT(Returned(futimens(fd, times)), Succeeds());
}

CONFORMANCE(Times, AccessTimeMovesBetweenMmapAndTheFirstReference, Clause::times_atime, on::directories) {
  TempFile file(page());
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  struct statvfs mount {};
  ASSERT_THAT(Returned(fstatvfs(file.fd(), &mount)), Succeeds());
  if ((mount.f_flag & ST_NOATIME) != 0) GTEST_SKIP() << "the mount does not update access times";
  // An access time older than the modification is updated by relatime mounts, too.
  SetTimes(file.fd(), kLongAgo, kLongAgo + 1000);
  const Mapping map = Map(file.fd(), page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Load(map.at()), Reads(PatternByte(0)));
  EXPECT_GT(file.Stat().st_atim.tv_sec, kLongAgo + 1000);
}

CONFORMANCE(Times, ModificationTimeMovesByTheNextSync, Clause::times_mtime, need::ext4) {
  TempFile file(2 * page(), Place::ext4);
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const Mapping map = MapShared(file.fd(), 2 * page());
  for (const size_t at : {size_t{0}, page(), size_t{5}}) {  // each time, the page is clean before the store
    SCOPED_TRACE("byte " + std::to_string(at));
    SetTimes(file.fd(), kLongAgo, kLongAgo);
    const struct stat before = file.Stat();
    AwaitClockPast(before.st_ctim);
    EXPECT_THAT(Store(map.at(at), 0x1d), Works());
    EXPECT_THAT(Returned(msync(map.at(), 2 * page(), MS_SYNC)), Succeeds());
    const struct stat after = file.Stat();
    EXPECT_TRUE(Later(after.st_mtim, before.st_ctim)) << "st_mtime " << after.st_mtim.tv_sec;
    EXPECT_TRUE(Later(after.st_ctim, before.st_ctim));
  }
}

// Ruling D2: a store to a page that is still dirty may or may not move the times, but never backwards.
CONFORMANCE(Times, StoreToADirtyPageNeverMovesTheTimesBack, Clause::times_mtime_redirty, on::directories) {
  TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Store(map.at(0), 1), Works());
  const struct stat first = file.Stat();
  AwaitClockPast(first.st_ctim);
  EXPECT_THAT(Store(map.at(1), 2), Works());
  EXPECT_THAT(Returned(msync(map.at(), page(), MS_ASYNC)), Succeeds());
  const struct stat second = file.Stat();
  EXPECT_FALSE(Later(first.st_mtim, second.st_mtim));
  EXPECT_FALSE(Later(first.st_ctim, second.st_ctim));
}

CONFORMANCE(Times, LoadsMoveNoModificationTime, Clause::times_mtime, on::files) {
  TempFile file(page());
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const struct stat before = file.Stat();
  AwaitClockPast(before.st_ctim);
  Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Returned(msync(map.at(), page(), MS_SYNC)), Succeeds());
  map.Unmap();
  const struct stat after = file.Stat();
  EXPECT_TRUE(Same(after.st_mtim, before.st_mtim));
}

}  // namespace
}  // namespace shmcheck::conformance
