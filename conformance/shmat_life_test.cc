// shmat: several attaches, counting, times, residency, and what fork, exec and the end of a process do to
// attaches.

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/maps.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Shmat, AllAttachesOfAProcessAliasOneMemory, Clause::shmat_multiple, Clause::shmat_nattch) {
  const Segment segment(2 * page());
  std::vector<uint8_t*> attaches;
  SegmentState want = StateOf(segment.id());
  for (const int flags : {0, SHM_RDONLY, 0, SHM_RDONLY, SHM_RND}) {
    const time_t since = KernelSecond();
    uint8_t* const at = segment.Attach(flags);
    for (const uint8_t* other : attaches) EXPECT_NE(at, other);
    attaches.push_back(at);
    const SegmentState seen = StateOf(segment.id());
    want.nattch = attaches.size();
    want.lpid = getpid();
    want.atime = Within(since, seen.atime);
    EXPECT_EQ(seen, want);
  }
  uint8_t value = 0x10;
  for (const size_t writer : std::initializer_list<size_t>{0, 2, 4}) {
    ASSERT_THAT(Store(attaches[writer] + page() + writer, ++value), Works());
    for (uint8_t* at : attaches) EXPECT_THAT(Load(at + page() + writer), Reads(value));
  }
  for (const size_t reader : std::initializer_list<size_t>{1, 3})
    EXPECT_THAT(Store(attaches[reader], 1), FaultsWith(SIGSEGV, SEGV_ACCERR, attaches[reader]));
}

CONFORMANCE(Shmat, AttachIsStampedWithItsTimeAndProcess, Clause::shmat_atime, Clause::shmat_lpid,
            Clause::shmat_nattch) {
  const Segment segment(page());
  SegmentState want = StateOf(segment.id());
  for (const unsigned long processes : {1UL, 2UL, 3UL}) {
    const time_t since = KernelSecond();
    Child child([&](Channel& test) {
      segment.Attach();
      test.Signal();
      test.Wait();
    });
    child.Wait();
    const SegmentState seen = StateOf(segment.id());
    want.nattch = 1;
    want.lpid = child.pid();
    want.atime = Within(since, seen.atime);
    want.dtime = seen.dtime;  // the end of the child before may be told
    EXPECT_EQ(seen, want) << processes;
    child.Signal();
    EXPECT_THAT(child.Join(), ExitsWith(0));
  }
}

