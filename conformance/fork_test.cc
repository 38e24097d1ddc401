// What a child process inherits of its parent's mappings.

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

// Younger than some C libraries.
constexpr int kWipeOnFork = 18;
constexpr int kKeepOnFork = 19;

off_t Pages(size_t count) {
  return static_cast<off_t>(count * page());
}

CONFORMANCE(Fork, ChildHasEveryMappingOfItsParent, Clause::fork_mapping_inherited, need::proc, on::files) {
  TempFile file(4 * page());
  const Segment segment(2 * page());
  const Mapping shared = Map(file.fd(), 2 * page(), kReadWrite, MAP_SHARED, Pages(1));
  const Mapping readable = Map(file.fd(), page(), PROT_READ, MAP_SHARED, Pages(3));
  const Mapping copy = Map(file.fd(), 3 * page(), PROT_READ | PROT_EXEC, MAP_PRIVATE);
  const Mapping anonymous = MapSharedAnonymous(5 * page());
  const Mapping none = Reserve(page());
  const Mapping attached(segment.Attach(), 2 * page());
  ASSERT_THAT(Store(copy.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, copy.at()));
  ASSERT_THAT(Returned(mprotect(anonymous.at(page()), page(), PROT_READ)), Succeeds());
  const auto rows = StableMaps();
  Child child([&](Channel&) {
    EXPECT_EQ(StableMaps(), rows);
    Child grandchild([&](Channel&) { EXPECT_EQ(StableMaps(), rows); });
    EXPECT_THAT(grandchild.Join(), ExitsWith(0));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(StableMaps(), rows);
}

CONFORMANCE(Fork, ProtectionIsInherited, Clause::fork_mapping_inherited, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 3 * page());
  ASSERT_THAT(Returned(mprotect(map.at(), page(), PROT_NONE)), Succeeds());
  ASSERT_THAT(Returned(mprotect(map.at(page()), page(), PROT_READ)), Succeeds());
  Child child([&](Channel&) {
    EXPECT_THAT(Load(map.at()), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at()));
    EXPECT_THAT(Load(map.at(page())), Reads(PatternByte(page())));
    EXPECT_THAT(Store(map.at(page()), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(page())));
    EXPECT_THAT(Store(map.at(2 * page()), 1), Works());
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(2 * page())), Reads(1));
}

CONFORMANCE(Fork, PointerDenotesTheSameByteInTheChild, Clause::fork_address_inherited, on::files) {
  const TempFile file(2 * page());
  const Mapping map = MapShared(file.fd(), 2 * page());
  // The pointer itself is passed through the shared memory.
  uint8_t* const target = map.at(page() + 77);
  ASSERT_THAT(StoreWord(map.at(), reinterpret_cast<uintptr_t>(target)), Works());
  Child child([&](Channel&) {
    auto* const pointer = reinterpret_cast<uint8_t*>(LoadWord(map.at()).value);
    EXPECT_EQ(pointer, target);
    EXPECT_THAT(Store(pointer, 0xc7), Works());
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(target), Reads(0xc7));
  EXPECT_THAT(Contents(file.fd(), Pages(1) + 77, 1), AllBytesAre(0xc7));
}

// Test, child and grandchild each store into a page of their own, touched by nobody before, and read those of
// the others.
void ExpectSharedOverThreeGenerations(uint8_t* memory) {
  ASSERT_THAT(Store(memory, 0x01), Works());
  Child child([&](Channel& test) {
    EXPECT_THAT(Load(memory), Reads(0x01));
    EXPECT_THAT(Store(memory + page(), 0x02), Works());
    Child grandchild([&](Channel&) {
      EXPECT_THAT(Load(memory), Reads(0x01));
      EXPECT_THAT(Load(memory + page()), Reads(0x02));
      EXPECT_THAT(Store(memory + 2 * page(), 0x03), Works());
      EXPECT_THAT(Store(memory, 0x04), Works());
    });
    EXPECT_THAT(grandchild.Join(), ExitsWith(0));
    EXPECT_THAT(Load(memory + 2 * page()), Reads(0x03));
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(memory + page()), Reads(0x05));
  });
  child.Wait();
  EXPECT_THAT(Load(memory), Reads(0x04));
  EXPECT_THAT(Load(memory + page()), Reads(0x02));
  EXPECT_THAT(Load(memory + 2 * page()), Reads(0x03));
  EXPECT_THAT(Store(memory + page(), 0x05), Works());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Fork, SharedFilesStaySharedOverGenerations, Clause::fork_shared_both_ways, on::files) {
  const TempFile file(3 * page());
  const Mapping map = MapShared(file.fd(), 3 * page());
  ExpectSharedOverThreeGenerations(map.at());
}

