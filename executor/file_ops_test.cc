// Ops on files, by descriptor and by name, and on shared memory objects.
#include <gtest/gtest.h>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

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

TEST_F(Ops, RangesThatTmpfsCannotShift) {
  Expect(R"(
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 ftruncate f0 size=4p -> ok
p0 fallocate f0 len=1p how=collapse -> EOPNOTSUPP
p0 fallocate f0 len=1p how=insert -> EOPNOTSUPP
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

TEST_F(Ops, WhatHasNoStorageSaysSo) {
  Expect(R"(
p0 stored f0 len=1p -> EBADF
p0 open f0 n0 access=rw flags=creat mode=600 -> ok
p0 stored f0 len=1p -> EOPNOTSUPP
p0 memfd f1 -> ok
p0 stored f1 len=1p -> EOPNOTSUPP
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

}  // namespace
}  // namespace shmcheck::executor
