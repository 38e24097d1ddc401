// shmctl: IPC_RMID, ids that are gone, and unknown commands.

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

Outcome Remove(int id) {
  return Returned(shmctl(id, IPC_RMID, nullptr));
}

CONFORMANCE(Shmctl, RemovingAnUnattachedSegmentDestroysItAtOnce, Clause::shmctl_rmid_unattached,
            need::ipc_namespace, need::proc) {
  const Segment bystander = Segment::Adopt(shmget(0x42, 2 * page(), IPC_CREAT | 0600));
  const NamespaceView before = ReadView();
  for (const bool used : {false, true}) {
    const int id = shmget(0x41, 16 * page(), IPC_CREAT | 0600);
    if (used) {
      auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
      ASSERT_THAT(Fill(at, 0x66, 16 * page()), Works());
      ASSERT_THAT(Returned(shmdt(at)), Succeeds());
      EXPECT_EQ(ReadUsage().resident, 16U);
    }
    EXPECT_EQ(ReadUsage().pages, 18U);
    EXPECT_THAT(Remove(id), Succeeds());
    shmid_ds status;
    EXPECT_THAT(Returned(shmctl(id, IPC_STAT, &status)), FailsWithAnyOf({EINVAL, EIDRM}));
    EXPECT_THAT(Attached(id), FailsWithAnyOf({EINVAL, EIDRM}));
    EXPECT_THAT(Create(0x41, 0, 0), FailsWith(ENOENT));
    EXPECT_THAT(Create(0x42, 0, 0), Returns(bystander.id()));
    EXPECT_EQ(ReadView(), before) << "memory, count and listing";
  }
}

CONFORMANCE(Shmctl, CreateAndDestroyLeavesNothingBehind, Clause::shmctl_rmid_unattached, need::ipc_namespace,
            need::proc) {
  const Segment bystander(3 * page());
  const NamespaceView before = ReadView();
  for (int round = 0; round < 100; ++round) {
    const bool keyed = round % 2 == 0;
    const int id =
        shmget(keyed ? 0x50 : IPC_PRIVATE, 1 + static_cast<size_t>(round) * 511, IPC_CREAT | IPC_EXCL | 0600);
    ASSERT_GE(id, 0) << round;
    if (round % 3 == 0) {
      auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
      ASSERT_THAT(Store(at, 1), Works());
      if (round % 2 == 0) {
        ASSERT_THAT(Remove(id), Succeeds());
      }
      ASSERT_THAT(Returned(shmdt(at)), Succeeds());
      if (round % 2 == 0) continue;
    }
    ASSERT_THAT(Remove(id), Succeeds());
  }
  EXPECT_EQ(ReadView(), before);
}

