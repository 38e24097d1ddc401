// shmctl: IPC_STAT and IPC_SET.

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

Outcome Stat(int id) {
  shmid_ds status;
  return Returned(shmctl(id, IPC_STAT, &status));
}

Outcome Set(int id, uid_t uid, gid_t gid, unsigned mode) {
  shmid_ds wanted{};
  wanted.shm_perm.uid = uid;
  wanted.shm_perm.gid = gid;
  wanted.shm_perm.mode = static_cast<unsigned short>(mode);
  return Returned(shmctl(id, IPC_SET, &wanted));
}

shmid_ds* BadBuffer() {
  return reinterpret_cast<shmid_ds*>(8);
}

CONFORMANCE(Shmctl, StatFollowsTheHistory, Clause::shmctl_stat_copies, need::ipc_namespace, need::root,
            need::second_uid, need::proc) {
  const time_t since = KernelSecond();
  const Segment segment = Segment::Adopt(shmget(0x31, page() + 1, IPC_CREAT | 0640));
  const Segment bystander = Segment::Adopt(shmget(0x32, 5 * page(), IPC_CREAT | 0604));
  const SegmentState other = StateOf(bystander.id());
  SegmentState want = StateOf(segment.id());
  const auto expect = [&](const char* step) {
    const SegmentState seen = StateOf(segment.id());
    for (auto [time, seen_time] :
         {std::pair{&want.atime, seen.atime}, {&want.dtime, seen.dtime}, {&want.ctime, seen.ctime}}) {
      if (*time != 0) *time = Within(since, seen_time);
    }
    EXPECT_EQ(seen, want) << step;
    EXPECT_EQ(Entry(ReadListing(), segment.id()).state, seen) << step;
    EXPECT_EQ(Entry(ReadTable(), segment.id()), seen) << step;
    EXPECT_EQ(StateOf(bystander.id()), other) << step;
  };
  expect("created");
  uint8_t* const at = segment.Attach();
  want.nattch = 1;
  want.lpid = getpid();
  want.atime = since;
  expect("attached");
  ASSERT_THAT(Fill(at, 1, page()), Works());
  expect("written");
  ASSERT_THAT(Set(segment.id(), 5, 6, 0707), Succeeds());
  want.uid = 5;
  want.gid = 6;
  want.mode = 0707;
  expect("set");
  uint8_t* const reader = segment.Attach(SHM_RDONLY);
  want.nattch = 2;
  expect("attached again");
  ASSERT_THAT(Returned(shmctl(segment.id(), SHM_LOCK, nullptr)), Succeeds());
  want.mode |= SHM_LOCKED;
  expect("locked");
  ASSERT_THAT(Returned(shmdt(at)), Succeeds());
  want.nattch = 1;
  want.dtime = since;
  expect("detached");
  ASSERT_THAT(Returned(shmctl(segment.id(), SHM_UNLOCK, nullptr)), Succeeds());
  want.mode = 0707;
  expect("unlocked");
  ASSERT_THAT(Returned(shmctl(segment.id(), IPC_RMID, nullptr)), Succeeds());
  want.mode |= SHM_DEST;
  want.key = 0;
  expect("marked");
  ASSERT_THAT(Set(segment.id(), 7, 8, 0111), Succeeds());
  want.uid = 7;
  want.gid = 8;
  want.mode = 0111 | SHM_DEST;
  expect("set while marked");
  ASSERT_THAT(Returned(shmdt(reader)), Succeeds());
  EXPECT_THAT(Stat(segment.id()), FailsWithAnyOf({EINVAL, EIDRM}));
  EXPECT_EQ(ReadTable().size(), 1U);
}

