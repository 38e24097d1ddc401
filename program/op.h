// Operations and programs: the vocabulary that program text, program bytes, the executor and the model share.
//
// An `Op` is a flat record. Which of its fields an operation uses, how they are written and in which order is
// said once, by `spec(OpCode)`; text, bytes and normalization are all driven by that table. The table is
// append-only, since its order is the byte form.
//
// This header is used by the executor: no exceptions, no allocation in what it declares for single ops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace shmcheck::program {

enum class OpCode : std::uint8_t {
  open,
  close,
  unlink,
  ftruncate,
  truncate,
  pread,
  pwrite,
  pread_to,
  pwrite_from,
  fstat,
  mmap,
  munmap,
  mprotect,
  load,
  store,
  contents,
  fork,
  exit,
  kill,
  shmget,
  shmat,
  shmdt,
  shmctl,
  maps,
  msync,
  setid,
  mremap,
  madvise,
  fallocate,
  fsync,
  memfd,
  seal,
  seals,
  mlock,
  munlock,
  locked,
  mincore,
  shm_info,
  limit,
  limits,
  exec,
  rename,
  link,
  shm_open,
  shm_unlink,
  stored,
  unshare,
  ipc_info,
  shm_stat,
  sysvipc,
  mlockall,
  munlockall,
  rlimit,
  remap,
  call,
  age,
  times,
  reboot,
  setns,
  blocks,
  fill,
  crowd,
  memfd_name,
  remount,
  chattr,
  map_file,
  descriptors,
  names,
  brk,
  race_shmget,
  race_shmat,
  smaps,
  rss,
  end,  // appended by the executor to every trace, never part of a program
};
inline constexpr std::uint8_t kOpCodes = static_cast<std::uint8_t>(OpCode::end);

inline constexpr unsigned kProcesses = 64;   // p0…p63
inline constexpr unsigned kMappings = 16;    // m0…m15: addresses returned by mmap, mremap and shmat
inline constexpr unsigned kFiles = 8;        // f0…f7: descriptor slots, a fixed descriptor number each
inline constexpr unsigned kNames = 8;        // n0…n7: paths in the program's directory
inline constexpr unsigned kObjects = 4;      // o0…o3: names of POSIX shared memory objects
inline constexpr unsigned kSegments = 8;     // s0…s7: ids returned by shmget
inline constexpr unsigned kUsers = 3;        // u0: the executor's own ids; u1, u2: unprivileged
inline constexpr unsigned kKeys = 8;         // k1…k7: System V keys; k0 is IPC_PRIVATE
inline constexpr unsigned kMaxOps = 16384;   // ops in one program
inline constexpr unsigned kMaxIoPages = 64;  // length limit, in pages, of ops that move contents
// The first ones, of which made-up programs are: a byte that is no process's name falls on one of them.
inline constexpr unsigned kUsualProcesses = 8;

// Object indices beyond the names.
inline constexpr std::uint8_t kFileNone = kFiles;             // `-`: descriptor -1
inline constexpr std::uint8_t kFileBad = kFiles + 1;          // `bad`: a number that is never open
inline constexpr std::uint8_t kObjectLong = kObjects;         // `long`: a name of more than NAME_MAX bytes
inline constexpr std::uint8_t kSegmentNegative = kSegments;   // `neg`: id -1
inline constexpr std::uint8_t kSegmentBogus = kSegments + 1;  // `bogus`: an id that is never assigned

// What a quantity is counted from.
enum class Base : std::uint8_t {
  zero,
  arena,    // `a`: start of the window of address space that is kept free for fixed addresses
  top,      // `top`: an address beyond every user address space (Facts::top)
  half,     // `half`: 2^63, for offsets and lengths that overflow
  mapping,  // `m0`; m1 is mapping + 1 and so on
};
inline constexpr std::uint8_t kBases = static_cast<std::uint8_t>(Base::mapping) + kMappings;

