// shmget: what a new segment says of itself, lookups by other users, and huge pages.

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

// What IPC_STAT must tell of a segment that the calling process has just made.
SegmentState Fresh(key_t key, size_t size, unsigned mode, time_t ctime) {
  SegmentState state;
  state.key = key;
  state.uid = state.cuid = geteuid();
  state.gid = state.cgid = getegid();
  state.mode = mode;
  state.size = size;
  state.ctime = ctime;
  state.cpid = getpid();
  return state;
}

// Makes a segment in every way and looks at all of its members, and that no other segment is listed.
void ExpectFreshSegments(const std::vector<size_t>& sizes, const std::vector<int>& modes) {
  for (const key_t key : {IPC_PRIVATE, 0x66}) {
    for (const size_t size : sizes) {
      for (const int mode : modes) {
        SCOPED_TRACE("key " + std::to_string(key) + " size " + std::to_string(size) + " mode " +
                     std::to_string(mode));
        const time_t since = KernelSecond();
        const Segment segment = Segment::Adopt(shmget(key, size, IPC_CREAT | IPC_EXCL | mode));
        const std::map<int, SegmentState> table = ReadTable();
        ASSERT_EQ(table.size(), 1U);
        const SegmentState seen = Entry(table, segment.id());
        const auto nine = static_cast<unsigned>(mode) & 0777U;
        EXPECT_EQ(seen, Fresh(key, size, nine, Within(since, seen.ctime)));
        EXPECT_EQ(StateOf(segment.id()), seen);
        EXPECT_EQ(Entry(ReadListing(), segment.id()).state, seen);
      }
    }
  }
}

CONFORMANCE(Shmget, NewSegmentHasExactlyTheRequestedSize, Clause::shmget_init_segsz,
            Clause::shmget_init_counters, Clause::shmget_init_ctime_cpid, need::ipc_namespace, need::proc) {
  const size_t p = page();
  ExpectFreshSegments({1, 2, p - 1, p, p + 1, 2 * p - 1, 7 * p, 100 * p + 3}, {0600});
}

CONFORMANCE(Shmget, ModeIsTheLowNineFlagBitsWhateverTheUmask, Clause::shmget_init_mode, need::ipc_namespace,
            need::root, need::proc) {
  for (const mode_t mask : {0077U, 0777U}) {
    umask(mask);
    ExpectFreshSegments({page()}, {0, 0400, 0200, 0100, 0040, 0020, 0010, 0004, 0002, 0001, 0666, 0777, 0421,
                                   SHM_NORESERVE | 0640});
  }
}

CONFORMANCE(Shmget, OwnerAndCreatorAreTheEffectiveIds, Clause::shmget_init_ids, need::ipc_namespace,
            need::second_uid, need::root) {
  InChild([] {
    ASSERT_EQ(setresgid(3001, 3002, 3003), 0);
    ASSERT_EQ(setresuid(2001, 2002, 2003), 0);
    const Segment segment(page(), 0600);
    const SegmentState seen = StateOf(segment.id());
    EXPECT_EQ(seen.uid, 2002U);
    EXPECT_EQ(seen.cuid, 2002U);
    EXPECT_EQ(seen.gid, 3002U);
    EXPECT_EQ(seen.cgid, 3002U);
    EXPECT_EQ(seen.cpid, getpid());
  });
  RunAs({kSecondUid, kSecondUid, {3005}}, [] {
    const Segment segment(page(), 0600);
    const SegmentState seen = StateOf(segment.id());
    EXPECT_EQ(seen, Fresh(0, page(), 0600, seen.ctime));
  });
}

