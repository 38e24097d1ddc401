// Consequences of a fault: for the process, for its peers, for system calls, and for a full file system.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Access, ProcessAndOtherMappingsSurviveCaughtFaults, Clause::access_fault_recoverable, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  const Mapping none = Reserve(page());
  const Hole hole(page());
  for (int round = 0; round < 50; ++round) {
    ASSERT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page()))) << round;
    ASSERT_THAT(Store(none.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, none.at())) << round;
    ASSERT_THAT(Store(hole.at(), 1), FaultsWith(SIGSEGV, SEGV_MAPERR, hole.at())) << round;
    ASSERT_THAT(Memory(map.at(), page()), HoldsPattern(0, page())) << round;
  }
  EXPECT_THAT(Store(map.at(1), 0x44), Works());
  EXPECT_THAT(Contents(file.fd(), 1, 1), AllBytesAre(0x44));
}

struct Disposition {
  const char* name;
  void (*set)(int signal);
};
void Block(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  EXPECT_THAT(Returned(sigprocmask(SIG_BLOCK, &set, nullptr)), Succeeds());
}
constexpr Disposition kDispositions[] = {
    {"default action", [](int number) { signal(number, SIG_DFL); }},
    {"ignored", [](int number) { signal(number, SIG_IGN); }},
    {"blocked", [](int number) { Block(number); }},
    {"default action and blocked",
     [](int number) {
       signal(number, SIG_DFL);
       Block(number);
     }},
};

CONFORMANCE(Access, FaultKillsWhenItsSignalIsNotCaught, Clause::access_fault_default, on::files) {
  const TempFile file(0);
  const Mapping beyond = MapShared(file.fd(), page());
  const Mapping none = Reserve(page());
  const Hole hole(page());
  struct Case {
    int signal;
    volatile uint8_t* address;
  };
  for (const Case& fault : {Case{SIGBUS, beyond.at()}, Case{SIGSEGV, none.at()}, Case{SIGSEGV, hole.at()}}) {
    for (const Disposition& disposition : kDispositions) {
      for (const bool store : {false, true}) {
        SCOPED_TRACE(SignalName(fault.signal) + ", " + disposition.name + (store ? ", store" : ", load"));
        Child child([&](Channel&) {
          disposition.set(fault.signal);
          if (store) {
            *fault.address = 1;
          } else {
            [[maybe_unused]] const uint8_t value = *fault.address;
          }
        });
        EXPECT_THAT(child.Join(), DiesBy(fault.signal));
      }
    }
  }
}

CONFORMANCE(Access, FaultOfOneProcessLeavesItsPeersAlone, Clause::access_fault_one_process, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  Child peer([&](Channel& test) {
    ASSERT_THAT(Memory(map.at(), page()), HoldsPattern(0, page()));
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(map.at(0)), Reads(0x66));
    EXPECT_THAT(Store(map.at(1), 0x67), Works());
  });
  peer.Wait();
  Child victim([&](Channel&) {
    signal(SIGBUS, SIG_DFL);
    *const_cast<volatile uint8_t*>(map.at(0)) = 0x66;
    *const_cast<volatile uint8_t*>(map.at(page())) = 1;
  });
  EXPECT_THAT(victim.Join(), DiesBy(SIGBUS));
  EXPECT_THAT(Load(map.at(0)), Reads(0x66));
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at(1)), Reads(0x67));
}

