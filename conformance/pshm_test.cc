// POSIX shared memory objects: names, permissions, lifetime, and their other face below /dev/shm.

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "conformance/framework/conformance.h"
#include "conformance/framework/witness.h"

namespace shmcheck::conformance {
namespace {

constexpr int kCreate = O_RDWR | O_CREAT | O_EXCL;

// shm_open that must work.
Fd OpenObject(const ShmName& name, int flags, mode_t mode = 0600, Where where = Where::Here()) {
  const int fd = shm_open(name.get(), flags, mode);
  if (fd < 0) Abandon(where, std::string("shm_open fails with ") + ErrnoName(errno));
  return Fd(fd);
}

Outcome OpenReturned(const char* name, int flags, mode_t mode = 0600) {
  const int fd = shm_open(name, flags, mode);
  const Outcome outcome = Returned(fd);
  const Fd owner(fd);
  return outcome;
}

// An object of pattern bytes.
Fd CreateObject(const ShmName& name, size_t size, mode_t mode = 0600, Where where = Where::Here()) {
  Fd fd = OpenObject(name, kCreate, mode, where);
  const std::vector<uint8_t> bytes = Pattern(0, size);
  if (fchmod(fd.get(), mode) != 0) Abandon(where, "fchmod fails with " + ErrnoName(errno));
  if (write(fd.get(), bytes.data(), size) != static_cast<ssize_t>(size)) Abandon(where, "write fails");
  return fd;
}

struct stat StatOf(const Fd& fd) {
  struct stat status {};
  EXPECT_THAT(Returned(fstat(fd.get(), &status)), Succeeds());
  return status;
}

testing::Matcher<Outcome> Opens() {
  return testing::Field("value", &Outcome::value, testing::Ge(0));
}

// Opens the object, adds one to its first byte, and waits to be asked for the byte again.
HELPER(pshm_increment) {
  const Fd fd(shm_open(arguments.at(0), O_RDWR, 0));
  EXPECT_GE(fd.get(), 0) << ErrnoName(errno);
  const Mapping map = MapShared(fd.get(), page());
  EXPECT_THAT(Store(map.at(), static_cast<uint8_t>(Load(map.at()).value + 1)), Works());
  HelperChannel().Signal();
  HelperChannel().Wait();
  HelperChannel().Send(Load(map.at()).value);
  return 0;
}

CONFORMANCE(Pshm, UnrelatedProcessesReachTheSameObjectByItsName, Clause::pshm_open_same_name, need::dev_shm) {
  const ShmName name;
  const Fd fd = OpenObject(name, kCreate);
  ASSERT_THAT(Returned(ftruncate(fd.get(), 10)), Succeeds());
  const Mapping map = MapShared(fd.get(), page());
  ASSERT_THAT(Store(map.at(), 5), Works());
  Helper one("pshm_increment", {name.get()});
  one.Wait();
  EXPECT_THAT(Load(map.at()), Reads(6));
  Helper two("pshm_increment", {name.get()});
  two.Wait();
  EXPECT_THAT(Load(map.at()), Reads(7));
  ASSERT_THAT(Store(map.at(), 99), Works());
  for (Helper* helper : {&one, &two}) {
    helper->Signal();
    EXPECT_EQ(helper->Receive(), 99U);
    EXPECT_THAT(helper->Join(), ExitsWith(0));
  }
  const Fd again = OpenObject(name, O_RDONLY);
  EXPECT_EQ(StatOf(again).st_ino, StatOf(fd).st_ino);
}

CONFORMANCE(Pshm, NewObjectIsEmptyAndGrowsWithZeros, Clause::pshm_open_create_empty, need::dev_shm) {
  const ShmName name;
  const Fd fd = OpenObject(name, kCreate);
  EXPECT_EQ(StatOf(fd).st_size, 0);
  const Mapping map = MapShared(fd.get(), 3 * page());
  EXPECT_THAT(Load(map.at()), FaultsWith(SIGBUS, BUS_ADRERR, map.at()));
  ASSERT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(page() + 7))), Succeeds());
  EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(WholeFile(fd.get()), BytesAre(std::vector<uint8_t>(page() + 7, 0)));
  EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
}

