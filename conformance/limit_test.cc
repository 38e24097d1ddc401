// kernel.shm* limits of an IPC namespace, and the limits of memory that is locked or on tmpfs.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

constexpr const char* kLimits[] = {"shmmax", "shmall", "shmmni"};

Outcome Make(size_t size, key_t key = IPC_PRIVATE) {
  return Create(key, size, IPC_CREAT | 0600);
}
void Destroy(int id) {
  EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
}

CONFORMANCE(Limit, FilesShowTheLimitsToEverybody, Clause::limit_files, need::ipc_namespace, need::second_uid,
            need::root, need::proc) {
  const auto expect = [] {
    const shminfo limits = ReadLimits();
    EXPECT_EQ(Sysctl("shmmax"), limits.shmmax);
    EXPECT_EQ(Sysctl("shmall"), limits.shmall);
    EXPECT_EQ(Sysctl("shmmni"), limits.shmmni);
  };
  expect();
  SetSysctl("shmmax", 1234567);
  SetSysctl("shmall", 7654321);
  SetSysctl("shmmni", 123);
  RunAs({kSecondUid, kSecondUid}, [&] {
    expect();
    EXPECT_EQ(Sysctl("shmmax"), 1234567U);
    EXPECT_EQ(Sysctl("shmall"), 7654321U);
    EXPECT_EQ(Sysctl("shmmni"), 123U);
  });
}

CONFORMANCE(Limit, OnlyThePrivilegedChangeThem, Clause::limit_settable, need::ipc_namespace, need::second_uid,
            need::root, need::proc) {
  for (const char* name : kLimits) {
    const unsigned long before = Sysctl(name);
    RunAs({kSecondUid, kSecondUid}, [&] {
      EXPECT_THAT(WriteSysctl(name, "17"), FailsWith(EACCES)) << name;
      EXPECT_EQ(Sysctl(name), before) << name;
    });
    EXPECT_THAT(WriteSysctl(name, "17"), Succeeds()) << name;
    EXPECT_EQ(Sysctl(name), 17U) << name;
  }
  EXPECT_THAT(Make(18), FailsWith(EINVAL)) << "with immediate effect";
  EXPECT_TRUE(Make(17).ok());
  SetSysctl("shmmax", 3 * page());
  EXPECT_TRUE(Make(3 * page()).ok());
}

CONFORMANCE(Limit, FreshNamespaceHasTheDocumentedDefaults, Clause::limit_defaults, need::ipc_namespace,
            need::proc) {
  const unsigned long most = ~0UL - (1UL << 24);
  EXPECT_EQ(Sysctl("shmmax"), most);
  EXPECT_EQ(Sysctl("shmall"), most);
  EXPECT_EQ(Sysctl("shmmni"), 4096U);
  const shminfo limits = ReadLimits();
  EXPECT_EQ(limits.shmmax, most);
  EXPECT_EQ(limits.shmall, most);
  EXPECT_EQ(limits.shmmni, 4096U);
}

