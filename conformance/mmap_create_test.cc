// Creation of mappings: address, length, offset, and what keeps the file alive.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

off_t Pages(size_t count) {
  return static_cast<off_t>(count * page());
}

CONFORMANCE(Mmap, ByteOfTheMappingIsByteOfTheFileAtTheOffset, Clause::mmap_create_returns_start, on::files) {
  TempFile file(6 * page() + 33);
  file.FillPattern();
  for (const int type : kTypes) {
    for (const size_t first : {0, 1, 2, 5, 6}) {
      const size_t offset = first * page();
      for (const size_t len : {size_t{1}, page(), page() + 1, file.size() - offset}) {
        SCOPED_TRACE("offset " + std::to_string(offset) + " len " + std::to_string(len));
        const Mapping map = Map(file.fd(), len, kReadWrite, type, static_cast<off_t>(offset));
        const size_t readable = std::min(len, file.size() - offset);
        EXPECT_THAT(Memory(map.at(), readable), HoldsPattern(offset, readable));
      }
    }
  }
}

bool Overlaps(const MapsRow& row, const Mapping& map) {
  const auto start = reinterpret_cast<uintptr_t>(map.at());
  return row.start < start + map.size() && start < row.end;
}

CONFORMANCE(Mmap, SystemChoosesFreePageAlignedAddresses, Clause::mmap_create_null_addr, need::proc,
            on::files) {
  const TempFile file(4 * page());
  std::vector<Mapping> maps;
  for (size_t round = 0; round < 8; ++round) {
    for (const int flags :
         {MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS}) {
      const auto before = ReadMaps();
      maps.push_back(
          Map((flags & MAP_ANONYMOUS) != 0 ? -1 : file.fd(), (1 + round % 4) * page(), kReadWrite, flags));
      const Mapping& map = maps.back();
      EXPECT_NE(map.at(), nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(map.at()) % page(), 0U);
      for (const MapsRow& row : before) EXPECT_FALSE(Overlaps(row, map)) << row;
    }
  }
}

