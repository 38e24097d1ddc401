// shmget: creation, lookup, sizes, and what a new segment is like.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/maps.h"
#include "conformance/framework/race.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

static_assert(std::is_same_v<decltype(&shmget), int (*)(key_t, size_t, int) noexcept>);
static_assert(std::is_same_v<decltype(&shmat), void* (*)(int, const void*, int) noexcept>);
static_assert(std::is_same_v<decltype(&shmdt), int (*)(const void*) noexcept>);
static_assert(std::is_same_v<decltype(&shmctl), int (*)(int, int, shmid_ds*) noexcept>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_perm), ipc_perm>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_segsz), size_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_lpid), pid_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_cpid), pid_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_nattch), shmatt_t> && std::is_unsigned_v<shmatt_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_atime), time_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_dtime), time_t>);
static_assert(std::is_same_v<decltype(shmid_ds::shm_ctime), time_t>);
static_assert(std::is_same_v<decltype(ipc_perm::uid), uid_t> &&
              std::is_same_v<decltype(ipc_perm::cuid), uid_t>);
static_assert(std::is_same_v<decltype(ipc_perm::gid), gid_t> &&
              std::is_same_v<decltype(ipc_perm::cgid), gid_t>);
static_assert(std::is_integral_v<decltype(ipc_perm::mode)>);

CONFORMANCE(Shmget, ConstantsOfTheHeadersAreDistinct, Clause::sysv_headers) {
  EXPECT_EQ(static_cast<long>(IPC_PRIVATE), 0);
  EXPECT_EQ((std::set<int>{IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO, SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO,
                           SHM_STAT_ANY})
                .size(),
            9U);
  for (const std::vector<int>& flags :
       {std::vector<int>{IPC_CREAT, IPC_EXCL, SHM_HUGETLB, SHM_NORESERVE, 0777},
        std::vector<int>{SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC},
        std::vector<int>{SHM_DEST, SHM_LOCKED, 0777}}) {
    int all = 0;
    for (const int flag : flags) {
      EXPECT_EQ(all & flag, 0) << flag;
      all |= flag;
    }
  }
  EXPECT_EQ(static_cast<size_t>(SHMLBA) % page(), 0U);
}

CONFORMANCE(Shmget, PrivateKeyAlwaysMakesANewSegment, Clause::shmget_private_creates,
            Clause::shmget_private_flags, need::ipc_namespace, need::proc) {
  std::set<int> ids;
  uint8_t mark = 1;
  for (const int flags :
       {0, IPC_CREAT, IPC_EXCL, IPC_CREAT | IPC_EXCL, SHM_NORESERVE, IPC_CREAT | SHM_NORESERVE}) {
    for (int round = 0; round < 2; ++round, ++mark) {
      const Outcome made = Returned(shmget(IPC_PRIVATE, page(), flags | 0600));
      ASSERT_TRUE(made.ok() && made.value >= 0) << made << " flags " << flags;
      const auto id = static_cast<int>(made.value);
      EXPECT_TRUE(ids.insert(id).second) << "id " << id << " again";
      EXPECT_EQ(StateOf(id).key, 0);
      const Outcome at = Attached(id);
      ASSERT_THAT(at, Succeeds());
      EXPECT_THAT(Memory(at.address(), page()), AllBytesAre(0)) << "a segment of its own is zero";
      EXPECT_THAT(Fill(at.address(), mark, page()), Works());
    }
  }
  EXPECT_EQ(ReadUsage().segments, 12);
  EXPECT_EQ(ReadTable().size(), 12U);
  EXPECT_EQ(ReadListing().size(), 12U);
}