CONFORMANCE(Pshm, ExclusiveCreationOfAnExistingNameFailsAndChangesNothing, Clause::pshm_open_excl,
            need::dev_shm) {
  const ShmName name;
  const Fd fd = CreateObject(name, 100, 0640);
  for (const int flags : {kCreate, O_RDONLY | O_CREAT | O_EXCL, kCreate | O_TRUNC}) {
    EXPECT_THAT(OpenReturned(name.get(), flags, 0666), FailsWith(EEXIST)) << flags;
  }
  EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, 100));
  EXPECT_EQ(StatOf(fd).st_mode & 0777, 0640U);
}

CONFORMANCE(Pshm, CreationWithoutExclOpensWhatExists, Clause::pshm_open_same_name, need::dev_shm) {
  const ShmName name;
  const Fd fd = CreateObject(name, 100, 0640);
  const Fd again = OpenObject(name, O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(StatOf(again).st_ino, StatOf(fd).st_ino);
  EXPECT_EQ(StatOf(again).st_mode & 0777, 0640U) << "the mode is for new objects";
  EXPECT_THAT(WholeFile(again.get()), HoldsPattern(0, 100));
}

CONFORMANCE(Pshm, OneOfManyExclusiveCreatorsSucceeds, Clause::pshm_open_excl_atomic, need::dev_shm) {
  constexpr size_t kCreators = 6;
  for (int round = 0; round < 5; ++round) {
    const ShmName name;
    const Mapping results = MapSharedAnonymous(kCreators);
    std::vector<std::unique_ptr<Child>> creators;
    for (size_t i = 0; i < kCreators; ++i) {
      creators.push_back(std::make_unique<Child>([&, i](Channel& test) {
        test.Signal();
        test.Wait();
        const Outcome outcome = OpenReturned(name.get(), kCreate);
        if (outcome.ok()) {
          EXPECT_THAT(Store(results.at(i), 1), Works());
        } else {
          EXPECT_THAT(outcome, FailsWith(EEXIST));
        }
      }));
    }
    for (const auto& creator : creators) creator->Wait();
    for (const auto& creator : creators) creator->Signal();
    for (const auto& creator : creators) EXPECT_THAT(creator->Join(), ExitsWith(0));
    const Bytes made = Memory(results.at(), kCreators);
    EXPECT_EQ(std::count(made.data.begin(), made.data.end(), 1), 1);
  }
}

CONFORMANCE(Pshm, MissingNameFailsWithEnoent, Clause::pshm_open_noent, Clause::pshm_unlink_noent,
            need::dev_shm) {
  const ShmName name;
  for (const int flags : {O_RDONLY, O_RDWR, O_RDWR | O_TRUNC, O_RDWR | O_EXCL}) {
    EXPECT_THAT(OpenReturned(name.get(), flags), FailsWith(ENOENT)) << flags;
  }
  EXPECT_THAT(Returned(shm_unlink(name.get())), FailsWith(ENOENT));
}

CONFORMANCE(Pshm, DescriptorIsTheLowestFreeOneAndClosesOnExec, Clause::pshm_open_lowest_fd_cloexec,
            need::dev_shm) {
  const ShmName name;
  const Fd low(open("/", O_RDONLY | O_CLOEXEC));
  const Fd high(open("/", O_RDONLY | O_CLOEXEC));
  ASSERT_GE(high.get(), 0);
  const int free = low.get();
  ASSERT_THAT(Returned(close(free)), Succeeds());
  const Fd fd = OpenObject(name, kCreate);
  EXPECT_EQ(fd.get(), free);
  EXPECT_THAT(Returned(fcntl(fd.get(), F_GETFD)), Returns(FD_CLOEXEC));
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_ACCMODE, O_RDWR);
  const Fd second = OpenObject(name, O_RDONLY);
  EXPECT_THAT(Returned(fcntl(second.get(), F_GETFD)), Returns(FD_CLOEXEC));
  EXPECT_EQ(fcntl(second.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

CONFORMANCE(Pshm, EveryOpenHasItsOwnFileDescription, Clause::pshm_open_lowest_fd_cloexec, need::dev_shm) {
  const ShmName name;
  const Fd one = CreateObject(name, 100);
  const Fd two = OpenObject(name, O_RDWR);
  EXPECT_THAT(Returned(lseek(two.get(), 0, SEEK_CUR)), Returns(0));
  ASSERT_THAT(Returned(lseek(one.get(), 42, SEEK_SET)), Returns(42));
  EXPECT_THAT(Returned(lseek(two.get(), 0, SEEK_CUR)), Returns(0));
  ASSERT_THAT(Returned(fcntl(one.get(), F_SETFL, O_APPEND)), Succeeds());
  EXPECT_EQ(fcntl(two.get(), F_GETFL) & O_APPEND, 0);
}

CONFORMANCE(Pshm, PermissionBitsAreModeWithoutUmask, Clause::pshm_open_mode, need::dev_shm) {
  for (const mode_t mask : {0U, 022U, 027U, 077U, 0777U}) {
    for (const mode_t mode : {0U, 0600U, 0644U, 0666U, 0777U, 0123U, 07751U}) {
      const ShmName name;
      umask(mask);
      const Fd fd = OpenObject(name, kCreate, mode);
      umask(022);
      const struct stat status = StatOf(fd);
      EXPECT_EQ(status.st_mode & 0777, mode & 0777 & ~mask)
          << std::oct << "mode " << mode << " umask " << mask;
      EXPECT_TRUE(S_ISREG(status.st_mode));
      EXPECT_EQ(status.st_uid, geteuid());
      EXPECT_EQ(status.st_gid, getegid());
    }
  }
}

CONFORMANCE(Pshm, OwnerIsTheEffectiveUser, Clause::pshm_open_mode, need::root, need::second_uid,
            need::dev_shm) {
  const ShmName name;
  Child user([&](Channel&) {
    ASSERT_THAT(Returned(setegid(kSecondUid)), Succeeds());
    ASSERT_THAT(Returned(seteuid(kSecondUid)), Succeeds());  // the real ids stay those of root
    const struct stat status = StatOf(OpenObject(name, kCreate));
    EXPECT_EQ(status.st_uid, kSecondUid);
    EXPECT_EQ(status.st_gid, kSecondUid);
  });
  EXPECT_THAT(user.Join(), ExitsWith(0));
}

CONFORMANCE(Pshm, ReadOnlyObjectCannotBeMappedForWritingOrResized, Clause::pshm_open_rdonly, need::dev_shm) {
  const ShmName name;
  const Fd writer = CreateObject(name, 2 * page());
  const Fd fd = OpenObject(name, O_RDONLY);
  EXPECT_THAT(Returned(mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)),
              FailsWith(EACCES));
  EXPECT_THAT(Returned(mmap(nullptr, page(), PROT_WRITE, MAP_SHARED, fd.get(), 0)), FailsWith(EACCES));
  for (const off_t size : {off_t{0}, off_t{1}, static_cast<off_t>(3 * page())}) {
    EXPECT_THAT(Returned(ftruncate(fd.get(), size)), FailsWithAnyOf({EINVAL, EBADF})) << size;
  }
  EXPECT_THAT(Returned(pwrite(fd.get(), "x", 1, 0)), FailsWith(EBADF));
  const Mapping map = Map(fd.get(), 2 * page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ | PROT_WRITE)), FailsWith(EACCES));
  EXPECT_THAT(Store(map.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at()));
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(WholeFile(writer.get()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Pshm, TruncatingOpenEmptiesTheObjectAndKeepsModeAndOwner, Clause::pshm_open_trunc,
            need::dev_shm) {
  for (const int flags : {O_RDWR | O_TRUNC, O_RDWR | O_TRUNC | O_CREAT}) {
    const ShmName name;
    const Fd old = CreateObject(name, page() + 9, 0640);
    const struct stat before = StatOf(old);
    const Mapping map = MapShared(old.get(), 2 * page());
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    const Fd fd = OpenObject(name, flags, 0606);
    const struct stat after = StatOf(old);
    EXPECT_EQ(after.st_size, 0);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_EQ(after.st_uid, before.st_uid);
    EXPECT_EQ(after.st_gid, before.st_gid);
    EXPECT_EQ(StatOf(fd).st_ino, before.st_ino);
    EXPECT_THAT(Load(map.at()), FaultsWith(SIGBUS, BUS_ADRERR, map.at()));
    ASSERT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(page()))), Succeeds());
    EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
  }
}

