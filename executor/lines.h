// A file of /proc, line by line, without allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace shmcheck::executor {

class LineReader {
 public:
  explicit LineReader(const char* path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  long error() const { return descriptor_ < 0 ? descriptor_ : error_; }  // 0 or -errno
  bool next(std::string_view& line);  // without its newline; valid until the next one is read

 private:
  bool fill();

  long descriptor_;
  long error_ = 0;
  std::size_t begin_ = 0, end_ = 0;
  char buffer_[8192];
};

}  // namespace shmcheck::executor
