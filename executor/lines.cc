#include "executor/lines.h"

#include <fcntl.h>

#include <cstring>

#include "executor/sys.h"

namespace shmcheck::executor {

LineReader::LineReader(const char* path)
    : descriptor_(sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)) {}

LineReader::~LineReader() {
  if (descriptor_ >= 0) sys(SYS_close, descriptor_);
}

bool LineReader::fill() {
  std::memmove(buffer_, buffer_ + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  long n = sys(SYS_read, descriptor_, buffer_ + end_, sizeof buffer_ - end_);
  if (failed(n)) error_ = n;
  if (n <= 0) return false;
  end_ += static_cast<std::size_t>(n);
  return true;
}

bool LineReader::next(std::string_view& line) {
  if (descriptor_ < 0) return false;
  for (;;) {
    const char* begin = buffer_ + begin_;
    const void* newline = std::memchr(begin, '\n', end_ - begin_);
    if (newline != nullptr) {
      auto length = static_cast<std::size_t>(static_cast<const char*>(newline) - begin);
      line = {begin, length};
      begin_ += length + 1;
      return true;
    }
    if (!fill()) return false;
  }
}

}  // namespace shmcheck::executor
