// shmdt and the ways to detach without it.

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/maps.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Shmdt, DetachingOneAttachLeavesTheOthers, Clause::shmdt_detaches, Clause::shmdt_nattch,
            need::proc) {
  const size_t p = page();
  const Segment segment(3 * p);
  uint8_t* const first = segment.Attach();
  uint8_t* const second = segment.Attach();
  uint8_t* const third = segment.Attach(SHM_RDONLY);
  ASSERT_THAT(FillPattern(first, 0, 3 * p), Works());
  Child peer([&](Channel& test) {
    uint8_t* const own = segment.Attach();
    test.Signal();
    test.Wait();
    EXPECT_THAT(Memory(own, 3 * p), HoldsPattern(0, 3 * p));
    EXPECT_THAT(Memory(second, 3 * p), HoldsPattern(0, 3 * p)) << "the inherited attach is the child's own";
    EXPECT_THAT(Store(own, 0x61), Works());
    test.Signal();
    test.Wait();
  });
  peer.Wait();
  EXPECT_EQ(StateOf(segment.id()).nattch, 7U);
  EXPECT_THAT(Returned(shmdt(second)), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).nattch, 6U);
  for (const size_t at : {size_t{0}, p, 3 * p - 1}) {
    EXPECT_THAT(Load(second + at), FaultsWith(SIGSEGV, SEGV_MAPERR, second + at));
    EXPECT_THAT(Store(second + at, 1), FaultsWith(SIGSEGV, SEGV_MAPERR, second + at));
  }
  EXPECT_TRUE(MapsOf(second, 3 * p).empty());
  EXPECT_THAT(Memory(first, 3 * p), HoldsPattern(0, 3 * p));
  EXPECT_THAT(Memory(third, 3 * p), HoldsPattern(0, 3 * p));
  peer.Signal();
  peer.Wait();
  EXPECT_THAT(Load(first), Reads(0x61));
  EXPECT_THAT(Load(third), Reads(0x61));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(Returned(shmdt(third)), Succeeds());
  EXPECT_THAT(Returned(shmdt(first)), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
}

CONFORMANCE(Shmdt, ContentsOutliveTheLastDetach, Clause::shmdt_data_stays) {
  const size_t size = 3 * page() + 100;
  const size_t extent = 4 * page();
  const Segment segment(size);
  for (unsigned seed = 0; seed < 3; ++seed) {
    InChild([&] {
      uint8_t* const at = segment.Attach();
      if (seed > 0) {
        EXPECT_THAT(Memory(at, extent), HoldsPattern(0, extent, seed - 1));
      }
      EXPECT_THAT(FillPattern(at, 0, extent, seed), Works());
      EXPECT_THAT(Returned(shmdt(at)), Succeeds());
      EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
    });
  }
  EXPECT_THAT(Memory(segment.Attach(SHM_RDONLY), extent), HoldsPattern(0, extent, 2));
}

CONFORMANCE(Shmdt, DetachIsStampedWithItsTimeAndProcess, Clause::shmdt_dtime_lpid, Clause::shmdt_nattch) {
  const Segment segment(page());
  uint8_t* const at = segment.Attach();
  segment.Attach();
  Child child([&](Channel& test) {
    SegmentState want = StateOf(segment.id());
    const time_t since = KernelSecond();
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    const SegmentState seen = StateOf(segment.id());
    want.nattch -= 1;
    want.lpid = getpid();
    want.dtime = Within(since, seen.dtime);
    EXPECT_EQ(seen, want);
    test.Signal();
    test.Wait();
  });
  child.Wait();
  EXPECT_EQ(StateOf(segment.id()).lpid, child.pid());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  SegmentState want = StateOf(segment.id());
  const time_t since = KernelSecond();
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  const SegmentState seen = StateOf(segment.id());
  want.nattch = 1;
  want.lpid = getpid();
  want.dtime = Within(since, seen.dtime);
  EXPECT_EQ(seen, want);
}

