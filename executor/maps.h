// /proc/self/maps, line by line, without allocation.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmcheck::executor {

struct MapLine {
  std::uint64_t low, high, offset, device /* as st_dev */, inode;
  bool read, write, execute, shared;
  std::string_view path;  // valid until the next line is read
};

class MapsReader {
 public:
  MapsReader();
  ~MapsReader();
  MapsReader(const MapsReader&) = delete;
  MapsReader& operator=(const MapsReader&) = delete;

  long error() const { return descriptor_ < 0 ? descriptor_ : error_; }  // 0 or -errno
  bool next(MapLine& line);

 private:
  bool fill();

  long descriptor_;
  long error_ = 0;
  std::size_t begin_ = 0, end_ = 0;
  char buffer_[8192];
};

}  // namespace shmcheck::executor
