// Which pieces of C each operation needs.
#include <iterator>

#include "program/reproducer_parts.h"

namespace shmcheck::program {
namespace {

struct Row {
  OpCode code;
  Needs needs;
};

constexpr Needs kPlainCall = kNeedSys | kNeedOk, kCounted = kNeedSys | kNeedCount;

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
    {OpCode::mmap, {}},
    {OpCode::munmap, kPlainCall},
    {OpCode::mprotect, kPlainCall},
    {OpCode::load, kNeedLoad},
    {OpCode::store, kNeedStore},
    {OpCode::contents, {}},
    {OpCode::fork, {}},
    {OpCode::exit, {}},
    {OpCode::kill, kNeedOk},
    {OpCode::shmget, kNeedGot},
    {OpCode::shmat, kNeedSegments},
    {OpCode::shmdt, kPlainCall},
    {OpCode::shmctl, {}},
    {OpCode::maps, kNeedMaps},
    {OpCode::msync, kPlainCall},
    {OpCode::setid, kNeedSetid},
    {OpCode::mremap, {}},
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
    {OpCode::exec, {}},
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
    {OpCode::reboot, {}},
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
    {OpCode::end, {}},
};

constexpr bool is_in_order() {
  std::uint8_t next = 0;
  for (const Row& row : kNeeds)
    if (row.code != static_cast<OpCode>(next++)) return false;
  return true;
}
static_assert(std::size(kNeeds) == kOpCodes + 1U && is_in_order());

Needs needs_of_shmctl(const Op& op) {
  const auto command = static_cast<ShmCommand>(op.small);
  if ((op.flags & shmctl::kBadBuffer) != 0) return kPlainCall | kNeedSegments;
  if (command == ShmCommand::stat) return kNeedShmStat;
  return command == ShmCommand::set ? kNeedShmSet : kPlainCall | kNeedSegments;
}

Needs needs_of_arguments(const Op& op, bool failing) {
  const Needs mapped = failing ? kNeedWhere : kNeedMapped;
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
      return op.byte != 0 ? kNeedAct : Needs{};
    case OpCode::contents:
      return static_cast<Via>(op.small) == Via::load ? kNeedScan : kNeedKernelScan;
    case OpCode::shmctl:
      return needs_of_shmctl(op);
    case OpCode::memfd:
      return has_long_name(op) ? kNeedLongName : Needs{};
    case OpCode::exec:
      return static_cast<Image>(op.small) == Image::own ? kNeedExec | kNeedFailed : kNeedOk;
    default:
      return {};
  }
}

}  // namespace

Needs needs_of(const Op& op, bool failing) {
  return kNeeds[static_cast<std::size_t>(op.code)].needs | needs_of_arguments(op, failing);
}

bool has_long_name(const Op& op) {
  const auto name = static_cast<MemfdName>(op.byte);
  return name == MemfdName::longest || name == MemfdName::longer;
}

}  // namespace shmcheck::program
