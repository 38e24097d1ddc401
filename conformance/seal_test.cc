// File seals: which files take them, that they only grow, and what each of them forbids.

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr int kFutureWrite = 0x10;  // F_SEAL_FUTURE_WRITE
constexpr int kOldSeals[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
constexpr int kUnknownBits[] = {0x40, 0x100, 0x10000, 0x40000000};
constexpr int kPunchHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

size_t SealedSize() {
  return 2 * page() + 21;
}

int AddSeals(int fd, int seals) {
  return fcntl(fd, F_ADD_SEALS, seals);
}
Outcome Seals(int fd) {
  return Returned(fcntl(fd, F_GET_SEALS));
}

// A memfd of pattern bytes that takes seals.
struct Sealable {
  explicit Sealable(int seals = 0, Where where = Where::Here())
      : fd(RawMemfdCreate("seals", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    const std::vector<uint8_t> bytes = Pattern(0, SealedSize());
    if (fd.get() < 0) Abandon(where, "memfd_create fails with " + ErrnoName(errno));
    if (pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      Abandon(where, "pwrite fails");
    }
    if (seals != 0 && AddSeals(fd.get(), seals) != 0)
      Abandon(where, "F_ADD_SEALS fails with " + ErrnoName(errno));
  }
  int get() const { return fd.get(); }
  Fd Reopen(int flags, Where where = Where::Here()) const {
    return Open("/proc/self/fd/" + std::to_string(get()), flags, 0, where);
  }
  Fd fd;
};

void ExpectUnchanged(const Sealable& file) {
  EXPECT_THAT(WholeFile(file.get()), HoldsPattern(0, SealedSize()));
}

CONFORMANCE(Seal, NewMemfdHasNoSealOrOnlyTheSealOfSeals, Clause::seal_initial, need::memfd) {
  const Fd sealable(RawMemfdCreate("s", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_THAT(Seals(sealable.get()), Returns(0));
  const Fd plain(RawMemfdCreate("s", MFD_CLOEXEC));
  EXPECT_THAT(Seals(plain.get()), Returns(F_SEAL_SEAL));
  for (const int seal : kOldSeals)
    EXPECT_THAT(Returned(AddSeals(plain.get(), seal)), FailsWith(EPERM)) << seal;
  EXPECT_THAT(Seals(plain.get()), Returns(F_SEAL_SEAL));
  EXPECT_THAT(Returned(ftruncate(plain.get(), 10)), Succeeds());
  EXPECT_THAT(Returned(write(plain.get(), "a", 1)), Returns(1));
}

CONFORMANCE(Seal, DiskFilesHaveNoSeals, Clause::seal_unsupported, need::ext4) {
  TempFile file(SealedSize(), Place::ext4);
  file.FillPattern();
  EXPECT_THAT(Seals(file.fd()), FailsWith(EINVAL));
  for (const int seal : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, 0}) {
    EXPECT_THAT(Returned(AddSeals(file.fd(), seal)), FailsWith(EINVAL)) << seal;
  }
  EXPECT_THAT(Seals(file.fd()), FailsWith(EINVAL));
  EXPECT_THAT(Returned(ftruncate(file.fd(), 1)), Succeeds());
  EXPECT_THAT(Returned(ftruncate(file.fd(), static_cast<off_t>(page()))), Succeeds());
  EXPECT_THAT(Returned(write(file.fd(), "a", 1)), Returns(1));
}

CONFORMANCE(Seal, FilesOnTmpfsTakeNoSeals, Clause::seal_tmpfs_file, need::tmpfs) {
  const TempFile file(SealedSize(), Place::tmpfs);
  const Outcome seals = Seals(file.fd());
  EXPECT_THAT(seals, AnyOf(Returns(F_SEAL_SEAL), FailsWith(EINVAL)));
  for (const int seal : kOldSeals) {
    EXPECT_THAT(Returned(AddSeals(file.fd(), seal)), FailsWith(seals.ok() ? EPERM : EINVAL)) << seal;
  }
  EXPECT_EQ(Seals(file.fd()).value, seals.value);
  EXPECT_THAT(Returned(ftruncate(file.fd(), 0)), Succeeds());
  EXPECT_THAT(Returned(write(file.fd(), "a", 1)), Returns(1));
}

CONFORMANCE(Seal, SealsAreOnlyAddedAndBelongToTheInode, Clause::seal_add_only, need::memfd, need::proc) {
  const Sealable file;
  const Fd other = file.Reopen(O_RDWR);
  const Fd reader = file.Reopen(O_RDONLY);
  int wanted = 0;
  for (const int seal : {F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_GROW, 0, F_SEAL_SHRINK | F_SEAL_GROW,
                         F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SEAL}) {
    const int through = wanted == 0 ? other.get() : file.get();
    EXPECT_THAT(Returned(AddSeals(through, seal)), Succeeds()) << seal;
    wanted |= seal;
    const Fd fresh = file.Reopen(O_RDONLY);
    for (const int fd : {file.get(), other.get(), reader.get(), fresh.get()}) {
      EXPECT_THAT(Seals(fd), Returns(wanted)) << "after " << seal;
    }
  }
  Child child([&](Channel&) { EXPECT_THAT(Seals(file.get()), Returns(wanted)); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  ExpectUnchanged(file);
}

CONFORMANCE(Seal, AddingNeedsAWritableDescriptor, Clause::seal_needs_write_fd, need::memfd, need::proc) {
  const Sealable file;
  const Fd reader = file.Reopen(O_RDONLY);
  for (const int seal : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE}) {
    EXPECT_THAT(Returned(AddSeals(reader.get(), seal)), FailsWith(EPERM)) << seal;
    EXPECT_THAT(Seals(reader.get()), Returns(0));
  }
  EXPECT_THAT(Returned(AddSeals(file.Reopen(O_WRONLY).get(), F_SEAL_GROW)), Succeeds());
  EXPECT_THAT(Seals(reader.get()), Returns(F_SEAL_GROW));
}

CONFORMANCE(Seal, UnknownBitsAreInvalidAndAddNothing, Clause::seal_bad_bit, need::memfd) {
  const Sealable file;
  for (const int bit : kUnknownBits) {
    EXPECT_THAT(Returned(AddSeals(file.get(), bit)), FailsWith(EINVAL)) << std::hex << bit;
    EXPECT_THAT(Returned(AddSeals(file.get(), bit | F_SEAL_SHRINK)), FailsWith(EINVAL)) << std::hex << bit;
  }
  EXPECT_THAT(Returned(AddSeals(file.get(), -1)), FailsWith(EINVAL));
  EXPECT_THAT(Seals(file.get()), Returns(0));
}

CONFORMANCE(Seal, SealOfSealsForbidsEveryFurtherOne, Clause::seal_seal, need::memfd) {
  for (const int before : {0, F_SEAL_SHRINK, F_SEAL_GROW | F_SEAL_WRITE}) {
    const Sealable file(before | F_SEAL_SEAL);
    for (const int seal : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE}) {
      EXPECT_THAT(Returned(AddSeals(file.get(), seal)), FailsWith(EPERM)) << before << " + " << seal;
    }
    EXPECT_THAT(Seals(file.get()), Returns(before | F_SEAL_SEAL));
  }
}

CONFORMANCE(Seal, ShrinkSealForbidsShrinkingOnly, Clause::seal_shrink, need::memfd, need::proc) {
  const Sealable file(F_SEAL_SHRINK);
  const Mapping map = MapShared(file.get(), SealedSize());
  for (const size_t size : {size_t{0}, size_t{1}, page(), SealedSize() - 1}) {
    EXPECT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(size))), FailsWith(EPERM)) << size;
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  EXPECT_THAT(Returned(open(path.c_str(), O_RDWR | O_TRUNC | O_CLOEXEC)), FailsWith(EPERM));
  EXPECT_THAT(Returned(truncate(path.c_str(), 1)), FailsWith(EPERM));
  ExpectUnchanged(file);
  EXPECT_THAT(Memory(map.at(), SealedSize()), HoldsPattern(0, SealedSize()));
  EXPECT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(SealedSize()))), Succeeds()) << "equal size";
  EXPECT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(5 * page()))), Succeeds()) << "growing";
  EXPECT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(5 * page()) - 1)), FailsWith(EPERM));
  EXPECT_THAT(Returned(pwrite(file.get(), "x", 1, 0)), Returns(1)) << "writing";
  EXPECT_THAT(Store(map.at(1), 'y'), Works());
}