CONFORMANCE(Shmctl, TimesMoveWithTheirCallsOnly, Clause::shmctl_stat_copies, Clause::shmctl_set_fields,
            Clause::shmctl_lock_times, Clause::shmat_atime, Clause::shmdt_dtime_lpid,
            Clause::shmget_lookup_changes_nothing, Clause::shmctl_stat_no_side_effect, need::root) {
  struct Case {
    const char* name;
    void (*call)(int id, uint8_t* at, key_t key);
    bool atime, dtime, ctime;  // which must move; the others must not
  };
  static constexpr Case kCases[] = {
      {"IPC_SET", [](int id, uint8_t*, key_t) { EXPECT_THAT(Set(id, 0, 0, 0666), Succeeds()); }, false, false,
       true},
      {"refused IPC_SET", [](int id, uint8_t*, key_t) { Set(id, static_cast<uid_t>(-1), 0, 0666); }, false,
       false, false},
      {"IPC_STAT", [](int id, uint8_t*, key_t) { EXPECT_THAT(Stat(id), Succeeds()); }, false, false, false},
      {"lookup", [](int id, uint8_t*, key_t key) { EXPECT_THAT(Create(key, 0, 0600), Returns(id)); }, false,
       false, false},
      {"SHM_LOCK",
       [](int id, uint8_t*, key_t) { EXPECT_THAT(Returned(shmctl(id, SHM_LOCK, nullptr)), Succeeds()); },
       false, false, false},
      {"SHM_UNLOCK",
       [](int id, uint8_t*, key_t) { EXPECT_THAT(Returned(shmctl(id, SHM_UNLOCK, nullptr)), Succeeds()); },
       false, false, false},
      {"store", [](int, uint8_t* at, key_t) { EXPECT_THAT(Store(at, 1), Works()); }, false, false, false},
      {"shmat", [](int id, uint8_t*, key_t) { EXPECT_THAT(Attached(id), Succeeds()); }, true, false, false},
      {"read-only shmat",
       [](int id, uint8_t*, key_t) { EXPECT_THAT(Attached(id, nullptr, SHM_RDONLY), Succeeds()); }, true,
       false, false},
      {"refused shmdt",
       [](int, uint8_t* at, key_t) { EXPECT_THAT(Returned(shmdt(at + 1)), FailsWith(EINVAL)); }, false, false,
       false},
      {"shmdt", [](int, uint8_t* at, key_t) { EXPECT_THAT(Returned(shmdt(at)), Succeeds()); }, false, true,
       false},
  };
  std::vector<Segment> segments;
  std::vector<key_t> keys;
  std::vector<uint8_t*> attaches;
  std::vector<SegmentState> before;
  for ([[maybe_unused]] const Case& c : kCases) {
    keys.push_back(UnusedKey());
    segments.push_back(Segment::Adopt(shmget(keys.back(), page(), IPC_CREAT | 0600)));
    attaches.push_back(segments.back().Attach());
    ASSERT_THAT(Returned(shmdt(segments.back().Attach())), Succeeds());
    before.push_back(StateOf(segments.back().id()));
  }
  NextSecond();
  const time_t since = KernelSecond();
  for (size_t i = 0; i < std::size(kCases); ++i) {
    const Case& c = kCases[i];
    c.call(segments[i].id(), attaches[i], keys[i]);
    const SegmentState seen = StateOf(segments[i].id());
    EXPECT_EQ(seen.atime, c.atime ? Within(since, seen.atime) : before[i].atime) << c.name;
    EXPECT_EQ(seen.dtime, c.dtime ? Within(since, seen.dtime) : before[i].dtime) << c.name;
    EXPECT_EQ(seen.ctime, c.ctime ? Within(since, seen.ctime) : before[i].ctime) << c.name;
  }
}

struct StatCase {
  int mode;
  bool allowed;
};

CONFORMANCE(Shmctl, StatNeedsReadPermission, Clause::shmctl_stat_permission, need::second_uid, need::root) {
  static constexpr StatCase kCases[] = {{0600, false}, {0644, true},  {0200, false},
                                        {0604, true},  {0640, false}, {0602, false},
                                        {0003, false}, {0004, true},  {0770, false}};
  std::vector<Segment> segments;
  for (const StatCase& c : kCases) segments.emplace_back(page(), c.mode);
  RunAs({kSecondUid, kSecondUid}, [&] {
    for (size_t i = 0; i < segments.size(); ++i) {
      shmid_ds buffer;
      memset(&buffer, 0x5a, sizeof buffer);
      const shmid_ds untouched = buffer;
      const Outcome outcome = Returned(shmctl(segments[i].id(), IPC_STAT, &buffer));
      EXPECT_THAT(outcome, kCases[i].allowed ? Succeeds() : FailsWith(EACCES)) << i;
      if (!kCases[i].allowed) {
        EXPECT_EQ(memcmp(&buffer, &untouched, sizeof buffer), 0) << "the refused call wrote into the buffer";
      }
    }
    const Segment own(page(), 0200);
    EXPECT_THAT(Stat(own.id()), FailsWith(EACCES)) << "the owner bits hold for the owner";
    const Segment readable(page(), 0400);
    EXPECT_THAT(Stat(readable.id()), Succeeds());
  });
}

