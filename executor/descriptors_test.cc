// What is open, what is mapped by way of /proc/self/map_files, and what has a name.
#include <gtest/gtest.h>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

TEST_F(Ops, Descriptors) {
  Expect(R"(
p0 descriptors -> 0
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 memfd f7 -> ok
p0 shm_open f1 o0 access=rw flags=creat mode=600 -> ok
p0 contents a len=1p via=kernel -> {4096*EFAULT}
p0 descriptors -> 3
p0 fork p1 -> *
p1 close f0 -> ok
p1 close f0 -> EBADF
p1 descriptors -> 2
p1 exec -> ok
p1 descriptors -> 1
p0 descriptors -> 3
)");
}

TEST_F(Ops, MapFile) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (!facts.map_files || !facts.capable || !facts.first_userns)
    GTEST_SKIP() << "no /proc/self/map_files, or no right to it";
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 ftruncate f0 size=1p -> ok
p0 mmap m0 f0 len=1p prot=rw flags=shared,fixed addr=a -> a+0p
p0 store m0 0x41 -> ok
p0 unlink n0 -> ok
p0 map_file f1 m0+100 -> ok
p0 pread f1 len=1 -> {1*41}
p0 pwrite f1 len=1 byte=0x42 -> EBADF
p0 fsync f1 -> ok
p0 shmget s0 key=private size=1p+1 mode=600 -> *
p0 shmat m1 s0 addr=a+2p -> a+2p
p0 map_file f2 a+3p -> ok
p0 fstat f2 -> {size=4097 links=0 mode=100777 uid=0 gid=0}
p0 fsync f2 -> withheld
p0 mmap m2 f2 len=1p prot=r flags=shared -> withheld
p0 fork p1 -> *
p1 fsync f2 -> withheld
p1 memfd f2 -> ok
p1 fsync f2 -> ok
p0 close f2 -> ok
p0 fsync f2 -> EBADF
p0 map_file f3 a+1p -> ENOENT
p0 map_file f3 top -> ENOENT
p0 map_file f3 0 -> ENOENT
p1 setid user=u1 -> ok
p1 map_file f3 m1 -> EPERM
)");
}

TEST_F(Ops, NamesAndTheBreak) {
  if (!shared_driver().facts.at(0).names) GTEST_SKIP() << "its directories are not its own";
  Expect(R"(
p0 names -> 0
p0 brk -> 0
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 link n0 to=n1 -> ok
p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok
p0 names -> 3
p0 unlink n0 -> ok
p0 names -> 2
p0 mmap m0 - len=4p prot=rw flags=private,anon,populate -> *
p0 exec -> ok
p0 brk -> 0
p0 names -> 2
)");
}

}  // namespace
}  // namespace shmcheck::executor
