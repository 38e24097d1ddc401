// Every op: a success that shows its result, and at least one refusal.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

constexpr std::uint64_t kPageOfTests = 4096;

class Ops : public ::testing::Test {
 protected:
  static void Expect(std::string_view lines) { expect_trace(shared_driver(), lines); }
};

TEST_F(Ops, OpenCloseUnlink) {
  Expect(R"(
p0 open f0 n0 -> ENOENT
p0 open f0 n0 access=rw flags=creat,excl mode=640 -> ok
p0 fstat f0 -> {size=0 links=1 mode=100640 uid=* gid=*}
p0 open f1 n0 flags=creat,excl mode=640 -> EEXIST
p0 fstat f1 -> EBADF
p0 unlink n0 -> ok
p0 unlink n0 -> ENOENT
p0 fstat f0 -> {size=0 links=0 mode=100640 uid=* gid=*}
p0 close f0 -> ok
p0 close f0 -> EBADF
p0 close - -> EBADF
p0 close bad -> EBADF
)");
}

TEST_F(Ops, AnOpenSlotIsReplacedByASuccessOnly) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 pwrite f0 len=3 byte=0x07 -> 3
p0 open f0 n1 -> ENOENT
p0 fstat f0 -> {size=3 *}
p0 open f0 n1 access=rw flags=creat mode=644 -> ok
p0 fstat f0 -> {size=0 *}
p0 open f0 n0 access=rw flags=trunc -> ok
p0 fstat f0 -> {size=0 *}
)");
}

TEST_F(Ops, CrowdLeavesAsManyMappings) {
  Expect(R"(
p0 crowd left=3 -> 0
p0 mmap m0 - len=4p prot=rw flags=shared,anon addr=a -> a+0p
p0 mmap m1 - len=1p prot=rw flags=shared,anon -> 0x*
p0 mprotect m0+1p len=1p prot=r -> ENOMEM
p0 mmap m2 - len=1p prot=rw flags=shared,anon -> 0x*
p0 mmap m3 - len=1p prot=rw flags=shared,anon -> ENOMEM
p0 maps -> {a+0p..a+4p *}
p0 crowd left=4 -> 3
p0 mmap m3 - len=1p prot=rw flags=shared,anon -> 0x*
p0 mlockall flags=current -> ok
p0 locked -> 28672
p0 exec -> ok
p0 mmap m4 - len=1p prot=rw flags=shared,anon -> 0x*
p0 crowd left=1 -> 1
p0 mmap m5 - len=1p prot=rw flags=shared,anon -> 0x*
p0 mmap m6 - len=1p prot=rw flags=shared,anon -> ENOMEM
)");
}

TEST_F(Ops, NamesOfMemoryFiles) {
  Expect(R"(
p0 memfd f0 -> ok
p0 memfd_name f0 -> {1*2f 1*6d 1*65 1*6d 1*66 1*64 1*3a 1*73 1*68 1*6d 1*63 1*68 1*65 1*63 1*6b 1*20 1*28 *}
p0 memfd f1 name=longest -> ok
p0 memfd_name f1 -> {1*2f 1*6d 1*65 1*6d 1*66 1*64 1*3a 249*6e 1*20 1*28 *}
p0 memfd f2 name=longer -> EINVAL
p0 memfd f2 name=bad -> EFAULT
p0 memfd_name f2 -> ENOENT
p0 open f2 n0 flags=creat mode=600 -> ok
p0 memfd_name f2 -> EINVAL
)");
}

TEST_F(Ops, ObjectsLieOnAMountWithoutExecution) {
  if (!shared_driver().facts[0].objects_noexec) GTEST_SKIP() << "/dev/shm is somebody else's";
  Expect(R"(
p0 shm_open f0 o0 access=rw flags=creat mode=600 -> ok
p0 ftruncate f0 size=1p -> ok
p0 mmap m0 f0 len=1p prot=rx flags=shared -> EPERM
p0 mmap m0 f0 len=1p prot=rw flags=shared -> 0x*
p0 mprotect m0 len=1p prot=rx -> EACCES
)");
}

TEST_F(Ops, TruncateAndFtruncate) {
  Expect(R"(
p0 truncate n0 size=5 -> ENOENT
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 truncate n0 size=5 -> ok
p0 fstat f0 -> {size=5 *}
p0 ftruncate f0 size=2p+1 -> ok
p0 fstat f0 -> {size=8193 *}
p0 ftruncate f0 size=half -> EINVAL
p0 ftruncate bad size=1 -> EBADF
)");
}

