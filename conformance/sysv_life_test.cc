// How long a segment and its content live.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/race.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

HELPER(sysv_life_read) {
  const Outcome at = Attached(atoi(arguments[0]), nullptr, SHM_RDONLY);
  EXPECT_THAT(at, Succeeds());
  if (!at.ok()) return 1;
  EXPECT_THAT(Memory(at.address(), 3 * page()), HoldsPattern(0, 3 * page(), 9));
  return 0;
}

CONFORMANCE(SysvLife, SegmentOutlivesCreatorAndUsers, Clause::sysv_life_survives_exit) {
  for (const bool killed : {false, true}) {
    Child creator([&](Channel& test) {
      Segment segment(2 * page() + 1, 0600);
      uint8_t* const at = segment.Attach();
      test.Send(static_cast<uint64_t>(segment.release()));
      test.Wait();
      EXPECT_THAT(FillPattern(at, 0, 3 * page(), 9), Works());
      test.Signal();
      test.Wait();
    });
    const Segment segment = Segment::Adopt(static_cast<int>(creator.Receive()));
    creator.Signal();
    creator.Wait();
    if (killed) {
      creator.Kill(SIGKILL);
      EXPECT_THAT(creator.Join(), DiesBy(SIGKILL));
    } else {
      creator.Signal();
      EXPECT_THAT(creator.Join(), ExitsWith(0));
    }
    EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
    for (int user = 0; user < 2; ++user) {
      Helper reader("sysv_life_read", {std::to_string(segment.id())});
      EXPECT_THAT(reader.Join(), ExitsWith(0));
    }
    EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  }
}

CONFORMANCE(SysvLife, SegmentStaysUntilItIsRemoved, Clause::sysv_life_until_removed, need::ipc_namespace,
            need::proc) {
  const int id = shmget(0x61, page(), IPC_CREAT | 0600);
  for (int round = 0; round < 20; ++round) {
    InChild([&] {
      auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
      EXPECT_THAT(Load(at), Reads(static_cast<uint64_t>(round)));
      EXPECT_THAT(Store(at, static_cast<uint8_t>(round + 1)), Works());
    });
    ASSERT_EQ(ReadTable().size(), 1U);
    ASSERT_THAT(Create(0x61, 0, 0), Returns(id));
  }
  EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(SysvLife, LaterProcessesSeeEveryOverwrite, Clause::sysv_life_overwrite_kept) {
  const Segment segment(page());
  for (uint64_t generation = 0; generation < 10; ++generation) {
    InChild([&] {
      uint8_t* const at = segment.Attach();
      for (uint64_t slot = 0; slot < 10; ++slot)
        EXPECT_THAT(LoadWord(at + 8 * slot), Reads(slot < generation ? 100 * slot + generation - 1 : 0));
      for (uint64_t slot = 0; slot <= generation; ++slot)
        EXPECT_THAT(StoreWord(at + 8 * slot, 100 * slot + generation), Works());
    });
  }
}

CONFORMANCE(SysvLife, SegmentLiesOnNoMountedFileSystem, Clause::sysv_life_never_on_file,
            Clause::sysv_life_no_read_write, need::proc) {
  const key_t key = UnusedKey();
  const Segment segment = Segment::Adopt(shmget(key, 4 * page(), IPC_CREAT | 0600));
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Fill(at, 0x6b, 4 * page()), Works());
  const auto rows = MapsOf(at, 4 * page());
  ASSERT_EQ(rows.size(), 1U);
  std::istringstream mounts(ReadText("/proc/self/mountinfo"));
  int checked = 0;
  for (std::string line; std::getline(mounts, line); ++checked) {
    unsigned major = 0;
    unsigned minor = 0;
    char mounted_on[4096] = {};
    ASSERT_EQ(sscanf(line.c_str(), "%*d %*d %u:%u %*s %4095s", &major, &minor, mounted_on), 3) << line;
    char device[32];
    snprintf(device, sizeof device, "%02x:%02x", major, minor);
    EXPECT_NE(rows[0].device, device) << "the segment's file system is mounted: " << line;
    char name[16];
    snprintf(name, sizeof name, "/SYSV%08x", static_cast<unsigned>(key));
    struct stat status {};
    EXPECT_THAT(Returned(stat((std::string(mounted_on) + name).c_str(), &status)), ::testing::Not(Succeeds()))
        << line;
  }
  EXPECT_GT(checked, 0);
}