// System calls that read (or write) user memory at the given address.
struct UserMemoryCall {
  const char* name;
  Outcome (*call)(uint8_t* address, int pipe_in, int pipe_out, int file);
};
constexpr UserMemoryCall kReaders[] = {
    {"write", [](uint8_t* p, int, int out, int) { return Returned(write(out, p, 16)); }},
    {"pwrite", [](uint8_t* p, int, int, int file) { return Returned(pwrite(file, p, 16, 0)); }},
    {"writev iovec", [](uint8_t* p, int, int out,
                        int) { return Returned(writev(out, reinterpret_cast<const iovec*>(p), 1)); }},
    {"mkdir path",
     [](uint8_t* p, int, int, int) { return Returned(mkdir(reinterpret_cast<char*>(p), 0700)); }},
};
constexpr UserMemoryCall kWriters[] = {
    {"pread", [](uint8_t* p, int, int, int file) { return Returned(pread(file, p, 16, 0)); }},
    {"read from a pipe", [](uint8_t* p, int in, int, int) { return Returned(read(in, p, 1)); }},
    {"pipe", [](uint8_t* p, int, int, int) { return Returned(pipe2(reinterpret_cast<int*>(p), O_CLOEXEC)); }},
    {"getcwd", [](uint8_t* p, int, int, int) { return Returned(syscall(SYS_getcwd, p, 64)); }},
    {"uname", [](uint8_t* p, int, int, int) { return Returned(syscall(SYS_uname, p)); }},
};

template <size_t Count>
void ExpectFaultAsError(const UserMemoryCall (&calls)[Count], uint8_t* address, const char* what) {
  TempFile file(64);
  file.FillPattern();
  int pipe_ends[2];
  ASSERT_THAT(Returned(pipe2(pipe_ends, O_CLOEXEC)), Succeeds());
  const Fd in(pipe_ends[0]);
  const Fd out(pipe_ends[1]);
  ASSERT_THAT(Returned(write(out.get(), "0123", 4)), Returns(4));
  for (const UserMemoryCall& call : calls) {
    EXPECT_THAT(call.call(address, in.get(), out.get(), file.fd()), FailsWith(EFAULT))
        << call.name << ": " << what;
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 64));
}

CONFORMANCE(Access, SystemCallsReturnEfaultInsteadOfASignal, Clause::access_syscall_efault, on::files) {
  const TempFile file(1);
  const Mapping map = MapShared(file.fd(), 2 * page());
  const Mapping none = Reserve(page());
  const Hole hole(page());
  struct Case {
    const char* what;
    uint8_t* address;
  };
  for (const Case& bad : {Case{"a page beyond the file", map.at(page())}, Case{"a PROT_NONE page", none.at()},
                          Case{"an unmapped page", hole.at()}}) {
    ExpectFaultAsError(kReaders, bad.address, bad.what);
    ExpectFaultAsError(kWriters, bad.address, bad.what);
  }
}

CONFORMANCE(Access, SystemCallsCannotWriteIntoReadOnlyMemory, Clause::access_syscall_efault,
            Clause::access_write_protected, on::files) {
  TempFile file(page());
  file.FillPattern(4);
  for (const int type : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping map = Map(file.fd(), page(), PROT_READ, type);
    ExpectFaultAsError(kWriters, map.at(), "a read-only page, not touched before");
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page(), 4));
    ExpectFaultAsError(kWriters, map.at(), "a read-only page, present");
    EXPECT_THAT(Memory(map.at(), page()), HoldsPattern(0, page(), 4));
  }
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page(), 4));
}

CONFORMANCE(Access, WriteFromABufferAcrossTheEdgeTransfersAtMostThePrefix, Clause::access_syscall_short,
            on::files) {
  constexpr size_t kPrefix = 100;
  TempFile source(page());
  source.FillPattern();
  TempFile target(0);
  const Mapping map = MapShared(source.fd(), 2 * page());
  const size_t start = page() - kPrefix;
  const Outcome outcome = Returned(pwrite(target.fd(), map.at(start), 2 * kPrefix, 0));
  if (outcome.ok()) {
    EXPECT_GE(outcome.value, 0);
    EXPECT_LE(outcome.value, static_cast<long>(kPrefix));
  } else {
    EXPECT_THAT(outcome, FailsWith(EFAULT));
  }
  const size_t written = outcome.ok() ? static_cast<size_t>(outcome.value) : 0;
  EXPECT_EQ(target.size(), written);
  EXPECT_THAT(WholeFile(target.fd()), HoldsPattern(start, written));
}

