// shmctl: SHM_LOCK and SHM_UNLOCK.

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

Outcome Lock(int id) {
  return Returned(shmctl(id, SHM_LOCK, nullptr));
}
Outcome Unlock(int id) {
  return Returned(shmctl(id, SHM_UNLOCK, nullptr));
}
bool IsLocked(int id) {
  return (StateOf(id).mode & SHM_LOCKED) != 0;
}

CONFORMANCE(Shmctl, LockShowsInTheModeAndNowhereElse, Clause::shmctl_lock_flag, Clause::shmctl_lock_times,
            need::root, need::ipc_namespace, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x19, 3 * page(), IPC_CREAT | 0640));
  const Segment other(page());
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(FillPattern(at, 0, 3 * page()), Works());
  const SegmentState before = StateOf(segment.id());
  const SegmentState other_before = StateOf(other.id());
  SegmentState locked = before;
  locked.mode |= SHM_LOCKED;
  for (int round = 0; round < 3; ++round) {
    for (int again = 0; again < 2; ++again) {
      EXPECT_THAT(Lock(segment.id()), Succeeds());
      EXPECT_EQ(StateOf(segment.id()), locked);
      EXPECT_EQ(Entry(ReadListing(), segment.id()).state, locked);
    }
    for (int again = 0; again < 2; ++again) {
      EXPECT_THAT(Unlock(segment.id()), Succeeds());
      EXPECT_EQ(StateOf(segment.id()), before);
    }
  }
  EXPECT_EQ(StateOf(other.id()), other_before);
  EXPECT_THAT(Memory(at, 3 * page()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Shmctl, LockMakesNoPageResident, Clause::shmctl_lock_no_fault_in, need::root,
            need::ipc_namespace) {
  const Segment segment(8 * page());
  EXPECT_THAT(Lock(segment.id()), Succeeds());
  EXPECT_EQ(ReadUsage().resident, 0U);
  uint8_t* const at = segment.Attach();
  EXPECT_EQ(ReadUsage().resident, 0U) << "nor does the attach of a locked segment";
  ASSERT_THAT(Store(at + page(), 1), Works());
  EXPECT_EQ(ReadUsage().resident, 1U);
  EXPECT_THAT(Unlock(segment.id()), Succeeds());
  EXPECT_EQ(ReadUsage().resident, 1U);
}

CONFORMANCE(Shmctl, LockOutlivesDetachAndLocker, Clause::shmctl_lock_persists, need::root) {
  const Segment segment(page());
  InChild([&] {
    uint8_t* const at = segment.Attach();
    EXPECT_THAT(Lock(segment.id()), Succeeds());
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    EXPECT_TRUE(IsLocked(segment.id()));
  });
  EXPECT_TRUE(IsLocked(segment.id()));
  EXPECT_THAT(Unlock(segment.id()), Succeeds());
  EXPECT_FALSE(IsLocked(segment.id()));
}

// Who tries to lock a segment of owner 3100:3101 and creator 3200:3201, mode 0777.
struct Locker {
  const char* name;
  Identity who;
  std::vector<int> kept;  // capabilities, for uid 0
  bool allowed;
};
std::vector<Locker> Lockers() {
  return {
      {"owner", {3100, 1, {}}, {}, true},
      {"creator", {3200, 1, {}}, {}, true},
      {"group", {3300, 3101, {3201}}, {}, false},
      {"stranger", {kSecondUid, kSecondUid, {}}, {}, false},
      {"uid 0 with CAP_IPC_LOCK alone", {0, 0, {}}, {kCapIpcLock}, true},
      {"uid 0 with the other IPC capabilities", {0, 0, {}}, {kCapIpcOwner, kCapSysAdmin}, false},
      {"uid 0 without capabilities", {0, 0, {}}, {}, false},
  };
}

CONFORMANCE(Shmctl, OnlyOwnerAndCreatorLockWithoutThePrivilege, Clause::shmctl_lock_who,
            Clause::perm_cap_ipc_lock, need::second_uid, need::root) {
  Child maker([](Channel& test) {
    Become({3200, 3201});
    Segment segment(page(), 0777);
    test.Send(static_cast<uint64_t>(segment.release()));
  });
  const Segment segment = Segment::Adopt(static_cast<int>(maker.Receive()));
  ASSERT_THAT(maker.Join(), ExitsWith(0));
  shmid_ds wanted{};
  wanted.shm_perm.uid = 3100;
  wanted.shm_perm.gid = 3101;
  wanted.shm_perm.mode = 0777;
  ASSERT_THAT(Returned(shmctl(segment.id(), IPC_SET, &wanted)), Succeeds());
  for (const Locker& c : Lockers()) {
    for (const bool lock : {true, false}) {
      ASSERT_THAT(lock ? Unlock(segment.id()) : Lock(segment.id()), Succeeds());
      InChild([&] {
        if (c.who.uid == 0) {
          KeepCapabilities(c.kept);
        } else {
          Become(c.who);
        }
        const Outcome outcome = lock ? Lock(segment.id()) : Unlock(segment.id());
        EXPECT_THAT(outcome, c.allowed ? Succeeds() : FailsWith(EPERM))
            << c.name << (lock ? ": lock" : ": unlock");
      });
      EXPECT_EQ(IsLocked(segment.id()), lock == c.allowed) << c.name;
    }
  }
}

CONFORMANCE(Shmctl, LockIsLimitedWithoutThePrivilege, Clause::shmctl_lock_limit, Clause::perm_cap_ipc_lock,
            need::second_uid, need::root) {
  RunAs({3700, 3700}, [] {
    const Segment fits(4 * page());
    const Segment big(5 * page());
    {
      const RlimitGuard limit(RLIMIT_MEMLOCK, 0);
      EXPECT_THAT(Lock(fits.id()), FailsWith(EPERM));
      EXPECT_FALSE(IsLocked(fits.id()));
    }
    {
      const RlimitGuard limit(RLIMIT_MEMLOCK, 4 * page());
      EXPECT_THAT(Lock(big.id()), FailsWith(ENOMEM));
      EXPECT_FALSE(IsLocked(big.id()));
      EXPECT_THAT(Lock(fits.id()), Succeeds());
      EXPECT_TRUE(IsLocked(fits.id()));
      EXPECT_THAT(Unlock(fits.id()), Succeeds());
      // A refused or undone lock leaves nothing on the account.
      for (int round = 0; round < 20; ++round) {
        EXPECT_THAT(Lock(big.id()), FailsWith(ENOMEM)) << round;
        EXPECT_THAT(Lock(fits.id()), Succeeds()) << round;
        EXPECT_THAT(Unlock(fits.id()), Succeeds()) << round;
      }
      EXPECT_THAT(Lock(fits.id()), Succeeds());
      const Segment one(1);
      EXPECT_THAT(Lock(one.id()), FailsWith(ENOMEM)) << "all locked segments of the user count";
      EXPECT_THAT(Unlock(one.id()), Succeeds()) << "not locked";
    }
    const RlimitGuard none(RLIMIT_MEMLOCK, 0);
    EXPECT_THAT(Unlock(fits.id()), Succeeds()) << "unlocking has no limit";
    EXPECT_FALSE(IsLocked(fits.id()));
  });
  // Destruction of a locked segment gives its pages back to the account.
  RunAs({3701, 3701}, [] {
    const RlimitGuard limit(RLIMIT_MEMLOCK, 4 * page());
    for (int round = 0; round < 5; ++round) {
      const Segment segment(4 * page());
      EXPECT_THAT(Lock(segment.id()), Succeeds()) << round;
    }
  });
  InChild([] {
    const RlimitGuard none(RLIMIT_MEMLOCK, 0);
    const Segment segment(16 * page());
    EXPECT_THAT(Lock(segment.id()), Succeeds()) << "CAP_IPC_LOCK knows no limit";
    DropCapabilities({kCapIpcLock});
    EXPECT_THAT(Unlock(segment.id()), Succeeds());
    EXPECT_THAT(Lock(segment.id()), FailsWith(EPERM));
  });
}

}  // namespace
}  // namespace shmcheck::conformance