CONFORMANCE(Shmget, CreatorIsTheProcessThatCalled, Clause::shmget_init_ctime_cpid) {
  const key_t key = UnusedKey();
  pid_t creator = 0;
  Child child([&](Channel& test) {
    const int id = shmget(key, page(), IPC_CREAT | 0600);
    Segment::Adopt(id).release();
    test.Send(static_cast<uint64_t>(id));
  });
  creator = child.pid();
  const Segment segment = Segment::Adopt(static_cast<int>(child.Receive()));
  EXPECT_THAT(child.Join(), ExitsWith(0));
  ASSERT_THAT(Create(key, 0, 0600), Returns(segment.id()));
  const SegmentState seen = StateOf(segment.id());
  EXPECT_EQ(seen.cpid, creator) << "neither the parent nor the process that looked it up";
  EXPECT_EQ(seen.lpid, 0);
}

CONFORMANCE(Shmget, KeyIsReportedAsGiven, Clause::shmget_init_key, need::ipc_namespace, need::proc) {
  std::map<int, key_t> keys;
  for (const unsigned pattern :
       {1U, 0x7fU, 0x80U, 0x1234U, 0x8000U, 0x10000U, 0x12345678U, 0x5a5a5a5aU, 0x7fffffffU, 0x80000000U,
        0x80000001U, 0xdeadbeefU, 0xfffffffeU, 0xffffffffU}) {
    const auto key = static_cast<key_t>(pattern);
    const Outcome made = Create(key, page(), IPC_CREAT | IPC_EXCL | 0600);
    ASSERT_TRUE(made.ok()) << made << " key " << pattern;
    keys[static_cast<int>(made.value)] = key;
  }
  for (const auto& [id, key] : keys) {
    EXPECT_EQ(StateOf(id).key, key);
    EXPECT_EQ(Entry(ReadListing(), id).state.key, key);
    EXPECT_THAT(Create(key, 0, 0), Returns(id)) << key;
  }
}

CONFORMANCE(Shmget, LookupChangesNothing, Clause::shmget_lookup_changes_nothing, need::ipc_namespace,
            need::second_uid, need::root, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x99, 2 * page(), IPC_CREAT | 0640));
  uint8_t* const at = segment.Attach();
  InChild([&] { EXPECT_THAT(Returned(shmdt(at)), Succeeds()); });
  const NamespaceView before = ReadView();
  const auto look = [&] {
    for (const int flags : {0, 0600, 0777, IPC_CREAT | 0777, IPC_EXCL | 0111}) {
      shmget(0x99, page(), flags);
      shmget(0x99, 3 * page(), flags);
      shmget(0x99, page(), flags | IPC_CREAT | IPC_EXCL);
    }
  };
  look();
  EXPECT_EQ(ReadView(), before);
  InChild(look);
  RunAs({kSecondUid, kSecondUid}, look);
  NamespaceView after = ReadView();
  ASSERT_TRUE(after.table.contains(segment.id()) && after.listing.contains(segment.id())) << after;
  // A child that had the attach by fork has ended since; that may be told (shmdt.implicit-times).
  for (auto* state : {&after.table.at(segment.id()), &after.listing.at(segment.id()).state}) {
    const SegmentState old = Entry(before.table, segment.id());
    state->lpid = old.lpid;
    state->atime = old.atime;
    state->dtime = old.dtime;
  }
  EXPECT_EQ(after, before);
}