CONFORMANCE(SysvLife, AttachHasNoDescriptor, Clause::sysv_life_no_read_write, Clause::proc_fd_none,
            need::proc) {
  const auto links = [] {
    std::map<int, std::string> found;
    DIR* const listing = opendir("/proc/self/fd");
    while (const dirent* entry = readdir(listing)) {
      char target[256] = {};
      if (readlinkat(dirfd(listing), entry->d_name, target, sizeof target - 1) > 0)
        found[atoi(entry->d_name)] = target;
    }
    closedir(listing);
    return found;
  };
  const auto before = links();
  const Segment segment(page());
  uint8_t* const at = segment.Attach();
  segment.Attach(SHM_RDONLY);
  ASSERT_THAT(Store(at, 1), Works());
  EXPECT_EQ(links(), before);
  for (const auto& [fd, target] : links()) EXPECT_EQ(target.find("SYSV"), std::string::npos) << target;
  // The id is no descriptor either: it is refused, or it names a file that was open before.
  if (!before.contains(segment.id())) {
    uint8_t byte = 0;
    EXPECT_THAT(Returned(read(segment.id(), &byte, 1)), FailsWith(EBADF));
    EXPECT_THAT(Returned(mmap(nullptr, page(), PROT_READ, MAP_SHARED, segment.id(), 0)), FailsWith(EBADF));
  }
}

enum class End { detach, exit, kill, exec, unmap };

HELPER(sysv_life_image) {
  HelperChannel().Signal();
  HelperChannel().Wait();
  return 0;
}

CONFORMANCE(SysvLife, MarkedSegmentDiesWithItsLastAttachHoweverItEnds,
            Clause::sysv_life_marked_dies_with_last, need::ipc_namespace, need::proc) {
  for (const End end : {End::detach, End::exit, End::kill, End::exec, End::unmap}) {
    SCOPED_TRACE(static_cast<int>(end));
    const int id = shmget(0x62, 2 * page(), IPC_CREAT | 0600);
    Child user([&](Channel& test) {
      auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
      EXPECT_THAT(Fill(at, 0x62, 2 * page()), Works());
      test.Signal();
      test.Wait();
      EXPECT_THAT(Memory(at, 2 * page()), AllBytesAre(0x62)) << "usable after it was marked";
      test.Signal();
      test.Wait();
      if (end == End::detach) {
        EXPECT_THAT(Returned(shmdt(at)), Succeeds());
      } else if (end == End::unmap) {
        EXPECT_THAT(Returned(munmap(at, 2 * page())), Succeeds());
      } else if (end == End::exec) {
        EXPECT_THAT(ExecHelper("sysv_life_image", {}, test), Succeeds());
      } else {
        return;
      }
      test.Signal();
      test.Wait();
    });
    user.Wait();
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
    user.Signal();
    user.Wait();
    EXPECT_EQ(StateOf(id).nattch, 1U);
    EXPECT_EQ(ReadUsage().resident, 2U);
    if (end == End::kill) {
      user.Kill(SIGKILL);
      EXPECT_THAT(user.Join(), DiesBy(SIGKILL));
    } else {
      user.Signal();
      if (end != End::exit) user.Wait();
    }
    if (end == End::exit) {
      EXPECT_THAT(user.Join(), ExitsWith(0));
    }
    EXPECT_EQ(ReadView(), NamespaceView{});
    if (end != End::exit && end != End::kill) {
      user.Signal();
      EXPECT_THAT(user.Join(), ExitsWith(0));
    }
  }
}

long SharedKilobytes() {
  return NumberIn("/proc/meminfo", "Shmem");
}

void DetachAll() {
  for (const MapsRow& row : ReadMaps()) {
    if (row.path.starts_with("/SYSV")) shmdt(reinterpret_cast<void*>(row.start));
  }
}

CONFORMANCE(SysvLife, DestructionReturnsTheMemory, Clause::sysv_life_memory_returned, need::ipc_namespace,
            need::proc) {
  const size_t size = 4 << 20;
  // The counter is the whole machine's: others may disturb some attempts, not all.
  bool returned = false;
  for (int attempt = 0; attempt < 8 && !returned; ++attempt) {
    const long before = SharedKilobytes();
    long during = 0;
    {
      const Segment segment(size);
      uint8_t* const at = segment.Attach();
      for (size_t offset = 0; offset < size; offset += page()) ASSERT_THAT(Store(at + offset, 1), Works());
      EXPECT_EQ(ReadUsage().resident, size / page());
      during = SharedKilobytes();
      DetachAll();
    }
    EXPECT_EQ(ReadUsage(), Usage{});
    const long after = SharedKilobytes();
    returned = during - before > 3 * 1024 && during - after > 3 * 1024;
  }
  EXPECT_TRUE(returned) << "Shmem in /proc/meminfo did not rise by 4 MiB and fall again";
}

