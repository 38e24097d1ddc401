// Limits of mmap, and flags that populate, lock or do nothing.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "conformance/framework/conformance.h"
#include "conformance/framework/map_limit.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Mmap, AddressSpaceLimitStopsNewMappings, Clause::mmap_limit_rlimit_as, need::proc, on::files) {
  const TempFile file(64 * page());
  const Mapping old = MapSharedAnonymous(page());
  ASSERT_THAT(Store(old.at(), 0x17), Works());
  const auto used = static_cast<size_t>(NumberIn("/proc/self/status", "VmSize")) * 1024;
  {
    const RlimitGuard limit(RLIMIT_AS, used + 32 * page());
    EXPECT_THAT(Returned(RawMmap(nullptr, 64 * page(), kReadWrite, MAP_SHARED, file.fd(), 0)),
                FailsWith(ENOMEM));
    EXPECT_THAT(Returned(RawMmap(nullptr, 64 * page(), kReadWrite, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
                FailsWith(ENOMEM));
    EXPECT_THAT(Returned(RawMmap(nullptr, 64 * page(), PROT_NONE, kAnonymous, -1, 0)), FailsWith(ENOMEM));
    EXPECT_THAT(Load(old.at()), Reads(0x17));
    EXPECT_THAT(Store(old.at(1), 0x18), Works());
    EXPECT_THAT(Returned(RawMmap(nullptr, page(), kReadWrite, MAP_SHARED, file.fd(), 0)), Succeeds());
  }
  EXPECT_THAT(Returned(RawMmap(nullptr, 64 * page(), kReadWrite, MAP_SHARED, file.fd(), 0)), Succeeds());
}

CONFORMANCE(Mmap, AddressSpaceLimitStopsGrowingMappings, Clause::mmap_limit_rlimit_as, need::proc,
            on::files) {
  TempFile file(64 * page());
  file.FillPattern();
  const std::array maps = {MapShared(file.fd(), page()), MapPrivate(file.fd(), page()),
                           MapSharedAnonymous(page()), MapPrivateAnonymous(page())};
  const auto grow = [](const Mapping& map) {
    return Returned(RawMremap(map.at(), page(), 64 * page(), MREMAP_MAYMOVE));
  };
  std::array<Outcome, std::size(maps)> outcomes;
  const auto used = static_cast<size_t>(NumberIn("/proc/self/status", "VmSize")) * 1024;
  {
    const RlimitGuard limit(RLIMIT_AS, used + 32 * page());
    std::transform(maps.begin(), maps.end(), outcomes.begin(), grow);
  }
  constexpr const char* kNames[] = {"shared file", "private file", "shared anonymous", "private anonymous"};
  for (size_t kind = 0; kind < maps.size(); ++kind) {
    SCOPED_TRACE(std::string("mremap from 1 page to 64, ") + kNames[kind]);
    EXPECT_THAT(outcomes[kind], FailsWith(ENOMEM)) << "32 pages below RLIMIT_AS";
    EXPECT_THAT(Store(maps[kind].at(1), 0x19), Works());
    EXPECT_THAT(grow(maps[kind]), Succeeds()) << "without the limit";
  }
}

CONFORMANCE(Mmap, NumberOfMappingsIsLimited, Clause::mmap_limit_map_count, Clause::mprotect_map_limit,
            Clause::munmap_split_limit, need::path("/proc/sys/vm/max_map_count"), limit(30)) {
  const Mapping old = MapPrivateAnonymous(page());
  MapLimit reached = ReachMapLimit();
  EXPECT_EQ(ErrnoName(reached.errno_seen), "ENOMEM") << "mprotect that splits a mapping";
  // One slot may be left, since a split takes two.
  Outcome outcome{};
  int extra = 0;
  do {
    const int type = extra % 2 == 0 ? MAP_SHARED : MAP_PRIVATE;  // neighbours of different types never merge
    outcome = Returned(RawMmap(nullptr, page(), PROT_READ, type | MAP_ANONYMOUS, -1, 0));
  } while (outcome.ok() && ++extra < 8);
  EXPECT_THAT(outcome, FailsWithAnyOf({ENOMEM, EMFILE}));
  EXPECT_THAT(Returned(munmap(reached.reserved.at((reached.used + 2) * page()), page())), FailsWith(ENOMEM))
      << "munmap in the middle of a mapping";
  EXPECT_THAT(Store(old.at(), 1), Works());
  EXPECT_THAT(Load(reached.reserved.at(page())), Reads(0));
  EXPECT_THAT(Returned(munmap(reached.reserved.at(page()), page())), Succeeds())
      << "munmap of a whole mapping";
  EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_WRITE, kAnonymous, -1, 0)), Succeeds())
      << "a slot is free again";
}

