// Ops on System V segments: one segment, the table of all, the limits and the namespaces that hold them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <span>
#include <string>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

TEST_F(Ops, Segments) {
  Expect(R"(
p0 shmat m0 s0 -> unbound
p0 shmget s0 key=k1 size=1 -> ENOENT
p0 shmget s0 key=k1 size=1p+1 flags=creat,excl mode=600 -> *
p0 shmget s1 key=k1 size=1 flags=creat,excl mode=600 -> EEXIST
p0 shmctl s1 cmd=stat -> unbound
p0 shmget s1 key=private size=0 mode=600 -> EINVAL
p0 shmat m0 s0 addr=a -> a+0p
p0 shmat m1 s0 addr=a+1 -> EINVAL
p0 shmat m1 s0 addr=a+4p+1 flags=rnd,rdonly -> a+4p
p0 store m1 0x01 -> SIGSEGV/ACCERR at a+4p
p0 shmat m2 s0 addr=a flags=remap -> a+0p
p0 shmat m2 neg -> EINVAL
p0 shmat m2 bogus -> EINVAL
p0 shmctl s0 cmd=stat -> {key=0x73686d01 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=4097 * nattch=2}
p0 shmctl s0 cmd=set owner=u1 mode=640 -> ok
p0 shmctl s0 cmd=stat -> {key=0x73686d01 uid=60001 gid=60001 cuid=0 cgid=0 mode=0640 *}
p0 shmctl s0 cmd=lock -> ok
p0 shmctl s0 cmd=stat -> {* mode=02640 *}
p0 shmctl s0 cmd=unlock -> ok
p0 shmctl s0 cmd=bad -> EINVAL
p0 shmctl neg cmd=stat -> EINVAL
p0 shmdt m1 -> ok
p0 shmdt m1 -> EINVAL
p0 shmctl s0 cmd=rmid -> ok
p0 shmctl s0 cmd=stat -> {key=0x0 * mode=01640 * nattch=1}
p0 shmdt a -> ok
p0 shmctl s0 cmd=stat -> EINVAL
)");
}

// What the racers met, each as often as it was.
std::string met(const program::Outcome& outcome) {
  std::map<std::string, int> times;
  for (std::size_t i = 0; i + program::kRacerWords <= outcome.words.size(); i += program::kRacerWords) {
    const program::Racer r = program::unpack_racer(std::span(outcome.words).subspan(i, program::kRacerWords));
    ++times[r.pid == 0                              ? "-"
            : r.kind == program::OutcomeKind::error ? fmt::format("errno {}", r.error)
            : r.kind == program::OutcomeKind::ok    ? fmt::format("{:#x}", r.value)
                                                    : "lost"];
  }
  std::string text;
  for (const auto& [what, n] : times) text += fmt::format("{}*{} ", n, what);
  return text;
}

TEST_F(Ops, ARaceForAKey) {
  const program::Trace trace = shared_driver().trace(R"(
p0 race_shmget s0 key=k1 size=1p mode=600
p0 race_shmget s0 key=k1 size=1p flags=creat,excl mode=600
p0 shmctl s0 cmd=stat
p0 race_shmget s1 key=k1 size=1 flags=creat mode=600
p0 race_shmget s2 key=private size=1 mode=600
)");
  ASSERT_EQ(trace.steps.size(), 6U);
  EXPECT_EQ(met(trace.steps[0].outcome), "4*errno 2 ");
  EXPECT_TRUE(met(trace.steps[1].outcome).ends_with("3*errno 17 ")) << met(trace.steps[1].outcome);
  EXPECT_EQ(trace.steps[2].outcome.kind, program::OutcomeKind::ok);
  EXPECT_TRUE(met(trace.steps[3].outcome).starts_with("4*0x")) << met(trace.steps[3].outcome);
  EXPECT_EQ(trace.steps[4].outcome.kind, program::OutcomeKind::withheld);
  EXPECT_EQ(trace.steps.back().outcome.words.at(0), 1U);
}