CONFORMANCE(Shmctl, BadBufferFailsWithEfault, Clause::shmctl_stat_efault, Clause::shmctl_set_efault) {
  const Segment segment(page());
  const SegmentState before = StateOf(segment.id());
  const Mapping none = Reserve(page());
  const Mapping read_only = Map(-1, page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
  const Mapping half = MapPrivateAnonymous(2 * page());
  ASSERT_EQ(mprotect(half.at(page()), page(), PROT_NONE), 0);
  auto* const kernel = reinterpret_cast<shmid_ds*>(~uintptr_t{0} / page() * page());
  const auto buffer = [](uint8_t* p) { return reinterpret_cast<shmid_ds*>(p); };
  for (shmid_ds* bad : {BadBuffer(), static_cast<shmid_ds*>(nullptr), buffer(none.at()), kernel,
                        buffer(half.at(page() - 8))}) {
    EXPECT_THAT(Returned(shmctl(segment.id(), IPC_STAT, bad)), FailsWith(EFAULT)) << bad;
    EXPECT_THAT(Returned(shmctl(segment.id(), IPC_SET, bad)), FailsWith(EFAULT)) << bad;
  }
  EXPECT_THAT(Returned(shmctl(segment.id(), IPC_STAT, buffer(read_only.at()))), FailsWith(EFAULT));
  EXPECT_EQ(StateOf(segment.id()), before);
}

CONFORMANCE(Shmctl, StatChangesNothing, Clause::shmctl_stat_no_side_effect, need::ipc_namespace, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x20, page(), IPC_CREAT | 0600));
  uint8_t* const at = segment.Attach();
  const NamespaceView before = ReadView();
  for (int i = 0; i < 1000; ++i) ASSERT_THAT(Stat(segment.id()), Succeeds());
  InChild([&] { EXPECT_THAT(Returned(shmdt(at)), Succeeds()); });
  const SegmentState state = StateOf(segment.id());
  EXPECT_EQ(StateOf(segment.id()), state);
  EXPECT_EQ(Entry(before.table, segment.id()).nattch, state.nattch);
  EXPECT_EQ(ReadView(), ReadView());
}

CONFORMANCE(Shmctl, SetTakesOwnerGroupAndModeOnly, Clause::shmctl_set_fields, need::ipc_namespace, need::root,
            need::second_uid, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x21, 2 * page(), IPC_CREAT | 0640));
  const Segment bystander(page());
  segment.Attach();
  SegmentState want = StateOf(segment.id());
  const auto other = StateOf(bystander.id());
  const auto usage = ReadUsage();
  struct Case {
    uid_t uid;
    gid_t gid;
    unsigned mode;
  };
  for (const Case& c : {Case{1, 2, 0},
                        {1000, 1000, 0777},
                        {70000, 70001, 0421},
                        {0x7ffffffe, 0x7ffffffd, 0124},
                        {0xfffffffe, 0xfffffffd, 0666},
                        {0, 5, 07777},
                        {5, 0, 0177707},
                        {0, 0, 02600}}) {
    shmid_ds junk;
    memset(&junk, 0x5b, sizeof junk);
    junk.shm_perm.uid = c.uid;
    junk.shm_perm.gid = c.gid;
    junk.shm_perm.mode = static_cast<unsigned short>(c.mode);
    const time_t since = KernelSecond();
    ASSERT_THAT(Returned(shmctl(segment.id(), IPC_SET, &junk)), Succeeds());
    const SegmentState seen = StateOf(segment.id());
    want.uid = c.uid;
    want.gid = c.gid;
    want.mode = c.mode & 0777U;
    want.ctime = Within(since, seen.ctime);
    EXPECT_EQ(seen, want);
    EXPECT_EQ(Entry(ReadListing(), segment.id()).state, want);
  }
  EXPECT_EQ(StateOf(bystander.id()), other);
  EXPECT_EQ(ReadUsage(), usage);
  EXPECT_THAT(Create(0x21, 0, 0), Returns(segment.id()));
}

