// Who a child process is: uids, groups and capabilities.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "conformance/framework/report.h"

namespace shmcheck::conformance {

struct Identity {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups{};
};

// Capability numbers of capabilities(7), as the kernel ABI has them.
inline constexpr int kCapDacOverride = 1;
inline constexpr int kCapIpcLock = 14;
inline constexpr int kCapIpcOwner = 15;
inline constexpr int kCapSysAdmin = 21;
inline constexpr int kCapSysResource = 24;

// The calling process, a child of the test, becomes this user and has no capabilities (unless uid is 0).
void Become(const Identity& identity, Where where = Where::Here());
// Takes capabilities out of the effective and permitted sets of the calling process.
void DropCapabilities(const std::vector<int>& capabilities, Where where = Where::Here());
// Leaves nothing but these.
void KeepCapabilities(const std::vector<int>& capabilities, Where where = Where::Here());

// Runs `body` in a child of that identity and waits for its end, which must be in order.
void RunAs(const Identity& identity, const std::function<void()>& body, Where where = Where::Here());
// Runs `body` in a child of the same identity.
void InChild(const std::function<void()>& body, Where where = Where::Here());

}  // namespace shmcheck::conformance
