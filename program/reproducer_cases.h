// Programs of which reproducers are made and run: each in two ways, as a healthy Linux ends it and otherwise.
#pragma once

#include <string_view>

namespace shmcheck::program {

struct Case {
  std::string_view name;
  bool root;                   // needs real root: uids, an IPC namespace
  std::string_view steps;      // as a healthy Linux does them
  std::string_view otherwise;  // another outcome of the last step
};

inline constexpr Case kCases[] = {
    {"AFaultPastTheEnd", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f0 size=1 -> ok\n"
     "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a+3p -> a+3p\n"
     "p0 mmap m1 f0 len=2p prot=rw flags=shared -> 0x7f0000001000\n"
     "p0 load m0+1p-1 -> 0x00\n"
     "p0 munmap m9 len=1p -> unbound\n"
     "p0 load m1+1p -> SIGBUS/ADRERR at 0x7f0000002000\n",
     "SIGBUS/ADRALN at 0x7f0000002000"},
    {"AStoreIsSeenAfterFork", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 fork p1 -> 101\n"
     "p1 store m0+2 0x4142 -> ok\n"
     "p0 load m0+2 size=2 -> 0x4142\n",
     "0x0000"},
    {"AnImageBeginsAnew", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 fork p1 -> 101\n"
     "p1 exec image=missing -> ENOENT\n"
     "p1 store m0 0x41 -> ok\n"
     "p1 exec -> ok\n"
     "p1 load m0 -> SIGSEGV/MAPERR at a+0p\n"
     "p0 load m0 -> 0x41\n",
     "0x00"},
    {"AFailedSystemCall", false, "p0 mmap m0 - len=0 prot=rw flags=shared,anon -> EINVAL\n", "ENOMEM"},
    {"AnUnalignedOffset", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 mmap m0 f0 len=1p prot=rw flags=shared off=1 -> EINVAL\n",
     "0x7f0000001000"},
    {"AnAddressByName", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 mmap m1 - len=1p prot=rw flags=shared,anon,fixed addr=m0 -> 0x7f0000001000\n",
     "0x7f0000003000"},
    {"RunsByLoad", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=5 byte=0x41 -> 5\n"
     "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a -> a+0p\n"
     "p0 contents m0+1 len=2p -> {4*41 PAGE5*00 PAGE*SIGBUS/ADRERR 1*SIGSEGV/MAPERR}\n",
     "{4*41 PAGE5*00 PAGE*SIGBUS/ADRERR 1*SIGBUS/ADRERR}"},
    {"RunsByTheKernel", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 store m0+1 0x4141414141414141 -> ok\n"
     "p0 contents m0 len=1p+9 via=kernel -> {1*00 8*41 PAGE9*00 9*EFAULT}\n",
     "{1*00 8*41 PAGE9*00 9*00}"},
    {"AnEmptyWrite", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=0 byte=0x41 -> 0\n",
     "1"},
    {"NothingBesideAMapping", false,
     "p0 mmap m0 - len=2p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 mprotect m0+1p len=2p prot=r -> ENOMEM\n",
     "ok"},
    {"Pread", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=5 byte=0x41 off=1 -> 5\n"
     "p0 pread f0 len=1p -> {1*00 5*41}\n",
     "{1*00 6*41}"},
    {"ThroughMemory", false,
     "p0 open f0 n0 access=rw flags=creat,excl mode=600 -> ok\n"
     "p0 mmap m0 - len=1p prot=rw flags=private,anon -> 0x7f0000001000\n"
     "p0 store m0 0x4142 -> ok\n"
     "p0 pwrite_from f0 m0 len=2 -> 2\n"
     "p0 pread_to f0 m0+8 len=2 -> 2\n"
     "p0 load m0+8 size=2 -> 0x4142\n",
     "0x4141"},
    {"Smaps", false,
     "p0 mmap m0 - len=3p prot=rw flags=shared,anon,locked addr=a+1p -> a+1p\n"
     "p0 fork p1 -> 101\n"
     "p1 mlock m0+1p len=1p -> ok\n"
     "p0 mprotect m0 len=1p prot=r -> ok\n"
     "p0 smaps m0+2p -> {a+2p..a+4p shared=PAGE private=PAGE sh lo}\n",
     "{a+2p..a+4p shared=0 private=PAGE sh lo}"},
    {"SmapsFlags", false,
     "p0 mmap m0 - len=2p prot=rw flags=private,anon addr=a -> a+0p\n"
     "p0 madvise m0 len=2p advice=wipeonfork -> ok\n"
     "p0 madvise m0 len=1p advice=random -> ok\n"
     "p0 mlock m0 len=1p -> ok\n"
     "p0 smaps m0 -> {a+0p..a+1p shared=0 private=PAGE lo rr wf}\n",
     "{a+0p..a+1p shared=0 private=PAGE lo rr}"},
    {"NoEntryOfSmaps", false, "p0 smaps 0 -> ENODATA\n", "{a+2p..a+4p shared=0 private=0}"},
    {"Rss", false,
     "p0 mmap m0 - len=3p prot=rw flags=shared,anon,locked -> 0x7f0000001000\n"
     "p0 rss what=shmem -> 3\n",
     "2"},
    {"FileStat", false,
     "p0 open f3 n7 access=rw flags=creat mode=640 -> ok\n"
     "p0 truncate n7 size=1p -> ok\n"
     "p0 unlink n7 -> ok\n"
     "p0 fstat f3 -> {size=PAGE links=0 mode=100640 uid=UID gid=GID}\n",
     "{size=PAGE links=1 mode=100640 uid=UID gid=GID}"},
    {"ABadDescriptor", false, "p0 close bad -> EBADF\n", "ok"},
    {"ADeathByDefault", false,
     "p0 fork p1 -> 101\n"
     "p1 fork p2 -> 102\n"
     "p2 exit status=3 -> died exit=3\n"
     "p1 load 0 act=blocked -> died SIGSEGV\n",
     "0x00"},
    {"AGrandchildOfTheDead", false,
     "p0 fork p1 -> 101\n"
     "p1 fork p2 -> 102\n"
     "p0 kill p1 signal=term -> ok\n"
     "p2 exit -> died exit=0\n",
     "died exit=1"},
    {"Maps", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 mmap m0 f0 len=2p prot=r flags=shared addr=a+1p -> a+1p\n"
     "p0 mprotect m0 len=1p prot=none -> ok\n"
     "p0 mmap m1 - len=1p prot=rx flags=private,anon addr=a+8p -> a+8p\n"
     "p0 maps -> {0x400000..0x401000 r-xp off=0p other; a+1p..a+2p ---s off=0p file n0; a+2p..a+3p r--s "
     "off=1p file "
     "n0; a+8p..a+9p r-xp off=0p anon}\n",
     "{a+1p..a+3p r--s off=0p file n0; a+8p..a+9p r-xp off=0p anon}"},
    {"Moves", false,
     "p0 mmap m0 - len=2p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 msync m0 len=1p flags=sync -> ok\n"
     "p0 madvise m0 len=1p advice=willneed -> ok\n"
     "p0 mremap m1 m0 old=1p new=1p flags=maymove,fixed to=a+9p -> a+9p\n"
     "p0 munmap m1 len=1p -> ok\n"
     "p0 load m0 -> SIGSEGV/MAPERR at a+0p+5\n",
     "SIGSEGV/ACCERR at a+0p"},
    {"ASegment", true,
     "p0 shmget s0 key=k1 size=1 flags=creat mode=600 -> 7\n"
     "p0 shmat m0 s0 -> 0x7f0000001000\n"
     "p0 fork p1 -> 101\n"
     "p1 shmat m1 s0 flags=rdonly addr=a+2p -> a+2p\n"
     "p1 shmctl s0 cmd=set owner=u1 mode=640 -> ok\n"
     "p0 shmctl s0 cmd=stat -> {key=0x73686d01 uid=65533 gid=65533 cuid=0 cgid=0 mode=0640 segsz=1 atime=9 "
     "dtime=0 "
     "ctime=9 "
     "cpid=100 lpid=101 nattch=3}\n",
     "{key=0x73686d01 uid=65533 gid=65533 cuid=0 cgid=0 mode=0640 segsz=1 atime=9 dtime=0 ctime=9 cpid=100 "
     "lpid=101 "
     "nattch=2}"},
    {"AnIdByName", true,
     "p0 shmget s0 key=k1 size=1p flags=creat mode=600 -> 7\n"
     "p0 shmctl s0 cmd=rmid -> ok\n"
     "p0 shmget s1 key=k1 size=1p flags=creat mode=600 -> 8\n",
     "7"},
    {"TheEnd", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 shmget s1 key=private size=1p mode=600 -> 8\n"
     "p0 shmat m0 s0 -> 0x7f0000001000\n"
     "p0 shmdt m0 -> ok\n"
     "p0 shmctl s1 cmd=rmid -> ok\n"
     "end -> {used=1; s0={key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 ctime=1 "
     "cpid=100 "
     "lpid=100 nattch=0}; s1=EINVAL}\n",
     "{used=2; s0={key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 ctime=1 cpid=100 "
     "lpid=100 "
     "nattch=0}; s1=EINVAL}"},
    {"AnotherUser", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 -> ok\n"
     "p1 kill p0 -> EPERM\n"
     "p1 shmat m0 s0 -> EACCES\n",
     "0x7f0000001000"},
    {"AMemberOfTheGroup", true,
     "p0 shmget s0 key=private size=1p mode=60 -> 7\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 group=u2 groups=u0 -> ok\n"
     "p0 shmctl s0 cmd=set owner=u0:none mode=60 -> EINVAL\n"
     "p1 shmat m0 s0 -> 0x7f0000001000\n"
     "p1 setid user=u1 groups=u0 -> EPERM\n",
     "ok"},
    {"TheSameUserOnceMore", true,
     "p0 fork p1 -> 101\n"
     "p0 setid user=u0 -> ok\n"
     "p1 setid user=u1 -> ok\n"
     "p1 setid user=u1 -> ok\n"
     "p1 setid user=u0 -> EPERM\n",
     "ok"},
    {"WhatIsMapped", true,
     "p0 descriptors -> 0\n"
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 map_file f1 m0+100 -> ok\n",
     "EPERM"},
    {"WhatIsOpenInANewImage", false,
     "p0 memfd f0 -> ok\n"
     "p0 shm_open f1 o0 access=rw flags=creat mode=600 -> ok\n"
     "p0 exec -> ok\n"
     "p0 descriptors -> 1\n",
     "2"},
    {"TheNameOfAMemoryFile", false,
     "p0 memfd f0 name=longest -> ok\n"
     "p0 memfd f1 name=longer -> EINVAL\n"
     "p0 memfd_name f1 -> ENOENT\n"
     "p0 memfd_name f0 -> {1*2f 1*6d 1*65 1*6d 1*66 1*64 1*3a 249*6e 1*20 1*28 1*64 1*65 1*6c 1*65 1*74 1*65 "
     "1*64 1*29}\n",
     "{1*2f 1*6d 1*65 1*6d 1*66 1*64 1*3a 248*6e 1*20 1*28 1*64 1*65 1*6c 1*65 1*74 1*65 1*64 1*29}"},
    {"TheBreakOfANewImage", false,
     "p0 mmap m0 - len=4p prot=rw flags=private,anon,populate -> 0x7f0000001000\n"
     "p0 exec -> ok\n"
     "p0 brk -> 0\n",
     "4096"},
    {"ACrowd", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 descriptors -> 0\n"
     "p0 crowd left=1 -> 1\n"
     "p0 mmap m1 - len=1p prot=rw flags=shared,anon -> 0x7f0000003000\n"
     "p0 mmap m2 - len=1p prot=rw flags=shared,anon -> ENOMEM\n",
     "0x7f0000005000"},
    {"AnObjectOfSomebodyElse", true,
     "p0 shm_open f0 o0 access=rw flags=creat,excl mode=600 -> ok\n"
     "p0 shm_open f1 long access=rw -> ENAMETOOLONG\n"
     "p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 -> ok\n"
     "p1 shm_unlink o0 -> EACCES\n",
     "ok"},
    {"AnObjectInMaps", false,
     "p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f1 size=1p -> ok\n"
     "p0 mmap m0 f1 len=1p prot=r flags=shared,fixed addr=a -> a\n"
     "p0 shm_unlink o3 -> ok\n"
     "p0 maps -> {a+0p..a+1p r--s off=0p file o3 deleted}\n",
     "{a+0p..a+1p r--s off=0p file o3}"},
    {"TheLastProcess", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon,fixed addr=a -> a\n"
     "p0 fork p63 -> 101\n"
     "p63 store m0 0x41 -> ok\n"
     "p63 exit status=7 -> died exit=7\n"
     "p0 load m0 -> 0x41\n",
     "0x00"},
    {"StorageOfAHole", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f0 size=1p -> ok\n"
     "p0 blocks f0 -> 0\n",
     "8"},
    {"AnotherNamespace", true,
     "p0 fork p1 -> 101\n"
     "p1 unshare -> ok\n"
     "p1 shmget s0 key=k1 size=1p flags=creat mode=600 -> 7\n"
     "p0 shmget s1 key=k1 size=0 -> ENOENT\n"
     "p0 setns p1 by=file -> ok\n"
     "p1 setns p0 -> ok\n"
     "p0 shmget s1 key=k1 size=0 -> 7\n",
     "ENOENT"},
    {"FirstOfItsPids", true,
     "p0 shmget s0 key=k1 size=1p flags=creat mode=666 -> 7\n"
     "p0 shmat m0 s0 -> 0x7f0000000000\n"
     "p0 fork p1 new=pid -> 101\n"
     "p1 shmat m1 s0 -> 0x7f0000100000\n"
     "p1 shmctl s0 cmd=stat -> {key=0x73686d01 uid=0 gid=0 cuid=0 cgid=0 mode=0666 segsz=4096 atime=1 "
     "dtime=0 "
     "ctime=1 cpid=0 lpid=1 nattch=3}\n",
     "{key=0x73686d01 uid=0 gid=0 cuid=0 cgid=0 mode=0666 segsz=4096 atime=1 dtime=0 ctime=1 cpid=100 "
     "lpid=101 "
     "nattch=3}"},
    {"RootOfNobody", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 unshare what=user -> ok\n"
     "p0 shmctl s0 cmd=set owner=u1 mode=600 -> EINVAL\n",
     "ok"},
    {"TwoNames", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 link n0 to=n1 -> ok\n"
     "p0 link n0 to=n1 -> EEXIST\n"
     "p0 rename n1 to=n2 -> ok\n"
     "p0 fstat f0 -> {size=0 links=2 mode=100600 uid=UID gid=GID}\n",
     "{size=0 links=1 mode=100600 uid=UID gid=GID}"},
    {"ARaceForAKey", true,
     "p0 race_shmget s0 key=k1 size=1p flags=creat mode=600 -> {101=7 102=7 103=7 104=7}\n"
     "p0 shmget s1 key=k1 size=0 -> 7\n"
     "p0 race_shmget s2 key=k2 size=1p flags=creat,excl mode=600 -> {105=EEXIST 106=8 107=EEXIST "
     "108=EEXIST}\n",
     "{105=EEXIST 106=8 107=9 108=EEXIST}"},
    {"ARaceForAnAttach", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 shmat m0 s0 -> 0x7f0000001000\n"
     "p0 store m0 0x4142434445464748 -> ok\n"
     "p0 race_shmat s0 against=fork -> {101=0x4142434445464748 102=0x4142434445464748 103=0x4142434445464748 "
     "104=0x4142434445464748 105=0x4142434445464748 106=0x4142434445464748 107=0x4142434445464748 "
     "108=0x4142434445464748}\n"
     "p0 race_shmat s0 against=rmid -> {111=ok 112=0x4142434445464748 113=0x4142434445464748 "
     "114=0x4142434445464748}\n",
     "{111=ok 112=0x4142434445464748 113=0x4142434445464748 114=EINVAL}"},
    {"TheCountAfterAStorm", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 race_shmat s0 against=fork -> {101=0x0000000000000000 102=0x0000000000000000 103=0x0000000000000000 "
     "104=0x0000000000000000 105=0x0000000000000000 106=0x0000000000000000 107=0x0000000000000000 "
     "108=0x0000000000000000}\n"
     "p0 shmctl s0 cmd=stat -> {key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 "
     "ctime=1 "
     "cpid=100 lpid=108 nattch=0}\n",
     "{key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 ctime=1 cpid=100 lpid=108 "
     "nattch=1}"},
};

}  // namespace shmcheck::program
