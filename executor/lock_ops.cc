// Ops about residency: memory locks and mincore.
#include <fcntl.h>

#include <cstring>

#include "executor/call.h"

namespace shmcheck::executor {
namespace {

constexpr FlagPair kLockFlags[] = {{program::mlock::kOnFault, 1 /* MLOCK_ONFAULT */},
                                   {program::mlock::kUnknown, 0x100}};

// The number behind `key` in the text of a status file; -1 if there is none.
long number_behind(std::string_view text, std::string_view key) {
  std::size_t at = text.find(key);
  if (at == std::string_view::npos) return -1;
  at += key.size();
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  long n = -1;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    n = (n < 0 ? 0 : n * 10) + (text[at] - '0');
  return n;
}

}  // namespace

void perform_mlock(Call& call) {
  if (call.op.flags == 0)
    settle(call, sys(SYS_mlock, call.at.addr, call.at.len));
  else
    settle(call, sys(SYS_mlock2, call.at.addr, call.at.len, translate(call.op.flags, kLockFlags)));
}

void perform_munlock(Call& call) {
  settle(call, sys(SYS_munlock, call.at.addr, call.at.len));
}

void perform_locked(Call& call) {
  long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return settle(call, fd);
  std::span<std::uint8_t> buffer = bounce_area();
  long n = sys(SYS_read, fd, buffer.data(), buffer.size());
  sys(SYS_close, fd);
  if (failed(n)) return settle(call, n);
  std::string_view text(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(n));
  long kilobytes = number_behind(text, "\nVmLck:");
  settle_value(call, kilobytes < 0 ? -ENODATA : kilobytes * 1024);
}

void perform_mincore(Call& call) {
  std::span<std::uint8_t> vector = bounce_area();
  long result = sys(SYS_mincore, call.at.addr, call.at.len, vector.data());
  if (failed(result)) return settle(call, result);
  const std::size_t pages = (call.at.len + target.layout.page - 1) / target.layout.page;
  long resident = 0;
  for (std::uint8_t flags : vector.first(pages)) resident += flags & 1;
  settle_value(call, resident);
}

}  // namespace shmcheck::executor
