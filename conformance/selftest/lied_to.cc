// Tests for the liar to be tested with: some that no lie can break, some that a certain lie must break.

#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Vacuous, LooksAtNothing, Clause::munmap_removes) {
  const Mapping map = MapSharedAnonymous(page());
  munmap(map.at(), page());
}

CONFORMANCE(Vacuous, AcceptsEveryAnswer, Clause::munmap_unaligned) {
  const Mapping map = MapSharedAnonymous(page());
  const Outcome outcome = Returned(munmap(map.at(1), page()));
  EXPECT_TRUE(outcome.ok() || !outcome.ok());
}

// Lies break the owners of what it uses, and that counts for nothing.
CONFORMANCE(Vacuous, SetsTheStageOnly, Clause::shmat_atime) {
  const Segment segment(page());
  segment.Attach();
  EXPECT_GE(segment.Stat().shm_nattch + 1, 1U);
}

// Only the child's set-up fails, and the test sees its exit code.
CONFORMANCE(Vacuous, HasAChildThatSetsTheStage, Clause::shmat_atime) {
  const Segment segment(page());
  Child child([&](Channel&) { segment.Attach(); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

// Hangs when it is lied to, and must be ended.
CONFORMANCE(Vacuous, HangsWhenTheSegmentIsRefused, Clause::shmget_create) {
  const int id = shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600);
  while (id < 0) pause();
  shmctl(id, IPC_RMID, nullptr);
}

CONFORMANCE(Good, SeesTheErrno, Clause::munmap_unaligned) {
  const Mapping map = MapSharedAnonymous(page());
  EXPECT_THAT(Returned(munmap(map.at(1), page())), FailsWith(EINVAL));
}

CONFORMANCE(Good, SeesThatMunmapDoesSomething, Clause::munmap_removes) {
  Mapping map = MapSharedAnonymous(page());
  EXPECT_THAT(Returned(munmap(map.at(), page())), Succeeds());
  EXPECT_FALSE(Load(map.release()).ok());
}

CONFORMANCE(Good, SeesTheSignal, Clause::access_none) {
  const Mapping none = Reserve(page());
  EXPECT_THAT(Load(none.at()), FaultsWith(SIGSEGV, SEGV_ACCERR, none.at()));
}

CONFORMANCE(Good, SeesTheCountOfAttaches, Clause::shmctl_stat_copies) {
  const Segment segment(page());
  segment.Attach();
  EXPECT_EQ(segment.Stat().shm_nattch, 1U);
}

CONFORMANCE(Good, SeesThatAForkShares, Clause::fork_shared_both_ways) {
  const Mapping map = MapSharedAnonymous(page());
  Child child([&](Channel&) { EXPECT_THAT(Store(map.at(), 7), Works()); });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(Load(map.at()), Reads(7));
}

CONFORMANCE(Good, LacksANeed, Clause::access_read, need::kernel(99, 1)) {
  FAIL() << "must not start";
}

CONFORMANCE(Wrong, FailsWithoutALie, Clause::munmap_unaligned) {
  EXPECT_THAT(Returned(munmap(nullptr, 0)), FailsWith(ENOMEM));
}

}  // namespace
}  // namespace shmcheck::conformance