// Who tries to control a segment of owner 3100:3101 and creator 3200:3201.
struct Controller {
  const char* name;
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
  std::vector<int> dropped;  // capabilities, for uid 0
  bool allowed;
};
std::vector<Controller> Controllers() {
  return {
      {"owner", 3100, 1, {}, {}, true},
      {"creator", 3200, 1, {}, {}, true},
      {"group of the owner", 3300, 3101, {}, {}, false},
      {"group of the creator", 3300, 3201, {}, {}, false},
      {"supplementary group", 3300, 1, {3101, 3201}, {}, false},
      {"stranger", kSecondUid, kSecondUid, {}, {}, false},
      {"uid 0", 0, 0, {}, {}, true},
      {"uid 0 without CAP_IPC_OWNER", 0, 0, {}, {kCapIpcOwner}, true},
      {"uid 0 without CAP_SYS_ADMIN", 0, 0, {}, {kCapSysAdmin}, false},
  };
}

// Made by 3200:3201, given to 3100:3101, mode 0777, so that permission bits cannot be what is missing.
Segment GivenAway() {
  Child maker([](Channel& test) {
    Become({3200, 3201});
    Segment segment(page(), 0777);
    test.Send(static_cast<uint64_t>(segment.release()));
  });
  Segment segment = Segment::Adopt(static_cast<int>(maker.Receive()));
  EXPECT_THAT(maker.Join(), ExitsWith(0));
  EXPECT_THAT(Set(segment.id(), 3100, 3101, 0777), Succeeds());
  return segment;
}

CONFORMANCE(Shmctl, OnlyOwnerCreatorAndAdminSetAndRemove, Clause::shmctl_set_who, Clause::shmctl_rmid_who,
            Clause::shmctl_set_creator_fixed, need::second_uid, need::root) {
  for (const Controller& who : Controllers()) {
    SCOPED_TRACE(who.name);
    Segment segment = GivenAway();
    const SegmentState before = StateOf(segment.id());
    RunAs({who.uid, who.gid, who.groups}, [&] {
      if (!who.dropped.empty()) DropCapabilities(who.dropped);
      EXPECT_THAT(Set(segment.id(), 3100, 3999, 0764), who.allowed ? Succeeds() : FailsWith(EPERM));
    });
    SegmentState want = before;
    if (who.allowed) {
      want.gid = 3999;
      want.mode = 0764;
      want.ctime = Within(before.ctime, StateOf(segment.id()).ctime);
    }
    EXPECT_EQ(StateOf(segment.id()), want);
    RunAs({who.uid, who.gid, who.groups}, [&] {
      if (!who.dropped.empty()) DropCapabilities(who.dropped);
      EXPECT_THAT(Returned(shmctl(segment.id(), IPC_RMID, nullptr)),
                  who.allowed ? Succeeds() : FailsWith(EPERM));
    });
    if (who.allowed) {
      EXPECT_THAT(Stat(segment.release()), FailsWithAnyOf({EINVAL, EIDRM}));
    } else {
      EXPECT_EQ(StateOf(segment.id()), want);
    }
  }
}

CONFORMANCE(Shmctl, CreatorKeepsControlAfterGivingAway, Clause::shmctl_set_creator_fixed, need::second_uid,
            need::root) {
  RunAs({3200, 3201}, [] {
    Segment segment(page(), 0600);
    SegmentState want = StateOf(segment.id());
    EXPECT_THAT(Set(segment.id(), 3100, 3101, 0600), Succeeds());
    want.uid = 3100;
    want.gid = 3101;
    want.ctime = StateOf(segment.id()).ctime;
    EXPECT_EQ(StateOf(segment.id()), want) << "cuid and cgid stay; user bits hold for the creator as well";
    EXPECT_THAT(Attached(segment.id()), Succeeds());
    EXPECT_THAT(Set(segment.id(), 3102, 3103, 0060), Succeeds());
    EXPECT_THAT(Stat(segment.id()), FailsWith(EACCES)) << "not the group bits";
    EXPECT_THAT(Set(segment.id(), 3102, 3103, 0600), Succeeds());
    EXPECT_EQ(StateOf(segment.id()).cuid, 3200U);
    EXPECT_EQ(StateOf(segment.id()).cgid, 3201U);
    const int id = segment.release();
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
  });
}