struct LookupCase {
  int mode;
  uid_t uid;  // who looks; the segment is root's, group 3000
  gid_t gid;
  int flags;
  bool allowed;
};
constexpr LookupCase kLookups[] = {
    // Stranger: only the bits for others grant, whichever class the request is written in.
    {0640, kSecondUid, kSecondUid, 0, true},
    {0000, kSecondUid, kSecondUid, 0, true},
    {0640, kSecondUid, kSecondUid, 0400, false},
    {0640, kSecondUid, kSecondUid, 0040, false},
    {0640, kSecondUid, kSecondUid, 0004, false},
    {0640, kSecondUid, kSecondUid, 0200, false},
    {0640, kSecondUid, kSecondUid, 0666, false},
    {0604, kSecondUid, kSecondUid, 0400, true},
    {0604, kSecondUid, kSecondUid, 0004, true},
    {0604, kSecondUid, kSecondUid, 0444, true},
    {0604, kSecondUid, kSecondUid, 0002, false},
    {0604, kSecondUid, kSecondUid, 0200, false},
    {0604, kSecondUid, kSecondUid, 0600, false},
    {0602, kSecondUid, kSecondUid, 0200, true},
    {0602, kSecondUid, kSecondUid, 0400, false},
    {0606, kSecondUid, kSecondUid, 0666, true},
    {0606, kSecondUid, kSecondUid, 0100, false},
    {0777, kSecondUid, kSecondUid, 0777, true},
    {0660, kSecondUid, kSecondUid, 0600, false},
    // Group.
    {0640, kSecondUid, 3000, 0400, true},
    {0640, kSecondUid, 3000, 0040, true},
    {0640, kSecondUid, 3000, 0200, false},
    {0604, kSecondUid, 3000, 0400, false},
    {0606, kSecondUid, 3000, 0002, false},
    // Owner, who is also refused what the owner bits do not grant.
    {0066, 3100, 3000, 0400, false},
    {0066, 3100, 3000, 0004, false},
    {0400, 3100, 3000, 0400, true},
    {0400, 3100, 3000, 0600, false},
    {0000, 3100, 3000, 0, true},
    {0600, 3100, 3000, 0600, true},
};

std::string Describe(const LookupCase& c) {
  char text[96];
  snprintf(text, sizeof text, "mode 0%o, uid %u, gid %u, flags 0%o", static_cast<unsigned>(c.mode), c.uid,
           c.gid, static_cast<unsigned>(c.flags));
  return text;
}

CONFORMANCE(Shmget, LookupNeedsTheRequestedPermission, Clause::shmget_lookup_permission, need::ipc_namespace,
            need::second_uid, need::root) {
  constexpr key_t kFirstKey = 0xaa00;
  std::vector<int> ids;
  for (const LookupCase& c : kLookups) {
    ids.push_back(shmget(kFirstKey + static_cast<key_t>(ids.size()), page(), IPC_CREAT | 0600));
    shmid_ds wanted{};
    wanted.shm_perm.uid = 3100;
    wanted.shm_perm.gid = 3000;
    wanted.shm_perm.mode = static_cast<unsigned short>(c.mode);
    ASSERT_THAT(Returned(shmctl(ids.back(), IPC_SET, &wanted)), Succeeds());
  }
  const auto before = ReadTable();
  for (const auto& [uid, gid] :
       {std::pair<uid_t, gid_t>{kSecondUid, kSecondUid}, {kSecondUid, 3000}, {3100, 3000}}) {
    RunAs({uid, gid}, [&, uid = uid, gid = gid] {
      for (size_t i = 0; i < ids.size(); ++i) {
        const LookupCase& c = kLookups[i];
        if (c.uid != uid || c.gid != gid) continue;
        for (const int create : {0, IPC_CREAT}) {
          const Outcome found = Create(kFirstKey + static_cast<key_t>(i), 0, c.flags | create);
          EXPECT_THAT(found, c.allowed ? Returns(ids[i]) : FailsWith(EACCES)) << Describe(c);
        }
      }
    });
  }
  EXPECT_EQ(ReadTable(), before);
}

HELPER(shmget_user) {
  const auto key = static_cast<key_t>(strtoul(arguments[0], nullptr, 10));
  const int id = atoi(arguments[1]);
  EXPECT_EQ(shmget(key, 0, 0666), id);
  const Outcome at = Attached(id);
  EXPECT_THAT(at, Succeeds());
  if (!at.ok()) return 1;
  EXPECT_THAT(Memory(at.address(), page()), HoldsPattern(0, page(), 5));
  EXPECT_THAT(Store(at.address() + page(), 0x21), Works());
  return 0;
}

