// memfd_create: files without a name, their names in /proc, and how they reach other processes.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/witness.h"

namespace shmcheck::conformance {
namespace {

constexpr unsigned kCloexec = 1;       // MFD_CLOEXEC
constexpr unsigned kAllowSealing = 2;  // MFD_ALLOW_SEALING
constexpr unsigned kHugetlb = 4;       // MFD_HUGETLB
constexpr size_t kLongestName = 249;

Fd Memfd(size_t size, unsigned flags = kCloexec, const char* name = "conformance",
         Where where = Where::Here()) {
  Fd fd(RawMemfdCreate(name, flags));
  if (fd.get() < 0) Abandon(where, "memfd_create fails with " + ErrnoName(errno));
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    Abandon(where, "ftruncate fails with " + ErrnoName(errno));
  return fd;
}

struct stat StatOf(int fd) {
  struct stat status {};
  EXPECT_THAT(Returned(fstat(fd, &status)), Succeeds());
  return status;
}

// The number that the next descriptor would get.
int NextDescriptor() {
  const Fd probe(open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_GE(probe.get(), 0) << ErrnoName(errno);
  return probe.get();
}

CONFORMANCE(Memfd, IsAnEmptyUnlinkedRegularFileOpenForBoth, Clause::memfd_create, need::memfd) {
  const Fd fd = Memfd(0);
  const struct stat status = StatOf(fd.get());
  EXPECT_TRUE(S_ISREG(status.st_mode));
  EXPECT_EQ(status.st_size, 0);
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ(status.st_uid, geteuid());
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_THAT(Returned(lseek(fd.get(), 0, SEEK_CUR)), Returns(0));
}

CONFORMANCE(Memfd, ReadsWritesTruncatesAndMapsLikeARegularFile, Clause::memfd_create, need::memfd) {
  const Fd fd = Memfd(0);
  const std::vector<uint8_t> bytes = Pattern(0, page() + 50);
  EXPECT_THAT(Returned(write(fd.get(), bytes.data(), bytes.size())),
              Returns(static_cast<long>(bytes.size())));
  EXPECT_EQ(StatOf(fd.get()).st_size, static_cast<off_t>(bytes.size()));
  EXPECT_THAT(Returned(lseek(fd.get(), 0, SEEK_END)), Returns(static_cast<long>(bytes.size())));
  EXPECT_THAT(WholeFile(fd.get()), BytesAre(bytes));
  const Mapping map = MapShared(fd.get(), 3 * page());
  EXPECT_THAT(Memory(map.at(), bytes.size()), BytesAre(bytes));
  EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
  ASSERT_THAT(Store(map.at(page()), 0x5c), Works());
  EXPECT_THAT(Contents(fd.get(), static_cast<off_t>(page()), 1), AllBytesAre(0x5c));
  ASSERT_THAT(Returned(pwrite(fd.get(), "z", 1, static_cast<off_t>(3 * page()) - 1)), Returns(1));
  EXPECT_THAT(Load(map.at(3 * page() - 1)), Reads('z'));
  EXPECT_THAT(Memory(map.at(2 * page()), page() - 1), AllBytesAre(0));
  ASSERT_THAT(Returned(ftruncate(fd.get(), 3)), Succeeds());
  EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, 3));
  EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
}

CONFORMANCE(Memfd, EqualNamesGiveDistinctFiles, Clause::memfd_name, need::memfd) {
  for (const char* name : {"same", "", "with/slash", "."}) {
    const Fd one = Memfd(page(), kCloexec, name);
    const Fd two = Memfd(page(), kCloexec, name);
    EXPECT_NE(StatOf(one.get()).st_ino, StatOf(two.get()).st_ino);
    const Mapping first = MapShared(one.get(), page());
    const Mapping second = MapShared(two.get(), page());
    ASSERT_THAT(Fill(first.at(), 0x31, page()), Works());
    EXPECT_THAT(Memory(second.at(), page()), AllBytesAre(0)) << "'" << name << "'";
    EXPECT_THAT(WholeFile(two.get()), AllBytesAre(0)) << "'" << name << "'";
  }
}

CONFORMANCE(Memfd, LinkInProcShowsTheName, Clause::memfd_name, need::memfd, need::proc) {
  for (const char* name : {"conformance", "", "two words"}) {
    const Fd fd = Memfd(page(), kCloexec, name);
    char target[300] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
    ASSERT_GT(readlink(link.c_str(), target, sizeof target - 1), 0);
    EXPECT_EQ(std::string(target), "/memfd:" + std::string(name) + " (deleted)");
  }
}

CONFORMANCE(Memfd, NamesHaveAtMost249Bytes, Clause::memfd_name_limit, need::memfd) {
  const std::string longest(kLongestName, 'n');
  EXPECT_GE(Fd(RawMemfdCreate(longest.c_str(), kCloexec)).get(), 0) << ErrnoName(errno);
  const int next = NextDescriptor();
  for (const size_t length : {kLongestName + 1, kLongestName + 2, page(), 4 * page()}) {
    EXPECT_THAT(Returned(RawMemfdCreate(std::string(length, 'n').c_str(), kCloexec)), FailsWith(EINVAL))
        << length;
  }
  EXPECT_EQ(NextDescriptor(), next) << "a failed call leaves no descriptor";
}

CONFORMANCE(Memfd, NameThatCannotBeReadIsABadAddress, Clause::memfd_name_limit, need::memfd) {
  const Hole hole(page());
  const Mapping none = Reserve(page());
  const Mapping edge = MapPrivateAnonymous(2 * page());
  ASSERT_THAT(Fill(edge.at(), 'n', page()), Works());
  ASSERT_THAT(Returned(munmap(edge.at(page()), page())), Succeeds());
  const int next = NextDescriptor();
  for (const uint8_t* name : {hole.at(), none.at(), edge.at(page() - 3), static_cast<uint8_t*>(nullptr)}) {
    EXPECT_THAT(Returned(RawMemfdCreate(reinterpret_cast<const char*>(name), kCloexec)), FailsWith(EFAULT));
  }
  EXPECT_EQ(NextDescriptor(), next);
  ASSERT_THAT(Store(edge.at(page() - 1), 0), Works());
  EXPECT_GE(Fd(RawMemfdCreate(reinterpret_cast<const char*>(edge.at(page() - 3)), kCloexec)).get(), 0)
      << ErrnoName(errno);
}

CONFORMANCE(Memfd, UnknownFlagsAreInvalid, Clause::memfd_flags, need::memfd) {
  const int next = NextDescriptor();
  // Bits from 26 on are the size of huge pages, which means nothing without MFD_HUGETLB.
  for (const unsigned flags :
       {0x20U, 0x40U, 0x100U, 0x10000U, 0x80000000U, 21U << 26, ~0U, kCloexec | 0x200U}) {
    EXPECT_THAT(Returned(RawMemfdCreate("flags", flags)), FailsWith(EINVAL)) << std::hex << flags;
  }
  EXPECT_EQ(NextDescriptor(), next);
}

CONFORMANCE(Memfd, CloseOnExecIsSetOnlyWhenAskedFor, Clause::memfd_flags, need::memfd) {
  for (const unsigned flags : {0U, kCloexec, kAllowSealing, kCloexec | kAllowSealing}) {
    const Fd fd = Memfd(0, flags);
    EXPECT_THAT(Returned(fcntl(fd.get(), F_GETFD)), Returns((flags & kCloexec) != 0 ? FD_CLOEXEC : 0))
        << flags;
  }
}

CONFORMANCE(Memfd, HugePagesAndSealingGoTogether, Clause::memfd_hugetlb_sealing, need::memfd,
            need::path("/sys/kernel/mm/hugepages")) {
  const int fd = RawMemfdCreate("huge", kHugetlb | kAllowSealing | kCloexec);
  const Outcome outcome = Returned(fd);
  const Fd owner(fd);
  if (!outcome.ok()) {
    EXPECT_THAT(outcome, FailsWith(EINVAL));
    return;
  }
  EXPECT_EQ(StatOf(fd).st_size, 0);
  EXPECT_THAT(Returned(fcntl(fd, F_GET_SEALS)), Returns(0));
}

HELPER(memfd_by_number) {
  const Fd fd(atoi(arguments.at(0)));
  EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, page()));
  const Mapping map = MapShared(fd.get(), page());
  EXPECT_THAT(Store(map.at(), 0xab), Works());
  HelperChannel().Signal();
  HelperChannel().Wait();
  EXPECT_THAT(Load(map.at()), Reads(0xcd));
  return 0;
}

