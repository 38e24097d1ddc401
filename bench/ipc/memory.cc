#include "bench/ipc/memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bench/ipc/channel.h"
#include "harness/fd.h"

namespace shmcheck::bench {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

void* map(std::size_t size, int flags, int fd) {
  void* at = ::mmap(nullptr, size, kReadWrite, flags, fd, 0);
  if (at == MAP_FAILED) fail("mmap");
  return at;
}

void* map_file(std::size_t size) {
  constexpr const char* kDirectory = "/dev/shm";
  struct statfs fs = {};
  if (::statfs(kDirectory, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
    throw Unavailable("there is no tmpfs at /dev/shm");
  const harness::Fd fd(::open(kDirectory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) unavailable("open of an unnamed file in /dev/shm");
  // Allocated now: a full tmpfs would otherwise end the processes with SIGBUS.
  const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
  if (error != 0) throw Unavailable(std::string("no room in /dev/shm: ") + std::strerror(error));
  return map(size, MAP_SHARED, fd.get());
}

void* attach_segment(std::size_t size) {
  const int id = ::shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
  if (id < 0) unavailable("shmget");
  void* at = ::shmat(id, nullptr, 0);
  const int why = errno;
  // What is attached, here and by fork, keeps it until the last of us has ended.
  if (::shmctl(id, IPC_RMID, nullptr) != 0) fail("shmctl IPC_RMID");
  errno = why;
  if (at == reinterpret_cast<void*>(-1)) unavailable("shmat");
  return at;
}

void* make(Kind kind, std::size_t size) {
  switch (kind) {
    case Kind::file:
      return map_file(size);
    case Kind::anonymous:
      return map(size, MAP_SHARED | MAP_ANONYMOUS, -1);
    case Kind::system_v:
      break;
  }
  return attach_segment(size);
}

}  // namespace

void fail(const char* call) {
  throw std::runtime_error(std::string(call) + ": " + std::strerror(errno));
}

void unavailable(const char* call) {
  throw Unavailable(std::string(call) + ": " + std::strerror(errno));
}

Buffer::Buffer(std::size_t size)
    : data_(static_cast<std::byte*>(map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1))), size_(size) {}

Buffer::~Buffer() {
  ::munmap(data_, size_);
}

SharedMemory::SharedMemory(Kind kind, std::size_t size) : kind_(kind), size_(size), at_(make(kind, size)) {}

SharedMemory::~SharedMemory() {
  if (kind_ == Kind::system_v) {
    ::shmdt(at_);
  } else {
    ::munmap(at_, size_);
  }
}

}  // namespace shmcheck::bench
