// Ops on mappings, and those that touch memory.
#include <gtest/gtest.h>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

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

}  // namespace
}  // namespace shmcheck::executor