CONFORMANCE(Shmget, UnusedKeyNeedsCreat, Clause::shmget_create, Clause::shmget_noent, need::ipc_namespace,
            need::proc) {
  const NamespaceView empty = ReadView();
  EXPECT_EQ(empty, NamespaceView{});
  for (const int flags : {0, 0600, 0777, IPC_EXCL, IPC_EXCL | 0600, SHM_NORESERVE | 0600}) {
    EXPECT_THAT(Create(0x51, page(), flags), FailsWith(ENOENT)) << flags;
    EXPECT_EQ(ReadView(), empty) << flags;
  }
  const Outcome made = Create(0x51, page(), IPC_CREAT | 0600);
  ASSERT_TRUE(made.ok() && made.value >= 0) << made;
  EXPECT_THAT(Create(0x52, page(), 0600), FailsWith(ENOENT));
  const Outcome other = Create(0x52, page(), IPC_CREAT | IPC_EXCL | 0600);
  ASSERT_TRUE(other.ok() && other.value >= 0) << other;
  EXPECT_NE(other.value, made.value);
  const NamespaceView view = ReadView();
  EXPECT_EQ(view.table.size(), 2U);
  EXPECT_EQ(view.usage.segments, 2);
  EXPECT_EQ(view.usage.pages, 2U);
  for (const auto& [id, state] : view.table) {
    EXPECT_EQ(state.key, id == made.value ? 0x51 : 0x52);
    EXPECT_EQ(Entry(view.listing, id).state, state);
  }
}

HELPER(shmget_lookup) {
  const auto key = static_cast<key_t>(strtoul(arguments[0], nullptr, 10));
  HelperChannel().Send(static_cast<uint64_t>(shmget(key, 0, 0)));
  HelperChannel().Send(static_cast<uint64_t>(shmget(key, 1, IPC_CREAT | 0600)));
  return 0;
}

CONFORMANCE(Shmget, LookupGivesTheSameIdEverywhere, Clause::shmget_lookup, Clause::shmget_excl_alone) {
  const key_t key = UnusedKey();
  const Segment segment = Segment::Adopt(shmget(key, page(), IPC_CREAT | 0777));
  const key_t other_key = UnusedKey();
  const Segment other = Segment::Adopt(shmget(other_key, page(), IPC_CREAT | 0777));
  for (const int flags : {0, 0600, IPC_CREAT | 0600, IPC_EXCL, IPC_EXCL | 0600, IPC_CREAT | 0777}) {
    EXPECT_THAT(Create(key, page(), flags), Returns(segment.id())) << flags;
    EXPECT_THAT(Create(other_key, page(), flags), Returns(other.id())) << flags;
    InChild([&] { EXPECT_THAT(Create(key, 0, flags), Returns(segment.id())) << flags; });
  }
  Helper unrelated("shmget_lookup", {std::to_string(static_cast<unsigned>(key))});
  EXPECT_EQ(static_cast<int>(unrelated.Receive()), segment.id());
  EXPECT_EQ(static_cast<int>(unrelated.Receive()), segment.id());
  EXPECT_THAT(unrelated.Join(), ExitsWith(0));
}

CONFORMANCE(Shmget, CreatExclRefusesAUsedKey, Clause::shmget_excl, need::ipc_namespace, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0x77, page(), IPC_CREAT | IPC_EXCL | 0600));
  const NamespaceView before = ReadView();
  for (const size_t size : {size_t{0}, size_t{1}, page(), page() + 1}) {
    EXPECT_THAT(Create(0x77, size, IPC_CREAT | IPC_EXCL | 0600), FailsWith(EEXIST)) << size;
    EXPECT_THAT(Create(0x77, size, IPC_CREAT | IPC_EXCL), FailsWith(EEXIST)) << size;
  }
  EXPECT_EQ(ReadView(), before);
}

constexpr int kRacers = 4;

struct RaceResults {
  int id[kRacers];
  int error[kRacers];
};

void RaceForKeys(int flags, const std::function<void(const RaceResults&)>& check) {
  const Mapping shared = MapSharedAnonymous(sizeof(RaceResults));
  auto& results = *reinterpret_cast<RaceResults*>(shared.at());
  const auto create = [&](int process, int round) {
    results.id[process] = shmget(0x1000 + round, page(), flags);
    results.error[process] = results.id[process] < 0 ? errno : 0;
  };
  Race({kRacers, 200, 80}, create, [&](int round) {
    SCOPED_TRACE(round);
    check(results);
    EXPECT_EQ(ReadUsage().segments, 1);
    const int id = shmget(0x1000 + round, 0, 0);
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
  });
}