CONFORMANCE(Seal, GrowSealForbidsGrowingOnly, Clause::seal_grow, need::memfd) {
  const Sealable file(F_SEAL_GROW);
  const auto size = static_cast<off_t>(SealedSize());
  for (const off_t larger : {size + 1, static_cast<off_t>(3 * page()), static_cast<off_t>(9 * page())}) {
    EXPECT_THAT(Returned(ftruncate(file.get(), larger)), FailsWith(EPERM)) << larger;
    EXPECT_THAT(Returned(fallocate(file.get(), 0, 0, larger)), FailsWith(EPERM)) << larger;
    EXPECT_THAT(Returned(fallocate(file.get(), 0, size, larger - size)), FailsWith(EPERM)) << larger;
    EXPECT_THAT(Returned(pwrite(file.get(), "x", 1, larger - 1)), FailsWith(EPERM)) << larger;
  }
  ExpectUnchanged(file);
  const uint8_t last[] = {PatternByte(SealedSize() - 1), 'x', 'x'};
  EXPECT_THAT(Returned(pwrite(file.get(), last, 3, size - 1)), AnyOf(FailsWith(EPERM), Returns(1)))
      << "straddling";
  ExpectUnchanged(file);
  EXPECT_THAT(Returned(pwrite(file.get(), last, 1, size - 1)), Returns(1)) << "inside the size";
  EXPECT_THAT(Returned(fallocate(file.get(), 0, 0, size)), Succeeds()) << "inside the size";
  EXPECT_THAT(Returned(ftruncate(file.get(), size)), Succeeds()) << "equal size";
  EXPECT_THAT(Returned(ftruncate(file.get(), 10)), Succeeds()) << "shrinking";
  EXPECT_THAT(Returned(ftruncate(file.get(), 11)), FailsWith(EPERM)) << "growing back";
  EXPECT_THAT(WholeFile(file.get()), HoldsPattern(0, 10));
}