// A tmpfs of eight pages of our own.
class SmallTmpfs {
 public:
  static constexpr size_t kPages = 8;
  SmallTmpfs() : path_(FreshPath("small")) {
    const std::string size = "size=" + std::to_string(kPages * page());
    if (mkdir(path_.c_str(), 0700) != 0) Abandon(Where::Here(), "mkdir fails with " + ErrnoName(errno));
    if (mount("tmpfs", path_.c_str(), "tmpfs", 0, size.c_str()) != 0) {
      Abandon(Where::Here(), "mount of a small tmpfs fails with " + ErrnoName(errno));
    }
  }
  SmallTmpfs(const SmallTmpfs&) = delete;
  ~SmallTmpfs() { umount2(path_.c_str(), MNT_DETACH); }
  Fd Create(const char* name) const { return Open(path_ + "/" + name, O_RDWR | O_CREAT | O_EXCL); }

 private:
  std::string path_;
};

CONFORMANCE(Access, StoreThatFindsNoSpaceRaisesSigbus, Clause::access_no_space, need::root, need::tmpfs,
            need::mount_namespace) {
  constexpr size_t kPages = 2 * SmallTmpfs::kPages;
  const SmallTmpfs small;
  const Fd file = small.Create("sparse");
  ASSERT_THAT(Returned(ftruncate(file.get(), static_cast<off_t>(kPages * page()))), Succeeds());
  const Mapping map = MapShared(file.get(), kPages * page());
  size_t stored = 0;
  while (stored < kPages && Store(map.at(stored * page()), 0x21).ok()) ++stored;
  EXPECT_GT(stored, 0U);
  EXPECT_LE(stored, SmallTmpfs::kPages);
  for (size_t i = stored; i < kPages; ++i) {
    EXPECT_THAT(Store(map.at(i * page()), 0x21), FaultsWith(SIGBUS, BUS_ADRERR, map.at(i * page()))) << i;
  }
  EXPECT_THAT(Returned(pwrite(file.get(), "x", 1, static_cast<off_t>(stored * page()))), FailsWith(ENOSPC));
  struct stat status {};
  ASSERT_THAT(Returned(fstat(file.get(), &status)), Succeeds());
  EXPECT_EQ(status.st_size, static_cast<off_t>(kPages * page()));
  for (size_t i = 0; i < stored; ++i) {
    EXPECT_THAT(Load(map.at(i * page())), Reads(0x21)) << i;
    EXPECT_THAT(Memory(map.at(i * page() + 1), page() - 1), AllBytesAre(0)) << i;
  }
}

CONFORMANCE(Access, PreallocatedRangeNeverLacksSpace, Clause::access_preallocated, need::root, need::tmpfs,
            need::mount_namespace) {
  constexpr size_t kPages = SmallTmpfs::kPages / 2;
  const SmallTmpfs small;
  const Fd file = small.Create("preallocated");
  ASSERT_THAT(Answered(posix_fallocate(file.get(), 0, static_cast<off_t>(kPages * page()))), Succeeds());
  const Fd filler = small.Create("filler");
  const auto bytes = Pattern(0, SmallTmpfs::kPages * page());
  const Outcome filled = Returned(write(filler.get(), bytes.data(), bytes.size()));
  EXPECT_LE(filled.value, static_cast<long>((SmallTmpfs::kPages - kPages) * page()));
  EXPECT_THAT(Returned(pwrite(filler.get(), "x", 1, static_cast<off_t>(bytes.size()))), FailsWith(ENOSPC));
  const Mapping map = MapShared(file.get(), kPages * page());
  EXPECT_THAT(FillPattern(map.at(), 0, kPages * page()), Works());
  EXPECT_THAT(Contents(file.get(), 0, kPages * page()), HoldsPattern(0, kPages * page()));
}

}  // namespace
}  // namespace shmcheck::conformance