struct Permission {
  mode_t mode;
  int flags;
  bool allowed;  // for a user who is neither owner nor of the group
};
constexpr Permission kPermissions[] = {
    {0600, O_RDONLY, false}, {0600, O_RDWR, false},           {0644, O_RDONLY, true},
    {0644, O_RDWR, false},   {0644, O_RDWR | O_TRUNC, false}, {0646, O_RDWR, true},
    {0602, O_RDWR, false},   {0660, O_RDONLY, false},         {0600, O_RDWR | O_CREAT, false},
};

CONFORMANCE(Pshm, OpeningWithoutPermissionFailsWithEacces, Clause::pshm_open_access, need::root,
            need::second_uid, need::dev_shm) {
  for (const Permission& permission : kPermissions) {
    const ShmName name;
    const Fd fd = CreateObject(name, 50, permission.mode);
    Child user([&](Channel&) {
      BecomeUnprivileged();
      const Outcome outcome = OpenReturned(name.get(), permission.flags);
      if (permission.allowed) {
        EXPECT_THAT(outcome, Opens()) << std::oct << permission.mode << " flags " << permission.flags;
      } else {
        EXPECT_THAT(outcome, FailsWith(EACCES))
            << std::oct << permission.mode << " flags " << permission.flags;
      }
    });
    EXPECT_THAT(user.Join(), ExitsWith(0));
    EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, 50));
  }
}

