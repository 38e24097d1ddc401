// Access to mapped memory: what the protection allows and what a fault looks like.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "conformance/framework/code.h"
#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

CONFORMANCE(Access, LoadsReturnTheBytesOfTheFile, Clause::access_read, on::files) {
  TempFile file(3 * page() + 5);
  file.FillPattern();
  const Bytes content = WholeFile(file.fd());
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    for (const int prot : {PROT_READ, kReadWrite}) {
      const Mapping map = Map(file.fd(), file.size(), prot, type);
      EXPECT_EQ(Memory(map.at(), file.size()), content);
      EXPECT_EQ(KernelCopy(map.at(), file.size()), content);
    }
  }
}

CONFORMANCE(Access, LoadsFollowTheCurrentBytesOfTheFile, Clause::access_read, on::files) {
  TempFile file(2 * page());
  const Mapping map = Map(file.fd(), 2 * page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Memory(map.at(), 2 * page()), AllBytesAre(0));
  file.FillPattern(7);
  EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page(), 7));
}

CONFORMANCE(Access, StoresSucceedAndAreReadBack, Clause::access_write, on::files) {
  const TempFile file(2 * page());
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), 2 * page(), kReadWrite, type);
    EXPECT_THAT(FillPattern(map.at(), 0, 2 * page(), 3), Works());
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page(), 3));
    EXPECT_THAT(KernelCopy(map.at(), 2 * page()), HoldsPattern(0, 2 * page(), 3));
  }
}

CONFORMANCE(Access, StoresToAnonymousMemorySucceedAndAreReadBack, Clause::access_write) {
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(-1, 3 * page(), kReadWrite, type | MAP_ANONYMOUS);
    EXPECT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
    EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  }
}

CONFORMANCE(Access, CodeInAnExecutableFileMappingRuns, Clause::access_exec, on::files) {
  TempFile file(page());
  file.Write(0, kCode, sizeof kCode);
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), page(), PROT_READ | PROT_EXEC, type);
    EXPECT_THAT(Call(map.at()), Reads(kCodeResult));
  }
}

CONFORMANCE(Access, CodeInAnExecutableAnonymousMappingRuns, Clause::access_exec) {
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(-1, page(), kReadWrite | PROT_EXEC, type | MAP_ANONYMOUS);
    memcpy(map.at(), kCode, sizeof kCode);
    __builtin___clear_cache(reinterpret_cast<char*>(map.at()), reinterpret_cast<char*>(map.at(sizeof kCode)));
    EXPECT_THAT(Call(map.at()), Reads(kCodeResult));
  }
}

CONFORMANCE(Access, CallIntoAReadableMappingRunsOrIsRefused, Clause::access_exec_implied, on::files) {
  TempFile file(page());
  file.Write(0, kCode, sizeof kCode);
  const Mapping map = Map(file.fd(), page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Call(map.at()), AnyOf(Reads(kCodeResult), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at())));
}

void ExpectNoAccess(const Mapping& map) {
  for (const size_t at : {size_t{0}, page() - 1, page(), 2 * page() - 1}) {
    EXPECT_THAT(Load(map.at(at)), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(at))) << at;
    EXPECT_THAT(Store(map.at(at), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(at))) << at;
  }
}

CONFORMANCE(Access, NoneForbidsLoadsAndStoresInFiles, Clause::access_none, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    ExpectNoAccess(Map(file.fd(), 2 * page(), PROT_NONE, type));
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Access, NoneForbidsLoadsAndStoresInAnonymousMemory, Clause::access_none) {
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    ExpectNoAccess(Map(-1, 2 * page(), PROT_NONE, type | MAP_ANONYMOUS));
  }
}

CONFORMANCE(Access, StoreToAReadOnlyFileMappingFaultsAndChangesNothing, Clause::access_write_protected,
            on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    for (const int prot : {PROT_READ, PROT_READ | PROT_EXEC}) {
      const Mapping map = Map(file.fd(), 2 * page(), prot, type);
      for (const bool touched_before : {false, true}) {
        EXPECT_THAT(Store(map.at(page()), 0), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(page())))
            << touched_before;
        EXPECT_THAT(StoreWord(map.at(8), 0), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(8))) << touched_before;
        EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
      }
    }
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Access, StoreToReadOnlyAnonymousMemoryFaultsAndChangesNothing, Clause::access_write_protected) {
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(-1, page(), PROT_READ, type | MAP_ANONYMOUS);
    for (int round = 0; round < 2; ++round) {
      EXPECT_THAT(Store(map.at(9), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(9)));
      EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
    }
  }
}

CONFORMANCE(Access, WriteOnlyMappingTakesStores, Clause::access_write_implies_read, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = Map(file.fd(), page(), PROT_WRITE, MAP_SHARED);
  EXPECT_THAT(Store(map.at(5), 0xee), Works());
  EXPECT_THAT(Store(map.at(page() - 1), 0xef), Works());
  EXPECT_THAT(Load(map.at(5)), AnyOf(Reads(0xee), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(5))));
  auto wanted = Pattern(0, page());
  wanted[5] = 0xee;
  wanted[page() - 1] = 0xef;
  EXPECT_THAT(WholeFile(file.fd()), BytesAre(wanted));
}

CONFORMANCE(Access, UnmappedAddressFaultsWithMaperrAtThatAddress, Clause::access_unmapped) {
  const Hole hole(2 * page());
  for (const size_t at : {size_t{0}, size_t{1}, page() - 1, page() + 100, 2 * page() - 1}) {
    uint8_t* const address = hole.at(at);
    uint8_t* const its_page = hole.at(at / page() * page());
    // Some architectures report no more than the page.
    const auto faults = AnyOf(FaultsExactlyAt(SIGSEGV, SEGV_MAPERR, address),
                              FaultsExactlyAt(SIGSEGV, SEGV_MAPERR, its_page));
    EXPECT_THAT(Load(address), faults);
    EXPECT_THAT(Store(address, 1), faults);
  }
}