CONFORMANCE(Shmat, FailedAttachLeavesCountAndAddressSpaceAlone, Clause::shmat_failure_no_effect,
            Clause::shmat_rlimit, need::proc) {
  const Segment segment(64 * page());
  Child child([&](Channel&) {
    const auto occupied = Reserve(page());
    const auto mapped = [] {
      std::vector<MapsRow> rows = ReadMaps();
      std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]"; });
      return rows;
    };
    mapped();
    const auto before = mapped();
    const SegmentState state = StateOf(segment.id());
    {
      const RlimitGuard no_space(RLIMIT_AS, 1);
      EXPECT_THAT(Attached(segment.id()), FailsWith(ENOMEM));
      EXPECT_THAT(Attached(segment.id(), nullptr, SHM_RDONLY), FailsWith(ENOMEM));
    }
    for (int round = 0; round < 100; ++round) {
      EXPECT_THAT(Attached(segment.id(), occupied.at()), FailsWith(EINVAL));
      EXPECT_THAT(Attached(segment.id(), occupied.at(1)), FailsWith(EINVAL));
      EXPECT_THAT(Attached(segment.id(), nullptr, SHM_REMAP), FailsWith(EINVAL));
    }
    SegmentState after = StateOf(segment.id());
    after.atime = state.atime;
    after.dtime = state.dtime;
    after.lpid = state.lpid;
    EXPECT_EQ(after, state);
    EXPECT_EQ(mapped(), before);
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  EXPECT_THAT(Attached(segment.id()), Succeeds());
}

CONFORMANCE(Shmat, AddressSpaceLimitHoldsForAttaches, Clause::shmat_rlimit, need::proc) {
  const Segment segment(256 * page());
  InChild([&] {
    const auto used = static_cast<unsigned long>(NumberIn("/proc/self/status", "VmSize")) * 1024;
    const RlimitGuard limit(RLIMIT_AS, used + 300 * page());
    const Outcome at = Attached(segment.id());
    ASSERT_THAT(at, Succeeds());
    EXPECT_THAT(Attached(segment.id()), FailsWith(ENOMEM));
    EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
    EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
    EXPECT_THAT(Attached(segment.id()), Succeeds()) << "room again";
  });
}

CONFORMANCE(Shmat, PagesAreProvidedAtFirstTouchForEveryone, Clause::shmat_demand, need::ipc_namespace) {
  const size_t pages = 8;
  const Segment segment(pages * page());
  EXPECT_EQ(ReadUsage().resident, 0U);
  uint8_t* const at = segment.Attach();
  uint8_t* const other = segment.Attach();
  EXPECT_EQ(ReadUsage().resident, 0U) << "attaching touches nothing";
  EXPECT_EQ(ResidentPages(at, pages * page()).pages, std::vector<bool>(pages, false));
  std::vector<bool> want(pages, false);
  unsigned long touched = 0;
  for (const size_t index : {size_t{5}, size_t{0}, size_t{7}}) {
    EXPECT_THAT(Load(at + index * page() + 9), Reads(0));
    want[index] = true;
    EXPECT_EQ(ReadUsage().resident, ++touched);
    EXPECT_EQ(ResidentPages(at, pages * page()).pages, want);
    EXPECT_EQ(ResidentPages(other, pages * page()).pages, want);
  }
  Child peer([&](Channel&) {
    uint8_t* const own = segment.Attach();
    EXPECT_THAT(Store(own + 5 * page(), 0x41), Works());
    EXPECT_THAT(Store(own + 6 * page(), 0x42), Works());
  });
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_EQ(ReadUsage().resident, touched + 1) << "one page is new, the other was there";
  EXPECT_THAT(Load(at + 5 * page()), Reads(0x41));
}

CONFORMANCE(Shmat, ProgramBreakStays, Clause::shmat_brk) {
  const void* const before = sbrk(0);
  const Segment segment(64 * page());
  uint8_t* const at = segment.Attach();
  EXPECT_EQ(sbrk(0), before);
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_EQ(sbrk(0), before);
}

HELPER(shmat_peer) {
  const Outcome at = Attached(atoi(arguments[0]));
  EXPECT_THAT(at, Succeeds());
  if (!at.ok()) return 1;
  for (int round = 0; round < 20; ++round) {
    HelperChannel().Wait();
    EXPECT_THAT(LoadWord(at.address() + 8 * round), Reads(1000U + static_cast<unsigned>(round)));
    EXPECT_THAT(StoreWord(at.address() + page() + 8 * round, 2000U + static_cast<unsigned>(round)), Works());
    HelperChannel().Signal();
  }
  return 0;
}

CONFORMANCE(Shmat, StoresAreSeenByUnrelatedProcesses, Clause::shmat_shared) {
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  uint8_t* const reader = segment.Attach(SHM_RDONLY);
  Helper peer("shmat_peer", {std::to_string(segment.id())});
  for (int round = 0; round < 20; ++round) {
    ASSERT_THAT(StoreWord(at + 8 * round, 1000U + static_cast<unsigned>(round)), Works());
    peer.Signal();
    peer.Wait();
    EXPECT_THAT(LoadWord(reader + page() + 8 * round), Reads(2000U + static_cast<unsigned>(round)));
  }
  EXPECT_THAT(peer.Join(), ExitsWith(0));
}

CONFORMANCE(Shmat, ForkDuplicatesEveryAttach, Clause::shmat_fork_inherited, need::proc) {
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  uint8_t* const reader = segment.Attach(SHM_RDONLY);
  ASSERT_THAT(Store(at, 0x11), Works());
  Child child([&](Channel& test) {
    EXPECT_EQ(StateOf(segment.id()).nattch, 4U);
    EXPECT_EQ(PermsByPage(at, 2 * page()), (std::vector<std::string>{"rw-s", "rw-s"}));
    EXPECT_EQ(PermsByPage(reader, 2 * page()), (std::vector<std::string>{"r--s", "r--s"}));
    EXPECT_THAT(Load(reader), Reads(0x11));
    EXPECT_THAT(Store(at + page(), 0x12), Works());
    Child grandchild([&](Channel&) {
      EXPECT_EQ(StateOf(segment.id()).nattch, 6U);
      EXPECT_THAT(Store(at + page() + 1, 0x13), Works());
      EXPECT_THAT(Returned(shmdt(reader)), Succeeds());
      EXPECT_EQ(StateOf(segment.id()).nattch, 5U);
    });
    EXPECT_THAT(grandchild.Join(), ExitsWith(0));
    EXPECT_EQ(StateOf(segment.id()).nattch, 4U);
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(at), Reads(0x21));
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    EXPECT_EQ(StateOf(segment.id()).nattch, 3U);
    test.Signal();
    test.Wait();
  });
  child.Wait();
  EXPECT_THAT(Load(at + page()), Reads(0x12));
  EXPECT_THAT(Load(at + page() + 1), Reads(0x13));
  EXPECT_THAT(Store(at, 0x21), Works());
  child.Signal();
  child.Wait();
  EXPECT_EQ(StateOf(segment.id()).nattch, 3U);
  EXPECT_THAT(Load(at), Reads(0x21)) << "the child's shmdt is its own";
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, 2U);
}