CONFORMANCE(Shmdt, AddressWhereNoAttachStartsIsRefused, Clause::shmdt_bad_addr, Clause::shmdt_unaligned,
            need::proc) {
  const size_t p = page();
  const Segment segment(3 * p);
  uint8_t* const at = segment.Attach();
  uint8_t* const detached = segment.Attach();
  ASSERT_THAT(Returned(shmdt(detached)), Succeeds());
  const Mapping anonymous = MapSharedAnonymous(p);
  const Mapping reserved = Reserve(p);
  const Hole hole(p);
  int local = 0;
  const auto mapped = [] {
    std::vector<MapsRow> rows = ReadMaps();
    std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]"; });
    return rows;
  };
  mapped();
  const SegmentState state = StateOf(segment.id());
  const auto before = mapped();
  struct Case {
    const char* name;
    const void* address;
  };
  for (const Case& c : {Case{"NULL", nullptr},
                        {"inside an attach", at + p},
                        {"last page of an attach", at + 2 * p},
                        {"end of an attach", at + 3 * p},
                        {"before an attach", at - p},
                        {"start + 1", at + 1},
                        {"start - 1", at - 1},
                        {"start + 8", at + 8},
                        {"start + page - 1", at + p - 1},
                        {"shared anonymous mapping", anonymous.at()},
                        {"reserved page", reserved.at()},
                        {"unmapped page", hole.at()},
                        {"already detached", detached},
                        {"the stack", &local},
                        {"kernel space", reinterpret_cast<void*>(~uintptr_t{0} / p * p)}}) {
    EXPECT_THAT(Returned(shmdt(c.address)), FailsWith(EINVAL)) << c.name;
    EXPECT_EQ(StateOf(segment.id()), state) << c.name;
    EXPECT_EQ(mapped(), before) << c.name;
  }
  EXPECT_THAT(Store(at, 1), Works());
}

CONFORMANCE(Shmdt, FileMappingIsNoAttach, Clause::shmdt_bad_addr, need::tmpfs) {
  TempFile file(page(), Place::tmpfs);
  const Mapping map = MapShared(file.fd(), page());
  EXPECT_THAT(Returned(shmdt(map.at())), FailsWith(EINVAL));
  EXPECT_THAT(Store(map.at(), 1), Works());
}

CONFORMANCE(Shmdt, NeitherIdNorPermissionIsNeeded, Clause::shmdt_no_id_needed, need::second_uid, need::root) {
  Segment marked(page());
  uint8_t* const at = marked.Attach();
  EXPECT_THAT(Returned(shmctl(marked.id(), IPC_RMID, nullptr)), Succeeds());
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_THAT(Load(at), FaultsWith(SIGSEGV, SEGV_MAPERR, at));
  const Segment closed(page());
  uint8_t* const kept = closed.Attach();
  RunAs({kSecondUid, kSecondUid}, [&] {
    EXPECT_THAT(Returned(shmdt(kept)), Succeeds()) << "mode 0600 of another user";
    EXPECT_THAT(Load(kept), FaultsWith(SIGSEGV, SEGV_MAPERR, kept));
  });
  shmid_ds no_access = {};
  EXPECT_THAT(Returned(shmctl(closed.id(), IPC_SET, &no_access)), Succeeds());
  EXPECT_EQ(StateOf(closed.id()).nattch, 1U);
  EXPECT_THAT(Returned(shmdt(kept)), Succeeds());
  EXPECT_EQ(StateOf(closed.id()).nattch, 0U);
}

// An attach of four pages of which some were unmapped or overmapped.
struct Damage {
  const char* name;
  size_t first;  // pages
  size_t count;
  bool overmap;
};
constexpr Damage kDamages[] = {
    {"head unmapped", 0, 1, false},
    {"half unmapped", 0, 2, false},
    {"middle unmapped", 1, 2, false},
    {"tail unmapped", 3, 1, false},
    {"head overmapped", 0, 1, true},
    {"middle overmapped", 1, 2, true},
    {"all but the last unmapped", 0, 3, false},
};

CONFORMANCE(Shmdt, DetachesAllRemainingPartsAndNothingElse, Clause::shmdt_after_partial_unmap,
            Clause::shmdt_split_count, need::proc) {
  const size_t p = page();
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.name);
    const Segment segment(4 * p);
    const Segment neighbour(4 * p);
    const Mapping area = Reserve(10 * p);
    ASSERT_EQ(munmap(area.at(p), 8 * p), 0);
    uint8_t* const at = segment.Attach(0, area.at(p));
    uint8_t* const behind = neighbour.Attach(0, area.at(5 * p));
    ASSERT_THAT(FillPattern(at, 0, 4 * p), Works());
    uint8_t* const hit = at + damage.first * p;
    if (damage.overmap) {
      Map(-1, damage.count * p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, hit)
          .release();
      ASSERT_THAT(Fill(hit, 0x7e, damage.count * p), Works());
    } else {
      ASSERT_EQ(munmap(hit, damage.count * p), 0);
    }
    EXPECT_GE(StateOf(segment.id()).nattch, 1U);
    const Outcome outcome = Returned(shmdt(at));
    if (damage.first == 0 && !outcome.ok()) {
      EXPECT_THAT(outcome, FailsWith(EINVAL));
      EXPECT_THAT(Memory(at + damage.count * p, (4 - damage.count) * p),
                  HoldsPattern(damage.count * p, (4 - damage.count) * p));
      ASSERT_THAT(Returned(munmap(at + damage.count * p, (4 - damage.count) * p)), Succeeds());
    } else {
      EXPECT_THAT(outcome, Succeeds());
    }
    for (size_t index = 0; index < 4; ++index) {
      const bool foreign = damage.overmap && index >= damage.first && index < damage.first + damage.count;
      if (foreign) {
        EXPECT_THAT(Memory(at + index * p, p), AllBytesAre(0x7e)) << index;
      } else {
        EXPECT_THAT(Load(at + index * p), FaultsWith(SIGSEGV, SEGV_MAPERR, at + index * p)) << index;
      }
    }
    EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
    EXPECT_EQ(StateOf(neighbour.id()).nattch, 1U);
    EXPECT_THAT(Memory(behind, 4 * p), AllBytesAre(0)) << "an attach of another segment behind";
    EXPECT_THAT(Memory(segment.Attach(), 4 * p), HoldsPattern(0, 4 * p)) << "the segment keeps its content";
    EXPECT_THAT(Returned(shmdt(behind)), Succeeds());
  }
}

