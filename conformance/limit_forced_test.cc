// kernel.shm_rmid_forced: segments that nobody uses are destroyed.

#include <signal.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

// A segment whose creator has ended.
int Orphan(key_t key = IPC_PRIVATE) {
  Child creator(
      [&](Channel& test) { test.Send(static_cast<uint64_t>(shmget(key, page(), IPC_CREAT | 0600))); });
  const auto id = static_cast<int>(creator.Receive());
  EXPECT_THAT(creator.Join(), ExitsWith(0));
  return id;
}

CONFORMANCE(Limit, ForcedRemovalIsOffAndAcceptsZeroAndOneOnly, Clause::limit_rmid_forced_default,
            need::ipc_namespace, need::root, need::proc) {
  EXPECT_EQ(ReadText("/proc/sys/kernel/shm_rmid_forced"), "0");
  for (const char* value : {"2", "-1", "100"}) {
    EXPECT_THAT(WriteSysctl("shm_rmid_forced", value), FailsWith(EINVAL)) << value;
    EXPECT_EQ(Sysctl("shm_rmid_forced"), 0U);
  }
  for (const char* value : {"1", "0", "0", "1", "1"}) {
    EXPECT_THAT(WriteSysctl("shm_rmid_forced", value), Succeeds()) << value;
    EXPECT_EQ(ReadText("/proc/sys/kernel/shm_rmid_forced"), value);
  }
}

CONFORMANCE(Limit, WithoutForcedRemovalUnusedSegmentsStay, Clause::limit_rmid_forced_default,
            Clause::shmdt_data_stays, need::ipc_namespace, need::root) {
  const int orphan = Orphan();
  EXPECT_TRUE(Exists(orphan));
  EXPECT_THAT(Returned(shmdt(shmat(orphan, nullptr, 0))), Succeeds());
  EXPECT_TRUE(Exists(orphan));
}

CONFORMANCE(Limit, ForcedRemovalDestroysAtTheLastDetach, Clause::limit_rmid_forced_detach,
            Clause::limit_rmid_forced_no_mark, need::ipc_namespace, need::root, need::proc) {
  SetSysctl("shm_rmid_forced", 1);
  const int id = shmget(0x81, page(), IPC_CREAT | 0640);
  auto* const first = static_cast<uint8_t*>(shmat(id, nullptr, 0));
  auto* const second = static_cast<uint8_t*>(shmat(id, nullptr, 0));
  ASSERT_THAT(Store(first, 0x42), Works());
  EXPECT_THAT(Returned(shmdt(first)), Succeeds());
  ASSERT_TRUE(Exists(id));
  EXPECT_EQ(StateOf(id).nattch, 1U);
  EXPECT_EQ(StateOf(id).key, 0x81) << "key and mode stay";
  EXPECT_EQ(StateOf(id).mode & 0777U, 0640U);
  EXPECT_THAT(Create(0x81, 0, 0), Returns(id));
  EXPECT_THAT(Load(second), Reads(0x42));
  EXPECT_THAT(Returned(shmdt(second)), Succeeds());
  EXPECT_FALSE(Exists(id));
  EXPECT_THAT(Create(0x81, 0, 0), FailsWith(ENOENT));
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(Limit, ForcedRemovalDestroysAtTheEndOfTheLastUser, Clause::limit_rmid_forced_detach,
            need::ipc_namespace, need::root, need::proc) {
  SetSysctl("shm_rmid_forced", 1);
  for (const bool killed : {false, true}) {
    const int id = shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600);
    Child user([&](Channel& test) {
      EXPECT_THAT(Attached(id), Succeeds());
      test.Signal();
      test.Wait();
    });
    user.Wait();
    EXPECT_TRUE(Exists(id));
    if (killed) {
      user.Kill(SIGKILL);
    } else {
      user.Signal();
    }
    user.Join();
    EXPECT_FALSE(Exists(id)) << "the creator lives, but nobody is attached";
    EXPECT_EQ(ReadView(), NamespaceView{});
  }
}

CONFORMANCE(Limit, ForcedRemovalDestroysWhatADeadCreatorNeverAttached, Clause::limit_rmid_forced_exit,
            need::ipc_namespace, need::root, need::proc) {
  SetSysctl("shm_rmid_forced", 1);
  for (int round = 0; round < 3; ++round) {
    Child creator([](Channel& test) {
      for (const key_t key : {IPC_PRIVATE, 0x82, IPC_PRIVATE})
        test.Send(static_cast<uint64_t>(shmget(key, page(), IPC_CREAT | 0600)));
      test.Wait();
    });
    std::vector<int> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(static_cast<int>(creator.Receive()));
    const Outcome at = Attached(ids[2]);
    for (const int id : ids) EXPECT_TRUE(Exists(id)) << "while the creator lives";
    creator.Signal();
    creator.Join();
    EXPECT_FALSE(Exists(ids[0]));
    EXPECT_FALSE(Exists(ids[1]));
    EXPECT_THAT(Create(0x82, 0, 0), FailsWith(ENOENT));
    ASSERT_TRUE(Exists(ids[2])) << "attached by another process";
    EXPECT_THAT(Store(at.address(), 1), Works());
    EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
    EXPECT_EQ(ReadView(), NamespaceView{});
  }
}

CONFORMANCE(Limit, SwitchingForcedRemovalOnDestroysOrphans, Clause::limit_rmid_forced_switch,
            Clause::limit_rmid_forced_no_mark, need::ipc_namespace, need::root, need::proc) {
  const int orphan = Orphan();
  const int keyed_orphan = Orphan(0x83);
  const int attached_orphan = Orphan(0x84);
  const Outcome at = Attached(attached_orphan);
  ASSERT_THAT(FillPattern(at.address(), 0, page()), Works());
  const SegmentState before = StateOf(attached_orphan);
  SetSysctl("shm_rmid_forced", 1);
  EXPECT_FALSE(Exists(orphan));
  EXPECT_FALSE(Exists(keyed_orphan));
  EXPECT_THAT(Create(0x83, 0, 0), FailsWith(ENOENT));
  ASSERT_TRUE(Exists(attached_orphan));
  SegmentState seen = StateOf(attached_orphan);
  seen.mode &= ~static_cast<unsigned>(SHM_DEST);
  EXPECT_EQ(seen, before);
  EXPECT_THAT(Create(0x84, 0, 0), Returns(attached_orphan));
  EXPECT_THAT(Memory(at.address(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
  EXPECT_FALSE(Exists(attached_orphan));
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(Limit, SwitchedOffAgainForcedRemovalDestroysNothing, Clause::limit_rmid_forced_detach,
            need::ipc_namespace, need::root) {
  SetSysctl("shm_rmid_forced", 1);
  SetSysctl("shm_rmid_forced", 0);
  const int orphan = Orphan();
  ASSERT_TRUE(Exists(orphan));
  EXPECT_THAT(Returned(shmdt(shmat(orphan, nullptr, 0))), Succeeds());
  EXPECT_TRUE(Exists(orphan));
}

}  // namespace
}  // namespace shmcheck::conformance