HELPER(shmat_after_exec) {
  for (const MapsRow& row : ReadMaps()) EXPECT_FALSE(row.path.starts_with("/SYSV")) << row;
  HelperChannel().Signal();
  HelperChannel().Wait();
  return 0;
}

CONFORMANCE(Shmat, ExecDetachesEverything, Clause::shmat_exec_detaches, need::proc) {
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Store(at, 0x3c), Works());
  Child child([&](Channel& test) {
    segment.Attach();
    segment.Attach(SHM_RDONLY);
    EXPECT_EQ(StateOf(segment.id()).nattch, 4U);
    EXPECT_THAT(ExecHelper("shmat_after_exec", {}, test), Succeeds());
  });
  child.Wait();
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U) << "the process lives on without its attaches";
  EXPECT_THAT(Load(at), Reads(0x3c));
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
}

CONFORMANCE(Shmat, EndOfAProcessDetachesEverything, Clause::shmat_exit_detaches) {
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  for (const bool killed : {false, true}) {
    Child child([&](Channel& test) {
      for (int i = 0; i < 5; ++i) segment.Attach(i % 2 == 0 ? 0 : SHM_RDONLY);
      EXPECT_THAT(Store(at, 0x3d), Works());
      test.Signal();
      test.Wait();
    });
    child.Wait();
    EXPECT_EQ(StateOf(segment.id()).nattch, 7U);
    if (killed) {
      child.Kill(SIGKILL);
      EXPECT_THAT(child.Join(), DiesBy(SIGKILL));
    } else {
      child.Signal();
      EXPECT_THAT(child.Join(), ExitsWith(0));
    }
    EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
    EXPECT_THAT(Load(at), Reads(0x3d));
  }
}