// Everything that would change the content of a write-sealed file through its descriptor.
void ExpectWritesForbidden(int fd) {
  EXPECT_THAT(Returned(write(fd, "x", 1)), FailsWith(EPERM));
  EXPECT_THAT(Returned(pwrite(fd, "x", 1, 5)), FailsWith(EPERM));
  EXPECT_THAT(Returned(pwrite(fd, "x", 1, static_cast<off_t>(SealedSize()) - 1)), FailsWith(EPERM));
  const iovec parts[] = {{const_cast<char*>("ab"), 2}, {const_cast<char*>("cd"), 2}};
  EXPECT_THAT(Returned(pwritev(fd, parts, 2, 0)), FailsWith(EPERM));
  EXPECT_THAT(Returned(fallocate(fd, kPunchHole, 0, static_cast<off_t>(page()))), FailsWith(EPERM));
  EXPECT_THAT(Returned(fallocate(fd, kPunchHole, 10, 1)), FailsWith(EPERM));
  for (const int prot : {PROT_WRITE, PROT_READ | PROT_WRITE}) {
    EXPECT_THAT(Returned(mmap(nullptr, page(), prot, MAP_SHARED, fd, 0)), FailsWith(EPERM)) << prot;
  }
}

CONFORMANCE(Seal, WriteSealForbidsEveryChangeOfContent, Clause::seal_write, need::memfd) {
  const Sealable file(F_SEAL_WRITE);
  ExpectWritesForbidden(file.get());
  ExpectUnchanged(file);
  const Mapping copy = MapPrivate(file.get(), SealedSize());
  EXPECT_THAT(Memory(copy.at(), SealedSize()), HoldsPattern(0, SealedSize()));
  EXPECT_THAT(Fill(copy.at(), 0xee, SealedSize()), Works());
  EXPECT_THAT(Memory(copy.at(), SealedSize()), AllBytesAre(0xee));
  ExpectUnchanged(file);
  EXPECT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(3 * page()))), Succeeds()) << "growing";
  EXPECT_THAT(Returned(ftruncate(file.get(), 7)), Succeeds()) << "shrinking";
  EXPECT_THAT(WholeFile(file.get()), HoldsPattern(0, 7));
}

CONFORMANCE(Seal, WriteSealHoldsForEveryDescriptorAndProcess, Clause::seal_write, Clause::seal_add_only,
            need::memfd, need::proc) {
  const Sealable file;
  const Fd other = file.Reopen(O_RDWR);
  Child peer([&](Channel& test) {
    test.Wait();
    ExpectWritesForbidden(other.get());
    ExpectWritesForbidden(file.Reopen(O_RDWR).get());
  });
  ASSERT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), Succeeds());
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  ExpectUnchanged(file);
}

