// Huge pages: what could take any of the machine's is withheld, and what can only be refused is not.
#include <gtest/gtest.h>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

using program::HugePages;

TEST(HugePages, OnlyWhatCannotTakeAnyIsAskedFor) {
  switch (shared_driver().facts.at(0).huge) {
    case HugePages::empty:
      return expect_trace(shared_driver(), R"(
p0 mmap m0 - len=1p prot=rw flags=shared,anon,huge -> ENOMEM
p0 mmap m0 - len=1p prot=rw flags=shared,anon,noreserve,huge -> withheld
p0 mmap m0 - len=1p prot=rw flags=shared,anon,fixed,huge addr=a -> withheld
p0 shmget s0 key=private size=1p flags=noreserve,huge mode=600 -> withheld
)");
    case HugePages::none:
      return expect_trace(shared_driver(), R"(
p0 mmap m0 - len=1p prot=rw flags=shared,anon,noreserve,huge -> EINVAL
p0 shmget s0 key=private size=1p flags=noreserve,huge mode=600 -> EINVAL
p0 memfd f0 flags=huge -> ENOSYS
)");
    default:
      return expect_trace(shared_driver(), R"(
p0 mmap m0 - len=1p prot=rw flags=shared,anon,huge -> withheld
p0 shmget s0 key=private size=1p flags=huge mode=600 -> withheld
)");
  }
}

TEST(HugePages, OfAFileOfThemOnlyWhatItIsIsLookedAt) {
  const HugePages huge = shared_driver().facts.at(0).huge;
  if (huge != HugePages::empty && huge != HugePages::some) GTEST_SKIP() << "none to be had";
  expect_trace(shared_driver(), R"(
p0 memfd f0 flags=sealing,huge -> ok
p0 memfd f1 flags=sealing -> ok
p0 seals f0 -> 0
p0 seal f0 seals=shrink -> ok
p0 fstat f0 -> {size=0 *}
p0 ftruncate f0 size=1 -> EINVAL
p0 pread f0 len=1 -> withheld
p0 pread f1 len=1 -> {}
p0 mmap m0 f0 len=1p prot=r flags=private -> withheld
p0 close f0 -> ok
p0 pread f0 len=1 -> EBADF
)");
}

}  // namespace
}  // namespace shmcheck::executor
