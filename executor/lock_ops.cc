// Ops about residency: memory locks and mincore.
#include <sys/mman.h>

#include "executor/call.h"
#include "executor/maps.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

constexpr FlagPair kLockFlags[] = {{program::mlock::kOnFault, 1 /* MLOCK_ONFAULT */},
                                   {program::mlock::kUnknown, 0x100}};

constexpr FlagPair kLockAllFlags[] = {{program::mlockall::kCurrent, MCL_CURRENT},
                                      {program::mlockall::kFuture, MCL_FUTURE},
                                      {program::mlockall::kOnFault, 4 /* MCL_ONFAULT */},
                                      {program::mlockall::kUnknown, 0x100}};

// What the process has locked is to be what the program has locked.
long unlock_own_memory() {
  MapsReader maps;
  MapLine line;
  Range own;  // what touches is unlocked together: the range of `crowd` is many mappings
  while (maps.next(line)) {
    if (!target.layout.own_overlaps(line.low, line.high - line.low)) continue;
    if (line.low != own.high) {
      sys(SYS_munlock, own.low, own.high - own.low);
      own.low = line.low;
    }
    own.high = line.high;
  }
  sys(SYS_munlock, own.low, own.high - own.low);
  return maps.error();
}

}  // namespace

void perform_mlockall(Call& call) {
  long result = sys(SYS_mlockall, translate(call.op.flags, kLockAllFlags));
  if (!failed(result) && (call.op.flags & program::mlockall::kCurrent) != 0) result = unlock_own_memory();
  settle(call, result);
}

void perform_munlockall(Call& call) {
  settle(call, sys(SYS_munlockall));
}

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
  std::span<std::uint8_t> bounce = bounce_area();
  std::string_view text;
  long result =
      read_small_file("/proc/self/status", {reinterpret_cast<char*>(bounce.data()), bounce.size()}, text);
  if (failed(result)) return settle(call, result);
  std::uint64_t kilobytes = 0;
  bool found = number_behind(text, "\nVmLck:", kilobytes);
  settle_value(call, found ? static_cast<long>(kilobytes * 1024) : -ENODATA);
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
