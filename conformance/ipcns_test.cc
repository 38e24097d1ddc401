// IPC namespaces.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

void EnterFreshNamespace() {
  ASSERT_THAT(Returned(unshare(CLONE_NEWIPC)), Succeeds());
}

CONFORMANCE(Ipcns, SegmentsOfAnotherNamespaceCannotBeFound, Clause::ipcns_isolation,
            Clause::ipcns_proc_separate, need::ipc_namespace, need::root, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x91, page(), IPC_CREAT | 0666));
  const Segment unnamed(page(), 0666);
  const NamespaceView before = ReadView();
  InChild([&] {
    EnterFreshNamespace();
    EXPECT_EQ(ReadView(), NamespaceView{});
    for (const int id : {segment.id(), unnamed.id()}) {
      shmid_ds buffer{};
      EXPECT_THAT(Attached(id), FailsWith(EINVAL));
      for (const int command : {IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK})
        EXPECT_THAT(Returned(shmctl(id, command, &buffer)), FailsWith(EINVAL)) << command;
    }
    EXPECT_THAT(Create(0x91, 0, 0), FailsWith(ENOENT));
    const Outcome own = Create(0x92, page(), IPC_CREAT | 0600);
    ASSERT_TRUE(own.ok());
    EXPECT_EQ(ReadTable().size(), 1U);
    EXPECT_EQ(ReadListing().size(), 1U);
  });
  EXPECT_EQ(ReadView(), before);
  EXPECT_THAT(Create(0x92, 0, 0), FailsWith(ENOENT));
}

CONFORMANCE(Ipcns, OneKeyNamesUnrelatedSegments, Clause::ipcns_same_key, need::ipc_namespace, need::root) {
  const Segment segment = Segment::Adopt(shmget(0x93, page(), IPC_CREAT | 0600));
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Fill(at, 0x11, page()), Works());
  Child other([&](Channel& test) {
    EnterFreshNamespace();
    const int id = shmget(0x93, 2 * page(), IPC_CREAT | IPC_EXCL | 0600);
    ASSERT_GE(id, 0);
    auto* const own = static_cast<uint8_t*>(shmat(id, nullptr, 0));
    EXPECT_THAT(Memory(own, 2 * page()), AllBytesAre(0));
    EXPECT_THAT(Fill(own, 0x22, 2 * page()), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(own, 2 * page()), AllBytesAre(0x22));
    EXPECT_EQ(StateOf(id).size, 2 * page());
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
  });
  other.Wait();
  EXPECT_THAT(Memory(at, page()), AllBytesAre(0x11));
  EXPECT_THAT(Fill(at, 0x33, page()), Works());
  other.Signal();
  EXPECT_THAT(other.Join(), ExitsWith(0));
  EXPECT_THAT(Create(0x93, page(), 0600), Returns(segment.id()));
  EXPECT_THAT(Memory(at, page()), AllBytesAre(0x33));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
}

HELPER(ipcns_member) {
  const Fd ns = Open(arguments[0], O_RDONLY);
  EXPECT_THAT(Returned(setns(ns.get(), CLONE_NEWIPC)), Succeeds());
  EXPECT_THAT(Create(0x94, 0, 0), Returns(atoi(arguments[1])));
  const Outcome at = Attached(atoi(arguments[1]));
  EXPECT_THAT(at, Succeeds());
  if (at.ok()) {
    EXPECT_THAT(Load(at.address()), Reads(0x44));
  }
  return 0;
}

CONFORMANCE(Ipcns, EveryMemberSeesTheSegments, Clause::ipcns_visible_to_members, Clause::ipcns_fork_inherits,
            need::ipc_namespace, need::root, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x94, page(), IPC_CREAT | 0600));
  ASSERT_THAT(Store(segment.Attach(), 0x44), Works());
  const auto table = ReadTable();
  InChild([&] {
    EXPECT_THAT(Create(0x94, 0, 0), Returns(segment.id()));
    EXPECT_EQ(ReadTable().size(), 1U);
    InChild([&] { EXPECT_THAT(Create(0x94, 0, 0), Returns(segment.id())); });
  });
  // A process of another namespace joins.
  InChild([&] {
    const std::string here = "/proc/" + std::to_string(getppid()) + "/ns/ipc";
    EnterFreshNamespace();
    EXPECT_THAT(Create(0x94, 0, 0), FailsWith(ENOENT));
    Helper member("ipcns_member", {here, std::to_string(segment.id())});
    EXPECT_THAT(member.Join(), ExitsWith(0));
    EXPECT_THAT(Create(0x94, 0, 0), FailsWith(ENOENT)) << "the helper's namespace is its own choice";
  });
  EXPECT_EQ(ReadTable().size(), table.size());
}

