// What of its memory a process has in memory.
#include <gtest/gtest.h>

#include "executor/ops_test.h"

namespace shmcheck::executor {
namespace {

TEST_F(Ops, EntriesOfSmapsTellWhoMapsAPage) {
  if (!shared_driver().facts.at(0).smaps) GTEST_SKIP() << "no /proc/self/smaps";
  Expect(R"(
p0 mmap m0 - len=2p prot=rw flags=shared,anon addr=a -> a+0p
p0 smaps m0 -> {a+0p..a+2p shared=0 private=0 sh}
p0 mlock m0 len=2p -> ok
p0 smaps m0+1p+100 -> {a+0p..a+2p shared=0 private=8192 sh lo}
p0 fork p1 -> *
p1 store m0 0x41 -> ok
p0 smaps m0 -> {a+0p..a+2p shared=4096 private=4096 sh lo}
p1 smaps m0 -> {a+0p..a+2p shared=4096 private=0 sh}
p0 mmap m1 - len=1p prot=rw flags=private,anon addr=a+4p -> a+4p
p0 store m1 0x41 -> ok
p0 smaps m1 -> {a+4p..a+5p shared=0 private=4096}
p0 madvise m1 len=1p advice=wipeonfork -> ok
p0 madvise m1 len=1p advice=sequential -> ok
p0 smaps m1 -> {a+4p..a+5p shared=0 private=4096 sr wf}
p0 madvise m0 len=2p advice=dontfork -> ok
p0 madvise m0 len=2p advice=random -> ok
p0 smaps m0 -> {a+0p..a+2p shared=4096 private=4096 sh lo rr dc}
p0 smaps a+3p -> ENODATA
p0 smaps top -> ENODATA
p0 smaps 0 -> ENODATA
)");
}

TEST_F(Ops, EntriesOfSmapsNameLocksOnFault) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (!facts.smaps) GTEST_SKIP() << "no /proc/self/smaps";
  if (facts.release < program::release(6, 2)) GTEST_SKIP() << "this kernel has no name for them";
  Expect(R"(
p0 mmap m0 - len=2p prot=rw flags=shared,anon addr=a -> a+0p
p0 mlock m0 len=2p flags=onfault -> ok
p0 smaps m0 -> {a+0p..a+2p shared=0 private=0 sh lo lf}
)");
}

TEST_F(Ops, CountersOfStatusLeaveTheExecutorsPagesOut) {
  const program::Facts& facts = shared_driver().facts.at(0);
  if (!facts.rss) GTEST_SKIP() << "what the executor has in memory itself is not known";
  if (facts.release >= program::release(6, 2) && facts.release < program::release(6, 17))
    GTEST_SKIP() << "this kernel shows counters without what each processor has yet to add to them";
  Expect(R"(
p0 rss what=anon -> 0
p0 rss what=file -> 0
p0 rss what=shmem -> 0
p0 mmap m0 - len=3p prot=rw flags=shared,anon -> *
p0 mmap m1 - len=2p prot=rw flags=private,anon,populate -> *
p0 store m0+1p 0x41 -> ok
p0 rss what=shmem -> 1
p0 rss what=anon -> 2
p0 mlockall flags=current -> ok
p0 rss what=shmem -> 3
p0 rss what=file -> 0
p0 fork p1 -> *
p1 rss what=shmem -> 0
p1 rss what=anon -> 2
p0 exec -> ok
p0 rss what=shmem -> 0
p0 rss what=anon -> 0
)");
}

}  // namespace
}  // namespace shmcheck::executor