TEST_F(Ops, ReadsAndWrites) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 pwrite f0 len=3 byte=0x41 off=1p -> 3
p0 pread f0 len=2p -> {4096*00 3*41}
p0 pread f0 len=2 off=1p+1 -> {2*41}
p0 pread f0 len=1 off=2p -> {}
p0 pread f0 len=1 off=half -> EINVAL
p0 pwrite - len=1 byte=0x00 -> EBADF
p0 mmap m0 - len=1p prot=rw flags=shared,anon,fixed addr=a -> a+0p
p0 store a+1p-1 0x42 -> ok
p0 pwrite_from f0 a+1p-1 len=1 -> 1
p0 pread f0 len=2 -> {1*42 1*00}
p0 pread_to f0 a len=2p off=1p -> 3
p0 contents a len=4 -> {3*41 1*00}
p0 pread_to f0 a+1p len=1 -> EFAULT
p0 pwrite_from f0 a+1p len=1 -> EFAULT
p0 open f1 n0 access=wo flags=append -> ok
p0 pwrite f1 len=1 byte=0x43 -> 1
p0 pread f0 len=9 off=1p+2 -> {1*41 1*43}
p0 pread f1 len=1 -> EBADF
)");
}

TEST_F(Ops, MapUnmapProtect) {
  Expect(R"(
p0 mmap m0 - len=2p prot=rw flags=private,anon,fixed addr=a -> a+0p
p0 mmap m1 - len=1p prot=rw flags=private,anon,noreplace addr=a -> EEXIST
p0 mmap m1 - len=0 prot=rw flags=private,anon -> EINVAL
p0 mmap m1 bad len=1p prot=r flags=private -> EBADF
p0 load m1 -> unbound
p0 munmap m1 len=1p -> unbound
p0 mprotect m0+1p len=1p prot=r -> ok
p0 store a+1p 0x01 -> SIGSEGV/ACCERR at a+1p
p0 mprotect a len=1p prot=r? -> EINVAL
p0 mprotect a+1 len=1p prot=r -> EINVAL
p0 mprotect a+2p len=1p prot=r -> ENOMEM
p0 munmap a len=1p -> ok
p0 load a -> SIGSEGV/MAPERR at a+0p
p0 munmap a+1 len=1p -> EINVAL
p0 munmap top len=1p -> EINVAL
)");
}

TEST_F(Ops, LoadsAndStoresOfEverySize) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rw flags=private,anon,fixed addr=a -> a+0p
p0 store a 0x0102030405060708 -> ok
p0 load a size=8 -> 0x0102030405060708
p0 load a size=4 -> 0x01020304
p0 load a size=2 -> 0x0102
p0 load a -> 0x01
p0 load a+3 size=2 -> 0x0405
p0 store a+1 0xaabb -> ok
p0 store a+4 0xccddeeff -> ok
p0 contents a len=9 -> {1*01 1*aa 1*bb 1*04 1*cc 1*dd 1*ee 1*ff 1*00}
p0 load a+1p-1 size=2 -> SIGSEGV/MAPERR at a+1p
p0 load a+1p-1 -> 0x00
p0 load 0 -> SIGSEGV/MAPERR at 0*
)");
}

TEST_F(Ops, FaultsSayWhere) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 ftruncate f0 size=1 -> ok
p0 mmap m0 f0 len=2p prot=r flags=shared,fixed addr=a+4p -> a+4p
p0 load a+5p+123 -> SIGBUS/ADRERR at a+5p+123
p0 store a+4p+7 0x01 -> SIGSEGV/ACCERR at a+4p+7
p0 load a+6p -> SIGSEGV/MAPERR at a+6p
p0 load a+5p size=8 -> SIGBUS/ADRERR at a+5p
)");
}

TEST_F(Ops, ContentsOfEveryKindOfPage) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 pwrite f0 len=1p byte=0x11 -> 4096
p0 mmap m0 f0 len=2p prot=rw flags=shared,fixed addr=a -> a+0p
p0 mmap m1 - len=1p prot=none flags=private,anon,fixed addr=a+2p -> a+2p
p0 contents a len=4p -> {4096*11 4096*SIGBUS/ADRERR 4096*SIGSEGV/ACCERR 4096*SIGSEGV/MAPERR}
p0 contents a len=4p via=kernel -> {4096*11 12288*EFAULT}
p0 contents a+1p-3 len=7 -> {3*11 4*SIGBUS/ADRERR}
p0 contents a+1p-3 len=7 via=kernel -> {3*11 4*EFAULT}
p0 contents a len=0 -> {}
)");
}