CONFORMANCE(Shmctl, RemovingAnAttachedSegmentOnlyMarksIt, Clause::shmctl_rmid_attached,
            Clause::shmctl_rmid_dest_flag, Clause::shmctl_rmid_key_freed, Clause::shmctl_rmid_repeat,
            need::ipc_namespace, need::proc) {
  Segment segment = Segment::Adopt(shmget(0x43, 2 * page(), IPC_CREAT | 0640));
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(FillPattern(at, 0, 2 * page()), Works());
  const SegmentState before = StateOf(segment.id());
  const Usage usage = ReadUsage();
  Child peer([&](Channel& test) {
    uint8_t* const own = segment.Attach();
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(own, 2 * page()), HoldsPattern(0, 2 * page()));
    EXPECT_THAT(Store(own + page(), 0x44), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(own), Reads(0x45));
  });
  peer.Wait();
  for (int again = 0; again < 3; ++again) {
    EXPECT_THAT(Remove(segment.id()), Succeeds()) << again;
    SegmentState seen = StateOf(segment.id());
    SegmentState want = before;
    want.mode = 0640 | SHM_DEST;
    want.key = 0;
    want.nattch = 2;
    want.lpid = seen.lpid;
    want.atime = seen.atime;
    want.dtime = seen.dtime;
    want.ctime = seen.ctime;
    EXPECT_EQ(seen, want) << again;
    EXPECT_EQ(Entry(ReadListing(), segment.id()).state, seen);
    EXPECT_EQ(ReadUsage(), usage) << "its pages count until it is destroyed";
  }
  EXPECT_THAT(Create(0x43, 0, 0), FailsWith(ENOENT));
  peer.Signal();
  peer.Wait();
  EXPECT_THAT(Load(at + page()), Reads(0x44));
  EXPECT_THAT(Store(at, 0x45), Works());
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_THAT(Remove(segment.release()), FailsWithAnyOf({EINVAL, EIDRM}));
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(Shmctl, KeyOfAMarkedSegmentMakesANewOne, Clause::shmctl_rmid_key_freed, need::ipc_namespace) {
  Segment old = Segment::Adopt(shmget(0x44, page(), IPC_CREAT | 0600));
  uint8_t* const at = old.Attach();
  ASSERT_THAT(Fill(at, 0x71, page()), Works());
  EXPECT_THAT(Remove(old.id()), Succeeds());
  InChild([&] {
    for (const int flags : {0, 0600}) EXPECT_THAT(Create(0x44, 0, flags), FailsWith(ENOENT));
    Segment made = Segment::Adopt(shmget(0x44, page(), IPC_CREAT | IPC_EXCL | 0600));
    EXPECT_NE(made.id(), old.id());
    uint8_t* const own = made.Attach();
    EXPECT_THAT(Memory(own, page()), AllBytesAre(0));
    EXPECT_THAT(Fill(own, 0x72, page()), Works());
    made.release();
  });
  EXPECT_THAT(Memory(at, page()), AllBytesAre(0x71));
  const Segment made = Segment::Adopt(shmget(0x44, 0, 0));
  ASSERT_NE(made.id(), old.id());
  EXPECT_EQ(StateOf(made.id()).key, 0x44);
  EXPECT_EQ(StateOf(old.id()).key, 0);
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  old.release();
  EXPECT_THAT(Create(0x44, 0, 0), Returns(made.id())) << "the end of the old one takes no key away";
  EXPECT_THAT(Memory(made.Attach(), page()), AllBytesAre(0x72));
}

CONFORMANCE(Shmctl, MarkedSegmentTakesCommands, Clause::shmctl_rmid_marked_usable, need::root) {
  const Segment segment(page());
  segment.Attach();
  EXPECT_THAT(Remove(segment.id()), Succeeds());
  shmid_ds status{};
  const auto works_or_idrm = [](const Outcome& outcome) {
    if (!outcome.ok()) {
      EXPECT_THAT(outcome, FailsWith(EIDRM));
    }
    return outcome.ok();
  };
  if (works_or_idrm(Returned(shmctl(segment.id(), IPC_STAT, &status)))) {
    EXPECT_EQ(status.shm_nattch, 1U);
    EXPECT_EQ(status.shm_segsz, page());
    status.shm_perm.mode = 0604;
    if (works_or_idrm(Returned(shmctl(segment.id(), IPC_SET, &status)))) {
      EXPECT_EQ(StateOf(segment.id()).mode, 0604U | SHM_DEST);
    }
    if (works_or_idrm(Returned(shmctl(segment.id(), SHM_LOCK, nullptr)))) {
      EXPECT_EQ(StateOf(segment.id()).mode & SHM_LOCKED, static_cast<unsigned>(SHM_LOCKED));
    }
    if (works_or_idrm(Returned(shmctl(segment.id(), SHM_UNLOCK, nullptr)))) {
      EXPECT_EQ(StateOf(segment.id()).mode & SHM_LOCKED, 0U);
    }
  }
}

CONFORMANCE(Shmctl, RemovalIgnoresItsBuffer, Clause::shmctl_rmid_buf_ignored) {
  for (const uintptr_t address :
       {uintptr_t{0}, uintptr_t{8}, ~uintptr_t{0}, ~uintptr_t{0} / page() * page()}) {
    const int id = Segment(page()).release();
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, reinterpret_cast<shmid_ds*>(address))), Succeeds()) << address;
    EXPECT_THAT(Remove(id), FailsWithAnyOf({EINVAL, EIDRM}));
  }
}