CONFORMANCE(Seal, WriteSealIsBusyWhileAnybodyHasASharedWritableMapping, Clause::seal_write_busy,
            need::memfd) {
  const Sealable file;
  Child holder([&](Channel& test) {
    const Mapping map = MapShared(file.get(), page());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Store(map.at(1), PatternByte(1)), Works());
  });
  holder.Wait();
  for (const int seals :
       {F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_WRITE | F_SEAL_SEAL}) {
    EXPECT_THAT(Returned(AddSeals(file.get(), seals)), FailsWith(EBUSY)) << seals;
    EXPECT_THAT(Seals(file.get()), Returns(0)) << "after a failed " << seals;
  }
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_SHRINK)), Succeeds()) << "the others are not busy";
  holder.Signal();
  EXPECT_THAT(holder.Join(), ExitsWith(0));
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), Succeeds());
  EXPECT_THAT(Seals(file.get()), Returns(F_SEAL_WRITE | F_SEAL_SHRINK));
  ExpectUnchanged(file);
}

CONFORMANCE(Seal, EveryPieceOfAMappingKeepsTheWriteSealBusy, Clause::seal_write_busy, need::memfd) {
  const Sealable file;
  const Mapping map = MapShared(file.get(), SealedSize());
  ASSERT_THAT(Returned(munmap(map.at(page()), page())), Succeeds());
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), FailsWith(EBUSY)) << "two pieces";
  ASSERT_THAT(Returned(munmap(map.at(), page())), Succeeds());
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), FailsWith(EBUSY)) << "one piece";
  ASSERT_THAT(Returned(munmap(map.at(2 * page()), page())), Succeeds());
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), Succeeds()) << "nothing left";
}

CONFORMANCE(Seal, FailedMappingsAndForkedCopiesLeaveTheWriteSealAsBusyAsItWas, Clause::seal_write_busy,
            need::memfd) {
  const Sealable file;
  Mapping map = MapShared(file.get(), page());
  for (int round = 0; round < 20; ++round) {
    Child child([](Channel&) {});
    EXPECT_THAT(child.Join(), ExitsWith(0));
    EXPECT_THAT(Returned(mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 1)),
                FailsWith(EINVAL));
    EXPECT_THAT(Returned(mmap(map.at(), page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
                              file.get(), 0)),
                FailsWith(EEXIST));
  }
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), FailsWith(EBUSY)) << "the mapping is still there";
  map.Unmap();
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), Succeeds());
}

CONFORMANCE(Seal, PrivateWritableMappingsDoNotHinderTheWriteSeal, Clause::seal_write_private_ok,
            need::memfd) {
  const Sealable file;
  const Mapping copy = MapPrivate(file.get(), SealedSize());
  ASSERT_THAT(Store(copy.at(), 0xee), Works());
  EXPECT_THAT(Returned(AddSeals(file.get(), F_SEAL_WRITE)), Succeeds());
  EXPECT_THAT(Seals(file.get()), Returns(F_SEAL_WRITE));
  EXPECT_THAT(Store(copy.at(page()), 0xed), Works());
  EXPECT_THAT(Load(copy.at()), Reads(0xee));
  ExpectUnchanged(file);
}

CONFORMANCE(Seal, ReadMappingOfAWriteSealedFileNeverBecomesWritable, Clause::seal_write_ro_mapping,
            need::memfd, need::proc) {
  const Sealable file(F_SEAL_WRITE);
  const Fd reader = file.Reopen(O_RDONLY);
  const Mapping through_reader = Map(reader.get(), SealedSize(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Memory(through_reader.at(), SealedSize()), HoldsPattern(0, SealedSize()));
  EXPECT_THAT(Returned(mprotect(through_reader.at(), page(), PROT_READ | PROT_WRITE)), FailsWith(EACCES));
  const Outcome outcome = Returned(mmap(nullptr, SealedSize(), PROT_READ, MAP_SHARED, file.get(), 0));
  EXPECT_THAT(outcome, AnyOf(Succeeds(), FailsWith(EPERM)));
  if (!outcome.ok()) return;
  const Mapping map(outcome.address(), SealedSize());
  EXPECT_THAT(Memory(map.at(), SealedSize()), HoldsPattern(0, SealedSize()));
  EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ | PROT_WRITE)), FailsWith(EACCES));
  EXPECT_THAT(Returned(mprotect(map.at(page()), page(), PROT_WRITE)), FailsWith(EACCES));
  EXPECT_THAT(Store(map.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at()));
  ExpectUnchanged(file);
}