CONFORMANCE(Ipcns, NewNamespaceIsEmptyWithDefaultLimits, Clause::ipcns_fresh_defaults,
            Clause::ipcns_sysctl_separate, need::ipc_namespace, need::root, need::proc) {
  const unsigned long old_max = Sysctl("shmmax");
  const unsigned long old_all = Sysctl("shmall");
  const unsigned long old_mni = Sysctl("shmmni");
  const Segment segment(page());
  SetSysctl("shmmax", 1000001);
  SetSysctl("shmall", 1000002);
  SetSysctl("shmmni", 1003);
  SetSysctl("shm_rmid_forced", 1);
  InChild([&] {
    EnterFreshNamespace();
    EXPECT_EQ(ReadView(), NamespaceView{});
    EXPECT_THAT(Sysctl("shmmax"), ::testing::AnyOf(old_max, 1000001U));
    EXPECT_THAT(Sysctl("shmall"), ::testing::AnyOf(old_all, 1000002U));
    EXPECT_THAT(Sysctl("shmmni"), ::testing::AnyOf(old_mni, 1003U));
    SetSysctl("shmmax", 2001);
    SetSysctl("shmall", 2002);
    SetSysctl("shmmni", 2003);
    SetSysctl("shm_rmid_forced", 0);
    EXPECT_EQ(ReadLimits().shmmax, 2001U);
  });
  EXPECT_EQ(Sysctl("shmmax"), 1000001U);
  EXPECT_EQ(Sysctl("shmall"), 1000002U);
  EXPECT_EQ(Sysctl("shmmni"), 1003U);
  EXPECT_EQ(Sysctl("shm_rmid_forced"), 1U);
  EXPECT_EQ(ReadLimits().shmmax, 1000001U);
  EXPECT_EQ(ReadUsage().segments, 1);
}

CONFORMANCE(Ipcns, LimitsHoldInTheirNamespaceOnly, Clause::ipcns_sysctl_separate, need::ipc_namespace,
            need::root, need::proc) {
  Child other([](Channel& test) {
    EnterFreshNamespace();
    SetSysctl("shmmni", 1);
    SetSysctl("shmmax", page());
    test.Signal();
    test.Wait();
    EXPECT_TRUE(Create(IPC_PRIVATE, page(), IPC_CREAT | 0600).ok())
        << "the neighbour's segments do not count here";
    EXPECT_THAT(Create(IPC_PRIVATE, page(), IPC_CREAT | 0600), FailsWith(ENOSPC));
    EXPECT_THAT(Create(IPC_PRIVATE, page() + 1, IPC_CREAT | 0600), FailsWith(EINVAL));
  });
  other.Wait();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Create(IPC_PRIVATE, 2 * page(), IPC_CREAT | 0600).ok());
  other.Signal();
  EXPECT_THAT(other.Join(), ExitsWith(0));
  EXPECT_EQ(ReadUsage().segments, 3);
}

