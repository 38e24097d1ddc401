// MAP_FIXED and MAP_FIXED_NOREPLACE.

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

CONFORMANCE(Mmap, FixedReturnsExactlyTheAddress, Clause::mmap_fixed_exact, on::files) {
  const TempFile file(4 * page());
  const Mapping reserved = Reserve(4 * page());
  for (const size_t at : {size_t{0}, page(), 3 * page()}) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
      EXPECT_THAT(Returned(RawMmap(reserved.at(at), 1, kReadWrite, flags | MAP_FIXED, file.fd(), 0)),
                  ReturnsAddress(reserved.at(at)));
      EXPECT_THAT(Returned(RawMmap(reserved.at(at), 1, kReadWrite, flags | MAP_FIXED | MAP_ANONYMOUS, -1, 0)),
                  ReturnsAddress(reserved.at(at)));
    }
  }
}

CONFORMANCE(Mmap, FixedReplacesThePagesItCoversAndNoOthers, Clause::mmap_fixed_replaces, on::files) {
  TempFile file(5 * page());
  file.FillPattern();
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping old = Map(file.fd(), 5 * page(), kReadWrite, type);
    ASSERT_THAT(Memory(old.at(), 5 * page()), HoldsPattern(0, 5 * page()));
    // One page and one byte: two pages are replaced.
    EXPECT_THAT(Returned(RawMmap(old.at(2 * page()), page() + 1, kReadWrite, kAnonymous | MAP_FIXED, -1, 0)),
                ReturnsAddress(old.at(2 * page())));
    EXPECT_THAT(Memory(old.at(), 2 * page()), HoldsPattern(0, 2 * page()));
    EXPECT_THAT(Memory(old.at(2 * page()), 2 * page()), AllBytesAre(0));
    EXPECT_THAT(Fill(old.at(2 * page()), 0xee, 2 * page()), Works());
    EXPECT_THAT(Memory(old.at(4 * page()), page()), HoldsPattern(4 * page(), page()));
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 5 * page()));
  }
}