TEST_F(Ops, ARaceForAnAttach) {
  const program::Trace trace = shared_driver().trace(R"(
p0 race_shmat s0 against=fork
p0 shmget s0 key=private size=1p mode=600
p0 shmat m0 s0
p0 store m0 0x41
p0 race_shmat s0 against=fork
p0 race_shmat s0 against=rmid
p0 shmctl s0 cmd=stat
p0 shmdt m0
p0 race_shmat s0 against=rmid
p0 race_shmat s0 against=fork
)");
  ASSERT_EQ(trace.steps.size(), 11U);
  EXPECT_EQ(trace.steps[0].outcome.kind, program::OutcomeKind::unbound);
  EXPECT_EQ(met(trace.steps[4].outcome), "8*0x41 ");
  EXPECT_EQ(met(trace.steps[5].outcome), "1*0x0 3*0x41 ");
  EXPECT_EQ(trace.steps[6].outcome.words.back(), 1U);
  EXPECT_EQ(met(trace.steps[8].outcome), "4*errno 22 ");
  EXPECT_EQ(met(trace.steps[9].outcome), "4*- 4*errno 22 ");
}

TEST_F(Ops, ASegmentWithoutANameIsStillRemoved) {
  program::Trace first = shared_driver().trace(R"(
p0 shmget s0 key=private size=1 mode=600
p0 shmget s0 key=private size=1 mode=600
p0 shmget s1 key=k2 size=1p flags=creat mode=600
p0 shmctl s1 cmd=rmid
)");
  ASSERT_EQ(first.steps.size(), 5U);
  const std::vector<std::uint64_t>& words = first.steps.back().outcome.words;
  ASSERT_EQ(words.size(), 1 + 2 * program::kEndSegmentWords);
  EXPECT_EQ(words[0], 2U);  // the removed one is gone, the unnamed one is not
  EXPECT_EQ(words[1], 0U);
  EXPECT_EQ(words[2], 0U);
  EXPECT_EQ(words[1 + program::kEndSegmentWords], 1U);
  EXPECT_EQ(words[2 + program::kEndSegmentWords], static_cast<std::uint64_t>(EINVAL));
  program::Trace second = shared_driver().trace("p0 unlink n0\n");
  ASSERT_EQ(second.steps.size(), 2U);
  EXPECT_EQ(second.steps[1].outcome.words, std::vector<std::uint64_t>{0});
}

// Index and id are the same where nothing was destroyed before: in a namespace of the program's.
TEST_F(Ops, TheTableOfSegments) {
  if (!shared_driver().facts.at(0).ipc_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 unshare -> ok
p0 sysvipc -> {}
p0 ipc_info what=highest -> 0
p0 shmget s0 key=k1 size=2p flags=creat mode=640 -> 0
p0 shmget s1 key=private size=1 mode=0 -> 1
p0 shmat m0 s0 -> *
p0 store m0 0x41 -> ok
p0 shm_info what=kept -> 1
p0 shm_info what=highest -> 1
p0 ipc_info what=highest -> 1
p0 ipc_info what=shmmin -> 1
p0 ipc_info what=shmmni -> 4096
p0 ipc_info what=shmmni id=negative -> EINVAL
p0 ipc_info what=shmseg -> 4096
p0 limit what=shmall value=100 -> ok
p0 ipc_info what=shmall -> 100
p0 limit what=shmmax value=5p -> ok
p0 ipc_info what=shmmax -> 20480
p0 shm_info what=pages -> 3
p0 shm_info what=swap_tries -> 0
p0 shm_stat s0 -> 0 {key=0x73686d01 *nattch=1}
p0 shm_stat s0 behind=1 -> 1 {key=0x0 *nattch=0}
p0 shm_stat s1 behind=1 -> EINVAL
p0 shm_stat neg -> EINVAL
p0 sysvipc -> {0 {key=0x73686d01 uid=0 gid=0 cuid=0 cgid=0 mode=0640 segsz=8192 *nattch=1} {rss=4096 swap=0}; 1 {key=0x0 *} {rss=0 swap=0}}
p0 shmctl s0 cmd=set owner=u1 mode=640 -> ok
p0 sysvipc -> {0 {key=0x73686d01 uid=[1-9]* gid=[1-9]* cuid=0 cgid=0 *}
p0 shmctl s0 cmd=set owner=u0 mode=640 -> ok
p0 shmctl s0 cmd=stat flags=badbuf -> EFAULT
p0 shmctl s1 cmd=rmid flags=badbuf -> ok
p0 setid user=u1 -> ok
p0 shm_stat s0 -> EACCES
p0 shm_stat s0 flags=any -> 0 *
p0 sysvipc -> {0 *}
)");
}

// An index and an id are two things where a segment was destroyed before.
TEST_F(Ops, ASegmentOfALaterGenerationByItsIndex) {
  if (!shared_driver().facts.at(0).ipc_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 unshare -> ok
p0 limit what=next_id value=64p+7 -> ok
p0 shmget s0 key=private size=1 mode=600 -> 262151
p0 shmget s1 key=private size=1 mode=600 -> 0
p0 shm_stat s0 -> 262151 *
p0 shm_stat s1 -> 0 *
)");
}

// The namespace of the executor is private, so that its limits are a program's to change.
TEST_F(Ops, Limits) {
  if (!shared_driver().facts.at(0).set_limits)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 limits what=rmid_forced -> 0
p0 limit what=rmid_forced value=1 -> ok
p0 limits what=rmid_forced -> 1
p0 limit what=rmid_forced value=2 -> EINVAL
p0 limits what=rmid_forced -> 1
p0 limit what=shmmax value=1p -> ok
p0 limits what=shmmax -> 4096
p0 shmget s0 key=private size=1p+1 mode=600 -> EINVAL
p0 setid user=u1 -> ok
p0 limit what=shmmax value=2p -> EACCES
p0 limits what=shmmax -> 4096
)");
}