TEST_F(Ops, RunsGoOnOverPages) {
  Expect(R"(
p0 mmap m0 - len=3p prot=rw flags=private,anon,fixed addr=a -> a+0p
p0 store a+1p 0x01 -> ok
p0 contents a len=3p -> {4096*00 1*01 8191*00}
p0 contents a len=3p via=kernel -> {4096*00 1*01 8191*00}
)");
}

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

TEST_F(Ops, Maps) {
  Expect(R"(
p0 maps -> {}
p0 open f3 n3 access=rw flags=creat mode=644 -> ok
p0 mmap m0 f3 len=2p prot=r flags=shared,fixed addr=a off=1p -> a+0p
p0 unlink n3 -> ok
p0 mmap m1 - len=1p prot=rwx flags=private,anon,fixed addr=a+3p -> a+3p
p0 mmap m2 - len=1p prot=none flags=shared,anon,fixed addr=a+5p -> a+5p
p0 shmget s0 key=private size=1 mode=600 -> *
p0 shmat m3 s0 addr=a+7p -> a+7p
p0 maps -> {a+0p..a+2p r--s off=1p file n3 deleted; a+3p..a+4p rwxp off=0p anon; a+5p..a+6p ---s off=0p shared_anon deleted; a+7p..a+8p rw-s off=0p segment * deleted}
)");
}

TEST_F(Ops, SyncRemapAdvise) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=644 -> ok
p0 ftruncate f0 size=2p -> ok
p0 mmap m0 f0 len=2p prot=rw flags=shared,fixed addr=a -> a+0p
p0 msync a len=2p flags=sync -> ok
p0 msync a len=2p flags=sync,async -> EINVAL
p0 msync a len=2p flags=unknown -> EINVAL
p0 msync a len=3p flags=sync -> ENOMEM
p0 store a 0x09 -> ok
p0 mremap m1 a old=2p new=4p flags=maymove,fixed to=a+8p -> a+8p
p0 load m1 -> 0x09
p0 load a -> SIGSEGV/MAPERR at a+0p
p0 mremap m1 a old=1p new=1p -> EFAULT
p0 mremap m2 m1 old=1p new=1p flags=unknown -> EINVAL
p0 load m2 -> unbound
p0 madvise a+8p len=1p advice=unknown -> EINVAL
p0 madvise a+8p len=1p advice=remove -> ok
p0 load a+8p -> 0x00
)");
}

TEST_F(Ops, OtherUsers) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 shmget s0 key=private size=1 mode=600 -> *
p0 fork p1 -> *
p1 setid user=u0 -> ok
p1 setid user=u1 -> ok
p1 setid user=u1 -> ok
p1 setid user=u2 -> EPERM
p1 open f1 n0 -> EACCES
p1 open f1 n1 access=rw flags=creat mode=666 -> ok
p1 fstat f1 -> {size=0 links=1 mode=100666 uid=60001 gid=60001}
p1 shmat m0 s0 -> EACCES
p1 shmctl s0 cmd=rmid -> EPERM
p1 kill p0 -> EPERM
p0 kill p1 signal=term -> ok
p1 setid user=u1 -> unbound
)");
}

TEST_F(Ops, Exec) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 pwrite f0 len=4 byte=0x41 -> 4
p0 mmap m0 f0 len=1p prot=rw flags=shared,fixed addr=a -> a+0p
p0 shmget s0 key=private size=1p mode=600 -> *
p0 shmat m1 s0 addr=a+1p -> a+1p
p0 exec image=missing -> ENOENT
p0 load m0 size=4 -> 0x41414141
p0 exec -> ok
p0 load m0 -> SIGSEGV/MAPERR at a+0p
p0 load m1 -> SIGSEGV/MAPERR at a+1p
p0 shmdt m1 -> EINVAL
p0 pread f0 len=4 -> {4*41}
p0 fork p1 -> *
p1 setid user=u1 -> ok
p1 exec -> ok
p1 shmat m1 s0 -> EACCES
p1 mmap m0 - len=1p prot=rw flags=private,anon,fixed addr=a -> a+0p
p1 store m0 0x42 act=default -> ok
p1 exit status=3 -> died exit=3
p0 maps -> {}
)");
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

