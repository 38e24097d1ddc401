// /proc/self/maps, line by line, without allocation.
#pragma once

#include <cstdint>
#include <string_view>

#include "executor/lines.h"

namespace shmcheck::executor {

struct MapLine {
  std::uint64_t low, high, offset, device /* as st_dev */, inode;
  bool read, write, execute, shared;
  std::string_view path;  // valid until the next line is read
};

// A line of it, and the first one of an entry of /proc/self/smaps.
MapLine parse_map_line(std::string_view text);

class MapsReader {
 public:
  long error() const { return lines_.error(); }
  bool next(MapLine& line);

 private:
  LineReader lines_{"/proc/self/maps"};
};

}  // namespace shmcheck::executor