CONFORMANCE(Mmap, ObviousOvercommitmentFails, Clause::mmap_limit_overcommit,
            need::path("/proc/sys/vm/overcommit_memory")) {
  const std::string mode = ReadText("/proc/sys/vm/overcommit_memory");
  if (mode != "0") GTEST_SKIP() << "vm.overcommit_memory is " << mode;
  struct sysinfo info {};
  ASSERT_THAT(Returned(sysinfo(&info)), Succeeds());
  const size_t excessive = 4 * (info.totalram + info.totalswap) * info.mem_unit / page() * page();
  EXPECT_THAT(Returned(RawMmap(nullptr, excessive, kReadWrite, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
              FailsWith(ENOMEM));
  EXPECT_THAT(Returned(RawMmap(nullptr, excessive, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
              FailsWith(ENOMEM));
}

void ExpectAllResident(const void* address, size_t pages) {
  const Residency residency = ResidentPages(address, pages * page());
  EXPECT_EQ(residency.problem, "");
  EXPECT_EQ(residency.pages, std::vector<bool>(pages, true));
}

CONFORMANCE(Mmap, PopulateMakesFilePagesResident, Clause::mmap_flag_populate, on::files) {
  TempFile file(7 * page() + 1);
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), file.size(), kReadWrite, type | MAP_POPULATE);
    ExpectAllResident(map.at(), 8);
    // The part past the end of the file cannot be populated, which is no reason to fail.
    const Mapping longer = Map(file.fd(), 32 * page(), kReadWrite, type | MAP_POPULATE);
    ExpectAllResident(longer.at(), 8);
    EXPECT_THAT(Load(longer.at(8 * page())), FaultsWith(SIGBUS, BUS_ADRERR, longer.at(8 * page())));
  }
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0));
}

CONFORMANCE(Mmap, PopulateMakesAnonymousPagesResident, Clause::mmap_flag_populate) {
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(-1, 8 * page(), kReadWrite, type | MAP_ANONYMOUS | MAP_POPULATE);
    ExpectAllResident(map.at(), 8);
    EXPECT_THAT(Memory(map.at(), 8 * page()), AllBytesAre(0));
  }
}

long LockedKilobytes() {
  return NumberIn("/proc/self/status", "VmLck");
}

CONFORMANCE(Mmap, LockedMappingCountsAsLockedMemory, Clause::mmap_flag_locked, need::proc, need::root,
            on::files) {
  const TempFile file(8 * page());
  const long before = LockedKilobytes();
  const long eight_pages = static_cast<long>(8 * page() / 1024);
  {
    const Mapping map = Map(file.fd(), 8 * page(), kReadWrite, MAP_SHARED | MAP_LOCKED);
    EXPECT_EQ(LockedKilobytes(), before + eight_pages);
    const Mapping anonymous = Map(-1, 8 * page(), kReadWrite, kAnonymous | MAP_LOCKED);
    EXPECT_EQ(LockedKilobytes(), before + 2 * eight_pages);
  }
  EXPECT_EQ(LockedKilobytes(), before);
}

CONFORMANCE(Mmap, LockedMappingsOfTheUnprivilegedAreLimited, Clause::mmap_flag_locked_limit,
            need::second_uid) {
  Child child([](Channel&) {
    const rlimit four_pages{4 * page(), 4 * page()};
    ASSERT_THAT(Returned(setrlimit(RLIMIT_MEMLOCK, &four_pages)), Succeeds());
    BecomeUnprivileged();
    const auto lock = [](size_t pages, int type) {
      return Returned(RawMmap(nullptr, pages * page(), kReadWrite, type | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
    };
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
      EXPECT_THAT(lock(5, type), FailsWith(EAGAIN));
      const Outcome two = lock(2, type);
      ASSERT_THAT(two, Succeeds());
      EXPECT_THAT(lock(3, type), FailsWith(EAGAIN)) << "two of four pages are locked";
      EXPECT_THAT(Returned(munmap(two.address(), 2 * page())), Succeeds());
    }
    const rlimit nothing{0, 0};
    ASSERT_THAT(Returned(setrlimit(RLIMIT_MEMLOCK, &nothing)), Succeeds());
    for (const int type : {MAP_SHARED, MAP_PRIVATE}) EXPECT_THAT(lock(1, type), FailsWith(EPERM));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Mmap, LegacyFlagsChangeNothing, Clause::mmap_flag_noop_legacy, need::proc, on::directories) {
  TempFile file(2 * page());
  file.FillPattern();
  for (const int flag : {MAP_FILE, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_STACK}) {
    SCOPED_TRACE("flag " + std::to_string(flag));
    const Mapping map = Map(file.fd(), 2 * page(), kReadWrite, MAP_SHARED | flag);
    EXPECT_EQ(PermsByPage(map.at(), 2 * page()), (std::vector<std::string>{"rw-s", "rw-s"}));
    EXPECT_THAT(Memory(map.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    EXPECT_GE(file.Reopen(O_RDWR).get(), 0) << "writing is not denied";
    const Mapping anonymous = Map(-1, page(), kReadWrite, kAnonymous | flag);
    EXPECT_EQ(PermsByPage(anonymous.at(), page()), std::vector<std::string>{"rw-p"});
    EXPECT_THAT(Store(anonymous.at(), 1), Works());
  }
}

// Ruling D8: the EPERM of the manual is not raised by mmap, but accepted.
CONFORMANCE(Mmap, HugePagesOfTheUnprivilegedSucceedOrAreLacking, Clause::mmap_flag_hugetlb_priv,
            need::second_uid, need::hugetlb(0)) {
  Child child([](Channel&) {
    BecomeUnprivileged();
    EXPECT_THAT(Returned(RawMmap(nullptr, page(), kReadWrite, kAnonymous | MAP_HUGETLB, -1, 0)),
                testing::AnyOf(Succeeds(), FailsWithAnyOf({ENOMEM, EPERM})));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
