// The end of a process: its mappings go, the data stay.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

// Ways for a process to end.
struct Ending {
  const char* name;
  void (*end)();
  bool by_signal;
  int number;
};
const Ending kEndings[] = {
    {"_exit", [] { _exit(5); }, false, 5},
    {"SIGKILL", [] { kill(getpid(), SIGKILL); }, true, SIGKILL},
    {"SIGSEGV",
     [] {
       signal(SIGSEGV, SIG_DFL);
       raise(SIGSEGV);
     },
     true, SIGSEGV},
};
ExitMatcher EndsAs(const Ending& ending) {
  return {ending.by_signal, ending.number};
}

CONFORMANCE(Exit, EndOfAProcessLeavesItsPeersMappings, Clause::exit_unmaps, on::files) {
  for (const Ending& ending : kEndings) {
    SCOPED_TRACE(ending.name);
    const TempFile file(2 * page());
    const Segment segment(2 * page());
    const Mapping map = MapShared(file.fd(), 2 * page());
    const Mapping anonymous = MapSharedAnonymous(2 * page());
    uint8_t* const attached = segment.Attach();
    Child writer([&](Channel&) {
      uint8_t* const own = segment.Attach();
      EXPECT_EQ(segment.Stat().shm_nattch, 3U) << "the test, the inherited one, and its own";
      for (uint8_t* const memory : {map.at(), anonymous.at(), own}) {
        ASSERT_THAT(FillPattern(memory, 0, 2 * page(), 6), Works());
      }
      ending.end();
    });
    EXPECT_THAT(writer.Join(), EndsAs(ending));
    for (uint8_t* const memory : {map.at(), anonymous.at(), attached}) {
      EXPECT_THAT(Memory(memory, 2 * page()), HoldsPattern(0, 2 * page(), 6));
      EXPECT_THAT(Store(memory, 1), Works());
    }
    EXPECT_EQ(segment.Stat().shm_nattch, 1U) << "the attaches of a process end with it";
  }
}

CONFORMANCE(Exit, DataOfAKilledWriterAreInTheFile, Clause::exit_file_data_kept, on::files) {
  for (const Ending& ending : kEndings) {
    SCOPED_TRACE(ending.name);
    TempFile file(2 * page() + 33);
    Child writer([&](Channel&) {
      const Mapping own = MapShared(file.fd(), file.size());
      ASSERT_THAT(FillPattern(own.at(), 0, 2 * page() + 33), Works());
      ending.end();
    });
    EXPECT_THAT(writer.Join(), EndsAs(ending));
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page() + 33));
    const Mapping later = MapShared(file.fd(), file.size());
    EXPECT_THAT(Memory(later.at(), 2 * page() + 33), HoldsPattern(0, 2 * page() + 33));
    EXPECT_EQ(file.size(), 2 * page() + 33);
  }
}

// The counter is of the whole machine and lags: one of several attempts must show the memory come and go.
CONFORMANCE(Exit, SharedAnonymousMemoryIsReleasedWithItsLastProcess, Clause::exit_anon_destroyed,
            need::proc) {
  constexpr size_t kBytes = size_t{8} << 20;
  constexpr long kMostKilobytes = (kBytes >> 10) * 3 / 4;
  const auto shmem = [] { return NumberIn("/proc/meminfo", "Shmem"); };
  std::string seen;
  for (int attempt = 0; attempt < 5; ++attempt) {
    Child owner([&](Channel& test) {
      const Mapping map = MapSharedAnonymous(kBytes);
      Child heir([&](Channel& parent) {
        parent.Signal();
        parent.Wait();
        EXPECT_THAT(Load(map.at()), Reads(0x08));
      });
      for (size_t at = 0; at < kBytes; at += page()) ASSERT_THAT(Store(map.at(at), 0x08), Works());
      heir.Wait();
      heir.Signal();
      EXPECT_THAT(heir.Join(), ExitsWith(0));
      EXPECT_THAT(Load(map.at(kBytes - page())), Reads(0x08)) << "the heir's end destroyed the object";
      test.Signal();
      test.Wait();
    });
    const long before = shmem();
    owner.Wait();
    const long with = shmem();
    owner.Signal();
    EXPECT_THAT(owner.Join(), ExitsWith(0));
    const long after = shmem();
    if (with - after >= kMostKilobytes) return;
    seen += " " + std::to_string(before) + "/" + std::to_string(with) + "/" + std::to_string(after);
  }
  ADD_FAILURE() << "Shmem before/with/after, kilobytes, for an object of " << (kBytes >> 10) << ":" << seen;
}

CONFORMANCE(Exit, EndOfAProcessAltersNoByte, Clause::exit_no_cleanup_of_data, on::files) {
  for (const Ending& ending : kEndings) {
    SCOPED_TRACE(ending.name);
    TempFile file(2 * page());
    file.FillPattern(1);
    const Segment segment(2 * page());
    const Mapping map = MapShared(file.fd(), 2 * page());
    const Mapping anonymous = MapSharedAnonymous(2 * page());
    uint8_t* const attached = segment.Attach();
    for (uint8_t* const memory : {anonymous.at(), attached}) {
      ASSERT_THAT(FillPattern(memory, 0, 2 * page(), 1), Works());
    }
    Child participant([&](Channel&) {
      for (uint8_t* const memory : {map.at(), anonymous.at(), attached}) {
        EXPECT_THAT(Memory(memory, page()), HoldsPattern(0, page(), 1));
        // Half an update: the process ends before it stores the second byte.
        EXPECT_THAT(Store(memory + page(), 0xff), Works());
      }
      ending.end();
    });
    EXPECT_THAT(participant.Join(), EndsAs(ending));
    for (uint8_t* const memory : {map.at(), anonymous.at(), attached}) {
      EXPECT_THAT(Memory(memory, page()), HoldsPattern(0, page(), 1));
      EXPECT_THAT(Load(memory + page()), Reads(0xff));
      EXPECT_THAT(Memory(memory + page() + 1, page() - 1), HoldsPattern(page() + 1, page() - 1, 1));
    }
  }
}

}  // namespace
}  // namespace shmcheck::conformance