// base + pages * page size + bytes, modulo 2^64. An address, a length, a size or a file offset.
struct Quantity {
  std::uint8_t base = 0;
  std::int16_t pages = 0;
  std::int16_t bytes = 0;
  bool operator==(const Quantity&) const = default;
  bool names_mapping() const { return base >= static_cast<std::uint8_t>(Base::mapping); }
  unsigned mapping() const { return base - static_cast<unsigned>(Base::mapping); }
};

// Bits of Op::small for protections (`prot=rwx?du`; `none` is 0).
inline constexpr std::uint8_t kProtRead = 1, kProtWrite = 2, kProtExec = 4, kProtUnknown = 8,
                              kProtGrowsDown = 16, kProtGrowsUp = 32;

// Bits of Op::flags, by operation. They are ours; the executor translates them to the target's.
namespace map {
inline constexpr std::uint32_t kShared = 1, kPrivate = 2, kAnonymous = 4, kFixed = 8, kNoReplace = 16,
                               kPopulate = 32, kNoReserve = 64, kStack = 128, kUnknown = 256, kSync = 512,
                               kLocked = 1024, kNonBlock = 2048, kGrowsDown = 4096, kHuge = 8192,
                               kLegacy = 16384;
}
// Op::byte of mmap: what is mapped instead of a descriptor slot. Opened for the call, and closed behind it.
enum class MapSource : std::uint8_t { slot, zero, null, directory, pipe };
namespace openflag {
inline constexpr std::uint32_t kCreat = 1, kExcl = 2, kTrunc = 4, kAppend = 8;
}
enum class Access : std::uint8_t { read_only, read_write, write_only };  // Op::small of open, shm_open
namespace shmget {
inline constexpr std::uint32_t kCreat = 1, kExcl = 2, kNoReserve = 4, kHuge = 8;
}
namespace shmat {
inline constexpr std::uint32_t kReadOnly = 1, kRound = 2, kRemap = 4, kExec = 8;
}
namespace shmctl {
inline constexpr std::uint32_t kBadBuffer = 1;  // the buffer lies beyond every user address space
}
// Op::byte of shmctl: the user and the group that cmd=set gives the segment to, kOwners of each. Group 0 is
// the user's own, behind it they stand as the users do; the last of both is an id that is none, -1.
inline constexpr std::uint8_t kOwners = kUsers + 1, kOwnerNone = kUsers;
constexpr std::uint8_t owner_user(std::uint8_t byte) {
  return byte % kOwners;
}
constexpr std::uint8_t owner_group(std::uint8_t byte) {
  return static_cast<std::uint8_t>(byte < kOwners ? owner_user(byte) : byte / kOwners - 1);
}
constexpr std::uint8_t owner(std::uint8_t user, std::uint8_t group) {
  return static_cast<std::uint8_t>(user + kOwners * (group + 1U));
}
namespace shmstat {
inline constexpr std::uint32_t kAny = 1;
}
enum class ShmCommand : std::uint8_t { stat, rmid, set, lock, unlock, bad };  // Op::small of shmctl
namespace msync {
inline constexpr std::uint32_t kAsync = 1, kSync = 2, kInvalidate = 4, kUnknown = 8;
}
namespace mremap {
inline constexpr std::uint32_t kMayMove = 1, kFixed = 2, kDontUnmap = 4, kUnknown = 8;
}
enum class Advice : std::uint8_t {
  normal,
  random,
  sequential,
  willneed,
  dontneed,
  remove,
  dontfork,
  dofork,
  free,
  cold,
  pageout,
  populate_read,
  populate_write,
  wipeonfork,
  keeponfork,
  unknown
};
enum class Allocate : std::uint8_t {  // Op::small of fallocate
  extend,
  keep,
  punch,
  zero,
  zero_keep,
  unknown,
  collapse,
  insert,
  punch_only  // without FALLOC_FL_KEEP_SIZE
};
// Op::small of fill: what is left of the program's file system.
enum class Room : std::uint8_t { none, all };
// Op::small of chattr: whether a file is to be written to at its end only.
enum class AppendOnly : std::uint8_t { on, off };
// What `times` adds up: the times of a file that are not those which `age` has set.
namespace moved {
inline constexpr std::uint8_t kAccess = 1, kModification = 2;
}
namespace memfd {
inline constexpr std::uint32_t kSealing = 1, kUnknown = 2, kHuge = 4;
}
// Op::byte of memfd: the name that the file is given. The longest has as many bytes as one may have, `longer`
// one more; `bad` lies beyond every user address space.
enum class MemfdName : std::uint8_t { plain, empty, longest, longer, bad };
inline constexpr std::string_view kMemfdPlainName = "shmcheck";
inline constexpr std::size_t kMemfdLongestName = 249;
inline constexpr char kMemfdLongNameFill = 'n';
// As Linux numbers them, so that `seals` shows them; the last is ours.
namespace seal {
inline constexpr std::uint32_t kSeal = 1, kShrink = 2, kGrow = 4, kWrite = 8, kFutureWrite = 16,
                               kUnknown = 32;
}
namespace mlock {
inline constexpr std::uint32_t kOnFault = 1, kUnknown = 2;
}
namespace mlockall {
inline constexpr std::uint32_t kCurrent = 1, kFuture = 2, kOnFault = 4, kUnknown = 8;
}
// Op::small of rlimit.
enum class Resource : std::uint8_t { address_space, memlock, file_size };
// Op::small of limit, limits. The id that the next segment is to have reads as 2^64-1 if none is asked for.
enum class Limit : std::uint8_t { shmmax, shmall, shmmni, rmid_forced, next_id };
inline constexpr std::size_t kLimits = 5;
enum class Image : std::uint8_t { own, missing };        // Op::small of exec
enum class Remount : std::uint8_t { again, read_only };  // Op::small of remount
// Op::small of crowd is one less than the mappings that are left.
inline constexpr std::uint8_t kMostLeft = 8;
constexpr std::uint64_t mappings_left(std::uint8_t small) {
  return std::uint64_t{small} + 1;
}
// Op::small of shm_info. `kept` pages are in memory or in swap; `highest` is what the call returns.
enum class ShmTotal : std::uint8_t { segments, pages, kept, swap_tries, highest };
// Op::small of rss: private pages, those of files, and those of tmpfs, shared anonymous memory and segments.
enum class ResidentSet : std::uint8_t { anonymous, file, shared_memory };
enum class IpcInfo : std::uint8_t {
  shmmax,
  shmmin,
  shmmni,
  shmseg,
  shmall,
  highest
};  // Op::small of ipc_info
enum class SignalAction : std::uint8_t {
  caught,
  default_action,
  ignored,
  blocked
};                                                    // Op::byte of load, store
enum class Ending : std::uint8_t { orderly, crash };  // Op::small of reboot
// Op::small of fork: whether the child is the first process of a new PID namespace.
enum class ForkInto : std::uint8_t { same, new_pids };
// Op::small of unshare: the namespace that the process leaves for a new one.
enum class Unshare : std::uint8_t { ipc, user };
enum class Join : std::uint8_t { pidfd, file };    // Op::small of setns
enum class Via : std::uint8_t { load, kernel };    // Op::small of contents
enum class Signal : std::uint8_t { kill, term };   // Op::small of kill
enum class Against : std::uint8_t { rmid, fork };  // Op::small of race_shmat
// Processes that an op which is a race begins, and which are gone behind it. With `fork` each has a child.
inline constexpr unsigned kRacers = 4;

// One operation. Fields that its spec does not name are zero in every normalized op.
struct Op {
  OpCode code = OpCode::open;
  std::uint8_t proc = 0;    // the process that performs it
  std::uint8_t result = 0;  // index of the name that its success binds
  std::uint8_t object = 0;  // index of the name it works on, or one of the special indices above
  std::uint8_t small = 0;   // an enumeration or protection bits
  std::uint8_t byte = 0;    // a fill byte, an index of a key, uid or second path, or a second enumeration
  std::uint16_t mode = 0;   // permission bits
  std::uint32_t flags = 0;
  Quantity addr, len, off, to;
  std::uint64_t value = 0;  // stored bytes in memory order: byte i of memory is bits 8i…8i+7
  bool operator==(const Op&) const = default;
};

constexpr bool is_race(OpCode code) {
  return code == OpCode::race_shmget || code == OpCode::race_shmat;
}
constexpr unsigned racers(const Op& op) {
  const bool with_children = op.code == OpCode::race_shmat && static_cast<Against>(op.small) == Against::fork;
  return with_children ? 2 * kRacers : kRacers;
}

// Against IPC_RMID the first is who removes: it attaches nothing, and loads nothing.
constexpr bool is_remover(const Op& op, std::size_t racer) {
  const bool removed = op.code == OpCode::race_shmat && static_cast<Against>(op.small) == Against::rmid;
  return removed && racer == 0;
}

