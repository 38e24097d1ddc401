// Ops that begin, end and change processes.
#include <gtest/gtest.h>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

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

TEST_F(Ops, GroupsOfAUser) {
  Expect(R"(
p0 shmget s0 key=private size=1 mode=60 -> *
p0 open f0 n0 access=rw flags=creat mode=640 -> ok
p0 fork p1 -> *
p0 fork p2 -> *
p1 setid user=u1 groups=u0,u2 -> ok
p1 setid user=u1 groups=u0 -> EPERM
p1 shmat m0 s0 addr=a -> a+0p
p1 open f1 n0 -> ok
p1 open f1 n0 access=rw -> EACCES
p2 setid user=u1 group=u2 -> ok
p2 open f1 n0 -> EACCES
p2 open f1 n1 access=rw flags=creat mode=600 -> ok
p2 fstat f1 -> {size=0 links=1 mode=100600 uid=60001 gid=60002}
p0 shmctl s0 cmd=set owner=none -> EINVAL
p0 shmctl s0 cmd=set owner=u2:none -> EINVAL
p0 shmctl s0 cmd=set owner=u0:u2 mode=60 -> ok
p2 shmat m1 s0 addr=a+1p -> a+1p
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

TEST_F(Ops, TheFirstOfAPidNamespace) {
  if (!shared_driver().facts.at(0).pid_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 shmget s0 key=private size=1p mode=666 -> *
p0 fork p1 new=pid -> *
p1 shmctl s0 cmd=stat -> {* cpid=0 lpid=0 nattch=0}
p1 shmat m0 s0 -> *
p1 shmctl s0 cmd=stat -> {* cpid=0 lpid=1 nattch=1}
p1 exec -> ok
p1 shmat m0 s0 -> *
p1 sysvipc -> {* cpid=0 lpid=1 nattch=1*}
p1 fork p2 -> withheld
p1 kill p0 -> withheld
p0 kill p1 signal=term -> withheld
p0 kill p1 -> ok
p0 fork p1 -> *
p1 setid user=u1 -> ok
p1 fork p2 new=pid -> EPERM
p1 fork p2 -> *
)");
}

TEST_F(Ops, RootOfAUserNamespace) {
  if (!shared_driver().facts.at(0).user_namespaces)
    GTEST_SKIP() << ::testing::PrintToString(shared_driver().hello.absent);
  Expect(R"(
p0 shmget s0 key=private size=1p mode=644 -> *
p0 fork p1 -> *
p1 setid user=u1 -> ok
p1 unshare -> EPERM
p1 unshare what=user -> ok
p1 shmctl s0 cmd=stat -> {key=0x0 uid=65534 gid=65534 cuid=65534 cgid=65534 *}
p1 shmctl s0 cmd=rmid -> EPERM
p1 memfd f0 -> ok
p1 fstat f0 -> {* uid=0 gid=0}
p1 setid user=u0 -> withheld
p1 unshare what=user -> withheld
p1 fork p2 new=pid -> *
p2 unshare -> ok
p2 shmget s1 key=private size=1p mode=0 -> *
p2 shmat m0 s1 -> *
)");
}

// Whoever asks for a reboot here is told nothing, and the program goes on.
TEST_F(Ops, NobodyRebootsWhatNobodyStartsAgain) {
  ASSERT_FALSE(shared_driver().facts.at(0).reboot);
  Expect(
      "p0 reboot p1 -> withheld\np0 reboot p0 how=crash -> withheld\np1 shm_info -> unbound\n"
      "p0 shm_info -> *\n");
}

}  // namespace
}  // namespace shmcheck::executor
