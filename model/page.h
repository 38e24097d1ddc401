// Pages with shared ownership: copying a reference is cheap, writing through one copies the page first.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace shmcheck::model {

// How many of the first bytes are `value`.
inline std::uint64_t equal_prefix(const std::uint8_t* data, std::uint64_t length, std::uint8_t value) {
  if (length == 0 || data[0] != value) return 0;
  if (std::memcmp(data, data + 1, length - 1) == 0) return length;
  const std::uint64_t pattern = 0x0101'0101'0101'0101 * std::uint64_t{value};
  std::uint64_t n = 0;
  for (std::uint64_t eight; length - n >= sizeof eight; n += sizeof eight) {
    std::memcpy(&eight, data + n, sizeof eight);
    if (eight != pattern) break;
  }
  while (n < length && data[n] == value) ++n;
  return n;
}

// A page of bytes, or nothing, which reads as zeros. Not for use by several threads at once.
class PageRef {
 public:
  PageRef() = default;
  PageRef(const PageRef& other) : page_(other.page_) {
    if (page_) ++page_->references;
  }
  PageRef(PageRef&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  PageRef& operator=(PageRef other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageRef() { drop(); }

  // Null for a page of zeros.
  const std::uint8_t* bytes() const { return page_ ? data(page_) : nullptr; }
  std::uint8_t at(std::uint64_t offset) const { return page_ ? data(page_)[offset] : std::uint8_t{0}; }
  // How many bytes from this one on, of so many, are equal to it.
  std::uint64_t equal_from(std::uint64_t offset, std::uint64_t length) const {
    return page_ ? equal_prefix(data(page_) + offset, length, at(offset)) : length;
  }

  // Bytes that may be written: allocated, or copied from the shared page, as need be.
  std::uint8_t* writable(std::uint32_t page_size) {
    if (page_ && page_->references == 1) return data(page_);
    Header* fresh = allocate(page_size);
    if (page_) {
      std::memcpy(data(fresh), data(page_), page_size);
    } else {
      std::memset(data(fresh), 0, page_size);
    }
    drop();
    page_ = fresh;
    return data(page_);
  }
  // The same where every byte is about to be written: what the page holds now is not carried over.
  std::uint8_t* overwritten(std::uint32_t page_size) {
    if (page_ && page_->references == 1) return data(page_);
    drop();
    page_ = allocate(page_size);
    return data(page_);
  }

 private:
  struct Header {
    std::uint64_t references;
  };
  static std::uint8_t* data(Header* h) { return reinterpret_cast<std::uint8_t*>(h + 1); }
  static Header* allocate(std::uint32_t page_size) {
    void* memory = ::operator new(sizeof(Header) + page_size);
    return new (memory) Header{1};
  }
  void drop() {
    if (page_ && --page_->references == 0) ::operator delete(page_);
    page_ = nullptr;
  }

  Header* page_ = nullptr;
};

}  // namespace shmcheck::model