CONFORMANCE(Pshm, MalformedNamesAreRefused, Clause::pshm_open_name_rules, need::dev_shm) {
  const ShmName existing;
  const Fd fd = OpenObject(existing, kCreate);
  const std::string below = std::string(existing.get()) + "/x";
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("/a/b"), std::string("/a/"), below}) {
    EXPECT_THAT(OpenReturned(name.c_str(), O_RDWR | O_CREAT), FailsWith(EINVAL)) << "'" << name << "'";
    EXPECT_THAT(OpenReturned(name.c_str(), O_RDONLY), FailsWith(EINVAL)) << "'" << name << "'";
  }
}

CONFORMANCE(Pshm, NamesMayHaveExactlyNameMaxBytes, Clause::pshm_open_name_rules, need::dev_shm) {
  const ShmName longest(NAME_MAX);
  ASSERT_EQ(strlen(longest.get()), size_t{NAME_MAX} + 1);
  const Fd fd = OpenObject(longest, kCreate);
  EXPECT_THAT(OpenReturned(longest.get(), O_RDONLY), Opens());
  const std::string longer = std::string(longest.get()) + "x";
  EXPECT_THAT(OpenReturned(longer.c_str(), kCreate), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(OpenReturned(longer.c_str(), O_RDONLY), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(Returned(shm_unlink(longest.get())), Succeeds());
}

CONFORMANCE(Pshm, UnlinkedNameIsGoneEvenWhileMapped, Clause::pshm_unlink_name_gone, need::dev_shm) {
  const ShmName name;
  const Fd fd = CreateObject(name, page());
  const Mapping map = MapShared(fd.get(), page());
  Child peer([&](Channel& test) {
    const Fd own = OpenObject(name, O_RDWR);
    test.Signal();
    test.Wait();
    EXPECT_THAT(OpenReturned(name.get(), O_RDWR), FailsWith(ENOENT));
    EXPECT_THAT(WholeFile(own.get()), HoldsPattern(0, page()));
  });
  peer.Wait();
  ASSERT_THAT(Returned(shm_unlink(name.get())), Succeeds());
  EXPECT_THAT(OpenReturned(name.get(), O_RDONLY), FailsWith(ENOENT));
  EXPECT_THAT(Returned(access((std::string("/dev/shm") + name.get()).c_str(), F_OK)), FailsWith(ENOENT));
  EXPECT_THAT(Returned(shm_unlink(name.get())), FailsWith(ENOENT));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_EQ(StatOf(fd).st_nlink, 0U);
  EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
}

CONFORMANCE(Pshm, UnlinkedObjectWorksUntilTheLastMappingGoes, Clause::pshm_unlink_content_stays,
            need::dev_shm) {
  const ShmName name;
  Fd fd = CreateObject(name, 2 * page());
  const Mapping map = MapShared(fd.get(), 2 * page());
  const auto unlink_and_store = [&] {
    ASSERT_THAT(Returned(shm_unlink(name.get())), Succeeds());
    fd.reset();
    ASSERT_THAT(Store(map.at(page()), 0x61), Works());
  };
  std::vector<uint8_t> wanted = Pattern(0, 2 * page());
  wanted[page()] = 0x61;
  BeforeAndAfter([&] { EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page())); }, unlink_and_store,
                 [&] { EXPECT_THAT(Memory(map.at(), 2 * page()), BytesAre(wanted)); });
  Child late([&](Channel&) { EXPECT_THAT(Store(map.at(), 0x62), Works()); });
  EXPECT_THAT(late.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at()), Reads(0x62));
}

