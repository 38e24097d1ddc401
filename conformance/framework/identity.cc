#include "conformance/framework/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conformance/framework/process.h"
#include "gtest/gtest.h"

namespace shmcheck::conformance {
namespace {

using CapabilitySet = uint64_t;

void ChangeCapabilities(const std::function<CapabilitySet(CapabilitySet)>& change, Where where) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) Abandon(where, "capget fails with " + ErrnoName(errno));
  const CapabilitySet permitted = data[0].permitted | static_cast<CapabilitySet>(data[1].permitted) << 32;
  const CapabilitySet wanted = change(permitted);
  for (int half = 0; half < 2; ++half) {
    data[half].effective = data[half].permitted = static_cast<uint32_t>(wanted >> (32 * half));
    data[half].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, data) != 0) Abandon(where, "capset fails with " + ErrnoName(errno));
}

CapabilitySet SetOf(const std::vector<int>& capabilities) {
  CapabilitySet set = 0;
  for (const int capability : capabilities) set |= CapabilitySet{1} << capability;
  return set;
}

}  // namespace

void Become(const Identity& identity, Where where) {
  if (setgroups(identity.groups.size(), identity.groups.data()) != 0)
    Abandon(where, "setgroups fails with " + ErrnoName(errno));
  if (setresgid(identity.gid, identity.gid, identity.gid) != 0)
    Abandon(where, "setresgid fails with " + ErrnoName(errno));
  if (setresuid(identity.uid, identity.uid, identity.uid) != 0)
    Abandon(where, "setresuid fails with " + ErrnoName(errno));
  // Changing the uid makes the process undumpable, which hands its /proc files to root.
  if (prctl(PR_SET_DUMPABLE, 1) != 0) Abandon(where, "prctl fails with " + ErrnoName(errno));
}

void DropCapabilities(const std::vector<int>& capabilities, Where where) {
  ChangeCapabilities([&](CapabilitySet has) { return has & ~SetOf(capabilities); }, where);
}

void KeepCapabilities(const std::vector<int>& capabilities, Where where) {
  ChangeCapabilities([&](CapabilitySet has) { return has & SetOf(capabilities); }, where);
}

void RunAs(const Identity& identity, const std::function<void()>& body, Where where) {
  InChild(
      [&] {
        Become(identity, where);
        body();
      },
      where);
}

void InChild(const std::function<void()>& body, Where where) {
  Child child([&](Channel&) { body(); }, where);
  const testing::ScopedTrace trace(where.file, where.line, "in a child");
  EXPECT_THAT(child.Join(where), ExitsWith(0));
}

}  // namespace shmcheck::conformance