CONFORMANCE(Shmat, DontforkAttachIsNeitherInheritedNorCounted, Clause::shmat_dontfork, need::proc) {
  const Segment segment(2 * page());
  uint8_t* const kept = segment.Attach();
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Returned(madvise(at, 2 * page(), MADV_DONTFORK)), Succeeds());
  const unsigned long before = StateOf(segment.id()).nattch;
  Child child([&](Channel&) {
    EXPECT_EQ(StateOf(segment.id()).nattch, before + 1) << "the other attach only";
    EXPECT_EQ(PermsByPage(at, 2 * page()), (std::vector<std::string>{"", ""}));
    EXPECT_THAT(Returned(shmdt(at)), FailsWith(EINVAL));
    EXPECT_THAT(Store(kept, 7), Works());
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(StateOf(segment.id()).nattch, before);
  EXPECT_THAT(Load(at), Reads(7));
  ASSERT_THAT(Returned(madvise(at, 2 * page(), MADV_DOFORK)), Succeeds());
  Child inheriting([&](Channel&) {
    EXPECT_EQ(StateOf(segment.id()).nattch, before + 2);
    EXPECT_THAT(Load(at), Reads(7));
  });
  EXPECT_THAT(inheriting.Join(), ExitsWith(0));
}

CONFORMANCE(Shmat, AttachIsASharedMapping, Clause::shmat_like_mmap, need::proc) {
  const size_t p = page();
  const Segment segment(4 * p);
  uint8_t* const at = segment.Attach();
  uint8_t* const other = segment.Attach();
  ASSERT_THAT(FillPattern(at, 0, 4 * p), Works());
  EXPECT_THAT(Returned(mprotect(at, p, PROT_NONE)), Succeeds());
  EXPECT_THAT(Load(at), FaultsWith(SIGSEGV, SEGV_ACCERR, at));
  EXPECT_THAT(Memory(at + p, 3 * p), HoldsPattern(p, 3 * p));
  EXPECT_THAT(Returned(mprotect(at, p, PROT_READ)), Succeeds());
  EXPECT_THAT(Store(at, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, at));
  EXPECT_THAT(Returned(mprotect(at, p, PROT_READ | PROT_WRITE)), Succeeds());
  EXPECT_THAT(Returned(msync(at, 4 * p, MS_SYNC)), Succeeds());
  EXPECT_THAT(Returned(msync(at, 4 * p, MS_ASYNC)), Succeeds());
  EXPECT_THAT(Returned(mlock(at, p)), Succeeds());
  EXPECT_THAT(Returned(munlock(at, p)), Succeeds());
  EXPECT_THAT(Returned(madvise(at, 4 * p, MADV_DONTNEED)), Succeeds());
  EXPECT_THAT(Memory(at, 4 * p), HoldsPattern(0, 4 * p)) << "shared data is not thrown away";
  EXPECT_THAT(Returned(madvise(at + 2 * p, p, MADV_REMOVE)), Succeeds());
  EXPECT_THAT(Memory(other + 2 * p, p), AllBytesAre(0));
  EXPECT_THAT(Memory(other + 3 * p, p), HoldsPattern(3 * p, p));
  EXPECT_THAT(Returned(munmap(at + p, p)), Succeeds());
  EXPECT_THAT(Load(at + p), FaultsWith(SIGSEGV, SEGV_MAPERR, at + p));
  EXPECT_THAT(Store(at, 0x71), Works());
  EXPECT_THAT(Store(at + 3 * p, 0x72), Works());
  EXPECT_THAT(Load(other), Reads(0x71));
  EXPECT_THAT(Load(other + 3 * p), Reads(0x72));
  EXPECT_THAT(Memory(other + p, p), HoldsPattern(p, p));
}

CONFORMANCE(Shmat, RemappedAttachKeepsItsMemory, Clause::shmat_like_mmap) {
  const size_t p = page();
  const Segment segment(2 * p);
  uint8_t* const at = segment.Attach();
  uint8_t* const other = segment.Attach();
  ASSERT_THAT(FillPattern(other, 0, 2 * p), Works());
  const Outcome grown = Returned(mremap(at, 2 * p, 4 * p, MREMAP_MAYMOVE));
  ASSERT_THAT(grown, Succeeds());
  uint8_t* const moved = grown.address();
  EXPECT_THAT(Memory(moved, 2 * p), HoldsPattern(0, 2 * p));
  EXPECT_THAT(Load(moved + 2 * p), FaultsWith(SIGBUS, BUS_ADRERR, moved + 2 * p));
  EXPECT_THAT(Store(moved + 4 * p - 1, 1), FaultsWith(SIGBUS, BUS_ADRERR, moved + 4 * p - 1));
  EXPECT_THAT(Store(moved + p, 0x55), Works());
  EXPECT_THAT(Load(other + p), Reads(0x55));
  EXPECT_THAT(Returned(mremap(moved, 4 * p, p, 0)), ReturnsAddress(moved));
  EXPECT_THAT(Load(moved + p), FaultsWith(SIGSEGV, SEGV_MAPERR, moved + p));
  EXPECT_THAT(Store(moved, 0x56), Works());
  EXPECT_THAT(Load(other), Reads(0x56));
  EXPECT_THAT(Load(other + p), Reads(0x55));
  EXPECT_EQ(StateOf(segment.id()).nattch, 2U);
  EXPECT_EQ(StateOf(segment.id()).size, 2 * p);
}

}  // namespace
}  // namespace shmcheck::conformance
