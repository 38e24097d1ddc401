// Which pieces of C each operation needs.
#include <iterator>

#include "program/reproducer_parts.h"

namespace shmcheck::program {
namespace {

struct Row {
  OpCode code;
  std::uint64_t needs;
};

constexpr std::uint64_t kPlainCall = kNeedSys | kNeedOk, kCounted = kNeedSys | kNeedCount;

// Whatever the arguments are. In the order of OpCode.
constexpr Row kNeeds[] = {
    {OpCode::open, kNeedOpened | kNeedFiles},
    {OpCode::close, kPlainCall},
    {OpCode::unlink, kPlainCall | kNeedFiles},
    {OpCode::ftruncate, kPlainCall},
    {OpCode::truncate, kPlainCall | kNeedFiles},
    {OpCode::pread, kNeedPread},
    {OpCode::pwrite, kCounted | kNeedFilled},
    {OpCode::pread_to, kCounted},
    {OpCode::pwrite_from, kCounted},
    {OpCode::fstat, kNeedFstat | kNeedFiles},
    {OpCode::mmap, 0},
    {OpCode::munmap, kPlainCall},
    {OpCode::mprotect, kPlainCall},
    {OpCode::load, kNeedLoad},
    {OpCode::store, kNeedStore},
    {OpCode::contents, 0},
    {OpCode::fork, 0},
    {OpCode::exit, 0},
    {OpCode::kill, kNeedOk},
    {OpCode::shmget, kNeedGot},
    {OpCode::shmat, kNeedSegments},
    {OpCode::shmdt, kPlainCall},
    {OpCode::shmctl, 0},
    {OpCode::maps, kNeedMaps},
    {OpCode::msync, kPlainCall},
    {OpCode::setid, kNeedSetid},
    {OpCode::mremap, 0},
    {OpCode::madvise, kPlainCall},
    {OpCode::fallocate, kPlainCall | kNeedFiles},
    {OpCode::fsync, kPlainCall},
    {OpCode::memfd, kNeedOpened},
    {OpCode::seal, kPlainCall | kNeedFiles},
    {OpCode::seals, kCounted | kNeedFiles},
    {OpCode::mlock, kPlainCall},
    {OpCode::munlock, kPlainCall},
    {OpCode::locked, kNeedLocked | kNeedCount},
    {OpCode::mincore, kNeedResident | kNeedCount},
    {OpCode::shm_info, kNeedShmTotal | kNeedCount},
    {OpCode::limit, kNeedLimit},
    {OpCode::limits, kNeedLimit},
    {OpCode::exec, 0},
    {OpCode::rename, kPlainCall | kNeedFiles},
    {OpCode::link, kPlainCall | kNeedFiles},
    {OpCode::shm_open, kNeedOpened | kNeedObjects | kNeedFiles},
    {OpCode::shm_unlink, kNeedRemoved | kNeedOk | kNeedFiles},
    {OpCode::stored, kNeedStored | kNeedFiles},
    {OpCode::unshare, kNeedOk},
    {OpCode::ipc_info, kNeedIpcInfo},
    {OpCode::shm_stat, kNeedShmStat},
    {OpCode::sysvipc, kNeedListing},
    {OpCode::mlockall, kNeedLockAll},
    {OpCode::munlockall, kPlainCall},
    {OpCode::rlimit, kNeedSetLimit},
    {OpCode::remap, kPlainCall},
    {OpCode::call, kNeedCall},
    {OpCode::age, kNeedAge},
    {OpCode::times, kNeedTimes},
    {OpCode::reboot, 0},
    {OpCode::setns, kNeedJoin},
    {OpCode::blocks, kNeedBlocks},
    {OpCode::fill, kNeedFill},
    {OpCode::crowd, kNeedCrowd},
    {OpCode::memfd_name, kNeedMemfdName},
    {OpCode::remount, kNeedRemount},
    {OpCode::chattr, kNeedChattr},
    {OpCode::map_file, kNeedMapFile},
    {OpCode::descriptors, kNeedDescriptors},
    {OpCode::names, kNeedNames | kNeedFiles},
    {OpCode::brk, kNeedBreak},
    {OpCode::race_shmget, kNeedRaceGet},
    {OpCode::race_shmat, kNeedRaceAttach},
    {OpCode::smaps, kNeedSmaps},
    {OpCode::rss, kNeedRss},
    {OpCode::end, 0},
};

constexpr bool is_in_order() {
  std::uint8_t next = 0;
  for (const Row& row : kNeeds)
    if (row.code != static_cast<OpCode>(next++)) return false;
  return true;
}
static_assert(std::size(kNeeds) == kOpCodes + 1U && is_in_order());

std::uint64_t needs_of_shmctl(const Op& op) {
  const auto command = static_cast<ShmCommand>(op.small);
  if ((op.flags & shmctl::kBadBuffer) != 0) return kPlainCall | kNeedSegments;
  if (command == ShmCommand::stat) return kNeedShmStat;
  return command == ShmCommand::set ? std::uint64_t{kNeedShmSet} : kPlainCall | kNeedSegments;
}

std::uint64_t needs_of_arguments(const Op& op, bool failing) {
  const std::uint64_t mapped = failing ? kNeedWhere : kNeedMapped;
  switch (op.code) {
    case OpCode::mmap:
      if (static_cast<MapSource>(op.byte) == MapSource::slot) return mapped;
      if (static_cast<MapSource>(op.byte) == MapSource::pipe) return mapped | kNeedFiles | kNeedPipeEnd;
      return mapped | kNeedFiles;
    case OpCode::fork:
      return static_cast<ForkInto>(op.small) == ForkInto::same ? kNeedForked : kNeedForkedFirst;
    case OpCode::unshare:
      return static_cast<Unshare>(op.small) == Unshare::ipc ? kNeedSegments : kNeedNewUsers;
    case OpCode::mremap:
    case OpCode::shmat:
      return mapped;
    case OpCode::load:
    case OpCode::store:
      return op.byte != 0 ? std::uint64_t{kNeedAct} : 0U;
    case OpCode::contents:
      return static_cast<Via>(op.small) == Via::load ? kNeedScan : kNeedKernelScan;
    case OpCode::shmctl:
      return needs_of_shmctl(op);
    case OpCode::memfd:
      return has_long_name(op) ? std::uint64_t{kNeedLongName} : 0U;
    case OpCode::exec:
      return static_cast<Image>(op.small) == Image::own ? kNeedExec | kNeedFailed : std::uint64_t{kNeedOk};
    default:
      return 0;
  }
}

}  // namespace

std::uint64_t needs_of(const Op& op, bool failing) {
  return kNeeds[static_cast<std::size_t>(op.code)].needs | needs_of_arguments(op, failing);
}

bool has_long_name(const Op& op) {
  const auto name = static_cast<MemfdName>(op.byte);
  return name == MemfdName::longest || name == MemfdName::longer;
}

}  // namespace shmcheck::program