CONFORMANCE(Access, PageBeyondTheEndOfTheFileRaisesSigbus, Clause::access_beyond_object, on::files) {
  for (const size_t size : {size_t{0}, size_t{1}, page()}) {
    const TempFile file(size);
    const size_t end = size == 0 ? 0 : page();
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
      const Mapping map = MapShared(file.fd(), end + 2 * page());
      const Mapping readable = Map(file.fd(), end + 2 * page(), PROT_READ, type);
      for (const size_t at : {end, end + page() - 1, end + page(), end + 2 * page() - 1}) {
        SCOPED_TRACE("F " + std::to_string(size) + " byte " + std::to_string(at));
        EXPECT_THAT(Load(map.at(at)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(at)));
        EXPECT_THAT(Store(map.at(at), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(at)));
        EXPECT_THAT(Load(readable.at(at)), FaultsWith(SIGBUS, BUS_ADRERR, readable.at(at)));
      }
    }
    EXPECT_EQ(file.size(), size);
  }
}

CONFORMANCE(Access, PageBehindTheMappingStaysAsItWas, Clause::access_beyond_mapping, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  for (const size_t len : {size_t{1}, page() - 1, page()}) {
    SCOPED_TRACE("len " + std::to_string(len));
    const Mapping reserved = Reserve(2 * page());
    const Mapping first = Map(file.fd(), len, PROT_READ, MAP_SHARED | MAP_FIXED, 0, reserved.at());
    EXPECT_THAT(Load(reserved.at(page() - 1)), Reads(PatternByte(page() - 1)));
    EXPECT_THAT(Load(reserved.at(page())), FaultsWith(SIGSEGV, SEGV_ACCERR, reserved.at(page())));
    const Hole hole(2 * page());
    const Mapping second = Map(file.fd(), len, PROT_READ, MAP_SHARED | MAP_FIXED, 0, hole.at());
    EXPECT_THAT(Load(hole.at(page() - 1)), Reads(PatternByte(page() - 1)));
    EXPECT_THAT(Load(hole.at(page())), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at(page())));
  }
}

CONFORMANCE(Access, HolesOfASparseFileReadZero, Clause::access_hole_zero, on::files) {
  TempFile file(16 * page());
  file.WriteByte(8 * page(), 'x');
  const Mapping map = Map(file.fd(), 16 * page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Memory(map.at(), 8 * page()), AllBytesAre(0));
  EXPECT_THAT(Load(map.at(8 * page())), Reads('x'));
  EXPECT_THAT(Memory(map.at(8 * page() + 1), 8 * page() - 1), AllBytesAre(0));
}

CONFORMANCE(Access, LoadsFromHolesAllocateNoBlocks, Clause::access_hole_zero, need::ext4) {
  const TempFile file(16 * page(), Place::ext4);
  const auto blocks = file.Stat().st_blocks;
  const Mapping map = Map(file.fd(), 16 * page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Memory(map.at(), 16 * page()), AllBytesAre(0));
  EXPECT_EQ(file.Stat().st_blocks, blocks);
  EXPECT_THAT(Returned(msync(map.at(), 16 * page(), MS_SYNC)), Succeeds());
  EXPECT_EQ(file.Stat().st_blocks, blocks);
}

CONFORMANCE(Access, StoreIntoAHoleAllocatesByTheNextSync, Clause::access_hole_allocates, on::directories) {
  const TempFile file(16 * page());
  const auto blocks = file.Stat().st_blocks;
  const Mapping map = MapShared(file.fd(), 16 * page());
  EXPECT_THAT(Store(map.at(5 * page()), 1), Works());
  EXPECT_THAT(Returned(msync(map.at(), 16 * page(), MS_SYNC)), Succeeds());
  EXPECT_GE((file.Stat().st_blocks - blocks) * 512, static_cast<blkcnt_t>(page()));
  EXPECT_EQ(file.size(), 16 * page());
}

std::vector<bool> OnlyPage(size_t which, size_t count) {
  std::vector<bool> pages(count);
  pages[which] = true;
  return pages;
}

// Touching a page may bring in its neighbours (large folios, fault-around), but never leave that page out.
void ExpectResidentOnDemand(const Mapping& map, size_t count) {
  const Residency before = ResidentPages(map.at(), count * page());
  ASSERT_EQ(before.problem, "");
  EXPECT_EQ(before.pages, std::vector<bool>(count)) << "resident before the first access";
  ASSERT_THAT(Store(map.at(3 * page() + 7), 1), Works());
  const Residency after = ResidentPages(map.at(), count * page());
  ASSERT_EQ(after.problem, "");
  EXPECT_EQ(after.pages[3], OnlyPage(3, count)[3]) << "not resident after the access";
}

CONFORMANCE(Access, SharedAnonymousPagesBecomeResidentOnDemand, Clause::access_demand) {
  ExpectResidentOnDemand(MapSharedAnonymous(8 * page()), 8);
}

CONFORMANCE(Access, PagesOfASparseFileBecomeResidentOnDemand, Clause::access_demand, on::files) {
  const TempFile file(8 * page());
  ExpectResidentOnDemand(MapShared(file.fd(), 8 * page()), 8);
}

}  // namespace
}  // namespace shmcheck::conformance