CONFORMANCE(Memfd, InheritedDescriptorMapsTheSameMemory, Clause::memfd_passing, need::memfd) {
  const Fd fd = Memfd(page(), 0);
  const Mapping map = MapShared(fd.get(), page());
  ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
  Helper helper("memfd_by_number", {std::to_string(fd.get())});
  helper.Wait();
  EXPECT_THAT(Load(map.at()), Reads(0xab));
  ASSERT_THAT(Store(map.at(), 0xcd), Works());
  helper.Signal();
  EXPECT_THAT(helper.Join(), ExitsWith(0));
}

// One descriptor over a socket.
void SendDescriptor(int socket, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 0;
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  EXPECT_THAT(Returned(sendmsg(socket, &message, 0)), Returns(1));
}

Fd ReceiveDescriptor(int socket) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 0;
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  EXPECT_THAT(Returned(recvmsg(socket, &message, MSG_CMSG_CLOEXEC)), Returns(1));
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) Abandon(Where::Here(), "no descriptor came");
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

CONFORMANCE(Memfd, DescriptorPassedOverASocketMapsTheSameMemory, Clause::memfd_passing, need::memfd) {
  int ends[2];
  ASSERT_THAT(Returned(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)), Succeeds());
  const Fd here(ends[0]);
  const Fd there(ends[1]);
  Child receiver([&](Channel& test) {
    const Fd fd = ReceiveDescriptor(there.get());
    EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, page()));
    const Mapping own = MapShared(fd.get(), page());
    EXPECT_THAT(Store(own.at(page() - 1), 0x99), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(own.at()), Reads(0x98));
  });
  const Fd fd = Memfd(page());  // made after the fork, so that it is not inherited
  const Mapping map = MapShared(fd.get(), page());
  ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
  SendDescriptor(here.get(), fd.get());
  receiver.Wait();
  EXPECT_THAT(Load(map.at(page() - 1)), Reads(0x99));
  ASSERT_THAT(Store(map.at(), 0x98), Works());
  receiver.Signal();
  EXPECT_THAT(receiver.Join(), ExitsWith(0));
}

