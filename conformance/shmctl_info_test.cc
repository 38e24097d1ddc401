// shmctl: what is told of the whole IPC namespace.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

template <typename T>
Outcome Info(int id, int command, T& buffer) {
  return Returned(shmctl(id, command, reinterpret_cast<shmid_ds*>(&buffer)));
}

CONFORMANCE(Shmctl, IpcInfoTellsTheLimits, Clause::shmctl_ipc_info, need::ipc_namespace, need::root,
            need::second_uid, need::proc) {
  const auto expect = [] {
    shminfo limits{};
    EXPECT_THAT(Info(0, IPC_INFO, limits), Returns(0));
    EXPECT_EQ(limits.shmmax, Sysctl("shmmax"));
    EXPECT_EQ(limits.shmall, Sysctl("shmall"));
    EXPECT_EQ(limits.shmmni, Sysctl("shmmni"));
    EXPECT_EQ(limits.shmmin, 1U);
  };
  expect();
  SetSysctl("shmmax", 123456);
  expect();
  EXPECT_EQ(ReadLimits().shmmax, 123456U);
  SetSysctl("shmall", 2345);
  SetSysctl("shmmni", 77);
  expect();
  EXPECT_EQ(ReadLimits().shmall, 2345U);
  EXPECT_EQ(ReadLimits().shmmni, 77U);
  EXPECT_EQ(ReadLimits().shmmax, 123456U);
  RunAs({kSecondUid, kSecondUid}, expect);
}

CONFORMANCE(Shmctl, InfoReturnsTheHighestUsedIndex, Clause::shmctl_info_return, need::ipc_namespace) {
  const auto expect = [](int highest) {
    shminfo limits{};
    shm_info usage{};
    EXPECT_THAT(Info(0, IPC_INFO, limits), Returns(highest));
    EXPECT_THAT(Info(0, SHM_INFO, usage), Returns(highest));
  };
  // An index is found by asking SHM_STAT for the segment's id.
  const auto index_of = [](int id) {
    for (int index = 0; index < 1024; ++index) {
      shmid_ds status;
      if (shmctl(index, SHM_STAT, &status) == id) return index;
    }
    return -1;
  };
  expect(0);
  std::vector<int> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600));
    ASSERT_GE(index_of(ids.back()), 0);
    int highest = 0;
    for (const int id : ids) highest = std::max(highest, index_of(id));
    expect(highest);
  }
  // Remove from the middle, then the highest, then the others.
  for (const size_t victim : {size_t{1}, size_t{3}, size_t{2}, size_t{1}, size_t{0}}) {
    ASSERT_EQ(shmctl(ids[victim], IPC_RMID, nullptr), 0);
    ids.erase(ids.begin() + static_cast<long>(victim));
    int highest = 0;
    for (const int id : ids) highest = std::max(highest, index_of(id));
    expect(highest);
  }
}

CONFORMANCE(Shmctl, InfoIgnoresItsId, Clause::shmctl_info_negative_id, Clause::shmctl_info_return,
            need::ipc_namespace) {
  const Segment first(page());
  const Segment second(page());
  shminfo limits{};
  shm_info usage{};
  const int highest = ReadUsage().highest;
  for (const int id : {0, 1, 77, first.id(), INT32_MAX}) {
    EXPECT_THAT(Info(id, IPC_INFO, limits), Returns(highest)) << id;
    EXPECT_THAT(Info(id, SHM_INFO, usage), Returns(highest)) << id;
  }
  for (const Outcome& outcome : {Info(-1, IPC_INFO, limits), Info(-1, SHM_INFO, usage)})
    EXPECT_THAT(outcome, outcome.ok() ? Returns(highest) : FailsWith(EINVAL));
}

CONFORMANCE(Shmctl, ShmInfoCountsSegmentsAndPages, Clause::shmctl_shm_info, need::ipc_namespace) {
  EXPECT_EQ(ReadUsage(), Usage{});
  const size_t p = page();
  Usage want;
  std::vector<Segment> segments;
  for (const size_t size : {size_t{1}, p - 1, p, p + 1, 2 * p, 10 * p + 1, size_t{1} << 20}) {
    segments.emplace_back(size);
    want.segments += 1;
    want.pages += UpToPage(size, p) / p;
    want.highest = ReadUsage().highest;
    EXPECT_EQ(ReadUsage(), want) << size;
  }
  // A marked segment counts until its last detach.
  uint8_t* const at = segments.back().Attach();
  ASSERT_EQ(shmctl(segments.back().id(), IPC_RMID, nullptr), 0);
  EXPECT_EQ(ReadUsage(), want);
  ASSERT_EQ(shmdt(at), 0);
  want.segments -= 1;
  want.pages -= (size_t{1} << 20) / p;
  want.highest = ReadUsage().highest;
  EXPECT_EQ(ReadUsage(), want);
  segments.back().release();
  segments.clear();
  EXPECT_EQ(ReadUsage(), Usage{});
}

