// munmap: which pages go, and what stays.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

void ExpectUnmapped(const uint8_t* start, size_t size) {
  for (size_t at = 0; at < size; at += page()) {
    for (const uint8_t* byte : {start + at, start + at + page() - 1}) {
      EXPECT_THAT(Load(byte), FaultsWith(SIGSEGV, SEGV_MAPERR, byte));
      EXPECT_THAT(Store(const_cast<uint8_t*>(byte), 1), FaultsWith(SIGSEGV, SEGV_MAPERR, byte));
    }
  }
}

// Mappings of every kind, `pages` long and filled with the pattern.
void ForEveryKind(const TempFile& file, size_t pages, const std::function<void(const Mapping&)>& check) {
  struct Kind {
    const char* name;
    int fd;
    int flags;
  };
  for (const Kind& kind :
       {Kind{"shared file", file.fd(), MAP_SHARED}, Kind{"private file", file.fd(), MAP_PRIVATE},
        Kind{"shared anonymous", -1, MAP_SHARED | MAP_ANONYMOUS},
        Kind{"private anonymous", -1, MAP_PRIVATE | MAP_ANONYMOUS}}) {
    SCOPED_TRACE(kind.name);
    const Mapping map = Map(kind.fd, pages * page(), kReadWrite, kind.flags);
    ASSERT_THAT(FillPattern(map.at(), 0, pages * page()), Works());
    check(map);
  }
}

CONFORMANCE(Munmap, RemovesEveryPageWithAByteInTheRange, Clause::munmap_removes, Clause::munmap_return,
            on::files) {
  const TempFile file(4 * page());
  ForEveryKind(file, 4, [](const Mapping& map) {
    EXPECT_THAT(Returned(munmap(map.at(page()), page() + 1)),
                Returns(0));  // two pages have a byte in the range
    ExpectUnmapped(map.at(page()), 2 * page());
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    EXPECT_THAT(Memory(map.at(3 * page()), page()), HoldsPattern(3 * page(), page()));
    EXPECT_THAT(Returned(munmap(map.at(), 4 * page())), Returns(0));
    ExpectUnmapped(map.at(), 4 * page());
  });
}

CONFORMANCE(Munmap, RemovedPagesAreUnreachableForTheKernel, Clause::munmap_removes, on::files) {
  const TempFile file(2 * page());
  ForEveryKind(file, 2, [](const Mapping& map) {
    EXPECT_THAT(Returned(munmap(map.at(), page())), Returns(0));
    EXPECT_EQ(KernelCopy(map.at(), 1).problem, "write gives EFAULT at byte 0");
    EXPECT_THAT(KernelCopy(map.at(page()), page()), HoldsPattern(page(), page()));
  });
}

CONFORMANCE(Munmap, LengthOneRemovesOneWholePage, Clause::munmap_len_rounded, on::files) {
  const TempFile file(3 * page());
  ForEveryKind(file, 3, [](const Mapping& map) {
    EXPECT_THAT(Returned(munmap(map.at(page()), 1)), Succeeds());
    ExpectUnmapped(map.at(page()), page());
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    EXPECT_THAT(Memory(map.at(2 * page()), page()), HoldsPattern(2 * page(), page()));
  });
}

CONFORMANCE(Munmap, PartsCanBeRemoved, Clause::munmap_partial, on::files) {
  TempFile file(3 * page());
  for (size_t removed = 0; removed < 3; ++removed) {
    SCOPED_TRACE("page " + std::to_string(removed));
    file.FillPattern();
    const Mapping peer = MapShared(file.fd(), 3 * page());
    const Mapping map = MapShared(file.fd(), 3 * page());
    EXPECT_THAT(Returned(munmap(map.at(removed * page()), page())), Succeeds());
    ExpectUnmapped(map.at(removed * page()), page());
    for (size_t kept = 0; kept < 3; ++kept) {
      if (kept == removed) continue;
      EXPECT_THAT(Memory(map.at(kept * page()), page()), HoldsPattern(kept * page(), page()));
      EXPECT_THAT(Store(map.at(kept * page()), 0x9a), Works());
      EXPECT_THAT(Load(peer.at(kept * page())), Reads(0x9a)) << "the kept page is no longer shared";
      EXPECT_THAT(Store(peer.at(kept * page() + 1), 0x9b), Works());
      EXPECT_THAT(Load(map.at(kept * page() + 1)), Reads(0x9b));
    }
    EXPECT_THAT(Memory(peer.at(removed * page()), page()), HoldsPattern(removed * page(), page()));
  }
}