CONFORMANCE(Memfd, MemoryLivesInADescriptorThatIsOnItsWay, Clause::memfd_lifetime, need::memfd) {
  int ends[2];
  ASSERT_THAT(Returned(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)), Succeeds());
  const Fd here(ends[0]);
  const Fd there(ends[1]);
  {
    const Fd fd = Memfd(page());
    const Mapping map = MapShared(fd.get(), page());
    ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
    SendDescriptor(here.get(), fd.get());
  }
  EXPECT_THAT(WholeFile(ReceiveDescriptor(there.get()).get()), HoldsPattern(0, page()));
}

CONFORMANCE(Memfd, MemoryLivesAsLongAsAMappingOrADescriptor, Clause::memfd_lifetime, need::memfd) {
  Fd fd = Memfd(2 * page());
  Mapping map = MapShared(fd.get(), 2 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 2 * page()), Works());
  map.Unmap();
  EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, 2 * page())) << "only a descriptor is left";
  const Mapping again = MapShared(fd.get(), 2 * page());
  fd.reset();
  EXPECT_THAT(Memory(again.at(), 2 * page()), HoldsPattern(0, 2 * page())) << "only a mapping is left";
  const auto look = [&] { EXPECT_THAT(Load(again.at(1)), Reads(PatternByte(1))); };
  BeforeAndAfter(
      look, [&] { EXPECT_THAT(Store(again.at(), 0x17), Works()); },
      [&] { EXPECT_THAT(Load(again.at()), Reads(0x17)); });
}

CONFORMANCE(Memfd, MemoryLivesInAProcessThatGotItByForkOnly, Clause::memfd_lifetime, need::memfd) {
  Fd fd = Memfd(page());
  Mapping map = MapShared(fd.get(), page());
  ASSERT_THAT(FillPattern(map.at(), 0, page()), Works());
  Child heir([&](Channel& test) {
    fd.reset();
    test.Wait();
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    test.Signal();
  });
  fd.reset();
  map.Unmap();
  heir.Signal();
  heir.Wait();
  EXPECT_THAT(heir.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