CONFORMANCE(Shmdt, NeighbouringAttachOfTheSameSegmentStays, Clause::shmdt_detaches, need::proc) {
  const size_t p = page();
  const Segment segment(2 * p);
  const Mapping area = Reserve(6 * p);
  ASSERT_EQ(munmap(area.at(p), 4 * p), 0);
  uint8_t* const low = segment.Attach(0, area.at(p));
  uint8_t* const high = segment.Attach(0, area.at(3 * p));
  ASSERT_THAT(FillPattern(low, 0, 2 * p), Works());
  EXPECT_THAT(Returned(shmdt(low)), Succeeds());
  EXPECT_THAT(Memory(high, 2 * p), HoldsPattern(0, 2 * p));
  EXPECT_EQ(PermsByPage(low, 4 * p), (std::vector<std::string>{"", "", "rw-s", "rw-s"}));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
  ASSERT_THAT(Attached(segment.id(), low), ReturnsAddress(low));
  EXPECT_THAT(Returned(shmdt(high)), Succeeds());
  EXPECT_THAT(Memory(low, 2 * p), HoldsPattern(0, 2 * p));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
}

CONFORMANCE(Shmdt, MovedAttachIsDetachedAtItsNewStart, Clause::shmdt_after_mremap) {
  const size_t p = page();
  for (const bool far : {false, true}) {
    const Segment segment(2 * p);
    uint8_t* const at = segment.Attach();
    ASSERT_THAT(FillPattern(at, 0, 2 * p), Works());
    const Hole hole(2 * p);
    const Outcome moved = far ? Returned(mremap(at, 2 * p, 2 * p, MREMAP_MAYMOVE | MREMAP_FIXED, hole.at()))
                              : Returned(mremap(at, 2 * p, 3 * p, MREMAP_MAYMOVE));
    ASSERT_THAT(moved, Succeeds());
    EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
    EXPECT_THAT(Memory(moved.address(), 2 * p), HoldsPattern(0, 2 * p));
    if (moved.address() != at) {
      EXPECT_THAT(Returned(shmdt(at)), FailsWith(EINVAL));
    }
    EXPECT_THAT(Returned(shmdt(moved.address())), Succeeds());
    EXPECT_THAT(Load(moved.address()), FaultsWith(SIGSEGV, SEGV_MAPERR, moved.address()));
    if (!far) munmap(moved.address(), 3 * p);  // the part beyond the segment
    EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  }
}

CONFORMANCE(Shmdt, MunmapOfAWholeAttachIsADetach, Clause::shmdt_munmap_equivalent) {
  const Segment segment(2 * page());
  uint8_t* const kept = segment.Attach();
  uint8_t* const at = segment.Attach();
  InChild([&] {
    SegmentState want = StateOf(segment.id());
    const time_t since = KernelSecond();
    ASSERT_THAT(Returned(munmap(at, 2 * page())), Succeeds());
    const SegmentState seen = StateOf(segment.id());
    want.nattch -= 1;
    want.lpid = getpid();
    want.dtime = Within(since, seen.dtime);
    EXPECT_EQ(seen, want);
    EXPECT_THAT(Returned(shmdt(at)), FailsWith(EINVAL));
    EXPECT_THAT(Returned(shmdt(kept)), Succeeds());
  });
  EXPECT_EQ(StateOf(segment.id()).nattch, 2U);
}

CONFORMANCE(Shmdt, MunmapOfTheLastAttachOfAMarkedSegmentDestroysIt, Clause::shmdt_munmap_equivalent,
            Clause::shmdt_last_of_marked) {
  Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  EXPECT_THAT(Returned(shmctl(segment.id(), IPC_RMID, nullptr)), Succeeds());
  EXPECT_THAT(Returned(munmap(at, page())), Succeeds());
  EXPECT_TRUE((StateOf(segment.id()).mode & SHM_DEST) != 0);
  EXPECT_THAT(Store(at + page(), 1), Works());
  EXPECT_THAT(Returned(munmap(at + page(), page())), Succeeds());
  shmid_ds status;
  EXPECT_THAT(Returned(shmctl(segment.release(), IPC_STAT, &status)), FailsWithAnyOf({EINVAL, EIDRM}));
}