CONFORMANCE(Shmget, AnyProcessUsesTheSegmentOfADeadCreator, Clause::shmget_belongs_to_nobody) {
  const key_t key = UnusedKey();
  Child creator([&](Channel& test) {
    Segment segment = Segment::Adopt(shmget(key, 2 * page(), IPC_CREAT | IPC_EXCL | 0666));
    EXPECT_THAT(FillPattern(segment.Attach(), 0, page(), 5), Works());
    test.Send(static_cast<uint64_t>(segment.release()));
    test.Wait();
  });
  const Segment segment = Segment::Adopt(static_cast<int>(creator.Receive()));
  const std::vector<std::string> words = {std::to_string(static_cast<unsigned>(key)),
                                          std::to_string(segment.id())};
  Helper during("shmget_user", words);
  EXPECT_THAT(during.Join(), ExitsWith(0)) << "while the creator lives";
  creator.Kill(SIGKILL);
  EXPECT_THAT(creator.Join(), DiesBy(SIGKILL));
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  Helper after("shmget_user", words);
  EXPECT_THAT(after.Join(), ExitsWith(0)) << "after the creator's end";
  EXPECT_THAT(Load(segment.Attach() + page()), Reads(0x21));
}

CONFORMANCE(Shmget, AnotherUserUsesTheSegmentOfADeadCreator, Clause::shmget_belongs_to_nobody,
            need::second_uid, need::root) {
  const key_t key = UnusedKey();
  InChild([&] {
    Segment segment = Segment::Adopt(shmget(key, page(), IPC_CREAT | IPC_EXCL | 0606));
    EXPECT_THAT(Store(segment.Attach(), 0x17), Works());
    segment.release();
  });
  RunAs({kSecondUid, kSecondUid}, [&] {
    const Outcome at = Attached(shmget(key, 0, 0606));
    ASSERT_THAT(at, Succeeds());
    EXPECT_THAT(Load(at.address()), Reads(0x17));
    EXPECT_THAT(Store(at.address(), 0x18), Works());
  });
  const Segment segment = Segment::Adopt(shmget(key, 0, 0));
  EXPECT_THAT(Load(segment.Attach()), Reads(0x18));
}

CONFORMANCE(Shmget, HugePagesOrEnomem, Clause::shmget_hugetlb, need::ipc_namespace, need::machine_root,
            need::proc) {
  const Outcome made = Create(0x88, 4 << 20, IPC_CREAT | SHM_HUGETLB | 0600);
  if (!made.ok()) {
    EXPECT_THAT(made, FailsWithAnyOf({ENOMEM, EINVAL}));
    EXPECT_EQ(ReadView(), NamespaceView{});
    return;
  }
  const Segment segment = Segment::Adopt(static_cast<int>(made.value));
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Store(at, 1), Works());
  std::string smaps = ReadText("/proc/self/smaps");
  smaps = smaps.substr(smaps.find("/SYSV00000088"));
  const long kilobytes = strtol(smaps.c_str() + smaps.find("KernelPageSize:") + 15, nullptr, 10);
  EXPECT_GT(static_cast<size_t>(kilobytes) * 1024, page());
}

CONFORMANCE(Shmget, HugePagesNeedAPrivilege, Clause::shmget_hugetlb_priv, need::ipc_namespace,
            need::second_uid, need::root, need::proc, need::path("/proc/sys/vm/hugetlb_shm_group")) {
  if (ReadText("/proc/sys/vm/hugetlb_shm_group") == std::to_string(kSecondUid))
    GTEST_SKIP() << "its group is permitted";
  RunAs({kSecondUid, kSecondUid}, [] {
    const RlimitGuard no_locked_memory(RLIMIT_MEMLOCK, 0);
    EXPECT_THAT(Create(0x88, 4 << 20, IPC_CREAT | SHM_HUGETLB | 0600), FailsWith(EPERM));
  });
  EXPECT_EQ(ReadView(), NamespaceView{});
}

}  // namespace
}  // namespace shmcheck::conformance