CONFORMANCE(Shmctl, ResidentPagesRiseOnTouchAndFallAtDestruction, Clause::shmctl_shm_info_rss,
            need::ipc_namespace) {
  const size_t p = page();
  const Segment small(p);
  Segment large(32 * p);
  EXPECT_EQ(ReadUsage().resident, 0U);
  uint8_t* const at = large.Attach();
  EXPECT_EQ(ReadUsage().resident, 0U);
  for (unsigned long touched = 1; touched <= 8; ++touched) {
    ASSERT_THAT(Store(at + 3 * touched * p, 1), Works());
    EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, touched);
    ASSERT_THAT(Store(at + 3 * touched * p + 1, 1), Works());
    EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, touched) << "the same page again";
  }
  ASSERT_THAT(Store(small.Attach(), 1), Works());
  EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, 9U) << "the sum over all segments";
  ASSERT_EQ(shmdt(at), 0);
  EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, 9U) << "detaching frees nothing";
  ASSERT_EQ(shmctl(large.release(), IPC_RMID, nullptr), 0);
  EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, 1U);
}

CONFORMANCE(Shmctl, ShmStatWalksTheTable, Clause::shmctl_shm_stat, need::ipc_namespace, need::proc) {
  std::map<int, SegmentState> made;
  std::vector<int> ids;
  for (int i = 0; i < 12; ++i) {
    ids.push_back(
        shmget(i % 3 == 0 ? IPC_PRIVATE : 0x100 + i, static_cast<size_t>(i) * 777 + 1, IPC_CREAT | 0400 | i));
    if (i % 4 == 0) {
      ASSERT_THAT(Attached(ids.back()), Succeeds());
    }
    made[ids.back()] = StateOf(ids.back());
  }
  EXPECT_EQ(ReadTable(), made);
  for (const size_t victim : std::initializer_list<size_t>{9, 5, 11, 10, 1}) {
    ASSERT_EQ(shmctl(ids[victim], IPC_RMID, nullptr), 0);
    made.erase(ids[victim]);
    EXPECT_EQ(ReadTable(), made);
  }
  const int highest = ReadUsage().highest;
  shmid_ds status;
  for (const int index : {highest + 1, highest + 2, highest + 500, -1, INT32_MIN})
    EXPECT_THAT(Returned(shmctl(index, SHM_STAT, &status)), FailsWith(EINVAL)) << index;
  unsigned used = 0;
  for (int index = 0; index <= highest; ++index) {
    const Outcome outcome = Returned(shmctl(index, SHM_STAT, &status));
    if (outcome.ok()) {
      ++used;
    } else {
      EXPECT_THAT(outcome, FailsWith(EINVAL)) << index;
    }
  }
  EXPECT_EQ(used, ReadTable().size());
  EXPECT_EQ(used, static_cast<unsigned>(ReadUsage().segments));
}

// Marked segments before and behind one that is not, until the last detach.
void ExpectMarkedToldUntilGone(int command) {
  const Segment first(page());
  const Segment plain(2 * page());
  const Segment last(3 * page());
  std::vector<uint8_t*> attaches;
  for (const Segment* segment : {&first, &last}) {
    attaches.push_back(segment->Attach());
    ASSERT_THAT(Returned(shmctl(segment->id(), IPC_RMID, nullptr)), Succeeds());
  }
  const auto told = [command](int id) {
    for (int index = 0; index <= ReadUsage().highest; ++index) {
      shmid_ds status{};
      if (shmctl(index, command, &status) == id) return std::optional(ToState(status));
    }
    return std::optional<SegmentState>();
  };
  for (const Segment* segment : {&first, &plain, &last})
    EXPECT_EQ(told(segment->id()), StateOf(segment->id())) << "whether marked or not";
  EXPECT_EQ(told(first.id()).value_or(SegmentState{}).mode, 0600U | SHM_DEST);
  for (uint8_t* const at : attaches) ASSERT_THAT(Returned(shmdt(at)), Succeeds());
  for (const Segment* segment : {&first, &last}) EXPECT_EQ(told(segment->id()), std::nullopt) << "destroyed";
  EXPECT_EQ(told(plain.id()), StateOf(plain.id()));
}

CONFORMANCE(Shmctl, ShmStatTellsAMarkedSegmentUntilItIsGone, Clause::shmctl_shm_stat, need::ipc_namespace) {
  ExpectMarkedToldUntilGone(SHM_STAT);
}

CONFORMANCE(Shmctl, ShmStatAnyTellsAMarkedSegmentUntilItIsGone, Clause::shmctl_shm_stat_any,
            need::ipc_namespace, need::kernel(4, 17)) {
  ExpectMarkedToldUntilGone(SHM_STAT_ANY);
}

CONFORMANCE(Shmctl, ShmStatNeedsPermissionAndShmStatAnyDoesNot, Clause::shmctl_shm_stat_permission,
            Clause::shmctl_shm_stat_any, need::ipc_namespace, need::second_uid, need::root,
            need::kernel(4, 17)) {
  for (const auto& [mode, readable] :
       {std::pair{0600, false}, {0604, true}, {0602, false}, {0000, false}, {0640, false}}) {
    const Segment segment(page(), mode);
    const SegmentState state = StateOf(segment.id());
    const int index = ReadUsage().highest;  // the only segment
    RunAs({kSecondUid, kSecondUid}, [&, mode = mode, readable = readable] {
      shmid_ds status{};
      EXPECT_THAT(Returned(shmctl(index, SHM_STAT, &status)),
                  readable ? Returns(segment.id()) : FailsWith(EACCES))
          << mode;
      shmid_ds any{};
      EXPECT_THAT(Returned(shmctl(index, SHM_STAT_ANY, &any)), Returns(segment.id())) << mode;
      EXPECT_EQ(ToState(any), state);
      EXPECT_THAT(Returned(shmctl(index + 1, SHM_STAT_ANY, &any)), FailsWith(EINVAL));
    });
  }
}

}  // namespace
}  // namespace shmcheck::conformance