CONFORMANCE(Mmap, FailureReturnsMapFailedAndSetsErrno, Clause::mmap_create_never_map_failed) {
  struct Case {
    size_t len;
    int flags;
    int fd;
  };
  const Case kCases[] = {{0, MAP_PRIVATE | MAP_ANONYMOUS, -1}, {1, MAP_ANONYMOUS, -1}, {1, MAP_SHARED, -1}};
  for (const Case& bad : kCases) {
    errno = 0;
    EXPECT_EQ(RawMmap(nullptr, bad.len, PROT_READ, bad.flags, bad.fd, 0), MAP_FAILED);
    EXPECT_GT(errno, 0);
  }
  for (int i = 0; i < 100; ++i) {
    const Outcome good = Returned(RawMmap(nullptr, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_THAT(good, Succeeds());
    ASSERT_THAT(Load(good.address()), Reads(0));
  }
}

CONFORMANCE(Mmap, HintInAFreeAreaNeverOverlapsAnything, Clause::mmap_create_hint_free) {
  const Mapping reserved = Map(-1, 6 * page(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS);
  ASSERT_THAT(FillPattern(reserved.at(), 0, 6 * page()), Works());
  ASSERT_THAT(Returned(munmap(reserved.at(2 * page()), 2 * page())), Succeeds());
  const Mapping map =
      Map(-1, page(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, 0, reserved.at(2 * page() + 5));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(map.at()) % page(), 0U);
  EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
  EXPECT_THAT(Fill(map.at(), 0xff, page()), Works());
  EXPECT_THAT(Memory(reserved.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Memory(reserved.at(4 * page()), 2 * page()), HoldsPattern(4 * page(), 2 * page()));
}

CONFORMANCE(Mmap, OccupiedHintIsNotReplaced, Clause::mmap_create_hint_occupied, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping old = MapShared(file.fd(), 3 * page());
  for (const size_t into : {size_t{0}, page(), 2 * page(), page() + 1}) {
    for (const int type : kTypes) {
      const Mapping map = Map(-1, 2 * page(), kReadWrite, type | MAP_ANONYMOUS, 0, old.at(into));
      EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
      EXPECT_THAT(Fill(map.at(), 0xff, 2 * page()), Works());
      EXPECT_THAT(Memory(old.at(), 3 * page()), HoldsPattern(0, 3 * page()));
    }
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Mmap, HintBelowTheMinimumIsNoError, Clause::mmap_create_hint_below_minimum,
            need::path("/proc/sys/vm/mmap_min_addr")) {
  const auto minimum = static_cast<uintptr_t>(std::stoul(ReadText("/proc/sys/vm/mmap_min_addr")));
  for (const uintptr_t hint : {uintptr_t{1}, uintptr_t{8}, page() - 1, page()}) {
    const Mapping map =
        Map(-1, page(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, 0, reinterpret_cast<void*>(hint));
    EXPECT_GE(reinterpret_cast<uintptr_t>(map.at()), minimum);
    EXPECT_THAT(Store(map.at(), 1), Works());
  }
}

CONFORMANCE(Mmap, ClosingTheDescriptorLeavesTheMappingUsable, Clause::mmap_create_fd_close,
            Clause::munmap_close_not_unmap, on::directories) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  file.Close();
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(map.at(page()), 0x99), Works());
  const Fd again = file.Reopen(O_RDWR);
  EXPECT_THAT(Contents(again.get(), Pages(1), 1), AllBytesAre(0x99));
  EXPECT_THAT(Returned(pwrite(again.get(), "w", 1, 3)), Returns(1));
  EXPECT_THAT(Load(map.at(3)), Reads('w'));
}

CONFORMANCE(Mmap, MappingKeepsAnUnlinkedFileAlive, Clause::mmap_create_file_reference, on::directories) {
  TempFile file(2 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  Child peer([&](Channel& test) {
    const Fd own_fd = file.Reopen(O_RDWR);
    const Mapping own = MapShared(own_fd.get(), 2 * page());
    close(own_fd.get());
    file.Close();
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(own.at(1), 2 * page() - 1), HoldsPattern(1, 2 * page() - 1));
    EXPECT_THAT(Load(own.at(0)), Reads(0x71));
    EXPECT_THAT(Store(own.at(page()), 0x72), Works());
  });
  peer.Wait();
  file.Close();
  file.Unlink();
  EXPECT_NE(access(file.path().c_str(), F_OK), 0);
  // Another file takes blocks and pages, which must not be those of the mapped one.
  TempFile other(2 * page());
  other.FillPattern(9);
  EXPECT_THAT(Store(map.at(0), 0x71), Works());
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(page())), Reads(0x72));
  EXPECT_THAT(Memory(map.at(page() + 1), page() - 1), HoldsPattern(page() + 1, page() - 1));
}

CONFORMANCE(Mmap, RenameAndLinkDoNotDisturbTheMapping, Clause::mmap_create_rename_link, on::directories) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), page());
  const std::string renamed = FreshPath("renamed");
  const std::string linked = FreshPath("linked");
  ASSERT_THAT(Returned(rename(file.path().c_str(), renamed.c_str())), Succeeds());
  ASSERT_THAT(Returned(link(renamed.c_str(), linked.c_str())), Succeeds());
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Store(map.at(7), 0x3c), Works());
  for (const std::string& name : {renamed, linked}) {
    const Fd fd = Open(name, O_RDONLY);
    EXPECT_THAT(Contents(fd.get(), 7, 1), AllBytesAre(0x3c)) << name;
  }
}

void ExpectSameObject(int fd, int other_fd) {
  const Mapping one = MapShared(fd, page());
  const Mapping two = MapShared(other_fd, page());
  EXPECT_THAT(Store(one.at(10), 0x51), Works());
  EXPECT_THAT(Load(two.at(10)), Reads(0x51));
  EXPECT_THAT(Store(two.at(11), 0x52), Works());
  EXPECT_THAT(Load(one.at(11)), Reads(0x52));
  EXPECT_THAT(Contents(fd, 11, 1), AllBytesAre(0x52));
}

CONFORMANCE(Mmap, OpensAndLinksOfOneInodeShowTheSameBytes, Clause::mmap_create_same_file_many_opens,
            on::directories) {
  const TempFile file(page());
  ExpectSameObject(file.fd(), file.Reopen(O_RDWR).get());
  const std::string linked = FreshPath("linked");
  ASSERT_THAT(Returned(link(file.path().c_str(), linked.c_str())), Succeeds());
  ExpectSameObject(file.fd(), Open(linked, O_RDWR).get());
}

