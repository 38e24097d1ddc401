// Ops on files: paths n0… of the current directory, descriptor slots f0… at fixed numbers.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>

#include "executor/call.h"
#include "executor/descriptors.h"
#include "executor/files.h"
#include "executor/runs.h"

namespace shmcheck::executor {
namespace {

constexpr FlagPair kOpenFlags[] = {{program::openflag::kCreat, O_CREAT},
                                   {program::openflag::kExcl, O_EXCL},
                                   {program::openflag::kTrunc, O_TRUNC},
                                   {program::openflag::kAppend, O_APPEND}};
constexpr long kAccess[] = {O_RDONLY, O_RDWR, O_WRONLY};

// In the order of program::Allocate; 0x4000 is a bit without meaning.
constexpr long kAllocate[] = {0,
                              FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_ZERO_RANGE,
                              FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                              0x4000,
                              8 /* FALLOC_FL_COLLAPSE_RANGE */,
                              0x20 /* FALLOC_FL_INSERT_RANGE */,
                              FALLOC_FL_PUNCH_HOLE};

// In September 2001: older than any file of a program, and than a day, which is when relatime counts.
constexpr std::int64_t kLongAgo = 1'000'000'000;

}  // namespace

// `maps` tells files apart by device and inode.
void remember_identity(int fd, std::uint8_t path) {
  if (!control->uses.maps) return;
  struct stat st = {};
  if (failed(sys(SYS_fstat, fd, &st))) return;
  const std::uint64_t device = st.st_dev == control->files.in_stat ? control->files.in_maps : st.st_dev;
  // An inode number can come back for another file once the first is gone: the newest owner counts.
  std::uint32_t at = 0;
  while (at < control->identity_count &&
         !(control->identity[at].device == device && control->identity[at].inode == st.st_ino)) {
    ++at;
  }
  if (at == kMaxIdentities) at = 0;
  if (at == control->identity_count) ++control->identity_count;
  control->identity[at] = {device, st.st_ino, path};
}

// The slot's number is taken from its old file only when the new one is open.
long into_slot(long fd, std::uint8_t slot, int flags) {
  if (failed(fd)) return fd;
  long moved = sys(SYS_dup3, fd, descriptor(slot), flags);
  if (!failed(moved)) forget_memory(slot);
  sys(SYS_close, fd);
  return moved;
}

void perform_open(Call& call) {
  const Op& op = call.op;
  PathName path(op.object);
  long flags = translate(op.flags, kOpenFlags) | kAccess[op.small];
  long fd = into_slot(sys(SYS_openat, AT_FDCWD, path.c_str(), flags, op.mode), op.result);
  if (!failed(fd)) {
    if ((op.flags & program::openflag::kCreat) != 0) {
      control->paths_created = static_cast<std::uint8_t>(control->paths_created | 1U << op.object);
    }
    remember_identity(descriptor(op.result), op.object);
  }
  settle(call, fd);
}

void perform_close(Call& call) {
  const long result = sys(SYS_close, descriptor(call.op.object));
  if (!failed(result)) forget_memory(call.op.object);
  settle(call, result);
}

void perform_unlink(Call& call) {
  long result = sys(SYS_unlinkat, AT_FDCWD, PathName(call.op.object).c_str(), 0);
  if (!failed(result)) {
    control->paths_created = static_cast<std::uint8_t>(control->paths_created & ~(1U << call.op.object));
  }
  settle(call, result);
}

namespace {
void settle_second_name(Call& call, long result) {
  if (!failed(result)) {
    control->paths_created = static_cast<std::uint8_t>(control->paths_created | 1U << call.op.byte);
  }
  settle(call, result);
}
}  // namespace

void perform_rename(Call& call) {
  PathName from(call.op.object), to(call.op.byte);
  settle_second_name(call, sys(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0));
}

void perform_link(Call& call) {
  PathName from(call.op.object), to(call.op.byte);
  settle_second_name(call, sys(SYS_linkat, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0));
}

void perform_ftruncate(Call& call) {
  settle(call, sys(SYS_ftruncate, descriptor(call.op.object), call.at.len));
}

void perform_truncate(Call& call) {
  settle(call, sys(SYS_truncate, PathName(call.op.object).c_str(), call.at.len));
}

void perform_pread(Call& call) {
  std::uint8_t* buffer = bounce_area().data();
  long n = sys(SYS_pread64, descriptor(call.op.object), buffer, call.at.len, call.at.off);
  settle(call, n);
  if (n > 0) push_byte_runs(call.words, {buffer, static_cast<std::size_t>(n)});
}

void perform_pwrite(Call& call) {
  std::uint8_t* buffer = bounce_area().data();
  std::memset(buffer, call.op.byte, call.at.len);
  settle_value(call, sys(SYS_pwrite64, descriptor(call.op.object), buffer, call.at.len, call.at.off));
}

void perform_pread_to(Call& call) {
  settle_value(call, sys(SYS_pread64, descriptor(call.op.object), call.at.addr, call.at.len, call.at.off));
}

void perform_pwrite_from(Call& call) {
  settle_value(call, sys(SYS_pwrite64, descriptor(call.op.object), call.at.addr, call.at.len, call.at.off));
}

void perform_fallocate(Call& call) {
  settle(call,
         sys(SYS_fallocate, descriptor(call.op.object), kAllocate[call.op.small], call.at.off, call.at.len));
}

void perform_fsync(Call& call) {
  settle(call, sys(call.op.small == 0 ? SYS_fsync : SYS_fdatasync, descriptor(call.op.object)));
}

void perform_fstat(Call& call) {
  struct stat st = {};
  long result = sys(SYS_fstat, descriptor(call.op.object), &st);
  settle(call, result);
  if (failed(result)) return;
  call.words.push(static_cast<std::uint64_t>(st.st_size));
  call.words.push(st.st_nlink);
  call.words.push(st.st_mode);
  call.words.push(st.st_uid);
  call.words.push(st.st_gid);
}

void perform_age(Call& call) {
  const timespec long_ago[2] = {{kLongAgo, 0}, {kLongAgo, 0}};
  settle(call, sys(SYS_utimensat, descriptor(call.op.object), nullptr, long_ago, 0));
}

void perform_times(Call& call) {
  struct stat st = {};
  long result = sys(SYS_fstat, descriptor(call.op.object), &st);
  if (failed(result)) return settle(call, result);
  settle_value(call, (st.st_atime != kLongAgo ? program::moved::kAccess : 0) +
                         (st.st_mtime != kLongAgo ? program::moved::kModification : 0));
}

void perform_blocks(Call& call) {
  struct stat st = {};
  long result = sys(SYS_fstat, descriptor(call.op.object), &st);
  settle_value(call, failed(result) ? result : static_cast<long>(st.st_blocks));
}

}  // namespace shmcheck::executor