CONFORMANCE(Limit, ShmmaxIsTheLargestSize, Clause::limit_shmmax, need::ipc_namespace, need::root,
            need::proc) {
  for (const size_t limit : {size_t{1}, page() - 1, page(), 2 * page() + 3}) {
    SetSysctl("shmmax", limit);
    const Outcome most = Make(limit, 0x11);
    ASSERT_TRUE(most.ok()) << most << " at " << limit;
    const Usage usage = ReadUsage();
    EXPECT_THAT(Make(limit + 1), FailsWith(EINVAL)) << limit;
    EXPECT_EQ(ReadUsage(), usage) << "SHM_INFO counts no refused creation";
    EXPECT_EQ(usage.segments, 1);
    Destroy(static_cast<int>(most.value));
    EXPECT_THAT(Make(limit + 1, 0x11), FailsWith(EINVAL)) << limit;
  }
  SetSysctl("shmmax", 0);
  EXPECT_THAT(Make(1), FailsWith(EINVAL));
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(Limit, LoweringLeavesExistingSegmentsAlone, Clause::limit_shmmax_not_retroactive,
            need::ipc_namespace, need::root, need::proc) {
  const auto id = static_cast<int>(Make(4 * page(), 0x12).value);
  const Segment other(page());
  const SegmentState before = StateOf(id);
  SetSysctl("shmmax", 1);
  SetSysctl("shmall", 1);
  SetSysctl("shmmni", 1);
  EXPECT_EQ(StateOf(id), before);
  EXPECT_THAT(Create(0x12, 4 * page(), 0600), Returns(id));
  EXPECT_THAT(Create(0x12, 4 * page(), IPC_CREAT | 0600), Returns(id));
  const Outcome at = Attached(id);
  ASSERT_THAT(at, Succeeds());
  EXPECT_THAT(Fill(at.address(), 1, 4 * page()), Works());
  EXPECT_THAT(Make(1), FailsWith(ENOSPC));
}

CONFORMANCE(Limit, ShmmniIsTheNumberOfSegments, Clause::limit_shmmni, Clause::limit_shmmni_is_count,
            need::ipc_namespace, need::root, need::proc) {
  for (const int most : {1, 2, 5}) {
    SetSysctl("shmmni", static_cast<unsigned long>(most));
    std::vector<int> ids;
    for (int i = 0; i < most; ++i) {
      const Outcome made = Make(page(), 0x20 + i);
      ASSERT_TRUE(made.ok()) << made << " " << i << " of " << most;
      ids.push_back(static_cast<int>(made.value));
    }
    const NamespaceView full = ReadView();
    for (int again = 0; again < 50; ++again) {
      ASSERT_THAT(Make(page()), FailsWith(ENOSPC));
      ASSERT_THAT(Make(page(), 0x90), FailsWith(ENOSPC));
    }
    EXPECT_EQ(ReadUsage(), full.usage) << "SHM_INFO counts no refused creation";
    EXPECT_EQ(ReadView(), full) << "the refused creations left nothing";
    EXPECT_THAT(Create(0x90, 0, 0), FailsWith(ENOENT));
    EXPECT_THAT(Make(page(), 0x20), Returns(ids[0])) << "lookup still works";
    Destroy(ids.back());
    const Outcome room = Make(page(), 0x90);
    ASSERT_TRUE(room.ok()) << room;
    EXPECT_THAT(Make(page()), FailsWith(ENOSPC));
    ids.back() = static_cast<int>(room.value);
    // A marked segment counts until it is gone.
    const Outcome at = Attached(ids[0]);
    Destroy(ids[0]);
    EXPECT_THAT(Make(page()), FailsWith(ENOSPC));
    EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
    ids[0] = static_cast<int>(Make(page()).value);
    ASSERT_GE(ids[0], 0);
    for (const int id : std::set<int>(ids.begin(), ids.end())) {
      if (Exists(id)) Destroy(id);
    }
    EXPECT_EQ(ReadView(), NamespaceView{});
  }
  SetSysctl("shmmni", 0);
  EXPECT_THAT(Make(page()), FailsWith(ENOSPC));
}

CONFORMANCE(Limit, IdsMayBeLargerThanShmmni, Clause::limit_shmmni_is_count, need::ipc_namespace, need::root,
            need::proc) {
  SetSysctl("shmmni", 2);
  // Ids carry a sequence number, so they outgrow the count when slots are used again.
  int highest = 0;
  for (int round = 0; round < 200 && highest <= 2; ++round) {
    const Outcome made = Make(page());
    ASSERT_TRUE(made.ok()) << made << " in round " << round;
    highest = std::max(highest, static_cast<int>(made.value));
    Destroy(static_cast<int>(made.value));
  }
  const Segment first(page());
  const Segment second(page());
  EXPECT_THAT(Attached(first.id()), Succeeds());
  EXPECT_THAT(Attached(second.id()), Succeeds());
  EXPECT_THAT(Make(page()), FailsWith(ENOSPC));
}

CONFORMANCE(Limit, NextIdAboveShmmniIsNoObstacle, Clause::limit_shmmni_is_count, Clause::limit_next_id,
            need::ipc_namespace, need::root, need::proc, need::path("/proc/sys/kernel/shm_next_id")) {
  SetSysctl("shmmni", 2);
  EXPECT_EQ(ReadText("/proc/sys/kernel/shm_next_id"), "-1");
  constexpr int kWanted = 0x2000000 + 1;
  SetSysctl("shm_next_id", kWanted);
  EXPECT_EQ(ReadText("/proc/sys/kernel/shm_next_id"), std::to_string(kWanted));
  const Outcome made = Make(page(), 0x31);
  ASSERT_TRUE(made.ok() && made.value >= 0) << made;
  EXPECT_EQ(ReadText("/proc/sys/kernel/shm_next_id"), "-1");
  const auto id = static_cast<int>(made.value);
  EXPECT_THAT(Attached(id), Succeeds());
  EXPECT_THAT(Create(0x31, 0, 0), Returns(id));
  const Outcome next = Make(page());
  ASSERT_TRUE(next.ok()) << next;
  EXPECT_NE(next.value, made.value);
  EXPECT_THAT(Make(page()), FailsWith(ENOSPC));
}

CONFORMANCE(Limit, ShmmniHasABoundedRange, Clause::limit_shmmni_range, need::ipc_namespace, need::root,
            need::proc) {
  for (const char* value : {"-1", "16777217", "99999999999"}) {
    EXPECT_THAT(WriteSysctl("shmmni", value), FailsWith(EINVAL)) << value;
    EXPECT_EQ(Sysctl("shmmni"), 4096U) << value;
  }
  for (const char* value : {"0", "1", "32768"}) {
    EXPECT_THAT(WriteSysctl("shmmni", value), Succeeds()) << value;
    EXPECT_EQ(ReadText("/proc/sys/kernel/shmmni"), value);
  }
}

CONFORMANCE(Limit, ShmallIsTheSumOfPages, Clause::limit_shmall, need::ipc_namespace, need::root, need::proc) {
  SetSysctl("shmall", 10);
  const Segment odd(3 * page() + 1);  // four pages
  const Segment tiny(1);
  EXPECT_THAT(Make(5 * page() + 1), FailsWith(ENOSPC));
  EXPECT_THAT(Make(11 * page()), FailsWith(ENOSPC));
  EXPECT_THAT(Make(size_t{1} << 40), FailsWith(ENOSPC));
  EXPECT_EQ(ReadUsage().pages, 5U);
  const Outcome rest = Make(5 * page(), 0x41);
  ASSERT_TRUE(rest.ok()) << rest;
  const NamespaceView full = ReadView();
  EXPECT_EQ(full.usage.pages, 10U);
  for (int again = 0; again < 50; ++again) ASSERT_THAT(Make(1), FailsWith(ENOSPC));
  EXPECT_EQ(ReadView(), full);
  EXPECT_THAT(Make(1, 0x41), Returns(rest.value));
  Destroy(static_cast<int>(rest.value));
  EXPECT_TRUE(Make(5 * page()).ok());
}

CONFORMANCE(Limit, PagesCountUntilDestruction, Clause::limit_shmall_release, need::ipc_namespace, need::root,
            need::proc) {
  SetSysctl("shmall", 4);
  const auto id = static_cast<int>(Make(4 * page()).value);
  uint8_t* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
  Destroy(id);
  EXPECT_THAT(Make(1), FailsWith(ENOSPC)) << "marked only";
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_TRUE(Make(4 * page()).ok());
}

CONFORMANCE(Limit, OneByteIsTheSmallestSize, Clause::limit_shmmin, need::ipc_namespace) {
  EXPECT_EQ(ReadLimits().shmmin, 1U);
  EXPECT_THAT(Make(0), FailsWith(EINVAL));
  const Outcome made = Make(1);
  ASSERT_TRUE(made.ok()) << made;
  EXPECT_THAT(Attached(static_cast<int>(made.value)), Succeeds());
  EXPECT_EQ(ReadUsage().segments, 1);
}

CONFORMANCE(Limit, AProcessMayAttachAThousandTimes, Clause::limit_no_shmseg) {
  const Segment segment(page());
  std::vector<uint8_t*> attaches;
  for (int i = 0; i < 1000; ++i) {
    const Outcome at = Attached(segment.id());
    ASSERT_THAT(at, Succeeds()) << i;
    attaches.push_back(at.address());
  }
  EXPECT_EQ(StateOf(segment.id()).nattch, 1000U);
  ASSERT_THAT(Store(attaches.front(), 0x41), Works());
  EXPECT_THAT(Load(attaches.back()), Reads(0x41));
  for (uint8_t* at : attaches) ASSERT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
}

CONFORMANCE(Limit, LocksOfSegmentsAndOfProcessesHaveAccountsOfTheirOwn, Clause::limit_mlock_rlimit_separate,
            need::second_uid, need::root) {
  RunAs({3710, 3710}, [] {
    const RlimitGuard limit(RLIMIT_MEMLOCK, 4 * page());
    const Segment segment(4 * page());
    const Segment more(page());
    const Mapping memory = MapPrivateAnonymous(5 * page());
    EXPECT_THAT(Returned(shmctl(segment.id(), SHM_LOCK, nullptr)), Succeeds());
    EXPECT_THAT(Returned(shmctl(more.id(), SHM_LOCK, nullptr)), FailsWith(ENOMEM));
    EXPECT_THAT(Returned(mlock(memory.at(), 4 * page())), Succeeds());
    EXPECT_THAT(Returned(mlock(memory.at(4 * page()), page())), FailsWith(ENOMEM));
    EXPECT_THAT(Returned(munlock(memory.at(), 4 * page())), Succeeds());
    EXPECT_THAT(Returned(shmctl(more.id(), SHM_LOCK, nullptr)), FailsWith(ENOMEM))
        << "the other account is still full";
    EXPECT_THAT(Returned(shmctl(segment.id(), SHM_UNLOCK, nullptr)), Succeeds());
    EXPECT_THAT(Returned(shmctl(more.id(), SHM_LOCK, nullptr)), Succeeds());
  });
}

CONFORMANCE(Limit, TmpfsRefusesPagesBeyondItsSize, Clause::limit_tmpfs_size, need::mount_namespace,
            need::root, need::tmpfs) {
  const std::string place = env().at(Place::tmpfs).path + "/small";
  ASSERT_EQ(mkdir(place.c_str(), 0700), 0);
  const std::string options = "size=" + std::to_string(8 * page());
  ASSERT_THAT(Returned(mount("small", place.c_str(), "tmpfs", 0, options.c_str())), Succeeds());
  const Fd fd = Open(place + "/file", O_RDWR | O_CREAT);
  ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(12 * page())), 0);
  const Mapping map = MapShared(fd.get(), 12 * page());
  for (size_t index = 0; index < 8; ++index) EXPECT_THAT(Store(map.at(index * page()), 1), Works()) << index;
  EXPECT_THAT(Store(map.at(8 * page()), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(8 * page())));
  const uint8_t byte = 1;
  EXPECT_THAT(Returned(pwrite(fd.get(), &byte, 1, static_cast<off_t>(9 * page()))), FailsWith(ENOSPC));
  EXPECT_THAT(Returned(fallocate(fd.get(), 0, static_cast<off_t>(8 * page()), static_cast<off_t>(page()))),
              FailsWith(ENOSPC));
  EXPECT_THAT(Store(map.at(3 * page() + 1), 2), Works()) << "pages that are there go on";
  ASSERT_EQ(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(page())),
            0);
  EXPECT_THAT(Store(map.at(8 * page()), 1), Works()) << "room again";
  EXPECT_THAT(Returned(umount2(place.c_str(), MNT_DETACH)), Succeeds());
}

}  // namespace
}  // namespace shmcheck::conformance
