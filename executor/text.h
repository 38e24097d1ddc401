// Text without allocation, in a buffer of fixed size: what does not fit is cut off.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace shmcheck::executor {

template <std::size_t kRoom>
class Text {
 public:
  Text& operator<<(std::string_view s) {
    std::size_t n = s.size() < kRoom - 1 - used_ ? s.size() : kRoom - 1 - used_;
    s.copy(room_ + used_, n);
    used_ += n;
    room_[used_] = '\0';
    return *this;
  }
  Text& operator<<(const char* s) { return *this << std::string_view(s); }
  Text& operator<<(std::uint64_t v) { return number(v, 10); }
  Text& operator<<(std::int64_t v) {
    return v < 0 ? *this << "-" << (0 - static_cast<std::uint64_t>(v))
                 : *this << static_cast<std::uint64_t>(v);
  }
  Text& operator<<(std::uint32_t v) { return *this << std::uint64_t{v}; }
  Text& operator<<(int v) { return *this << std::int64_t{v}; }
  Text& hex(std::uint64_t v) { return *this << "0x", number(v, 16); }
  Text& plain_hex(std::uint64_t v) { return number(v, 16); }

  std::string_view view() const { return {room_, used_}; }
  const char* c_str() const { return room_; }

 private:
  Text& number(std::uint64_t v, unsigned base) {
    char digits[24];
    char* at = digits + sizeof digits;
    do *--at = "0123456789abcdef"[v % base];
    while ((v /= base) != 0);
    return *this << std::string_view(at, static_cast<std::size_t>(digits + sizeof digits - at));
  }

  std::size_t used_ = 0;
  char room_[kRoom]{};
};

using Sentence = Text<512>;
using Path = Text<1024>;

// `EINVAL`, or `error 1234` for a number that libc has no name for.
std::string_view error_name(long number);

}  // namespace shmcheck::executor