// What is asked for and not had is forgotten after the program.
TEST_F(Ops, TheNextIdIsForgottenAfterTheProgram) {
  if (!shared_driver().facts.at(0).next_id)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 limits what=next_id -> 18446744073709551615
p0 limit what=next_id value=64p+7 -> ok
p0 shmget s0 key=private size=1p mode=600 -> 262151
p0 limits what=next_id -> 18446744073709551615
p0 limit what=shmmni value=1 -> ok
p0 limit what=next_id value=72p+7 -> ok
p0 limits what=next_id -> 294919
)");
  Expect("p0 limits what=next_id -> 18446744073709551615\np0 shm_info -> 0\n");
}

TEST_F(Ops, LimitsArePutBackAfterTheProgram) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (!facts.set_limits) GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 limit what=shmmax value=1 -> ok
p0 limit what=shmall value=1 -> ok
p0 limit what=shmmni value=1 -> ok
p0 limit what=rmid_forced value=1 -> ok
)");
  Expect(fmt::format(R"(
p0 limits what=shmmax -> {}
p0 limits what=shmall -> {}
p0 limits what=shmmni -> {}
p0 limits what=rmid_forced -> 0
)",
                     facts.shmmax, facts.shmall, facts.shmmni));
}

// The ids of a namespace begin anew, and those of the program's first one are looked at in the end.
TEST_F(Ops, IpcNamespaces) {
  if (!shared_driver().facts.at(0).ipc_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 shmget s0 key=k1 size=1p flags=creat mode=600 -> *
p0 limit what=shmmni value=1 -> ok
p0 fork p1 -> *
p1 unshare -> ok
p1 limits what=shmmni -> 4096
p1 shm_info what=segments -> 0
p1 shmget s1 key=k1 size=0 -> ENOENT
p1 shmget s1 key=k1 size=2p flags=creat mode=600 -> *
p1 exec -> ok
p1 shm_info what=pages -> 2
p0 shm_info what=pages -> 1
p0 fork p2 -> *
p2 setid user=u1 -> ok
p2 unshare -> EPERM
)");
  // Nothing of it is left.
  Expect("p0 shm_info what=segments -> 0\np0 limits what=shmmni -> 4096\n");
}

TEST_F(Ops, TheNamespaceOfAnotherProcess) {
  if (!shared_driver().facts.at(0).ipc_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 fork p1 -> *
p1 unshare -> ok
p1 shmget s0 key=k1 size=1p flags=creat mode=600 -> 0
p0 shm_info -> 0
p0 setns p1 -> ok
p0 shm_info -> 1
p0 unshare -> ok
p0 setns p1 by=file -> ok
p0 shmget s1 key=k1 size=0 -> 0
p0 setns p2 -> unbound
p0 fork p2 -> *
p2 setid user=u1 -> ok
p2 setns p1 -> EPERM
p2 setns p1 by=file -> EACCES
p2 setns p2 by=file -> EPERM
)");
}

}  // namespace
}  // namespace shmcheck::executor