CONFORMANCE(Mmap, BindMountOfAnInodeShowsTheSameBytes, Clause::mmap_create_same_file_many_opens, need::root,
            need::mount_namespace, on::directories) {
  const TempFile file(page());
  const std::string bound = FreshPath("bound");
  ASSERT_THAT(Returned(mkdir(bound.c_str(), 0700)), Succeeds());
  ASSERT_THAT(Returned(mount(directory().c_str(), bound.c_str(), nullptr, MS_BIND, nullptr)), Succeeds());
  {
    const Fd other = Open(bound + file.path().substr(file.path().rfind('/')), O_RDWR);
    ExpectSameObject(file.fd(), other.get());
  }
  EXPECT_THAT(Returned(umount(bound.c_str())), Succeeds());
}

CONFORMANCE(Mmap, CopiesOfAFileAreDistinctObjects, Clause::share_not_in_other_object, on::files) {
  const TempFile file(page());
  const TempFile copy(page());
  const Mapping one = MapShared(file.fd(), page());
  const Mapping two = MapShared(copy.fd(), page());
  EXPECT_THAT(Fill(one.at(), 0xcd, page()), Works());
  EXPECT_THAT(Memory(two.at(), page()), AllBytesAre(0));
  EXPECT_THAT(WholeFile(copy.fd()), AllBytesAre(0));
}

CONFORMANCE(Mmap, LengthIsRoundedUpToWholePages, Clause::mmap_create_partial_page_len, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  for (const size_t len : {size_t{1}, page() - 1, page() + 1}) {
    SCOPED_TRACE("len " + std::to_string(len));
    const size_t covered = (len + page() - 1) / page() * page();
    const Hole hole(3 * page());
    for (const int type : kTypes) {
      const Mapping map = Map(file.fd(), len, PROT_READ, type | MAP_FIXED, 0, hole.at());
      EXPECT_THAT(Memory(map.at(), covered), HoldsPattern(0, covered));
      EXPECT_THAT(Load(map.at(covered)), FaultsWith(SIGSEGV, SEGV_MAPERR, map.at(covered)));
    }
  }
}

CONFORMANCE(Mmap, LengthZeroFails, Clause::mmap_create_len_zero, on::files) {
  const TempFile file(page());
  const Mapping old = MapSharedAnonymous(page());
  ASSERT_THAT(Store(old.at(), 0x5f), Works());
  for (const int type : kTypes) {
    EXPECT_THAT(Returned(RawMmap(nullptr, 0, PROT_READ, type, file.fd(), 0)), FailsWith(EINVAL));
    EXPECT_THAT(Returned(RawMmap(nullptr, 0, PROT_READ, type | MAP_ANONYMOUS, -1, 0)), FailsWith(EINVAL));
    EXPECT_THAT(Returned(RawMmap(old.at(), 0, PROT_NONE, type | MAP_FIXED, file.fd(), 0)), FailsWith(EINVAL));
    EXPECT_THAT(Load(old.at()), Reads(0x5f));
  }
}

CONFORMANCE(Mmap, RangeBeyondTheEndOfTheFileCanBeMapped, Clause::mmap_create_len_beyond_eof, on::files) {
  TempFile file(page() + 1);
  file.FillPattern();
  for (const int type : kTypes) {
    const Mapping longer = Map(file.fd(), 64 * page(), kReadWrite, type);
    EXPECT_THAT(Memory(longer.at(), page() + 1), HoldsPattern(0, page() + 1));
    EXPECT_THAT(Load(longer.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, longer.at(2 * page())));
    for (const size_t first : {2, 3, 1000}) {
      const Outcome outcome = Returned(RawMmap(nullptr, page(), kReadWrite, type, file.fd(), Pages(first)));
      EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(ENXIO))) << "offset of page " << first;
      if (outcome.ok()) {
        const Mapping map(outcome.address(), page());
        EXPECT_THAT(Load(map.at()), FaultsWith(SIGBUS, BUS_ADRERR, map.at()));
        EXPECT_THAT(Store(map.at(), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at()));
      }
    }
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 1));
}