CONFORMANCE(Seal, FutureWriteSealSparesExistingWritersOnly, Clause::seal_future_write, need::memfd,
            need::kernel(5, 1)) {
  const Sealable file;
  const Mapping map = MapShared(file.get(), SealedSize());
  Child peer([&](Channel& test) {
    EXPECT_THAT(Load(map.at()), Reads(PatternByte(0)));
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(map.at()), Reads(0x70));
    EXPECT_THAT(Store(map.at(1), 0x71), Works());
  });
  peer.Wait();
  ASSERT_THAT(Returned(AddSeals(file.get(), kFutureWrite)), Succeeds());
  EXPECT_THAT(Seals(file.get()), Returns(kFutureWrite));
  EXPECT_THAT(Store(map.at(), 0x70), Works());
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(1)), Reads(0x71));
  EXPECT_THAT(Returned(write(file.get(), "x", 1)), FailsWith(EPERM));
  EXPECT_THAT(Returned(pwrite(file.get(), "x", 1, 9)), FailsWith(EPERM));
  for (const int prot : {PROT_WRITE, PROT_READ | PROT_WRITE}) {
    EXPECT_THAT(Returned(mmap(nullptr, page(), prot, MAP_SHARED, file.get(), 0)), FailsWith(EPERM)) << prot;
  }
  const Mapping reader = Map(file.get(), SealedSize(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Returned(mprotect(reader.at(), page(), PROT_READ | PROT_WRITE)), FailsWith(EACCES));
  const Mapping copy = MapPrivate(file.get(), page());
  EXPECT_THAT(Store(copy.at(), 0x72), Works());
  std::vector<uint8_t> wanted = Pattern(0, SealedSize());
  wanted[0] = 0x70;
  wanted[1] = 0x71;
  EXPECT_THAT(Memory(reader.at(), SealedSize()), BytesAre(wanted));
  EXPECT_THAT(WholeFile(file.get()), BytesAre(wanted));
}

CONFORMANCE(Seal, ShrinkAndSealSealsKeepAPeerFromCausingSigbus, Clause::seal_protects_from_sigbus,
            need::memfd, need::proc) {
  const Sealable file(F_SEAL_SHRINK | F_SEAL_SEAL);
  const Mapping map = MapShared(file.get(), SealedSize());
  const Mapping untouched = MapShared(file.get(), SealedSize());
  EXPECT_THAT(Memory(map.at(), SealedSize()), HoldsPattern(0, SealedSize()));
  Child enemy([&](Channel&) {
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    const auto size = static_cast<off_t>(SealedSize());
    EXPECT_THAT(Returned(ftruncate(file.get(), 0)), FailsWith(EPERM));
    EXPECT_THAT(Returned(truncate(path.c_str(), 1)), FailsWith(EPERM));
    EXPECT_THAT(Returned(open(path.c_str(), O_RDWR | O_TRUNC | O_CLOEXEC)), FailsWith(EPERM));
    EXPECT_FALSE(
        Returned(fallocate(file.get(), FALLOC_FL_COLLAPSE_RANGE, 0, static_cast<off_t>(page()))).ok());
    // These may work: they take bytes away, but no page.
    EXPECT_THAT(Returned(fallocate(file.get(), kPunchHole, 0, size)), AnyOf(Succeeds(), FailsWith(EPERM)));
    EXPECT_THAT(Returned(madvise(map.at(), SealedSize(), MADV_REMOVE)), AnyOf(Succeeds(), FailsWith(EPERM)));
    EXPECT_THAT(Returned(ftruncate(file.get(), 2 * size)), Succeeds());
    EXPECT_THAT(Returned(ftruncate(file.get(), size)), FailsWith(EPERM));
  });
  EXPECT_THAT(enemy.Join(), ExitsWith(0));
  for (const Mapping* view : {&map, &untouched}) {
    for (size_t at = 0; at < SealedSize(); at += page()) {
      EXPECT_THAT(Load(view->at(at)), Works()) << at;
      EXPECT_THAT(Store(view->at(at), 1), Works()) << at;
    }
  }
  EXPECT_THAT(Seals(file.get()), Returns(F_SEAL_SHRINK | F_SEAL_SEAL));
}

}  // namespace
}  // namespace shmcheck::conformance
