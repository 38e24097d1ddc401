// Many segments, and many processes that are attached to one of them.

#include <signal.h>

#include <memory>
#include <vector>

#include "conformance/framework/conformance.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

constexpr int kSegments = 4096;  // the default of kernel.shmmni
constexpr unsigned kProcesses = 64;

CONFORMANCE(SysvLife, SixtyFourProcessesAreAttachedToOneOfFourThousandSegments, Clause::shmat_nattch,
            Clause::shmat_exit_detaches, Clause::limit_shmmni, need::ipc_namespace) {
  ASSERT_EQ(ReadLimits().shmmni, kSegments);
  std::vector<int> ids;
  for (int i = 0; i < kSegments; ++i) {
    const Outcome made = Create(IPC_PRIVATE, page(), IPC_CREAT | 0600);
    ASSERT_TRUE(made.ok()) << i << ": " << made;
    ids.push_back(static_cast<int>(made.value));
  }
  EXPECT_THAT(Create(IPC_PRIVATE, page(), IPC_CREAT | 0600), FailsWith(ENOSPC));
  EXPECT_EQ(ReadUsage().segments, kSegments);
  const int id = ids[kSegments / 2];

  std::vector<std::unique_ptr<Child>> users;
  for (unsigned i = 0; i < kProcesses; ++i) {
    users.push_back(std::make_unique<Child>([=](Channel& test) {
      const Outcome at = Attached(id);
      ASSERT_THAT(at, Succeeds());
      EXPECT_THAT(Store(at.address() + i, static_cast<uint8_t>(i + 1)), Works());
      test.Signal();
      test.Wait();
    }));
    users.back()->Wait();
    EXPECT_EQ(StateOf(id).nattch, i + 1);
  }
  const Outcome at = Attached(id);
  ASSERT_THAT(at, Succeeds());
  for (unsigned i = 0; i < kProcesses; ++i)
    EXPECT_THAT(Load(at.address() + i), Reads(static_cast<uint8_t>(i + 1)));

  for (unsigned i = 0; i < kProcesses; ++i) {
    if (i % 4 == 0)
      users[i]->Kill(SIGKILL);
    else
      users[i]->Signal();
    EXPECT_THAT(users[i]->Join(), i % 4 == 0 ? DiesBy(SIGKILL) : ExitsWith(0));
    EXPECT_EQ(StateOf(id).nattch, kProcesses - i) << "the test itself is one more";
  }
  for (const int each : ids) EXPECT_THAT(Returned(shmctl(each, IPC_RMID, nullptr)), Succeeds());
  EXPECT_EQ(ReadUsage().segments, 1) << "the test is still attached to one";
  EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
  EXPECT_EQ(ReadUsage().segments, 0);
}

}  // namespace
}  // namespace shmcheck::conformance