CONFORMANCE(Munmap, PartsOfAnonymousMemoryCanBeRemoved, Clause::munmap_partial) {
  for (size_t removed = 0; removed < 3; ++removed) {
    const Mapping map = MapSharedAnonymous(3 * page());
    ASSERT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
    EXPECT_THAT(Returned(munmap(map.at(removed * page()), page())), Succeeds());
    ExpectUnmapped(map.at(removed * page()), page());
    Child child([&](Channel&) {
      for (size_t kept = 0; kept < 3; ++kept) {
        if (kept == removed) continue;
        EXPECT_THAT(Memory(map.at(kept * page()), page()), HoldsPattern(kept * page(), page()));
        EXPECT_THAT(Store(map.at(kept * page()), 0x9c), Works());
      }
    });
    EXPECT_THAT(child.Join(), ExitsWith(0));
    EXPECT_THAT(Load(map.at(removed == 0 ? 2 * page() : 0)), Reads(0x9c));
  }
}

CONFORMANCE(Munmap, RangeWithoutMappingsIsNoError, Clause::munmap_not_mapped, on::files) {
  TempFile file(page());
  const Hole hole(5 * page());
  EXPECT_THAT(Returned(munmap(hole.at(), 5 * page())), Succeeds());
  EXPECT_THAT(Returned(munmap(hole.at(), 1)), Succeeds());
  const Mapping first = Map(file.fd(), page(), kReadWrite, MAP_SHARED | MAP_FIXED, 0, hole.at(page()));
  const Mapping second =
      Map(-1, page(), kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0, hole.at(3 * page()));
  EXPECT_THAT(Returned(munmap(hole.at(), 5 * page())), Succeeds());
  ExpectUnmapped(hole.at(), 5 * page());
}

CONFORMANCE(Munmap, UnalignedAddressFailsAndRemovesNothing, Clause::munmap_unaligned, on::files) {
  const TempFile file(2 * page());
  ForEveryKind(file, 2, [](const Mapping& map) {
    for (const size_t at : {size_t{1}, page() - 1, page() + 8}) {
      EXPECT_THAT(Returned(munmap(map.at(at), page())), FailsWith(EINVAL)) << at;
      EXPECT_THAT(Returned(munmap(map.at(at), 1)), FailsWith(EINVAL)) << at;
    }
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  });
}

CONFORMANCE(Munmap, LengthZeroFails, Clause::munmap_len_zero, on::files) {
  const TempFile file(page());
  ForEveryKind(file, 1, [](const Mapping& map) {
    EXPECT_THAT(Returned(munmap(map.at(), 0)), FailsWith(EINVAL));
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  });
}

CONFORMANCE(Munmap, RangeOutsideTheAddressSpaceFails, Clause::munmap_out_of_range) {
  const Mapping map = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  auto* const last_page = reinterpret_cast<void*>(SIZE_MAX - page() + 1);
  EXPECT_THAT(Returned(munmap(last_page, page())), FailsWith(EINVAL));
  EXPECT_THAT(Returned(munmap(last_page, 2 * page())), FailsWith(EINVAL)) << "wraps around";
  for (const size_t len : {SIZE_MAX, SIZE_MAX - page() + 1, SIZE_MAX - 2 * page() + 1}) {
    EXPECT_THAT(Returned(munmap(map.at(), len)), FailsWith(EINVAL)) << len;
  }
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Munmap, LocksOfTheRangeAreDropped, Clause::munmap_unlocks, need::root, need::proc, on::files) {
  const TempFile file(4 * page());
  const auto locked = [] { return NumberIn("/proc/self/status", "VmLck"); };
  const long before = locked();
  const long one_page = static_cast<long>(page() / 1024);
  ForEveryKind(file, 4, [&](const Mapping& map) {
    ASSERT_THAT(Returned(mlock(map.at(), 4 * page())), Succeeds());
    EXPECT_EQ(locked(), before + 4 * one_page);
    EXPECT_THAT(Returned(munmap(map.at(page()), page())), Succeeds());
    EXPECT_EQ(locked(), before + 3 * one_page);
    EXPECT_THAT(Returned(munmap(map.at(), 4 * page())), Succeeds());
    EXPECT_EQ(locked(), before);
  });
}