CONFORMANCE(Mmap, EmptyFileCanBeMappedButNotAccessed, Clause::mmap_create_empty_file, on::files) {
  const TempFile file(0);
  for (const int type : kTypes) {
    const Mapping map = Map(file.fd(), 2 * page(), kReadWrite, type);
    for (const size_t at : {size_t{0}, page() - 1, page(), 2 * page() - 1}) {
      EXPECT_THAT(Load(map.at(at)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(at)));
      EXPECT_THAT(Store(map.at(at), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(at)));
    }
  }
  EXPECT_EQ(file.size(), 0U);
}

CONFORMANCE(Mmap, UnalignedOffsetFails, Clause::mmap_create_offset_unaligned, on::files) {
  const TempFile file(4 * page());
  for (const size_t offset : {size_t{1}, page() - 1, page() + 1}) {
    for (const int type : kTypes) {
      EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, type, file.fd(), static_cast<off_t>(offset))),
                  FailsWith(EINVAL))
          << offset;
      EXPECT_THAT(
          Returned(RawMmap(nullptr, page(), PROT_READ, type | MAP_ANONYMOUS, -1, static_cast<off_t>(offset))),
          FailsWith(EINVAL))
          << offset;
    }
  }
}

CONFORMANCE(Mmap, OffsetThatOverflowsFails, Clause::mmap_create_offset_overflow, on::files) {
  const TempFile file(page());
  const off_t last_page = std::numeric_limits<off_t>::max() / Pages(1) * Pages(1);
  for (const int type : kTypes) {
    EXPECT_THAT(Returned(RawMmap(nullptr, 2 * page(), PROT_READ, type, file.fd(), last_page)),
                FailsWith(EOVERFLOW));
    EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, type, file.fd(), -Pages(1))),
                FailsWith(EOVERFLOW));
  }
}

CONFORMANCE(Mmap, LengthThatCannotFitFailsAndMapsNothing, Clause::mmap_create_len_too_big, need::proc,
            on::files) {
  const TempFile file(page());
  const Mapping old = MapSharedAnonymous(page());
  ASSERT_THAT(Store(old.at(), 0x5f), Works());
  const size_t kHuge[] = {SIZE_MAX, SIZE_MAX - page() + 1, SIZE_MAX - page() + 2, SIZE_MAX / 2,
                          SIZE_MAX / 2 + page()};
  const auto before = StableMaps();
  for (const size_t len : kHuge) {
    for (const int type : kTypes) {
      SCOPED_TRACE("len " + std::to_string(len));
      EXPECT_THAT(Returned(RawMmap(nullptr, len, PROT_READ, type, file.fd(), 0)), FailsWith(ENOMEM));
      EXPECT_THAT(Returned(RawMmap(nullptr, len, PROT_READ, type | MAP_ANONYMOUS, -1, 0)), FailsWith(ENOMEM));
      EXPECT_THAT(Returned(RawMmap(old.at(), len, PROT_READ, type | MAP_ANONYMOUS | MAP_FIXED, -1, 0)),
                  FailsWith(ENOMEM));
    }
  }
  EXPECT_EQ(StableMaps(), before);
  EXPECT_THAT(Load(old.at()), Reads(0x5f));
}

CONFORMANCE(Mmap, UsingAMappingNeverChangesTheSizeOfTheFile, Clause::mmap_sizes_never_change_file,
            on::files) {
  for (const size_t size : {size_t{0}, size_t{1}, page() - 1, page(), page() + 1}) {
    for (const int type : kTypes) {
      SCOPED_TRACE("F " + std::to_string(size));
      const TempFile file(size);
      Mapping map = Map(file.fd(), 5 * page(), kReadWrite, type);
      EXPECT_EQ(file.size(), size) << "after mmap";
      for (size_t at = 0; at < 5 * page(); at += page() - 1) {
        const Access stored = Store(map.at(at), 1);
        EXPECT_TRUE(stored.ok() || stored.signal == SIGBUS) << stored;
      }
      EXPECT_EQ(file.size(), size) << "after stores";
      EXPECT_THAT(Returned(msync(map.at(), 5 * page(), MS_SYNC)), Succeeds());
      EXPECT_EQ(file.size(), size) << "after msync";
      map.Unmap();
      EXPECT_EQ(file.size(), size) << "after munmap";
    }
  }
}

}  // namespace
}  // namespace shmcheck::conformance