CONFORMANCE(Mmap, FixedOverSeveralMappingsReplacesThemAll, Clause::mmap_fixed_replaces, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  const Mapping reserved = Reserve(6 * page());
  const Mapping head = Map(file.fd(), 2 * page(), PROT_READ, MAP_SHARED | MAP_FIXED, 0, reserved.at());
  const Mapping tail = Map(-1, page(), kReadWrite, kAnonymous | MAP_FIXED, 0, reserved.at(3 * page()));
  ASSERT_THAT(Store(tail.at(), 0x11), Works());
  const Mapping over = Map(file.fd(), 3 * page(), PROT_READ, MAP_PRIVATE | MAP_FIXED, 0, reserved.at(page()));
  EXPECT_THAT(Memory(reserved.at(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Memory(reserved.at(page()), 3 * page()), HoldsPattern(0, 3 * page()));
  EXPECT_THAT(Load(reserved.at(4 * page())), FaultsWith(SIGSEGV, SEGV_ACCERR, reserved.at(4 * page())));
}

CONFORMANCE(Mmap, UnalignedFixedAddressFailsAndRemovesNothing, Clause::mmap_fixed_unaligned, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping old = MapShared(file.fd(), 3 * page());
  for (const size_t at : {size_t{1}, page() - 1, page() + 8}) {
    EXPECT_THAT(Returned(RawMmap(old.at(at), page(), kReadWrite, kAnonymous | MAP_FIXED, -1, 0)),
                FailsWith(EINVAL));
    EXPECT_THAT(Returned(RawMmap(old.at(at), page(), PROT_READ, MAP_SHARED | MAP_FIXED, file.fd(), 0)),
                FailsWith(EINVAL));
  }
  EXPECT_THAT(Memory(old.at(), 3 * page()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Mmap, FixedDestroysAForeignMappingSilently, Clause::mmap_fixed_not_recommended) {
  const Mapping owner = MapPrivateAnonymous(page());
  ASSERT_THAT(Fill(owner.at(), 0xaa, page()), Works());
  EXPECT_THAT(Returned(RawMmap(owner.at(), page(), kReadWrite, kAnonymous | MAP_FIXED, -1, 0)),
              ReturnsAddress(owner.at()));
  EXPECT_THAT(Memory(owner.at(), page()), AllBytesAre(0));
}

CONFORMANCE(Mmap, NoreplaceRefusesAnyOverlap, Clause::mmap_fixed_noreplace, on::files) {
  TempFile file(2 * page());
  file.FillPattern();
  const Hole hole(6 * page());
  const Mapping old = Map(file.fd(), 2 * page(), kReadWrite, MAP_SHARED | MAP_FIXED, 0, hole.at(2 * page()));
  struct Case {
    size_t first_page;
    size_t pages;
  };
  for (const Case& overlap : {Case{1, 2}, Case{3, 2}, Case{2, 2}, Case{2, 1}, Case{1, 4}, Case{0, 3}}) {
    SCOPED_TRACE("pages " + std::to_string(overlap.first_page) + "+" + std::to_string(overlap.pages));
    uint8_t* const at = hole.at(overlap.first_page * page());
    for (const int flags : {kAnonymous, MAP_SHARED | MAP_ANONYMOUS}) {
      EXPECT_THAT(
          Returned(RawMmap(at, overlap.pages * page(), PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0)),
          FailsWith(EEXIST));
    }
    EXPECT_THAT(Returned(RawMmap(at, overlap.pages * page(), PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
                                 file.fd(), 0)),
                FailsWith(EEXIST));
  }
  EXPECT_THAT(Memory(old.at(), 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Load(hole.at(page())), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at(page())));
  EXPECT_THAT(Load(hole.at(4 * page())), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at(4 * page())));
}

CONFORMANCE(Mmap, NoreplaceRespectsMappingsOfEveryKind, Clause::mmap_fixed_noreplace, need::proc, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Segment segment(3 * page());
  std::vector<Mapping> maps;
  for (const int prot : {PROT_NONE, PROT_READ, kReadWrite}) {
    for (const int type : kTypes) {
      maps.push_back(Map(file.fd(), 3 * page(), prot, type));
      maps.push_back(Map(-1, 3 * page(), prot, type | MAP_ANONYMOUS));
    }
  }
  for (const int flags : {0, SHM_RDONLY}) maps.emplace_back(segment.Attach(flags), 3 * page());
  const auto before = StableMaps();
  for (const Mapping& old : maps) {
    SCOPED_TRACE(PermsByPage(old.at(), page()).front());
    for (const size_t at : {size_t{0}, page(), 2 * page()}) {
      for (const int type : kTypes) {
        EXPECT_THAT(Returned(RawMmap(old.at(at), page(), kReadWrite,
                                     type | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)),
                    FailsWith(EEXIST));
      }
    }
  }
  EXPECT_EQ(StableMaps(), before) << "the mappings are as they were";
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page()));
}

CONFORMANCE(Mmap, NoreplaceOnAFreeRangeReturnsExactlyTheAddress, Clause::mmap_fixed_noreplace) {
  const Hole hole(4 * page());
  for (const size_t at : {page(), size_t{0}, 2 * page()}) {
    EXPECT_THAT(Returned(RawMmap(hole.at(at), page(), kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0)),
                ReturnsAddress(hole.at(at)));
    EXPECT_THAT(Store(hole.at(at), 1), Works());
  }
}

// Threads that all ask for one range; the barrier lets them go at the same moment.
struct Race {
  static constexpr size_t kThreads = 4;
  uint8_t* address = nullptr;
  pthread_barrier_t start{};
  std::atomic<int> won{0};
  std::atomic<int> refused{0};
};

void* AskForRange(void* argument) {
  auto* const race = static_cast<Race*>(argument);
  pthread_barrier_wait(&race->start);
  const Outcome outcome =
      Returned(RawMmap(race->address, 2 * page(), kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0));
  if (outcome.ok() && outcome.address() == race->address) race->won++;
  if (outcome.error == EEXIST) race->refused++;
  return nullptr;
}

CONFORMANCE(Mmap, OneOfSeveralThreadsGetsANoreplaceRange, Clause::mmap_fixed_noreplace_race, need::threads) {
  for (int round = 0; round < 50; ++round) {
    const Hole hole(2 * page());
    Race race;
    race.address = hole.at();
    ASSERT_THAT(Answered(pthread_barrier_init(&race.start, nullptr, Race::kThreads)), Succeeds());
    std::array<pthread_t, Race::kThreads> threads{};
    for (pthread_t& thread : threads) {
      ASSERT_THAT(Answered(pthread_create(&thread, nullptr, AskForRange, &race)), Succeeds());
    }
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
    pthread_barrier_destroy(&race.start);
    ASSERT_EQ(race.won, 1) << "round " << round;
    ASSERT_EQ(race.refused, static_cast<int>(Race::kThreads) - 1) << "round " << round;
  }
}

CONFORMANCE(Mmap, FixedBelowTheMinimumNeedsAPrivilege, Clause::mmap_fixed_low_address_priv, need::second_uid,
            need::path("/proc/sys/vm/mmap_min_addr")) {
  const auto minimum = std::stoul(ReadText("/proc/sys/vm/mmap_min_addr"));
  if (minimum < page()) GTEST_SKIP() << "vm.mmap_min_addr is " << minimum;
  Child child([](Channel&) {
    BecomeUnprivileged();
    EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, kAnonymous | MAP_FIXED, -1, 0)),
                FailsWith(EPERM));
    EXPECT_THAT(Returned(RawMmap(nullptr, page(), PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0)),
                FailsWith(EPERM));
    EXPECT_THAT(Load(reinterpret_cast<void*>(8)),
                FaultsWith(SIGSEGV, SEGV_MAPERR, reinterpret_cast<void*>(8)));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance
