#include "bench/flatten.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include <array>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>

#include "program/users.h"

namespace shmcheck::bench {
namespace {

using program::Facts;
using program::Op;
using program::OpCode;
using program::OutcomeKind;
using program::Quantity;

struct Flag {
  std::uint32_t ours;
  std::uint64_t theirs;
};

constexpr std::uint64_t native(int value) {
  return static_cast<std::uint32_t>(value);
}

constexpr Flag kProt[] = {{program::kProtRead, PROT_READ},        {program::kProtWrite, PROT_WRITE},
                          {program::kProtExec, PROT_EXEC},        {program::kProtUnknown, 0x100000},
                          {program::kProtGrowsDown, 0x0100'0000}, {program::kProtGrowsUp, 0x0200'0000}};
constexpr Flag kOpen[] = {{program::openflag::kCreat, O_CREAT},
                          {program::openflag::kExcl, O_EXCL},
                          {program::openflag::kTrunc, O_TRUNC},
                          {program::openflag::kAppend, O_APPEND}};
constexpr Flag kMap[] = {{program::map::kShared, MAP_SHARED},
                         {program::map::kPrivate, MAP_PRIVATE},
                         {program::map::kAnonymous, MAP_ANONYMOUS},
                         {program::map::kFixed, MAP_FIXED},
                         {program::map::kNoReplace, MAP_FIXED_NOREPLACE},
                         {program::map::kPopulate, MAP_POPULATE},
                         {program::map::kNoReserve, MAP_NORESERVE},
                         {program::map::kStack, MAP_STACK},
                         {program::map::kUnknown, 0x40'0000},
                         {program::map::kSync, MAP_SYNC},
                         {program::map::kLocked, MAP_LOCKED},
                         {program::map::kNonBlock, MAP_NONBLOCK},
                         {program::map::kGrowsDown, MAP_GROWSDOWN},
                         {program::map::kHuge, MAP_HUGETLB},
                         {program::map::kLegacy, MAP_DENYWRITE | MAP_EXECUTABLE}};
constexpr Flag kGet[] = {{program::shmget::kCreat, IPC_CREAT},
                         {program::shmget::kExcl, IPC_EXCL},
                         {program::shmget::kNoReserve, SHM_NORESERVE},
                         {program::shmget::kHuge, SHM_HUGETLB}};
constexpr Flag kAttach[] = {{program::shmat::kReadOnly, SHM_RDONLY},
                            {program::shmat::kRound, SHM_RND},
                            {program::shmat::kRemap, SHM_REMAP},
                            {program::shmat::kExec, SHM_EXEC}};
constexpr Flag kSync[] = {{program::msync::kAsync, MS_ASYNC},
                          {program::msync::kSync, MS_SYNC},
                          {program::msync::kInvalidate, MS_INVALIDATE},
                          {program::msync::kUnknown, 8}};
constexpr Flag kRemap[] = {{program::mremap::kMayMove, 1},
                           {program::mremap::kFixed, 2},
                           {program::mremap::kDontUnmap, 4},
                           {program::mremap::kUnknown, 0x100}};

std::uint64_t translate(std::uint32_t ours, std::span<const Flag> flags) {
  std::uint64_t theirs = 0;
  for (const Flag& flag : flags) {
    if ((ours & flag.ours) != 0) theirs |= flag.theirs;
  }
  return theirs;
}

constexpr Flag kMemfd[] = {{program::memfd::kSealing, MFD_ALLOW_SEALING},
                           {program::memfd::kUnknown, 0x4000},
                           {program::memfd::kHuge, MFD_HUGETLB}};
constexpr Flag kSeal[] = {{program::seal::kSeal, F_SEAL_SEAL}, {program::seal::kShrink, F_SEAL_SHRINK},
                          {program::seal::kGrow, F_SEAL_GROW}, {program::seal::kWrite, F_SEAL_WRITE},
                          {program::seal::kFutureWrite, 16},   {program::seal::kUnknown, 0x4000}};
constexpr Flag kLock[] = {{program::mlock::kOnFault, 1}, {program::mlock::kUnknown, 0x100}};
constexpr std::array<std::uint64_t, 3> kResources = {RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_FSIZE};
constexpr std::array<std::uint64_t, 9> kAllocate = {0,
                                                    FALLOC_FL_KEEP_SIZE,
                                                    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                    FALLOC_FL_ZERO_RANGE,
                                                    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                                    0x4000,
                                                    8 /* FALLOC_FL_COLLAPSE_RANGE */,
                                                    0x20 /* FALLOC_FL_INSERT_RANGE */,
                                                    FALLOC_FL_PUNCH_HOLE};
constexpr std::array<std::uint64_t, 3> kAccess = {O_RDONLY, O_RDWR, O_WRONLY};
constexpr std::array<std::uint64_t, 6> kCommands = {IPC_STAT, IPC_RMID, IPC_SET, SHM_LOCK, SHM_UNLOCK, 77};
constexpr std::array<std::uint64_t, 16> kAdvice = {0, 1, 2, 3, 4, 9, 10, 11, 8, 20, 21, 22, 23, 18, 19, 77};

// In the order of OpCode.
constexpr bare_code kCodes[] = {
    BARE_OPEN,        BARE_CLOSE,    BARE_UNLINK,      BARE_FTRUNCATE,     BARE_TRUNCATE,  BARE_PREAD,
    BARE_PWRITE,      BARE_PREAD_TO, BARE_PWRITE_FROM, BARE_FSTAT,         BARE_MMAP,      BARE_MUNMAP,
    BARE_MPROTECT,    BARE_LOAD,     BARE_STORE,       BARE_CONTENTS_LOAD, BARE_FORK,      BARE_EXIT,
    BARE_KILL,        BARE_SHMGET,   BARE_SHMAT,       BARE_SHMDT,         BARE_SHMCTL,    BARE_MAPS,
    BARE_MSYNC,       BARE_SETID,    BARE_MREMAP,      BARE_MADVISE,       BARE_FALLOCATE, BARE_FSYNC,
    BARE_MEMFD,       BARE_SEAL,     BARE_SEALS,       BARE_MLOCK,         BARE_MUNLOCK,   BARE_LOCKED,
    BARE_MINCORE,     BARE_SHM_INFO, BARE_LIMIT,       BARE_LIMITS,        BARE_NONE,      BARE_RENAME,
    BARE_LINK,        BARE_SHM_OPEN, BARE_SHM_UNLINK,  BARE_NONE,          BARE_UNSHARE,   BARE_IPC_INFO,
    BARE_SHM_STAT,    BARE_SYSVIPC,  BARE_NONE,        BARE_MUNLOCKALL,    BARE_RLIMIT,    BARE_REMAP,
    BARE_CALL,        BARE_AGE,      BARE_TIMES,       BARE_NONE,          BARE_SETNS,     BARE_BLOCKS,
    BARE_NONE,        BARE_CROWD,    BARE_MEMFD_NAME,  BARE_NONE,          BARE_CHATTR,    BARE_MAP_FILE,
    BARE_DESCRIPTORS, BARE_NAMES,    BARE_BRK,         BARE_NONE,          BARE_NONE,      BARE_SMAPS,
    BARE_RSS};
static_assert(std::size(kCodes) == program::kOpCodes);

std::uint32_t name_bytes(program::MemfdName name) {
  if (name == program::MemfdName::plain) return program::kMemfdPlainName.size();
  if (name == program::MemfdName::longest) return program::kMemfdLongestName;
  return name == program::MemfdName::longer ? program::kMemfdLongestName + 1 : 0;
}

bare_address address(const Quantity& q, const Facts& facts) {
  const std::uint64_t offset = static_cast<std::uint64_t>(std::int64_t{q.pages}) * facts.page_size +
                               static_cast<std::uint64_t>(std::int64_t{q.bytes});
  if (q.names_mapping()) return {offset, static_cast<std::int64_t>(q.mapping())};
  switch (static_cast<program::Base>(q.base)) {
    case program::Base::arena:
      return {facts.arena + offset, -1};
    case program::Base::top:
      return {facts.top + offset, -1};
    case program::Base::half:
      return {(std::uint64_t{1} << 63) + offset, -1};
    default:
      return {offset, -1};
  }
}

// What an operation's flags, protection and value are to the kernel.
void translate_operation(const Op& op, const Facts& facts, bare_op& out) {
  switch (op.code) {
    case OpCode::open:
      out.flags = kAccess[op.small] | translate(op.flags, kOpen);
      break;
    case OpCode::shm_open:
      out.flags = kAccess[op.small] | translate(op.flags, kOpen) | O_CLOEXEC | O_NOFOLLOW;
      break;
    case OpCode::rename:
    case OpCode::link:
    case OpCode::pwrite:
    case OpCode::exit:
      out.value = op.byte;
      break;
    case OpCode::mmap:
      out.flags = translate(op.flags, kMap);
      out.value = op.byte;
      if (op.byte != 0) out.object = BARE_SPECIAL_FILE;
      [[fallthrough]];
    case OpCode::mprotect:
      out.prot = translate(op.small, kProt);
      break;
    case OpCode::load:
    case OpCode::store:
      out.bytes = 1U << op.small;
      out.action = op.byte;
      out.value = op.value;
      break;
    case OpCode::contents:
      if (static_cast<program::Via>(op.small) == program::Via::kernel) out.code = BARE_CONTENTS_KERNEL;
      break;
    case OpCode::kill:
      out.prot = native(static_cast<program::Signal>(op.small) == program::Signal::kill ? SIGKILL : SIGTERM);
      break;
    case OpCode::fork:
    case OpCode::unshare:
    case OpCode::setns:
    case OpCode::chattr:
      out.prot = op.small;
      break;
    case OpCode::shmget:
      out.value = op.byte == 0 ? IPC_PRIVATE : 0x7368'6d00U + op.byte;
      out.flags = translate(op.flags, kGet) | op.mode;
      break;
    case OpCode::shmat:
      out.flags = translate(op.flags, kAttach);
      break;
    case OpCode::shmctl:
      out.prot = kCommands[op.small];
      out.value = program::user_id(facts, program::owner_user(op.byte));
      out.off = program::group_id(facts, program::owner_group(op.byte));
      out.flags = (op.flags & program::shmctl::kBadBuffer) != 0 ? facts.top : 0;
      break;
    case OpCode::shm_stat:
      out.prot = (op.flags & program::shmstat::kAny) != 0 ? 15 /* SHM_STAT_ANY */ : SHM_STAT;
      out.value = op.byte;
      break;
    case OpCode::ipc_info:
      out.value = op.byte;
      break;
    case OpCode::msync:
      out.flags = translate(op.flags, kSync);
      break;
    case OpCode::setid:
      out.flags = program::asks_for_groups(op) ? 0 : 1;
      out.value = program::user_id(facts, op.byte);
      out.off = program::group_id(facts, program::setid_group(op));
      for (std::uint8_t u = 0; u < program::kUsers; ++u) {
        if ((op.flags >> u & 1U) != 0) out.groups[out.prot++] = program::group_id(facts, u);
      }
      break;
    case OpCode::mremap:
      out.flags = translate(op.flags, kRemap);
      break;
    case OpCode::madvise:
      out.prot = kAdvice[op.small];
      break;
    case OpCode::fallocate:
      out.prot = kAllocate[op.small];
      break;
    case OpCode::fsync:
    case OpCode::limit:
    case OpCode::limits:
      out.prot = op.small;
      break;
    case OpCode::memfd:
      out.flags = translate(op.flags, kMemfd);
      out.value = static_cast<program::MemfdName>(op.byte) == program::MemfdName::bad ? facts.top : 0;
      out.bytes = name_bytes(static_cast<program::MemfdName>(op.byte));
      break;
    case OpCode::crowd:
      out.value = facts.max_map_count + 1 - program::mappings_left(op.small);
      out.len = (facts.max_map_count + 4) * facts.page_size;
      break;
    case OpCode::seal:
      out.flags = translate(op.flags, kSeal);
      break;
    case OpCode::mlock:
      out.flags = translate(op.flags, kLock);
      break;
    case OpCode::rlimit:
      out.prot = kResources[op.small];
      break;
    case OpCode::remap:
      out.prot = translate(op.small, kProt);
      out.flags = translate(op.flags, kMap);
      out.off /= facts.page_size;
      break;
    default:
      break;
  }
}

struct Special {
  std::uint8_t ours;
  std::int32_t theirs;
};

std::int32_t object(const Op& op) {
  constexpr Special kFiles[] = {{program::kFileNone, BARE_NO_FILE}, {program::kFileBad, BARE_BAD_FILE}};
  constexpr Special kSegments[] = {{program::kSegmentNegative, BARE_NEGATIVE_ID},
                                   {program::kSegmentBogus, BARE_BOGUS_ID}};
  constexpr Special kObjects[] = {{program::kObjectLong, BARE_LONG_NAME}};
  std::span<const Special> specials;
  if (program::spec(op.code).object_kind == program::NameKind::file) specials = kFiles;
  if (program::spec(op.code).object_kind == program::NameKind::segment) specials = kSegments;
  if (program::spec(op.code).object_kind == program::NameKind::object) specials = kObjects;
  for (const Special& special : specials) {
    if (op.object == special.ours) return special.theirs;
  }
  return op.object;
}

bare_op flatten(const program::Step& step, const Facts& facts) {
  const Op& op = step.op;
  bare_op out{};
  out.code = kCodes[static_cast<std::size_t>(op.code)];
  out.process = op.proc;
  out.result = op.result;
  out.object = object(op);
  out.mode = op.mode;
  out.expect = step.outcome.kind == OutcomeKind::error ? step.outcome.error : 0;
  out.len = address(op.len, facts).value;
  out.off = address(op.off, facts).value;
  out.addr = address(op.addr, facts);
  out.to = address(op.to, facts);
  translate_operation(op, facts, out);
  return out;
}

bool was_made(const program::Step& step) {
  if (step.op.code == OpCode::end) return false;
  return step.outcome.kind != OutcomeKind::unbound && step.outcome.kind != OutcomeKind::withheld;
}

}  // namespace

bool can_flatten(OpCode code) {
  return code == OpCode::end || kCodes[static_cast<std::size_t>(code)] != BARE_NONE;
}

std::vector<bare_op> flatten(const program::Trace& trace) {
  if (trace.steps.empty() || trace.steps.back().op.code != OpCode::end) {
    throw std::invalid_argument("flatten: the trace is not complete");
  }
  std::vector<bare_op> ops;
  for (const program::Step& step : trace.steps) {
    if (!can_flatten(step.op.code))
      throw std::invalid_argument("flatten: the bare program does no " +
                                  std::string(program::spec(step.op.code).name));
    if (was_made(step)) ops.push_back(flatten(step, trace.facts));
  }
  return ops;
}

}  // namespace shmcheck::bench
