// Tests that misbehave on purpose, one way each; framework_test.cc checks what the framework makes of them.

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

constexpr Clause kAny = Clause::access_read;

CONFORMANCE(Good, Passes, kAny) {
  EXPECT_THAT(Returned(munmap(nullptr, 0)), FailsWith(EINVAL));
}

CONFORMANCE(Good, SkipsByItself, kAny) {
  GTEST_SKIP() << "the pool is empty";
}

CONFORMANCE(Good, LacksANeed, kAny, need::kernel(99, 1)) {
  FAIL() << "must not start";
}

CONFORMANCE(Good, HelperGetsArgumentsAndTalks, kAny) {
  Helper helper("echo", {"41"});
  EXPECT_EQ(helper.Receive(), 41U);
  EXPECT_THAT(helper.Join(), ExitsWith(3));
}

HELPER(echo) {
  HelperChannel().Send(strtoul(arguments[0], nullptr, 10));
  return 3;
}

CONFORMANCE(Good, SecondUidHasNoRights, kAny, need::second_uid) {
  Child child([](Channel&) {
    BecomeUnprivileged();
    EXPECT_EQ(geteuid(), kSecondUid);
    EXPECT_THAT(Returned(setuid(0)), FailsWith(EPERM));
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Good, DirectoryIsEmptyForEveryTest, kAny, on::directories) {
  const Fd probe(open((directory() + "/left-behind").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  EXPECT_GE(probe.get(), 0);
}

CONFORMANCE(Good, DirectoryIsEmptyAgain, kAny, on::directories) {
  const Fd probe(open((directory() + "/left-behind").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  EXPECT_GE(probe.get(), 0);
}

CONFORMANCE(Bad, WrongErrno, kAny) {
  EXPECT_THAT(Returned(munmap(nullptr, 0)), FailsWith(ENOMEM));
}

CONFORMANCE(Bad, SuccessInsteadOfError, kAny) {
  const Mapping map = MapPrivateAnonymous(page());
  EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ)), FailsWithAnyOf({EACCES, EINVAL}));
}

CONFORMANCE(Bad, WrongSignal, kAny) {
  const Mapping none = Reserve(page());
  EXPECT_THAT(Load(none.at()), FaultsWith(SIGBUS, BUS_ADRERR, none.at()));
}

CONFORMANCE(Bad, WrongFaultAddress, kAny) {
  const Mapping none = Reserve(2 * page());
  EXPECT_THAT(Load(none.at()), FaultsWith(SIGSEGV, SEGV_ACCERR, none.at(page())));
}

CONFORMANCE(Bad, WrongByte, kAny) {
  const Mapping map = MapPrivateAnonymous(page());
  EXPECT_THAT(Store(map.at(77), 9), Works());
  EXPECT_THAT(Memory(map.at(), page()), AllBytesAre(0));
}

CONFORMANCE(Bad, FaultsOutsideAProbe, kAny) {
  const Mapping none = Reserve(page());
  EXPECT_EQ(*const_cast<volatile uint8_t*>(none.at()), 0);
}

CONFORMANCE(Bad, Aborts, kAny) {
  abort();
}

CONFORMANCE(Bad, Throws, kAny) {
  EXPECT_EQ((std::map<int, int>().at(7)), 1);
}

CONFORMANCE(Bad, ChildThrows, kAny) {
  Child child([](Channel&) { EXPECT_EQ(std::vector<int>().at(7), 1); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Bad, LeavesInMidTest, kAny) {
  _exit(0);
}

CONFORMANCE(Bad, Hangs, kAny, limit(1)) {
  while (pause() != 0) {
  }
}

CONFORMANCE(Bad, ChildFails, kAny) {
  Child child([](Channel&) { EXPECT_THAT(Returned(-1L), Succeeds()); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Bad, HelperFails, kAny) {
  Helper helper("failing", {});
  EXPECT_THAT(helper.Join(), ExitsWith(0));
}

HELPER(failing) {
  EXPECT_EQ(1, 2) << "seen in the helper";
  return 0;
}

CONFORMANCE(Bad, PeerEndsBeforeItsTurn, kAny) {
  Child child([](Channel&) {});
  child.Wait();
}

CONFORMANCE(Bad, SetUpFails, kAny) {
  const Mapping map = MapShared(-1, page());
}

CONFORMANCE(Messy, LeavesAProcessOfAnotherSession, kAny) {
  if (fork() == 0) {
    setsid();
    while (pause() != 0) {
    }
  }
}

CONFORMANCE(Messy, LeavesASegment, kAny) {
  Segment segment(page());
  segment.release();
}

CONFORMANCE(Messy, FindsNothingLeft, kAny, need::proc) {
  shm_info info{};
  EXPECT_THAT(Returned(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info))), Returns(0));
  EXPECT_EQ(info.used_ids, 0);
}

}  // namespace
}  // namespace shmcheck::conformance