CONFORMANCE(Munmap, StoredDataStayInTheFile, Clause::munmap_keeps_data, on::files) {
  const TempFile file(3 * page() + 7);
  for (unsigned seed = 0; seed < 4; ++seed) {
    Mapping map = MapShared(file.fd(), 3 * page() + 7);
    ASSERT_THAT(FillPattern(map.at(), 0, 3 * page() + 7, seed), Works());
    map.Unmap();
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page() + 7, seed));
    const Mapping again = MapShared(file.fd(), 3 * page() + 7);
    EXPECT_THAT(Memory(again.at(), 3 * page() + 7), HoldsPattern(0, 3 * page() + 7, seed));
  }
}

CONFORMANCE(Munmap, SharedAnonymousDataStayWhileAnotherProcessMapsThem, Clause::munmap_keeps_data) {
  Mapping map = MapSharedAnonymous(2 * page());
  Child child([&](Channel& test) {
    test.Wait();  // the test has stored and unmapped
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  });
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  map.Unmap();
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

// A tmpfs with one file that is mapped, its descriptor closed.
class MountWithMappedFile {
 public:
  explicit MountWithMappedFile(int prot) : path_(FreshPath("mount")) {
    if (mkdir(path_.c_str(), 0700) != 0) Abandon(Where::Here(), "mkdir fails with " + ErrnoName(errno));
    if (mount("tmpfs", path_.c_str(), "tmpfs", 0, "") != 0)
      Abandon(Where::Here(), "mount: " + ErrnoName(errno));
    const Fd fd = Open(path_ + "/file", O_RDWR | O_CREAT);
    if (ftruncate(fd.get(), static_cast<off_t>(page())) != 0) Abandon(Where::Here(), "ftruncate fails");
    map_ = Map(fd.get(), page(), prot, MAP_SHARED);
  }
  MountWithMappedFile(const MountWithMappedFile&) = delete;
  ~MountWithMappedFile() {
    map_ = Mapping();
    umount2(path_.c_str(), MNT_DETACH);
  }
  const char* path() const { return path_.c_str(); }
  Mapping& map() { return map_; }

 private:
  std::string path_;
  Mapping map_;
};

CONFORMANCE(Munmap, MappedFileKeepsItsFileSystemBusy, Clause::munmap_last_ref_pins_fs, need::root,
            need::tmpfs, need::mount_namespace) {
  for (const int prot : {PROT_READ, kReadWrite}) {
    MountWithMappedFile mounted(prot);
    EXPECT_THAT(Returned(umount(mounted.path())), FailsWith(EBUSY));
    EXPECT_THAT(Load(mounted.map().at()), Reads(0));
    mounted.map().Unmap();
    EXPECT_THAT(Returned(umount(mounted.path())), Succeeds());
  }
}

CONFORMANCE(Munmap, WritableSharedMappingForbidsReadOnlyRemount, Clause::munmap_ro_remount, need::root,
            need::tmpfs, need::mount_namespace) {
  MountWithMappedFile mounted(kReadWrite);
  const auto remount = [&] {
    return Returned(mount(nullptr, mounted.path(), nullptr, MS_REMOUNT | MS_RDONLY, ""));
  };
  EXPECT_THAT(remount(), FailsWith(EBUSY));
  EXPECT_THAT(Store(mounted.map().at(), 1), Works());
  mounted.map().Unmap();
  EXPECT_THAT(remount(), Succeeds());
}

}  // namespace
}  // namespace shmcheck::conformance