CONFORMANCE(Shmdt, DividedAttachCountsAsOneAgainWhenAllPiecesAreGone, Clause::shmdt_split_count) {
  const size_t p = page();
  const Segment segment(5 * p);
  uint8_t* const other = segment.Attach();
  struct Split {
    const char* name;
    void (*divide)(uint8_t* at);
  };
  for (const Split& split :
       {Split{"middle unmapped", [](uint8_t* at) { munmap(at + 2 * page(), page()); }},
        Split{"two holes",
              [](uint8_t* at) {
                munmap(at + page(), page());
                munmap(at + 3 * page(), page());
              }},
        Split{"middle protected", [](uint8_t* at) { mprotect(at + 2 * page(), page(), PROT_READ); }},
        Split{"protected and back",
              [](uint8_t* at) {
                mprotect(at + page(), page(), PROT_NONE);
                mprotect(at + page(), page(), PROT_READ | PROT_WRITE);
              }},
        Split{"middle advised", [](uint8_t* at) { madvise(at + 2 * page(), page(), MADV_RANDOM); }},
        Split{"middle locked", [](uint8_t* at) { mlock(at + page(), 2 * page()); }},
        Split{"tail protected", [](uint8_t* at) { mprotect(at + 4 * page(), page(), PROT_NONE); }}}) {
    SCOPED_TRACE(split.name);
    uint8_t* const at = segment.Attach();
    split.divide(at);
    InChild([&] { EXPECT_GE(StateOf(segment.id()).nattch, 4U); });
    EXPECT_GE(StateOf(segment.id()).nattch, 2U);
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
    for (size_t index = 0; index < 5; ++index)
      EXPECT_THAT(Load(at + index * p), FaultsWith(SIGSEGV, SEGV_MAPERR, at + index * p));
  }
  uint8_t* const pieces = segment.Attach();
  for (const size_t index : std::initializer_list<size_t>{3, 1, 0, 4, 2})
    EXPECT_THAT(Returned(munmap(pieces + index * p, p)), Succeeds());
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U) << "all pieces by munmap";
  EXPECT_THAT(Store(other, 1), Works());
}

CONFORMANCE(Shmdt, ImplicitAttachAndDetachAreToldOrNot, Clause::shmdt_implicit_times) {
  const Segment segment(page());
  segment.Attach();
  const SegmentState attached = StateOf(segment.id());
  const time_t since = KernelSecond();
  Child child([](Channel& test) { test.Wait(); });
  const SegmentState forked = StateOf(segment.id());
  SegmentState want = attached;
  want.nattch = 2;
  want.atime = forked.atime == attached.atime ? attached.atime : Within(since, forked.atime);
  EXPECT_EQ(forked, want) << "fork tells the parent or nothing";
  child.Signal();
  const pid_t pid = child.pid();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  const SegmentState ended = StateOf(segment.id());
  want.nattch = 1;
  if (ended.lpid != forked.lpid || ended.dtime != forked.dtime) {
    want.lpid = pid;
    want.dtime = Within(since, ended.dtime);
  }
  EXPECT_EQ(ended, want) << "exit tells the child or nothing";
}

CONFORMANCE(Shmdt, LastDetachOfAMarkedSegmentDestroysItAtOnce, Clause::shmdt_last_of_marked,
            need::ipc_namespace, need::proc) {
  for (int round = 0; round < 100; ++round) {
    const int id = shmget(0x5f, 2 * page(), IPC_CREAT | 0600);
    auto* const first = static_cast<uint8_t*>(shmat(id, nullptr, 0));
    auto* const second = static_cast<uint8_t*>(shmat(id, nullptr, SHM_RDONLY));
    ASSERT_THAT(Fill(first, 0x4d, 2 * page()), Works());
    ASSERT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
    ASSERT_THAT(Returned(shmdt(first)), Succeeds());
    ASSERT_EQ(StateOf(id).nattch, 1U);
    ASSERT_EQ(ReadUsage().segments, 1);
    ASSERT_THAT(Load(second), Reads(0x4d));
    ASSERT_THAT(Returned(shmdt(second)), Succeeds());
    shmid_ds status;
    ASSERT_THAT(Returned(shmctl(id, IPC_STAT, &status)), FailsWithAnyOf({EINVAL, EIDRM}));
    ASSERT_EQ(ReadView(), NamespaceView{});
  }
}

}  // namespace
}  // namespace shmcheck::conformance