// Whoever asks for a reboot here is told nothing, and the program goes on.
TEST_F(Ops, NobodyRebootsWhatNobodyStartsAgain) {
  ASSERT_FALSE(shared_driver().facts.at(0).reboot);
  Expect(
      "p0 reboot p1 -> withheld\np0 reboot p0 how=crash -> withheld\np1 shm_info -> unbound\n"
      "p0 shm_info -> *\n");
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

TEST_F(Ops, SpecialFiles) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rw flags=shared addr=a from=zero -> a+0p
p0 store m0 0x41 -> ok
p0 mmap m1 - len=1p prot=r flags=shared from=null -> ENODEV
p0 mmap m1 - len=1p prot=r flags=private from=directory -> ENODEV
p0 mmap m1 - len=1p prot=r flags=private from=pipe -> ENODEV
p0 mmap m1 - len=1p prot=rw flags=private from=zero -> withheld
p0 mmap m1 - len=1p prot=rw flags=private,anon,growsdown -> withheld
)");
}

TEST_F(Ops, LocksOfAllMemoryLeaveTheExecutorsOut) {
  Expect(R"(
p0 mmap m0 - len=2p prot=rw flags=private,anon addr=a -> a+0p
p0 mlockall flags=unknown -> EINVAL
p0 mlockall flags=current,future -> ok
p0 locked -> 8192
p0 mmap m1 - len=1p prot=rw flags=private,anon addr=a+4p -> a+4p
p0 locked -> 12288
p0 munlockall -> ok
p0 locked -> 0
p0 mlockall flags=current,onfault -> ok
p0 locked -> 12288
p0 mmap m2 - len=1p prot=rw flags=private,anon addr=a+6p -> a+6p
p0 munlockall -> ok
p0 mlockall flags=future,onfault -> ok
p0 mmap m2 - len=1p prot=rw flags=private,anon addr=a+8p -> a+8p
p0 mincore m2 len=1p -> 0
)");
}

TEST_F(Ops, FlagsThatBringPagesIn) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rw flags=private,anon addr=a -> a+0p
p0 mincore m0 len=1p -> 0
p0 mmap m0 - len=1p prot=rw flags=private,anon,locked addr=a+2p -> a+2p
p0 locked -> 4096
p0 mmap m1 - len=1p prot=rw flags=private,anon,populate addr=a+4p -> a+4p
p0 mincore m1 len=1p -> 1
p0 mmap m2 - len=1p prot=rw flags=private,anon,populate,nonblock addr=a+6p -> a+6p
p0 mincore m2 len=1p -> 0
)");
}

TEST_F(Ops, ResourceLimits) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 fork p1 -> *
p1 rlimit what=as value=1p -> ok
p1 mmap m0 - len=2p prot=rw flags=private,anon addr=a -> ENOMEM
p1 mmap m0 - len=1p prot=rw flags=private,anon addr=a -> a+0p
p1 exec -> withheld
p1 rlimit what=fsize value=1p -> ok
p1 ftruncate f0 size=1p -> ok
p1 ftruncate f0 size=2p -> died SIGXFSZ
p0 setid user=u1 -> ok
p0 rlimit what=memlock value=1p -> ok
p0 mmap m1 - len=2p prot=rw flags=private,anon addr=a -> a+0p
p0 mlock m1 len=2p -> ENOMEM
p0 mlock m1 len=1p -> ok
)");
}

TEST_F(Ops, FileTimes) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 times f0 -> 3
p0 age f0 -> ok
p0 times f0 -> 0
p0 pwrite f0 len=1 byte=0x41 -> 1
p0 times f0 -> 2
p0 age bad -> EBADF
p0 setid user=u1 -> ok
p0 age f0 -> EPERM
)");
}

TEST_F(Ops, RangesThatTmpfsCannotShift) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 ftruncate f0 size=4p -> ok
p0 fallocate f0 len=1p how=collapse -> EOPNOTSUPP
p0 fallocate f0 len=1p how=insert -> EOPNOTSUPP
)");
}

TEST_F(Ops, RemapFilePages) {
  Expect(R"(
p0 mmap m0 - len=2p prot=rw flags=shared,anon addr=a -> a+0p
p0 store m0 0x41 -> ok
p0 remap m0+1p len=1p -> ok
p0 load m0+1p -> 0x41
p0 remap m0 len=1p off=1p -> ok
p0 load m0 -> 0x00
p0 remap m0 len=1p prot=r -> EINVAL
)");
}

