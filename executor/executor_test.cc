#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/driver.h"

namespace shmcheck::executor {
namespace {

Driver& Shared() {
  static Driver driver({executor_path()});
  return driver;
}

using ::testing::HasSubstr;

TEST(Executor, RunsAProgramOfTwoProcesses) {
  EXPECT_THAT(Shared().run(R"(p0 open f0 n0 access=rw flags=creat mode=644
p0 ftruncate f0 size=1
p0 mmap m0 f0 len=2p prot=rw flags=shared
p0 fork p1
p1 store m0 0x41
p0 load m0
p0 load m0+1p
)"),
              HasSubstr("p0 load m0 -> 0x41\np0 load m0+1p -> SIGBUS/ADRERR at"));
}

}  // namespace
}  // namespace shmcheck::executor