CONFORMANCE(Fork, SharedAnonymousMemoryStaysSharedOverGenerations, Clause::fork_shared_both_ways) {
  const Mapping map = MapSharedAnonymous(3 * page());
  ExpectSharedOverThreeGenerations(map.at());
}

CONFORMANCE(Fork, SegmentsStaySharedOverGenerations, Clause::fork_shared_both_ways) {
  const Segment segment(3 * page());
  ExpectSharedOverThreeGenerations(segment.Attach());
}

CONFORMANCE(Fork, PrivateMemoryOfTheChildIsASnapshot, Clause::fork_private_snapshot, on::files) {
  constexpr size_t kPages = 32;
  TempFile file(kPages * page());
  file.FillPattern(1);
  const Mapping anonymous = MapPrivateAnonymous(kPages * page());
  const Mapping copy = MapPrivate(file.fd(), kPages * page());
  ASSERT_THAT(FillPattern(anonymous.at(), 0, kPages * page()), Works());
  ASSERT_THAT(Fill(copy.at(), 0x3e, kPages / 2 * page()),
              Works());  // the other half is read for the first time below
  ASSERT_THAT(Load(copy.at(kPages / 2 * page())), Works());
  volatile int on_stack = 1;
  Child child([&](Channel& test) {
    test.Wait();  // the parent has changed everything
    EXPECT_THAT(Memory(anonymous.at(), kPages * page()), HoldsPattern(0, kPages * page()));
    EXPECT_THAT(Memory(copy.at(), kPages / 2 * page()), AllBytesAre(0x3e));
    EXPECT_THAT(Memory(copy.at(kPages / 2 * page()), kPages / 2 * page()),
                HoldsPattern(kPages / 2 * page(), kPages / 2 * page(), 1));
    EXPECT_EQ(on_stack, 1);
  });
  EXPECT_THAT(Fill(anonymous.at(), 0xff, kPages * page()), Works());
  EXPECT_THAT(Fill(copy.at(), 0xff, kPages * page()), Works());
  on_stack = 2;
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Fork, LayoutsAreIndependent, Clause::fork_independent_layout, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 4 * page());
  const Hole hole(2 * page());
  Child child([&](Channel& test) {
    EXPECT_THAT(Returned(munmap(map.at(), page())), Succeeds());
    EXPECT_THAT(Returned(mprotect(map.at(page()), page(), PROT_NONE)), Succeeds());
    EXPECT_THAT(Returned(RawMmap(map.at(2 * page()), page(), kReadWrite,
                                 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
                ReturnsAddress(map.at(2 * page())));
    EXPECT_THAT(Store(map.at(2 * page()), 0), Works());
    test.Signal();
    test.Wait();  // the parent has mapped something into the hole and taken away the last page
    EXPECT_THAT(Load(hole.at()), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at()));
    EXPECT_THAT(Load(map.at(3 * page())), Reads(PatternByte(3 * page())));
  });
  child.Wait();
  EXPECT_THAT(Memory(map.at(), 4 * page()), HoldsPattern(0, 4 * page()));
  const Mapping into = Map(file.fd(), page(), kReadWrite, MAP_SHARED | MAP_FIXED, 0, hole.at());
  EXPECT_THAT(Returned(munmap(map.at(3 * page()), page())), Succeeds());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Fork, MappingsMadeLaterAreNotShared, Clause::fork_later_mappings_not_shared) {
  const Hole hole(2 * page());
  Child child([&](Channel& test) {
    test.Wait();
    EXPECT_THAT(Load(hole.at()), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at()));
    // Even at the same address it would be another object.
    const Mapping own = Map(-1, page(), kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0, hole.at());
    EXPECT_THAT(Memory(own.at(), page()), AllBytesAre(0));
    EXPECT_THAT(Store(own.at(1), 0x0e), Works());
  });
  const Mapping map = Map(-1, page(), kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0, hole.at());
  EXPECT_THAT(Store(map.at(), 0x0d), Works());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(1)), Reads(0));
}