CONFORMANCE(Pshm, UnlinkedObjectWorksUntilTheLastDescriptorGoes, Clause::pshm_unlink_content_stays,
            need::dev_shm) {
  const ShmName name;
  const Fd fd = CreateObject(name, page());
  Mapping map = MapShared(fd.get(), page());
  ASSERT_THAT(Store(map.at(3), 0x33), Works());
  ASSERT_THAT(Returned(shm_unlink(name.get())), Succeeds());
  map.Unmap();
  std::vector<uint8_t> wanted = Pattern(0, page());
  wanted[3] = 0x33;
  EXPECT_THAT(WholeFile(fd.get()), BytesAre(wanted));
  ASSERT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(2 * page()))), Succeeds());
  const Mapping again = MapShared(fd.get(), 2 * page());
  EXPECT_THAT(Memory(again.at(), page()), BytesAre(wanted));
  EXPECT_THAT(Memory(again.at(page()), page()), AllBytesAre(0));
}

CONFORMANCE(Pshm, RecreatedNameIsANewObject, Clause::pshm_unlink_recreate, need::dev_shm) {
  const ShmName name;
  const Fd old = CreateObject(name, page());
  const Mapping old_map = MapShared(old.get(), page());
  ASSERT_THAT(Returned(shm_unlink(name.get())), Succeeds());
  const Fd fresh = OpenObject(name, kCreate);
  EXPECT_EQ(StatOf(fresh).st_size, 0);
  EXPECT_NE(StatOf(fresh).st_ino, StatOf(old).st_ino);
  ASSERT_THAT(Returned(ftruncate(fresh.get(), static_cast<off_t>(page()))), Succeeds());
  const Mapping map = MapShared(fresh.get(), page());
  EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
  ASSERT_THAT(Fill(map.at(), 0x77, page()), Works());
  EXPECT_THAT(Memory(old_map.at(), page()), HoldsPattern(0, page()));
  ASSERT_THAT(Store(old_map.at(), 0x11), Works());
  EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0x77));
}

CONFORMANCE(Pshm, UnlinkingAForeignObjectIsDeniedAndLeavesIt, Clause::pshm_unlink_denied, need::root,
            need::second_uid, need::dev_shm) {
  for (const mode_t mode : {0600U, 0666U}) {
    const ShmName name;
    const Fd fd = CreateObject(name, page(), mode);
    Child user([&](Channel&) {
      BecomeUnprivileged();
      EXPECT_THAT(Returned(shm_unlink(name.get())), FailsWith(EACCES));
    });
    EXPECT_THAT(user.Join(), ExitsWith(0));
    const Fd again = OpenObject(name, O_RDWR);
    EXPECT_EQ(StatOf(again).st_ino, StatOf(fd).st_ino);
    EXPECT_THAT(WholeFile(again.get()), HoldsPattern(0, page()));
  }
}

HELPER(pshm_create) {
  const Fd fd(shm_open(arguments.at(0), kCreate, 0600));
  EXPECT_GE(fd.get(), 0) << ErrnoName(errno);
  EXPECT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(page() + 1))), Succeeds());
  const Mapping map = MapShared(fd.get(), page() + 1);
  EXPECT_THAT(FillPattern(map.at(), 0, page() + 1), Works());
  return 0;
}

