#include "executor/maps.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "executor/sys.h"

namespace shmcheck::executor {
namespace {

// Takes the front of a line; a field ends at the first character that is none of its own.
std::uint64_t take(std::string_view& s, unsigned base) {
  std::uint64_t v = 0;
  while (!s.empty()) {
    char c = s[0];
    unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                     : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                                            : 99;
    if (digit >= base) break;
    v = v * base + digit;
    s.remove_prefix(1);
  }
  return v;
}

void skip(std::string_view& s, std::size_t n) {
  s.remove_prefix(n < s.size() ? n : s.size());
}

MapLine parse(std::string_view s) {
  MapLine line{};
  line.low = take(s, 16);
  skip(s, 1);
  line.high = take(s, 16);
  skip(s, 1);
  if (s.size() >= 4) {
    line.read = s[0] == 'r';
    line.write = s[1] == 'w';
    line.execute = s[2] == 'x';
    line.shared = s[3] == 's';
  }
  skip(s, 5);
  line.offset = take(s, 16);
  skip(s, 1);
  auto major = static_cast<unsigned>(take(s, 16));
  skip(s, 1);
  auto minor = static_cast<unsigned>(take(s, 16));
  line.device = makedev(major, minor);
  skip(s, 1);
  line.inode = take(s, 10);
  while (!s.empty() && s[0] == ' ') s.remove_prefix(1);
  line.path = s;
  return line;
}

}  // namespace

MapsReader::MapsReader() : descriptor_(sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}

MapsReader::~MapsReader() {
  if (descriptor_ >= 0) sys(SYS_close, descriptor_);
}

bool MapsReader::fill() {
  std::memmove(buffer_, buffer_ + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  long n = sys(SYS_read, descriptor_, buffer_ + end_, sizeof buffer_ - end_);
  if (failed(n)) error_ = n;
  if (n <= 0) return false;
  end_ += static_cast<std::size_t>(n);
  return true;
}

bool MapsReader::next(MapLine& line) {
  if (descriptor_ < 0) return false;
  for (;;) {
    const char* begin = buffer_ + begin_;
    const void* newline = std::memchr(begin, '\n', end_ - begin_);
    if (newline != nullptr) {
      auto length = static_cast<std::size_t>(static_cast<const char*>(newline) - begin);
      line = parse({begin, length});
      begin_ += length + 1;
      return true;
    }
    if (!fill()) return false;
  }
}

}  // namespace shmcheck::executor
