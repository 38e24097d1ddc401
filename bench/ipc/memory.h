// Memory that is there: of one process, or shared by those that are forked.
#pragma once

#include <cstddef>

namespace shmcheck::bench {

// Of each process its own, and on its own pages.
class Buffer {
 public:
  explicit Buffer(std::size_t size);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

enum class Kind { file, anonymous, system_v };

// Nothing of it has a name, so that nothing is left when its processes end.
class SharedMemory {
 public:
  SharedMemory(Kind kind, std::size_t size);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(at_); }

 private:
  Kind kind_;
  std::size_t size_;
  void* at_ = nullptr;
};

}  // namespace shmcheck::bench
