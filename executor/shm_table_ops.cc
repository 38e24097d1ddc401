// Ops on all segments of the IPC namespace: SHM_INFO, IPC_INFO, /proc/sysvipc/shm.
#include <sys/ipc.h>
#include <sys/shm.h>

#include "executor/call.h"
#include "executor/lines.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

// Of a namespace that others use, too.
bool is_ours(std::uint64_t id) {
  if (target.private_ipc) return true;
  for (std::uint32_t i = 0; i < control->id_count; ++i) {
    if (static_cast<std::uint64_t>(control->ids[i]) == id) return true;
  }
  return false;
}

std::uint64_t from_octal(std::uint64_t digits) {
  std::uint64_t value = 0, unit = 1;
  for (; digits != 0; digits /= 10, unit *= 8) value += digits % 10 * unit;
  return value;
}

// key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
constexpr std::size_t kColumns = 16;

// A header, or a line of another form, has fewer. The key is printed as a signed number.
bool take_columns(std::string_view text, std::uint64_t (&column)[kColumns]) {
  for (std::uint64_t& c : column) {
    if (!take_signed(text, c)) return false;
  }
  return true;
}

void push_row(Words& words, const std::uint64_t (&column)[kColumns]) {
  const std::uint64_t row[] = {column[1],
                               column[0] & 0xffff'ffff,
                               column[7],
                               column[8],
                               column[9],
                               column[10],
                               from_octal(column[2]),
                               column[3],
                               column[11],
                               column[12],
                               column[13],
                               column[4],
                               column[5],
                               column[6],
                               column[14],
                               column[15]};
  static_assert(std::size(row) == program::kListingRowWords);
  for (std::uint64_t w : row) words.push(w);
}

}  // namespace

void perform_shm_info(Call& call) {
  shm_info info = {};
  const long result = sys(SYS_shmctl, 0, SHM_INFO, &info);
  settle(call, result);
  if (failed(result)) return;
  // In the order of program::ShmTotal.
  const std::uint64_t totals[] = {static_cast<std::uint64_t>(info.used_ids), info.shm_tot,
                                  info.shm_rss + info.shm_swp, info.swap_attempts + info.swap_successes,
                                  static_cast<std::uint64_t>(result)};
  call.outcome.value = totals[call.op.small];
}

void perform_ipc_info(Call& call) {
  shminfo info = {};
  const long result = sys(SYS_shmctl, call.op.byte == 0 ? 0 : -1, IPC_INFO, &info);
  settle(call, result);
  if (failed(result)) return;
  // In the order of program::IpcInfo.
  const std::uint64_t values[] = {info.shmmax, info.shmmin, info.shmmni,
                                  info.shmseg, info.shmall, static_cast<std::uint64_t>(result)};
  call.outcome.value = values[call.op.small];
}

void perform_sysvipc(Call& call) {
  LineReader lines("/proc/sysvipc/shm");
  std::string_view line;
  std::uint64_t column[kColumns];
  while (lines.next(line)) {
    if (take_columns(line, column) && is_ours(column[1])) push_row(call.words, column);
  }
  settle(call, lines.error());
}

}  // namespace shmcheck::executor