// Nothing but a return instruction is run, even for those who are not allowed to look.
TEST_F(Ops, Call) {
  Expect(R"(
p0 mmap m0 - len=1p prot=rwx flags=private,anon addr=a -> a+0p
p0 call m0 -> withheld
p0 store m0+5 0xc3 -> ok
p0 call m0+5 -> ok
p0 mprotect m0 len=1p prot=none -> ok
p0 call m0+5 -> SIGSEGV/ACCERR at a+0p+5
p0 call m0+4 -> withheld
p0 call m0+1p -> SIGSEGV/MAPERR at a+1p
p0 call top -> withheld
p0 mprotect m0 len=1p prot=x -> ok
p0 setid user=u1 -> ok
p0 call m0+5 -> ok
p0 call m0+4 -> withheld
p0 exec -> ok
p0 mmap m0 - len=1p prot=rwx flags=private,anon addr=a -> a+0p
p0 store m0 0xc3 -> ok
p0 call m0 -> ok
)");
}

TEST_F(Ops, StepsCarryTheClock) {
  std::int64_t before = time(nullptr) - 1;
  program::Trace trace =
      shared_driver().trace("p0 shmget s0 key=private size=1 mode=600\np0 shmctl s0 cmd=stat\n");
  ASSERT_EQ(trace.steps.size(), 3U);
  auto created = static_cast<std::int64_t>(trace.steps[1].outcome.words.at(9));
  EXPECT_LE(before, trace.steps[0].outcome.before);
  EXPECT_LE(trace.steps[0].outcome.before, created);
  EXPECT_LE(created, trace.steps[0].outcome.after);
  EXPECT_LE(trace.steps[2].outcome.after, time(nullptr));
}

TEST_F(Ops, AnEmptyProgramHasAnEnd) {
  EXPECT_EQ(shared_driver().trace("").steps.size(), 1U);
}

TEST_F(Ops, ThePageSizeOfTheseTestsIsTheTargets) {
  EXPECT_EQ(shared_driver().facts.at(0).page_size, kPageOfTests);
}

TEST_F(Ops, RenameAndLink) {
  Expect(R"(
p0 rename n0 to=n1 -> ENOENT
p0 link n0 to=n1 -> ENOENT
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 link n0 to=n1 -> ok
p0 link n0 to=n1 -> EEXIST
p0 fstat f0 -> {size=0 links=2 *}
p0 rename n0 to=n1 -> ok
p0 fstat f0 -> {size=0 links=2 *}
p0 unlink n1 -> ok
p0 rename n0 to=n1 -> ok
p0 open f1 n0 -> ENOENT
p0 open f1 n1 -> ok
p0 link n1 to=n2 -> ok
)");
  Expect("p0 open f0 n1 -> ENOENT\np0 open f0 n2 -> ENOENT\n");
}

TEST_F(Ops, SharedMemoryObjects) {
  Expect(R"(
p0 shm_open f0 o0 access=rw -> ENOENT
p0 shm_open f0 o0 access=rw flags=creat,excl mode=640 -> ok
p0 fstat f0 -> {size=0 links=1 mode=100640 uid=* gid=*}
p0 shm_open f1 o0 flags=creat,excl -> EEXIST
p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok
p0 shm_open f2 long access=rw flags=creat mode=600 -> ENAMETOOLONG
p0 shm_unlink long -> ENAMETOOLONG
p0 ftruncate f1 size=1p -> ok
p0 mmap m0 f1 len=1p prot=r flags=shared,fixed addr=a -> a+0p
p0 maps -> {a+0p..a+1p r--s off=0p file o3}
p0 shm_unlink o3 -> ok
p0 shm_unlink o3 -> ENOENT
p0 exec -> ok
p0 fstat f0 -> EBADF
p0 shm_open f0 o0 access=rw -> ok
p0 ftruncate f0 size=5 -> ok
p0 shm_open f1 o0 access=ro -> ok
p0 ftruncate f1 size=1 -> EINVAL
p0 shm_open f1 o0 access=rw flags=trunc -> ok
p0 fstat f0 -> {size=0 *}
p0 fork p1 -> *
p1 setid user=u1 -> ok
p1 shm_unlink o0 -> EACCES
)");
}

TEST_F(Ops, ObjectsDoNotOutliveTheProgram) {
  Expect(R"(
p0 shm_open f0 o0 access=rw flags=creat,excl mode=600 -> ok
p0 shm_open f1 o3 access=rw flags=creat,excl mode=600 -> ok
)");
  Expect(R"(
p0 shm_open f0 o0 access=rw -> ENOENT
p0 shm_open f0 o3 access=rw -> ENOENT
)");
}

TEST_F(Ops, WhatHasNoStorageSaysSo) {
  Expect(R"(
p0 stored f0 len=1p -> EBADF
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 stored f0 len=1p -> EOPNOTSUPP
p0 memfd f1 -> ok
p0 stored f1 len=1p -> EOPNOTSUPP
)");
}

}  // namespace
}  // namespace shmcheck::executor