void ExpectDontforkHides(uint8_t* memory) {
  ASSERT_THAT(Fill(memory, 0x5d, 3 * page()), Works());
  ASSERT_THAT(Returned(madvise(memory + page(), page(), MADV_DONTFORK)), Succeeds());
  Child without([&](Channel&) {
    EXPECT_THAT(Load(memory), Reads(0x5d));
    EXPECT_THAT(Load(memory + page()), FaultsWith(SIGSEGV, SEGV_MAPERR, memory + page()));
    EXPECT_THAT(Store(memory + 2 * page() - 1, 1), FaultsWith(SIGSEGV, SEGV_MAPERR, memory + page()));
    EXPECT_THAT(Load(memory + 2 * page()), Reads(0x5d));
  });
  EXPECT_THAT(without.Join(), ExitsWith(0));
  EXPECT_THAT(Memory(memory, 3 * page()), AllBytesAre(0x5d));
  ASSERT_THAT(Returned(madvise(memory + page(), page(), MADV_DOFORK)), Succeeds());
  Child with([&](Channel&) {
    EXPECT_THAT(Memory(memory, 3 * page()), AllBytesAre(0x5d));
    EXPECT_THAT(Store(memory + page(), 0x5e), Works());
  });
  EXPECT_THAT(with.Join(), ExitsWith(0));
  EXPECT_THAT(Load(memory + page()), Reads(0x5e));
}

CONFORMANCE(Fork, DontforkHidesSharedAnonymousMemory, Clause::fork_dontfork) {
  const Mapping map = MapSharedAnonymous(3 * page());
  ExpectDontforkHides(map.at());
}

CONFORMANCE(Fork, DontforkHidesASegment, Clause::fork_dontfork) {
  const Segment segment(3 * page());
  ExpectDontforkHides(segment.Attach());
}

CONFORMANCE(Fork, DontforkHidesAFile, Clause::fork_dontfork, on::files) {
  const TempFile file(3 * page());
  const Mapping map = MapShared(file.fd(), 3 * page());
  ExpectDontforkHides(map.at());
}