CONFORMANCE(Shmget, ExactlyOneOfConcurrentExclusiveCreatorsWins, Clause::shmget_excl_atomic,
            need::ipc_namespace) {
  RaceForKeys(IPC_CREAT | IPC_EXCL | 0600, [](const RaceResults& results) {
    int winners = 0;
    for (int i = 0; i < kRacers; ++i) {
      if (results.id[i] >= 0) ++winners;
      EXPECT_EQ(results.error[i], results.id[i] >= 0 ? 0 : EEXIST);
    }
    EXPECT_EQ(winners, 1);
  });
}

CONFORMANCE(Shmget, ConcurrentCreatorsAllGetOneSegment, Clause::shmget_create_race, need::ipc_namespace) {
  RaceForKeys(IPC_CREAT | 0600, [](const RaceResults& results) {
    for (int i = 0; i < kRacers; ++i) {
      EXPECT_EQ(results.error[i], 0) << ErrnoName(results.error[i]);
      EXPECT_EQ(results.id[i], results.id[0]);
    }
  });
}

CONFORMANCE(Shmget, SizeZeroCannotBeCreated, Clause::shmget_size_zero_create, need::ipc_namespace,
            need::proc) {
  for (const key_t key : {IPC_PRIVATE, 0x33}) {
    for (const int flags : {IPC_CREAT | 0600, IPC_CREAT | IPC_EXCL | 0600}) {
      EXPECT_THAT(Create(key, 0, flags), FailsWith(EINVAL)) << key;
      EXPECT_EQ(ReadView(), NamespaceView{});
    }
  }
  EXPECT_THAT(Create(0x33, 0, 0), FailsWith(ENOENT)) << "the key is still free";
}

CONFORMANCE(Shmget, LookupAcceptsSizesUpToTheRecordedOne, Clause::shmget_size_zero_lookup,
            Clause::shmget_size_bigger, need::ipc_namespace, need::proc) {
  const size_t p = page();
  key_t key = 0x100;
  for (const size_t size : {size_t{1}, p - 1, p, p + 1, 3 * p}) {
    const Segment segment = Segment::Adopt(shmget(++key, size, IPC_CREAT | 0600));
    const NamespaceView before = ReadView();
    for (const int flags : {0, 0600, IPC_CREAT | 0600}) {
      SCOPED_TRACE("size " + std::to_string(size) + " flags " + std::to_string(flags));
      for (const size_t fits : {size_t{0}, size_t{1}, size / 2, size - 1, size})
        EXPECT_THAT(Create(key, fits, flags), Returns(segment.id())) << fits;
      for (const size_t bigger : {size + 1, (size + p - 1) / p * p + 1, size + p, size_t{1} << 40, SIZE_MAX})
        EXPECT_THAT(Create(key, bigger, flags), FailsWith(EINVAL)) << bigger;
    }
    EXPECT_EQ(ReadView(), before);
  }
}

CONFORMANCE(Shmget, SizeAboveShmmaxCannotBeCreated, Clause::shmget_size_max, need::ipc_namespace, need::root,
            need::proc) {
  SetSysctl("shmmax", 3 * page() + 5);
  for (const key_t key : {IPC_PRIVATE, 0x44}) {
    for (const size_t size : {3 * page() + 6, 4 * page(), size_t{1} << 40, SIZE_MAX}) {
      EXPECT_THAT(Create(key, size, IPC_CREAT | 0600), FailsWith(EINVAL)) << size;
      EXPECT_EQ(ReadView(), NamespaceView{});
    }
  }
  const Segment most = Segment::Adopt(shmget(0x44, 3 * page() + 5, IPC_CREAT | 0600));
  EXPECT_EQ(StateOf(most.id()).size, 3 * page() + 5);
}