CONFORMANCE(Shmctl, SetKeepsMarkAndLock, Clause::shmctl_set_keeps_flags, need::root, need::second_uid) {
  const Segment segment(page());
  uint8_t* const at = segment.Attach();
  EXPECT_THAT(Returned(shmctl(segment.id(), SHM_LOCK, nullptr)), Succeeds());
  EXPECT_THAT(Set(segment.id(), 1, 2, 0), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).mode, 0U | SHM_LOCKED);
  EXPECT_THAT(Returned(shmctl(segment.id(), IPC_RMID, nullptr)), Succeeds());
  for (const unsigned mode : {0U, 0777U, 0640U, 0777U | SHM_DEST | SHM_LOCKED, 07777U}) {
    EXPECT_THAT(Set(segment.id(), 1, 2, mode), Succeeds());
    EXPECT_EQ(StateOf(segment.id()).mode, (mode & 0777U) | SHM_LOCKED | SHM_DEST);
  }
  EXPECT_THAT(Returned(shmctl(segment.id(), SHM_UNLOCK, nullptr)), Succeeds());
  EXPECT_THAT(Set(segment.id(), 1, 2, 03604), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).mode, 0604U | SHM_DEST) << "SHM_LOCKED cannot be set this way";
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  const Segment plain(page());
  EXPECT_THAT(Set(plain.id(), 0, 0, 0600 | SHM_DEST | SHM_LOCKED), Succeeds());
  EXPECT_EQ(StateOf(plain.id()).mode, 0600U);
  EXPECT_THAT(Returned(shmdt(plain.Attach())), Succeeds());
  EXPECT_THAT(Stat(plain.id()), Succeeds()) << "not marked, so still there";
}

CONFORMANCE(Shmctl, ModeChangeDoesNotTouchExistingAttaches, Clause::shmctl_set_attached_unaffected,
            need::second_uid, need::root) {
  const Segment segment(page(), 0606);
  Child user([&](Channel& test) {
    Become({kSecondUid, kSecondUid});
    uint8_t* const at = segment.Attach();
    test.Signal();
    test.Wait();
    EXPECT_THAT(Attached(segment.id(), nullptr, SHM_RDONLY), FailsWith(EACCES));
    EXPECT_THAT(Store(at, 0x33), Works());
    EXPECT_THAT(Load(at), Reads(0x33));
  });
  user.Wait();
  EXPECT_THAT(Set(segment.id(), 0, 0, 0), Succeeds());
  user.Signal();
  EXPECT_THAT(user.Join(), ExitsWith(0));
  EXPECT_THAT(Load(segment.Attach()), Reads(0x33));
}

CONFORMANCE(Shmctl, OwnerWithoutMeaningIsRefused, Clause::shmctl_set_invalid_owner) {
  const Segment segment(page());
  const SegmentState before = StateOf(segment.id());
  constexpr auto kNobody = static_cast<uid_t>(-1);
  // What stands beside the invalid id would be a change.
  for (const auto& [uid, gid] : {std::pair{kNobody, getegid()},
                                 {geteuid(), kNobody},
                                 {kNobody, getegid() + 1},
                                 {geteuid() + 1, kNobody},
                                 {kNobody, kNobody}}) {
    for (const unsigned mode : {0600U, 0666U}) {
      SCOPED_TRACE("uid " + std::to_string(uid) + " gid " + std::to_string(gid));
      EXPECT_THAT(Set(segment.id(), uid, gid, mode), FailsWith(EINVAL));
      EXPECT_EQ(StateOf(segment.id()), before) << "a refused IPC_SET changes nothing";
    }
  }
}

}  // namespace
}  // namespace shmcheck::conformance