CONFORMANCE(Fork, MemoryMarkedForWipingIsZeroInEveryGeneration, Clause::fork_dontfork, need::kernel(4, 14)) {
  const Mapping map = MapPrivateAnonymous(3 * page());
  uint8_t* const marked = map.at(page());
  ASSERT_THAT(Fill(map.at(), 0x5f, 3 * page()), Works());
  ASSERT_THAT(Returned(madvise(marked, page(), kWipeOnFork)), Succeeds());
  Child child([&](Channel&) {
    EXPECT_THAT(Memory(marked, page()), AllBytesAre(0));
    ASSERT_THAT(Fill(map.at(), 0x60, 3 * page()), Works());
    Child grandchild([&](Channel&) {
      EXPECT_THAT(Memory(marked, page()), AllBytesAre(0)) << "the child kept MADV_WIPEONFORK";
      EXPECT_THAT(Load(marked - 1), Reads(0x60));
      EXPECT_THAT(Load(marked + page()), Reads(0x60));
    });
    EXPECT_THAT(grandchild.Join(), ExitsWith(0));
    EXPECT_THAT(Memory(map.at(), 3 * page()), AllBytesAre(0x60));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Memory(map.at(), 3 * page()), AllBytesAre(0x5f));
  ASSERT_THAT(Returned(madvise(marked, page(), kKeepOnFork)), Succeeds());
  Child keeper([&](Channel&) { EXPECT_THAT(Memory(map.at(), 3 * page()), AllBytesAre(0x5f)); });
  EXPECT_THAT(keeper.Join(), ExitsWith(0));
}

long LockedKilobytes() {
  return NumberIn("/proc/self/status", "VmLck");
}

CONFORMANCE(Fork, LocksAreNotInherited, Clause::fork_locks_not_inherited, need::root, need::proc, on::files) {
  const TempFile file(4 * page());
  const Mapping map = MapShared(file.fd(), 4 * page());
  const Mapping anonymous = MapPrivateAnonymous(4 * page());
  ASSERT_THAT(Returned(mlock(map.at(), 4 * page())), Succeeds());
  ASSERT_THAT(Returned(mlock(anonymous.at(), 2 * page())), Succeeds());
  ASSERT_THAT(Returned(mlockall(MCL_FUTURE)), Succeeds());
  const long locked = LockedKilobytes();
  EXPECT_GE(locked, static_cast<long>(6 * page() / 1024));
  Child child([&](Channel&) {
    EXPECT_EQ(LockedKilobytes(), 0);
    const Mapping later = MapPrivateAnonymous(8 * page());
    EXPECT_EQ(LockedKilobytes(), 0) << "MCL_FUTURE was inherited";
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(LockedKilobytes(), locked);
}

CONFORMANCE(Fork, ThreadsShareOneAddressSpace, Clause::fork_clone_vm, need::threads) {
  struct Work {
    uint8_t* mapped = nullptr;
    int segment = -1;
    void* attached = nullptr;
  } work;
  const Segment segment(page());
  work.segment = segment.id();
  const auto map_and_attach = [](void* argument) -> void* {
    auto* const mine = static_cast<Work*>(argument);
    mine->mapped = Returned(mmap(nullptr, page(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)).address();
    mine->attached = shmat(mine->segment, nullptr, 0);
    mine->mapped[3] = 0x6b;
    return nullptr;
  };
  pthread_t thread;
  ASSERT_THAT(Answered(pthread_create(&thread, nullptr, map_and_attach, &work)), Succeeds());
  ASSERT_THAT(Answered(pthread_join(thread, nullptr)), Succeeds());
  EXPECT_THAT(Load(work.mapped + 3), Reads(0x6b)) << "the thread is gone, its mapping stays";
  EXPECT_EQ(segment.Stat().shm_nattch, 1U);
  EXPECT_THAT(Store(work.attached, 1), Works());
  EXPECT_THAT(Returned(shmdt(work.attached)), Succeeds());
  EXPECT_EQ(segment.Stat().shm_nattch, 0U);
}

struct CloneWork {
  int segment;
  uint8_t* own;  // a private page of the parent
  uint8_t* mapped;
  uint8_t* attached;
  unsigned long count;  // attaches, as the child saw them
};

void ExpectOneAddressSpace(int flags) {
  const Segment segment(page());
  const Mapping attach(segment.Attach(), page());
  const Mapping own = MapPrivateAnonymous(page());
  ASSERT_THAT(Store(own.at(), 0x6b), Works());
  // Shared, so that it is told also when the address space is not.
  const Mapping told = MapSharedAnonymous(page());
  auto* const work = new (told.at()) CloneWork{segment.id(), own.at(), nullptr, nullptr, 0};
  const Mapping stack = MapPrivateAnonymous(64 * 1024);
  const auto body = [](void* argument) -> int {
    auto* const mine = static_cast<CloneWork*>(argument);
    mine->mapped =
        static_cast<uint8_t*>(mmap(nullptr, page(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mine->attached = static_cast<uint8_t*>(shmat(mine->segment, nullptr, 0));
    shmid_ds status{};
    shmctl(mine->segment, IPC_STAT, &status);
    mine->count = status.shm_nattch;
    mine->own[1] = mine->own[0];
    mine->mapped[0] = 0x6c;
    mine->attached[0] = 0x6d;
    return 0;
  };
  const pid_t pid = clone(body, stack.at(64 * 1024), flags | SIGCHLD, work);
  ASSERT_GT(pid, 0);
  Exit exit{};
  ASSERT_EQ(waitpid(pid, &exit.status, 0), pid);
  EXPECT_THAT(exit, ExitsWith(0));
  EXPECT_THAT(Load(own.at(1)), Reads(0x6b)) << "the parent has what the child stored";
  EXPECT_THAT(Load(work->mapped), Reads(0x6c)) << "and what it mapped";
  EXPECT_THAT(Load(work->attached), Reads(0x6d));
  EXPECT_EQ(work->count, 2U) << "one address space attaches once";
  EXPECT_EQ(segment.Stat().shm_nattch, 2U) << "and the child's attach stays";
}

CONFORMANCE(Fork, ProcessesThatShareTheAddressSpaceShareItsMappings, Clause::fork_clone_vm) {
  ExpectOneAddressSpace(CLONE_VM);
}

CONFORMANCE(Fork, AVforkedChildSharesTheAddressSpace, Clause::fork_clone_vm) {
  ExpectOneAddressSpace(CLONE_VM | CLONE_VFORK);
}

}  // namespace
}  // namespace shmcheck::conformance
