#include "conformance/framework/objects.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <string_view>

#include "conformance/framework/memory.h"

namespace shmcheck::conformance {
namespace {

[[noreturn]] void AbandonErrno(Where where, const std::string& call) {
  const int error = errno;
  Abandon(where, call + " fails with " + ErrnoName(error));
}

int fresh_names = 0;

}  // namespace

Fd Open(const std::string& path, int flags, mode_t mode, Where where) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) AbandonErrno(where, "open(" + path + ")");
  return Fd(fd);
}

Mapping::~Mapping() {
  if (address_ != nullptr) munmap(address_, size_);
}

void Mapping::Unmap(Where where) {
  if (munmap(release(), size_) != 0) AbandonErrno(where, "munmap");
}

Mapping Map(int fd, size_t size, int prot, int flags, off_t offset, void* address, Where where) {
  void* const mapped = mmap(address, size, prot, flags, fd, offset);
  if (mapped == MAP_FAILED) AbandonErrno(where, "mmap");
  return {mapped, size};
}

Mapping MapShared(int fd, size_t size, Where where) {
  return Map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0, nullptr, where);
}

Mapping MapPrivate(int fd, size_t size, Where where) {
  return Map(fd, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, nullptr, where);
}

Mapping MapSharedAnonymous(size_t size, Where where) {
  return Map(-1, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, nullptr, where);
}

Mapping MapPrivateAnonymous(size_t size, Where where) {
  return Map(-1, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0, nullptr, where);
}

Mapping Reserve(size_t size, Where where) {
  return Map(-1, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0, nullptr, where);
}

Hole::Hole(size_t size, Where where) : reserved_(Reserve(size + 2 * page(), where)) {
  if (munmap(at(), size) != 0) AbandonErrno(where, "munmap");
}

TempFile::TempFile(size_t size, Place where_it_lives, Where where) {
  if (where_it_lives == Place::memfd) {
    fd_ = Fd(static_cast<int>(syscall(SYS_memfd_create, "conformance", 1U /* MFD_CLOEXEC */)));
    if (fd_.get() < 0) AbandonErrno(where, "memfd_create");
  } else {
    const std::string& home = env().at(where_it_lives == Place::none ? Place::tmpfs : where_it_lives).path;
    if (home.empty())
      Abandon(where, "no directory for the file: declare on::files, need::tmpfs or need::ext4");
    path_ = home + "/file" + std::to_string(getpid()) + "." + std::to_string(fresh_names++);
    fd_ = Open(path_, O_RDWR | O_CREAT | O_EXCL, 0600, where);
  }
  if (size > 0) Resize(size, where);
}

TempFile::~TempFile() {
  Unlink();
}

void TempFile::Unlink() {
  if (!path_.empty()) unlink(path_.c_str());
}

struct stat TempFile::Stat(Where where) const {
  struct stat status {};
  if (fstat(fd(), &status) != 0) AbandonErrno(where, "fstat");
  return status;
}

size_t TempFile::size(Where where) const {
  return static_cast<size_t>(Stat(where).st_size);
}

void TempFile::Resize(size_t size, Where where) {
  if (ftruncate(fd(), static_cast<off_t>(size)) != 0) AbandonErrno(where, "ftruncate");
}

void TempFile::FillPattern(unsigned seed, Where where) {
  const auto bytes = Pattern(0, size(where), seed);
  Write(0, bytes.data(), bytes.size(), where);
}

void TempFile::Write(size_t offset, const void* data, size_t size, Where where) {
  const ssize_t written = pwrite(fd(), data, size, static_cast<off_t>(offset));
  if (written < 0) AbandonErrno(where, "pwrite");
  if (written != static_cast<ssize_t>(size)) Abandon(where, "pwrite was short");
}

Fd TempFile::Reopen(int flags, Where where) const {
  return Open(path_.empty() ? "/proc/self/fd/" + std::to_string(fd()) : path_, flags, 0600, where);
}

std::string FreshPath(const std::string& stem) {
  return directory() + "/" + stem + std::to_string(getpid()) + "." + std::to_string(fresh_names++);
}

Segment::Segment(size_t size, int flags, Where where) : id_(shmget(IPC_PRIVATE, size, flags | IPC_CREAT)) {
  if (id_ < 0) AbandonErrno(where, "shmget");
  Send(Record::Kind::segment, "", id_, "");
}

Segment Segment::Adopt(int id) {
  if (id >= 0) Send(Record::Kind::segment, "", id, "");
  return {Adopted{}, id};
}

Segment::~Segment() {
  if (id_ >= 0) shmctl(id_, IPC_RMID, nullptr);
}

shmid_ds Segment::Stat(Where where) const {
  shmid_ds status{};
  if (shmctl(id_, IPC_STAT, &status) != 0) AbandonErrno(where, "shmctl(IPC_STAT)");
  return status;
}

uint8_t* Segment::Attach(int flags, const void* address, Where where) const {
  void* const attached = shmat(id_, address, flags);
  if (attached == reinterpret_cast<void*>(-1)) AbandonErrno(where, "shmat");
  return static_cast<uint8_t*>(attached);
}

ShmName::ShmName(size_t length)
    : name_("/conformance" + std::to_string(getpid()) + "." + std::to_string(fresh_names++)) {
  if (length > 0) name_.resize(length + 1, 'x');
  Send(Record::Kind::object, "", 0, name_);
}

ShmName::~ShmName() {
  shm_unlink(name_.c_str());
}

RlimitGuard::RlimitGuard(int resource, unsigned long soft, Where where) : resource_(resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) AbandonErrno(where, "getrlimit");
  old_soft_ = limit.rlim_cur;
  hard_ = limit.rlim_max;
  limit.rlim_cur = soft;
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) AbandonErrno(where, "setrlimit");
}

RlimitGuard::~RlimitGuard() {
  const rlimit limit{old_soft_, hard_};
  setrlimit(static_cast<__rlimit_resource_t>(resource_), &limit);
}

std::string ReadText(const std::string& path, Where where) {
  const Fd fd = Open(path, O_RDONLY, 0, where);
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t count = read(fd.get(), chunk, sizeof chunk);
    if (count < 0) AbandonErrno(where, "read(" + path + ")");
    if (count == 0) break;
    text.append(chunk, static_cast<size_t>(count));
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

long NumberIn(const std::string& path, const std::string& key, Where where) {
  const std::string text = "\n" + ReadText(path, where);
  const size_t at = text.find("\n" + key + ":");
  if (at == std::string::npos) Abandon(where, "no " + key + " in " + path);
  return strtol(text.c_str() + at + 2 + key.size(), nullptr, 10);
}

}  // namespace shmcheck::conformance