CONFORMANCE(Shmctl, OwnerRemovesWithoutAnyPermission, Clause::shmctl_rmid_no_read_needed, need::second_uid,
            need::root) {
  RunAs({kSecondUid, kSecondUid}, [] {
    for (const int mode : {0000, 0066, 0077, 0100}) {
      Segment segment(page(), mode);
      shmid_ds status;
      EXPECT_THAT(Returned(shmctl(segment.id(), IPC_STAT, &status)), FailsWith(EACCES));
      const int id = segment.release();
      EXPECT_THAT(Remove(id), Succeeds());
      EXPECT_THAT(Remove(id), FailsWithAnyOf({EINVAL, EIDRM}));
    }
  });
}

constexpr int kIdCommands[] = {IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK};

CONFORMANCE(Shmctl, EveryCommandFailsOnAnIdThatIsGone, Clause::shmctl_gone_id, need::ipc_namespace,
            need::root, need::proc) {
  const Segment neighbour(page());
  const int gone = Segment(page()).release();
  EXPECT_THAT(Remove(gone), Succeeds());
  const Segment later(page());
  const NamespaceView before = ReadView();
  for (const int id : {gone, -1, INT32_MIN, INT32_MAX}) {
    for (const int command : kIdCommands) {
      shmid_ds buffer{};
      buffer.shm_perm.mode = 0777;
      EXPECT_THAT(Returned(shmctl(id, command, &buffer)), FailsWithAnyOf({EINVAL, EIDRM}))
          << id << " " << command;
    }
  }
  EXPECT_EQ(ReadView(), before);
}

CONFORMANCE(Shmctl, OldIdNeverDenotesALaterSegment, Clause::shmctl_stale_id,
            Clause::shmget_id_not_reused_soon, need::ipc_namespace, need::root) {
  // More rounds than the slots that are walked through before the first one is taken again (64 on Linux).
  std::vector<int> old;
  for (int round = 0; round < 140; ++round) {
    const Segment segment(page());
    for (size_t i = round % 10 == 0 ? 0 : old.size(); i < old.size(); ++i) {
      shmid_ds buffer{};
      ASSERT_NE(old[i], segment.id());
      for (const int command : {IPC_STAT, IPC_RMID, SHM_LOCK, IPC_SET})
        ASSERT_THAT(Returned(shmctl(old[i], command, &buffer)), FailsWithAnyOf({EINVAL, EIDRM})) << command;
      ASSERT_THAT(Attached(old[i]), FailsWithAnyOf({EINVAL, EIDRM}));
    }
    ASSERT_EQ(StateOf(segment.id()).mode, 0600U);
    old.push_back(segment.id());
  }
}

CONFORMANCE(Shmctl, StaleIdOfAForcedSlotFails, Clause::shmctl_stale_id, need::ipc_namespace, need::root,
            need::proc, need::path("/proc/sys/kernel/shm_next_id")) {
  const int first = Segment(page()).release();
  EXPECT_THAT(Remove(first), Succeeds());
  const int wanted = first + (1 << 24);  // the same slot under another sequence number, extended ids or not
  SetSysctl("shm_next_id", static_cast<unsigned long>(wanted));
  const Segment second(page());
  ASSERT_NE(second.id(), first);
  for (const int command : kIdCommands) {
    shmid_ds buffer{};
    EXPECT_THAT(Returned(shmctl(first, command, &buffer)), FailsWithAnyOf({EINVAL, EIDRM})) << command;
  }
  EXPECT_THAT(Attached(first), FailsWithAnyOf({EINVAL, EIDRM}));
  EXPECT_EQ(StateOf(second.id()).mode, 0600U);
}

CONFORMANCE(Shmctl, UnknownCommandFails, Clause::shmctl_bad_cmd, need::ipc_namespace, need::proc) {
  const Segment segment(page());
  const NamespaceView before = ReadView();
  // 256 is the bit that 32-bit libraries add for 64-bit layouts (IPC_64).
  for (const int command : {-1, INT32_MIN, INT32_MAX, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 77, 1000, 0x10000}) {
    shmid_ds buffer;
    memset(&buffer, 0x5a, sizeof buffer);
    const shmid_ds untouched = buffer;
    EXPECT_THAT(Returned(shmctl(segment.id(), command, &buffer)), FailsWith(EINVAL)) << command;
    EXPECT_EQ(memcmp(&buffer, &untouched, sizeof buffer), 0) << command;
  }
  EXPECT_EQ(ReadView(), before);
}

}  // namespace
}  // namespace shmcheck::conformance