CONFORMANCE(Ipcns, AttachSurvivesLeavingTheNamespace, Clause::ipcns_attach_survives_unshare,
            need::ipc_namespace, need::root) {
  const Segment segment(page());
  uint8_t* const at = segment.Attach();
  Child leaver([&](Channel& test) {
    uint8_t* const own = segment.Attach();
    EnterFreshNamespace();
    shmid_ds status;
    EXPECT_THAT(Returned(shmctl(segment.id(), IPC_STAT, &status)), FailsWith(EINVAL));
    EXPECT_THAT(Store(own, 0x55), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(own), Reads(0x56));
    EXPECT_THAT(Returned(shmdt(own)), Succeeds());
    test.Signal();
    test.Wait();
  });
  leaver.Wait();
  EXPECT_THAT(Load(at), Reads(0x55));
  EXPECT_EQ(StateOf(segment.id()).nattch, 3U);
  EXPECT_THAT(Store(at, 0x56), Works());
  leaver.Signal();
  leaver.Wait();
  EXPECT_EQ(StateOf(segment.id()).nattch, 2U) << "counted in the old namespace";
  leaver.Signal();
  EXPECT_THAT(leaver.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
}

CONFORMANCE(Ipcns, EndOfANamespaceDestroysItsSegments, Clause::ipcns_end_destroys, need::root, need::proc,
            need::ipc_namespace) {
  using std::chrono::steady_clock;
  constexpr size_t kSize = 4 << 20;
  const auto shared_kb = [] { return NumberIn("/proc/meminfo", "Shmem"); };
  bool returned = false;
  // Three times a second for the kernel: less than a runner waits for the last test of its budget.
  for (int attempt = 0; attempt < 3 && !returned; ++attempt) {
    const long before = shared_kb();
    Child member([&](Channel& test) {
      EnterFreshNamespace();
      const int id = shmget(IPC_PRIVATE, kSize, IPC_CREAT | 0600);
      auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
      for (size_t offset = 0; offset < kSize; offset += page()) ASSERT_THAT(Store(at + offset, 1), Works());
      ASSERT_THAT(Returned(shmdt(at)), Succeeds());
      test.Signal();
      test.Wait();
    });
    member.Wait();
    const long during = shared_kb();
    member.Signal();
    EXPECT_THAT(member.Join(), ExitsWith(0));
    if (during - before < 3 * 1024) continue;  // disturbed by others
    // A namespace is taken down by a kernel worker; creating another one gives it time.
    const auto patience = steady_clock::now() + std::chrono::seconds(1);
    while (!returned && steady_clock::now() < patience) {
      InChild([] { EnterFreshNamespace(); });
      returned = during - shared_kb() > 3 * 1024;
    }
  }
  EXPECT_TRUE(returned)
      << "Shmem in /proc/meminfo did not rise by 4 MiB and fall after the end of the namespace";
}

CONFORMANCE(Ipcns, OtherSharedMemoryIsNotIsolated, Clause::ipcns_posix_objects_not_covered,
            need::ipc_namespace, need::root, need::tmpfs, need::memfd, need::dev_shm) {
  TempFile file(page(), Place::tmpfs);
  const TempFile memory(page(), Place::memfd);
  const std::string name = "/conformance." + std::to_string(getpid()) + "." + std::to_string(UnusedKey());
  const Fd object(shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_GE(object.get(), 0);
  ASSERT_EQ(ftruncate(object.get(), static_cast<off_t>(page())), 0);
  InChild([&] {
    EnterFreshNamespace();
    const Fd again(shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0));
    ASSERT_GE(again.get(), 0);
    for (const int fd : {file.fd(), memory.fd(), again.get()})
      EXPECT_THAT(Store(MapShared(fd, page()).at(), 0x77), Works());
  });
  for (const int fd : {file.fd(), memory.fd(), object.get()})
    EXPECT_THAT(Load(MapShared(fd, page()).at()), Reads(0x77));
  EXPECT_THAT(Returned(shm_unlink(name.c_str())), Succeeds());
}

CONFORMANCE(Ipcns, ProcessIdsAreThoseOfTheReadersPidNamespace, Clause::ipcns_pid_translation,
            need::ipc_namespace, need::pid_namespace, need::root, need::proc) {
  const Segment outer(page());
  outer.Attach();
  Child child([&](Channel& test) {
    ASSERT_THAT(Returned(unshare(CLONE_NEWPID)), Succeeds());
    Child inner([&](Channel& outside) {
      ASSERT_EQ(getpid(), 1);
      const SegmentState seen = StateOf(outer.id());
      EXPECT_EQ(seen.cpid, 0) << "the creator is not visible here";
      EXPECT_EQ(seen.lpid, 0);
      const int id = shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600);
      EXPECT_EQ(StateOf(id).cpid, 1);
      EXPECT_THAT(Attached(id), Succeeds());
      EXPECT_EQ(StateOf(id).lpid, 1);
      outside.Send(static_cast<uint64_t>(id));
      outside.Wait();
    });
    test.Send(inner.Receive());
    test.Send(static_cast<uint64_t>(inner.pid()));
    test.Wait();
    inner.Signal();
    EXPECT_THAT(inner.Join(), ExitsWith(0));
  });
  const auto id = static_cast<int>(child.Receive());
  const auto pid = static_cast<pid_t>(child.Receive());
  EXPECT_EQ(StateOf(id).cpid, pid);
  EXPECT_EQ(StateOf(id).lpid, pid);
  EXPECT_EQ(Entry(ReadListing(), id).state.cpid, pid);
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