CONFORMANCE(Shmget, SizeThatCannotBeCommittedFailsWithEnomem, Clause::shmget_size_unbacked,
            need::ipc_namespace, need::proc) {
  if (ReadText("/proc/sys/vm/overcommit_memory") == "1")
    GTEST_SKIP() << "vm.overcommit_memory is 1: anything goes";
  const size_t huge = size_t{1} << (sizeof(size_t) == 8 ? 46 : 31);
  EXPECT_THAT(Create(IPC_PRIVATE, huge, IPC_CREAT | 0600), FailsWith(ENOMEM));
  EXPECT_THAT(Create(0x55, huge, IPC_CREAT | 0600), FailsWith(ENOMEM));
  EXPECT_EQ(ReadView(), NamespaceView{});
  const Outcome without = Create(0x55, huge, IPC_CREAT | SHM_NORESERVE | 0600);
  if (!without.ok()) {
    EXPECT_THAT(without, FailsWith(ENOMEM));
    EXPECT_EQ(ReadView(), NamespaceView{});
  } else {
    EXPECT_EQ(StateOf(static_cast<int>(without.value)).size, huge);
    EXPECT_THAT(Returned(shmctl(static_cast<int>(without.value), IPC_RMID, nullptr)), Succeeds());
  }
}

CONFORMANCE(Shmget, NewSegmentIsZeroThoughItsMemoryWasDirtyBefore, Clause::shmget_zero_filled) {
  for (int round = 0; round < 25; ++round) {
    for (const size_t size : {size_t{1}, page() - 1, page() + 1, 8 * page()}) {
      const Segment segment(size);
      uint8_t* const at = segment.Attach();
      const size_t extent = UpToPage(size, page());
      ASSERT_THAT(Memory(at, extent), AllBytesAre(0)) << "round " << round << " size " << size;
      ASSERT_THAT(Fill(at, 0xa5, extent), Works());
      ASSERT_THAT(Returned(shmdt(at)), Succeeds());
    }
  }
}

CONFORMANCE(Shmget, IdOfADestroyedSegmentDoesNotComeBackSoon, Clause::shmget_id_not_reused_soon) {
  std::set<int> seen;
  int last = -1;
  for (int round = 0; round < 100; ++round) {
    const int id = shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600);
    const Segment segment = Segment::Adopt(id);
    ASSERT_GE(id, 0);
    ASSERT_TRUE(seen.insert(id).second) << "id " << id << " came back in round " << round;
    ASSERT_THAT(Attached(last), FailsWithAnyOf({EINVAL, EIDRM})) << last;
    last = id;
  }
  for (const int old : seen) EXPECT_THAT(Attached(old), FailsWithAnyOf({EINVAL, EIDRM})) << old;
}

int OpenDescriptors() {
  DIR* const listing = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(listing) != nullptr) ++count;
  closedir(listing);
  return count;
}

CONFORMANCE(Shmget, SegmentsUseNoDescriptor, Clause::shmget_not_a_descriptor, need::proc) {
  const int before = OpenDescriptors();
  std::vector<Segment> segments;
  for (int i = 0; i < 8; ++i) segments.emplace_back(page()).Attach();
  EXPECT_EQ(OpenDescriptors(), before);
  const RlimitGuard none(RLIMIT_NOFILE, 0);
  EXPECT_THAT(Returned(dup(0)), FailsWith(EMFILE)) << "no descriptor can be had";
  const Outcome made = Create(IPC_PRIVATE, page(), IPC_CREAT | 0600);
  const Segment segment = Segment::Adopt(static_cast<int>(made.value));
  ASSERT_TRUE(made.ok()) << made;
  EXPECT_THAT(Attached(segment.id()), Succeeds());
}

CONFORMANCE(Shmget, NothingIsMapped, Clause::shmget_not_attached, need::proc) {
  const auto mapped = [] {
    std::vector<MapsRow> rows = ReadMaps();
    std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]"; });
    return rows;
  };
  mapped();
  const auto before = mapped();
  const key_t key = UnusedKey();
  const Segment segment = Segment::Adopt(shmget(key, 16 * page(), IPC_CREAT | 0600));
  const Segment unnamed(16 * page());
  EXPECT_EQ(mapped(), before);
  EXPECT_THAT(Create(key, 0, 0600), Returns(segment.id()));
  EXPECT_EQ(mapped(), before);
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
}

}  // namespace
}  // namespace shmcheck::conformance