CONFORMANCE(Pshm, ObjectOutlivesAllItsUsers, Clause::pshm_persist, need::dev_shm) {
  const ShmName name;
  Helper creator("pshm_create", {name.get()});
  EXPECT_THAT(creator.Join(), ExitsWith(0));
  for (int user = 0; user < 2; ++user) {
    Child reader([&](Channel&) {
      const Fd fd = OpenObject(name, O_RDONLY);
      EXPECT_THAT(WholeFile(fd.get()), HoldsPattern(0, page() + 1));
      const Mapping map = Map(fd.get(), page() + 1, PROT_READ, MAP_SHARED);
      EXPECT_THAT(Memory(map.at(), page() + 1), HoldsPattern(0, page() + 1));
    });
    EXPECT_THAT(reader.Join(), ExitsWith(0));
  }
}

CONFORMANCE(Pshm, ObjectIsAFileBelowDevShm, Clause::pshm_tmpfs_view, need::dev_shm) {
  const ShmName name;
  const std::string path = std::string("/dev/shm") + name.get();
  const Fd fd = CreateObject(name, page(), 0640);
  const Mapping map = MapShared(fd.get(), page());
  struct stat status {};
  ASSERT_THAT(Returned(stat(path.c_str(), &status)), Succeeds());
  EXPECT_EQ(status.st_ino, StatOf(fd).st_ino);
  EXPECT_EQ(status.st_dev, StatOf(fd).st_dev);
  EXPECT_EQ(status.st_size, static_cast<off_t>(page()));
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  const Fd file = Open(path, O_RDWR);
  EXPECT_THAT(WholeFile(file.get()), HoldsPattern(0, page()));
  ASSERT_THAT(Returned(pwrite(file.get(), "xyz", 3, 7)), Returns(3));
  EXPECT_THAT(Memory(map.at(7), 3), BytesAre({'x', 'y', 'z'}));
  ASSERT_THAT(Store(map.at(8), 'Q'), Works());
  EXPECT_THAT(Contents(file.get(), 7, 3), BytesAre({'x', 'Q', 'z'}));
  const Mapping by_file = MapShared(file.get(), page());
  EXPECT_THAT(Load(by_file.at(8)), Reads('Q'));
}

CONFORMANCE(Pshm, FileBelowDevShmIsAnObject, Clause::pshm_tmpfs_view, need::dev_shm) {
  const ShmName name;
  const Fd file = Open(std::string("/dev/shm") + name.get(), O_RDWR | O_CREAT | O_EXCL);
  ASSERT_THAT(Returned(write(file.get(), "data", 4)), Returns(4));
  const Fd fd = OpenObject(name, O_RDWR);
  EXPECT_THAT(WholeFile(fd.get()), BytesAre({'d', 'a', 't', 'a'}));
  ASSERT_THAT(Returned(shm_unlink(name.get())), Succeeds());
  EXPECT_EQ(StatOf(file).st_nlink, 0U);
}

CONFORMANCE(Pshm, ResizingByOneProcessChangesWhatAnotherReaches, Clause::pshm_size_change, need::dev_shm) {
  const ShmName name;
  const Fd fd = CreateObject(name, page() + 10);
  const Mapping map = MapShared(fd.get(), 4 * page());
  const auto resize_elsewhere = [&](size_t size) {
    Child other([&](Channel&) {
      const Fd own = OpenObject(name, O_RDWR);
      EXPECT_THAT(Returned(ftruncate(own.get(), static_cast<off_t>(size))), Succeeds());
    });
    EXPECT_THAT(other.Join(), ExitsWith(0));
  };
  const auto small = [&] {
    EXPECT_THAT(Memory(map.at(), page() + 10), HoldsPattern(0, page() + 10));
    EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
  };
  BeforeAndAfter(
      small, [&] { resize_elsewhere(3 * page()); },
      [&] {
        EXPECT_THAT(Memory(map.at(), page() + 10), HoldsPattern(0, page() + 10));
        EXPECT_THAT(Memory(map.at(page() + 10), 2 * page() - 10), AllBytesAre(0));
        EXPECT_THAT(Load(map.at(3 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(3 * page())));
      });
  BeforeAndAfter([&] { EXPECT_THAT(Load(map.at(2 * page())), Reads(0)); }, [&] { resize_elsewhere(5); },
                 [&] {
                   EXPECT_THAT(Memory(map.at(), 5), HoldsPattern(0, 5));
                   EXPECT_THAT(Memory(map.at(5), page() - 5), AllBytesAre(0));
                   EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
                 });
}

}  // namespace
}  // namespace shmcheck::conformance
