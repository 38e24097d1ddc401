// What a test needs of its target. A missing need makes the test a SKIP that carries the evidence.
#pragma once

#include <optional>
#include <string>

namespace shmcheck::conformance {

enum class NeedKind {
  root,             // effective uid 0 with CAP_SYS_ADMIN in the initial or our own user namespace
  machine_root,     // the same in the initial user namespace: its capabilities hold for the machine
  second_uid,       // a child can become uid and gid 65534 with no capabilities
  ipc_namespace,    // the test process gets a fresh IPC namespace before its body runs
  mount_namespace,  // the test process gets a private mount namespace before its body runs
  pid_namespace,    // children can be put into a new PID namespace
  user_namespace,   // children can be put into a new user namespace
  tmpfs,            // a directory on tmpfs
  ext4,             // a directory on ext4
  block_device,     // the device beneath the ext4 directory can be read
  memfd,            // memfd_create
  proc,             // procfs of our own PID namespace at /proc
  dev_shm,          // a tmpfs at /dev/shm, where shm_open keeps its objects
  hugetlb,          // at least `number` free huge pages of the default size
  swap,             // active swap space
  kernel,           // kernel release at least number.second
  kernel_outside,   // kernel release not within number…second, both as major * 1000 + minor
  path,             // `text` exists
  threads,          // more than one thread can be created
};

struct Need {
  NeedKind kind;
  int number = 0;
  int second = 0;
  const char* text = nullptr;
};

namespace need {
inline constexpr Need root{NeedKind::root};
inline constexpr Need machine_root{NeedKind::machine_root};
inline constexpr Need second_uid{NeedKind::second_uid};
inline constexpr Need ipc_namespace{NeedKind::ipc_namespace};
inline constexpr Need mount_namespace{NeedKind::mount_namespace};
inline constexpr Need pid_namespace{NeedKind::pid_namespace};
inline constexpr Need user_namespace{NeedKind::user_namespace};
inline constexpr Need tmpfs{NeedKind::tmpfs};
inline constexpr Need ext4{NeedKind::ext4};
inline constexpr Need block_device{NeedKind::block_device};
inline constexpr Need memfd{NeedKind::memfd};
inline constexpr Need proc{NeedKind::proc};
inline constexpr Need dev_shm{NeedKind::dev_shm};
inline constexpr Need swap{NeedKind::swap};
inline constexpr Need threads{NeedKind::threads};
constexpr Need hugetlb(int pages = 1) {
  return {NeedKind::hugetlb, pages};
}
constexpr Need kernel(int major, int minor) {
  return {NeedKind::kernel, major, minor};
}
// Kernels of these releases, both included, behave otherwise for a known reason.
constexpr Need kernel_outside(int major, int first_minor, int last_minor) {
  return {NeedKind::kernel_outside, major * 1000 + first_minor, major * 1000 + last_minor};
}
constexpr Need path(const char* name) {
  return {NeedKind::path, 0, 0, name};
}
}  // namespace need

// The name as `--list-clauses` prints it, e.g. "kernel>=6.2".
std::string NeedName(const Need& need);

// Nothing when the target has it, else what was tried and what came back.
std::optional<std::string> Missing(const Need& need);

// Runs `attempt` in a child process; gives the errno it returned, or -1 when the child died.
int Trial(int (*attempt)());

}  // namespace shmcheck::conformance
