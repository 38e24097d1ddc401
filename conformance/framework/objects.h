// Owners of kernel objects for the length of a test. A set-up step that fails ends the test with its position
// (Abandon); calls that a test is about are made directly and wrapped in Returned().
#pragma once

#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "conformance/framework/environment.h"
#include "conformance/framework/outcome.h"
#include "conformance/framework/report.h"

namespace shmcheck::conformance {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) close(release());
  }

 private:
  int fd_ = -1;
};

// Opens a path; the test ends when that fails.
Fd Open(const std::string& path, int flags, mode_t mode = 0600, Where where = Where::Here());

class Mapping {
 public:
  Mapping() = default;
  Mapping(void* address, size_t size) : address_(static_cast<uint8_t*>(address)), size_(size) {}
  Mapping(Mapping&& other) noexcept : address_(std::exchange(other.address_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();
  uint8_t* at(size_t offset = 0) const { return address_ + offset; }
  size_t size() const { return size_; }
  // Unmaps now, and the test ends when that fails.
  void Unmap(Where where = Where::Here());
  // The range is no longer ours, e.g. after munmap or mremap by the test itself.
  uint8_t* release() { return std::exchange(address_, nullptr); }

 private:
  uint8_t* address_ = nullptr;
  size_t size_ = 0;
};

// mmap that must work. `size` need not be a multiple of a page.
Mapping Map(int fd, size_t size, int prot, int flags, off_t offset = 0, void* address = nullptr,
            Where where = Where::Here());
// The common cases: shared file, private file, shared anonymous, private anonymous; readable and writable.
Mapping MapShared(int fd, size_t size, Where where = Where::Here());
Mapping MapPrivate(int fd, size_t size, Where where = Where::Here());
Mapping MapSharedAnonymous(size_t size, Where where = Where::Here());
Mapping MapPrivateAnonymous(size_t size, Where where = Where::Here());
// PROT_NONE address space of our own, to place MAP_FIXED mappings in or to hold an area that is then freed.
Mapping Reserve(size_t size, Where where = Where::Here());
// The address of a hole of `size` bytes, with a page on either side that stays reserved.
class Hole {
 public:
  explicit Hole(size_t size, Where where = Where::Here());
  uint8_t* at(size_t offset = 0) const { return reserved_.at(page() + offset); }

 private:
  Mapping reserved_;
};

// A file in the place of the running test (or in a given one), open for reading and writing, `size` bytes of
// zero.
class TempFile {
 public:
  explicit TempFile(size_t size, Place where_it_lives = place(), Where where = Where::Here());
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile();
  int fd() const { return fd_.get(); }
  // Empty for memfd.
  const std::string& path() const { return path_; }
  size_t size(Where where = Where::Here()) const;
  struct stat Stat(Where where = Where::Here()) const;
  void Resize(size_t size, Where where = Where::Here());
  // Writes PatternByte(offset…) over [0, size) or over the given range.
  void FillPattern(unsigned seed = 0, Where where = Where::Here());
  void Write(size_t offset, const void* data, size_t size, Where where = Where::Here());
  void WriteByte(size_t offset, uint8_t value, Where where = Where::Here()) {
    Write(offset, &value, 1, where);
  }
  Fd Reopen(int flags, Where where = Where::Here()) const;
  void Close() { fd_.reset(); }
  void Unlink();

 private:
  Fd fd_;
  std::string path_;
};

// A name in the working directory of the running test that nothing has yet.
std::string FreshPath(const std::string& stem = "name");

// A System V segment of our own; removed on destruction, and by the runner when the test dies.
class Segment {
 public:
  // IPC_PRIVATE, owner may read and write.
  explicit Segment(size_t size, int flags = 0600, Where where = Where::Here());
  Segment(Segment&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Segment(const Segment&) = delete;
  ~Segment();
  // Takes ownership of an id made by shmget in a test; ids below 0 are ignored.
  static Segment Adopt(int id);
  int id() const { return id_; }
  int release() { return std::exchange(id_, -1); }
  shmid_ds Stat(Where where = Where::Here()) const;
  uint8_t* Attach(int flags = 0, const void* address = nullptr, Where where = Where::Here()) const;

 private:
  struct Adopted {};
  Segment(Adopted, int id) : id_(id) {}
  int id_ = -1;
};

// A name for shm_open that nothing has yet; unlinked on destruction, and by the runner when the test dies.
class ShmName {
 public:
  // `length` counts the bytes behind the slash; 0 takes as many as it needs.
  explicit ShmName(size_t length = 0);
  ShmName(const ShmName&) = delete;
  ~ShmName();
  const char* get() const { return name_.c_str(); }

 private:
  std::string name_;
};

// Everything a rlimit change needs: sets it, restores it.
class RlimitGuard {
 public:
  RlimitGuard(int resource, unsigned long soft, Where where = Where::Here());
  RlimitGuard(const RlimitGuard&) = delete;
  ~RlimitGuard();

 private:
  int resource_;
  unsigned long old_soft_;
  unsigned long hard_;
};

// A small file of procfs or sysfs as text, without the final newline; the test ends when it cannot be read.
std::string ReadText(const std::string& path, Where where = Where::Here());
// The number behind "Key:" in such a file, e.g. Number("/proc/self/status", "VmLck").
long NumberIn(const std::string& path, const std::string& key, Where where = Where::Here());

}  // namespace shmcheck::conformance