// Whose group is the effective one of who calls setid: Op::small is 0 for the user's own. Op::flags has a bit
// for each user whose group is a supplementary one.
constexpr std::uint8_t setid_group(const Op& op) {
  return op.small == 0 ? op.byte : static_cast<std::uint8_t>(op.small - 1);
}

struct Program {
  std::vector<Op> ops;
  bool operator==(const Program&) const = default;
};

// Which family of names a result or an object belongs to.
enum class NameKind : std::uint8_t { none, process, mapping, file, path, segment, object };
inline constexpr unsigned kNameKinds = static_cast<unsigned>(NameKind::object) + 1;

// How many names of a family there are; 1 of `none`, whose index is 0.
unsigned name_count(NameKind kind);

enum class ArgKind : std::uint8_t {
  object,       // a name of the spec's object kind
  quantity,     // Quantity
  small_len,    // Quantity without base, 0 … kMaxIoPages pages
  prot,         // protection letters
  flags,        // comma-separated names from Arg::names, each a bit mask
  choice,       // one of Arg::names
  mode,         // octal permission bits, 0 … 0777
  byte,         // 0x00 … 0xff
  key,          // private, k1 … k7
  user,         // u0 (the executor's uid), u1, u2
  access_size,  // 1, 2, 4, 8; Op::small holds the logarithm
  bytes,        // 0x… of 1, 2, 4 or 8 bytes in memory order; fills value and small
  status,       // 0 … 255
};

enum class Slot : std::uint8_t { object, addr, len, off, to, flags, mode, value, small, byte };

struct NamedValue {
  std::string_view name;
  std::uint32_t value;
};

struct Arg {
  ArgKind kind;
  Slot slot;
  std::string_view label;  // empty: positional
  bool required;
  std::span<const NamedValue> names;  // for flags and choice
};

// What the outcome of a success carries.
enum class ResultKind : std::uint8_t {
  nothing,  // ok
  address,  // value: the address
  id,       // value: a segment id
  count,    // value: a number of bytes, pages or segments, or the bits of seals
  value,    // value: bytes in memory order
  runs,     // words: see trace.h
  stat,     // words: FileStat
  shm,      // words: ShmStat; `ok` for commands without a result
  shm_at,   // value: a segment id; words: ShmStat
  listing,  // words: ListingRow each
  maps,     // words: MapRow each
  smaps,    // words: SmapsEntry
  pid,      // value: process id of the child
  end,      // words: EndState
  racers,   // words: Racer each
};

struct OpSpec {
  std::string_view name;
  NameKind result_name;
  NameKind object_kind;
  ResultKind result;
  std::span<const Arg> args;
  std::string_view help;  // one line for `list ops`
};

const OpSpec& spec(OpCode code);

// Whether Op::byte is the index of a second path.
constexpr bool has_second_path(OpCode code) {
  return code == OpCode::rename || code == OpCode::link;
}

// The field of an argument that is a quantity.
constexpr Quantity Op::*quantity_of(Slot slot) {
  switch (slot) {
    case Slot::addr:
      return &Op::addr;
    case Slot::len:
      return &Op::len;
    case Slot::to:
      return &Op::to;
    default:
      return &Op::off;
  }
}

// Maps every field into its range and zeroes those that the op does not use. Idempotent.
void normalize(Op& op);

}  // namespace shmcheck::program