CONFORMANCE(SysvLife, ForgottenSegmentKeepsItsPages, Clause::sysv_life_undestroyed_leak,
            need::ipc_namespace) {
  const Segment segment(64 * page());
  InChild([&] { EXPECT_THAT(Fill(segment.Attach(), 7, 20 * page()), Works()); });
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  EXPECT_EQ(ReadUsage().resident + ReadUsage().swapped, 20U);
  EXPECT_THAT(Memory(segment.Attach(), 20 * page()), AllBytesAre(7));
}

CONFORMANCE(SysvLife, NewSegmentOfTheKeyOfAMarkedOneIsAnother, Clause::sysv_life_remap_after_new_key,
            need::ipc_namespace) {
  uint8_t* last = nullptr;
  for (uint8_t generation = 1; generation <= 5; ++generation) {
    const int id = shmget(0x63, page(), IPC_CREAT | IPC_EXCL | 0600);
    auto* const at = static_cast<uint8_t*>(shmat(id, nullptr, 0));
    EXPECT_THAT(Load(at), Reads(0));
    EXPECT_THAT(Store(at, generation), Works());
    InChild([&] {
      EXPECT_THAT(Store(at + 1, generation), Works());
      if (last != nullptr) {
        EXPECT_THAT(Load(last), Reads(generation - 1U));
        EXPECT_THAT(Store(last + 2, 0x70), Works());
      }
    });
    EXPECT_THAT(Load(at + 1), Reads(generation));
    EXPECT_THAT(Load(at + 2), Reads(0));
    ASSERT_EQ(shmctl(id, IPC_RMID, nullptr), 0);
    last = at;
  }
  EXPECT_EQ(ReadUsage().segments, 5);
}

CONFORMANCE(SysvLife, CountIsRightAfterConcurrentAttachForkAndEnd, Clause::sysv_life_fork_storm,
            need::ipc_namespace, need::proc) {
  const Segment segment(4 * page());
  uint8_t* const kept = segment.Attach();
  const auto storm = [&](int process, int) {
    auto* const own = static_cast<uint8_t*>(shmat(segment.id(), nullptr, process % 2 == 0 ? 0 : SHM_RDONLY));
    munmap(own + page(), page());
    Child child([&](Channel&) {
      segment.Attach();
      shmdt(own);
      if (process % 2 == 0) raise(SIGKILL);
    });
    shmdt(own);
    child.Join();
  };
  constexpr int kProcesses = 4;
  Race({kProcesses, 40, 100}, storm, [&](int round) {
    // Each of the processes still has the attach that it inherited.
    EXPECT_EQ(StateOf(segment.id()).nattch, 1U + kProcesses) << round;
  });
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
  ASSERT_EQ(shmdt(kept), 0);
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
}

CONFORMANCE(SysvLife, AttachThatRacesWithRemovalIsUsableOrRefused, Clause::sysv_life_rmid_race,
            need::ipc_namespace, need::proc) {
  struct Shared {
    int id;
    uint64_t signature;
  };
  const Mapping memory = MapSharedAnonymous(sizeof(Shared));
  auto& shared = *reinterpret_cast<volatile Shared*>(memory.at());
  const auto make = [&](int round) {
    shared.id = shmget(0x64, 2 * page(), IPC_CREAT | IPC_EXCL | 0600);
    shared.signature = 0xc0de0000U + static_cast<unsigned>(round);
    auto* const at = static_cast<uint8_t*>(shmat(shared.id, nullptr, 0));
    EXPECT_THAT(StoreWord(at + page(), shared.signature), Works());
    EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  };
  make(0);
  const auto act = [&](int process, int) {
    if (process == 0) {
      EXPECT_THAT(Returned(shmctl(shared.id, IPC_RMID, nullptr)), Succeeds());
      return;
    }
    const Outcome at = Attached(shared.id);
    if (!at.ok()) {
      EXPECT_THAT(at, FailsWithAnyOf({EINVAL, EIDRM}));
      return;
    }
    EXPECT_THAT(LoadWord(at.address() + page()), Reads(shared.signature));
    EXPECT_THAT(StoreWord(at.address(), 1), Works());
    EXPECT_THAT(LoadWord(at.address() + page()), Reads(shared.signature));
    EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
  };
  Race({3, 300, 100}, act, [&](int round) {
    EXPECT_EQ(ReadUsage().segments, 0) << round;
    make(round + 1);
  });
  EXPECT_THAT(Returned(shmctl(shared.id, IPC_RMID, nullptr)), Succeeds());
  EXPECT_EQ(ReadView(), NamespaceView{});
}

}  // namespace
}  // namespace shmcheck::conformance
