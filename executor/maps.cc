#include "executor/maps.h"

#include <sys/sysmacros.h>

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

}  // namespace

MapLine parse_map_line(std::string_view s) {
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

bool MapsReader::next(MapLine& line) {
  std::string_view text;
  if (!lines_.next(text)) return false;
  line = parse_map_line(text);
  return true;
}

}  // namespace shmcheck::executor
