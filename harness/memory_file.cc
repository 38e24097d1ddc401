#include "harness/memory_file.h"

#include <fmt/format.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace shmcheck::harness {
namespace {

// Kernels since 6.3 want to be told whether a memory file may be executed; older ones refuse the flag.
int create(const char* name, bool executable) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC | (executable ? MFD_EXEC : MFD_NOEXEC_SEAL));
  if (fd >= 0 || errno != EINVAL) return fd;
  return ::memfd_create(name, MFD_CLOEXEC);
}

}  // namespace

std::string make_memory_file(const char* name, std::span<const std::uint8_t> content, bool executable,
                             Fd& file) {
  file = Fd(create(name, executable));
  if (!file) return fmt::format("cannot make a file in memory for the {}: {}", name, std::strerror(errno));
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t n = ::write(file.get(), content.data() + written, content.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fmt::format("cannot write the {} to a file in memory: {}", name, std::strerror(errno));
    written += static_cast<std::size_t>(n);
  }
  return {};
}

std::string path_of(const Fd& file) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), file.get());
}

}  // namespace shmcheck::harness
