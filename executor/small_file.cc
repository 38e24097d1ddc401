#include "executor/small_file.h"

#include <fcntl.h>

#include "executor/sys.h"

namespace shmcheck::executor {

long read_small_file(const char* path, std::span<char> room, std::string_view& text) {
  text = {};
  long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return fd;
  long n = sys(SYS_read, fd, room.data(), room.size());
  sys(SYS_close, fd);
  if (failed(n)) return n;
  text = {room.data(), static_cast<std::size_t>(n)};
  return 0;
}

long write_small_file(const char* path, std::string_view text) {
  long fd = sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
  if (failed(fd)) return fd;
  long n = sys(SYS_write, fd, text.data(), text.size());
  sys(SYS_close, fd);
  return failed(n) ? n : 0;
}

static void take_blanks(std::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
}

bool take_number(std::string_view& text, std::uint64_t& value) {
  take_blanks(text);
  value = 0;
  bool any = false;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), any = true)
    value = value * 10 + static_cast<unsigned>(text[0] - '0');
  return any;
}

bool take_signed(std::string_view& text, std::uint64_t& value) {
  take_blanks(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (!take_number(text, value)) return false;
  if (negative) value = 0 - value;
  return true;
}

bool number_behind(std::string_view text, std::string_view key, std::uint64_t& value) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return false;
  text.remove_prefix(at + key.size());
  return take_number(text, value);
}

}  // namespace shmcheck::executor
