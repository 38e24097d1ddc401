#include "program/op.h"

namespace shmcheck::program {
namespace {

constexpr NamedValue kAccessNames[] = {{"ro", 0}, {"rw", 1}, {"wo", 2}};
constexpr NamedValue kShmAccessNames[] = {{"ro", 0}, {"rw", 1}};
constexpr NamedValue kOpenFlags[] = {{"creat", openflag::kCreat},
                                     {"excl", openflag::kExcl},
                                     {"trunc", openflag::kTrunc},
                                     {"append", openflag::kAppend}};
constexpr NamedValue kPathNames[] = {{"n0", 0}, {"n1", 1}, {"n2", 2}, {"n3", 3},
                                     {"n4", 4}, {"n5", 5}, {"n6", 6}, {"n7", 7}};
static_assert(std::size(kPathNames) == kNames);
constexpr NamedValue kShmOpenFlags[] = {
    {"creat", openflag::kCreat}, {"excl", openflag::kExcl}, {"trunc", openflag::kTrunc}};
constexpr NamedValue kMapFlags[] = {{"validate", map::kShared | map::kPrivate},
                                    {"shared", map::kShared},
                                    {"private", map::kPrivate},
                                    {"anon", map::kAnonymous},
                                    {"fixed", map::kFixed},
                                    {"noreplace", map::kNoReplace},
                                    {"populate", map::kPopulate},
                                    {"noreserve", map::kNoReserve},
                                    {"stack", map::kStack},
                                    {"unknown", map::kUnknown},
                                    {"sync", map::kSync},
                                    {"locked", map::kLocked},
                                    {"nonblock", map::kNonBlock},
                                    {"growsdown", map::kGrowsDown},
                                    {"huge", map::kHuge},
                                    {"legacy", map::kLegacy}};
constexpr NamedValue kMapSources[] = {{"slot", 0}, {"zero", 1}, {"null", 2}, {"directory", 3}, {"pipe", 4}};
constexpr NamedValue kShmgetFlags[] = {{"creat", shmget::kCreat},
                                       {"excl", shmget::kExcl},
                                       {"noreserve", shmget::kNoReserve},
                                       {"huge", shmget::kHuge}};
constexpr NamedValue kShmatFlags[] = {
    {"rdonly", shmat::kReadOnly}, {"rnd", shmat::kRound}, {"remap", shmat::kRemap}, {"exec", shmat::kExec}};
constexpr NamedValue kShmCommands[] = {{"stat", 0}, {"rmid", 1},   {"set", 2},
                                       {"lock", 3}, {"unlock", 4}, {"bad", 5}};
constexpr NamedValue kOwnerNames[] = {{"u0", 0},       {"u1", 1},       {"u2", 2},       {"none", 3},
                                      {"u0:u0", 4},    {"u1:u0", 5},    {"u2:u0", 6},    {"none:u0", 7},
                                      {"u0:u1", 8},    {"u1:u1", 9},    {"u2:u1", 10},   {"none:u1", 11},
                                      {"u0:u2", 12},   {"u1:u2", 13},   {"u2:u2", 14},   {"none:u2", 15},
                                      {"u0:none", 16}, {"u1:none", 17}, {"u2:none", 18}, {"none:none", 19}};
static_assert(std::size(kOwnerNames) == kOwners * (kOwners + 1U));
constexpr NamedValue kGroupNames[] = {{"own", 0}, {"u0", 1}, {"u1", 2}, {"u2", 3}};
constexpr NamedValue kSupplementary[] = {{"u0", 1}, {"u1", 2}, {"u2", 4}};
static_assert(std::size(kGroupNames) == kUsers + 1U && std::size(kSupplementary) == kUsers);
constexpr NamedValue kMsyncFlags[] = {{"async", msync::kAsync},
                                      {"sync", msync::kSync},
                                      {"invalidate", msync::kInvalidate},
                                      {"unknown", msync::kUnknown}};
constexpr NamedValue kMremapFlags[] = {{"maymove", mremap::kMayMove},
                                       {"fixed", mremap::kFixed},
                                       {"dontunmap", mremap::kDontUnmap},
                                       {"unknown", mremap::kUnknown}};
constexpr NamedValue kAdvice[] = {
    {"normal", 0},   {"random", 1},         {"sequential", 2},      {"willneed", 3},    {"dontneed", 4},
    {"remove", 5},   {"dontfork", 6},       {"dofork", 7},          {"free", 8},        {"cold", 9},
    {"pageout", 10}, {"populate_read", 11}, {"populate_write", 12}, {"wipeonfork", 13}, {"keeponfork", 14},
    {"unknown", 15}};
constexpr NamedValue kAllocate[] = {{"extend", 0},   {"keep", 1},      {"punch", 2},
                                    {"zero", 3},     {"zero_keep", 4}, {"unknown", 5},
                                    {"collapse", 6}, {"insert", 7},    {"punch_only", 8}};
constexpr NamedValue kEndings[] = {{"orderly", 0}, {"crash", 1}};
constexpr NamedValue kForkInto[] = {{"same", 0}, {"pid", 1}};
constexpr NamedValue kUnshared[] = {{"ipc", 0}, {"user", 1}};
constexpr NamedValue kJoins[] = {{"pidfd", 0}, {"file", 1}};
constexpr NamedValue kRooms[] = {{"none", 0}, {"all", 1}};
constexpr NamedValue kAppendOnly[] = {{"on", 0}, {"off", 1}};
constexpr NamedValue kSync[] = {{"all", 0}, {"data", 1}};
constexpr NamedValue kMemfdFlags[] = {
    {"sealing", memfd::kSealing}, {"unknown", memfd::kUnknown}, {"huge", memfd::kHuge}};
constexpr NamedValue kSeals[] = {{"seal", seal::kSeal},
                                 {"shrink", seal::kShrink},
                                 {"grow", seal::kGrow},
                                 {"write", seal::kWrite},
                                 {"future_write", seal::kFutureWrite},
                                 {"unknown", seal::kUnknown}};
constexpr NamedValue kMlockFlags[] = {{"onfault", mlock::kOnFault}, {"unknown", mlock::kUnknown}};
constexpr NamedValue kMlockallFlags[] = {{"current", mlockall::kCurrent},
                                         {"future", mlockall::kFuture},
                                         {"onfault", mlockall::kOnFault},
                                         {"unknown", mlockall::kUnknown}};
constexpr NamedValue kResources[] = {{"as", 0}, {"memlock", 1}, {"fsize", 2}};
constexpr NamedValue kRemapFilePagesFlags[] = {{"nonblock", map::kNonBlock}};
constexpr NamedValue kShmctlFlags[] = {{"badbuf", shmctl::kBadBuffer}};
constexpr NamedValue kShmStatFlags[] = {{"any", shmstat::kAny}};
constexpr NamedValue kTotals[] = {
    {"segments", 0}, {"pages", 1}, {"kept", 2}, {"swap_tries", 3}, {"highest", 4}};
constexpr NamedValue kInfos[] = {{"shmmax", 0}, {"shmmin", 1}, {"shmmni", 2},
                                 {"shmseg", 3}, {"shmall", 4}, {"highest", 5}};
constexpr NamedValue kIgnoredIds[] = {{"zero", 0}, {"negative", 1}};
constexpr NamedValue kLimitNames[] = {
    {"shmmax", 0}, {"shmall", 1}, {"shmmni", 2}, {"rmid_forced", 3}, {"next_id", 4}};
constexpr NamedValue kMemfdNames[] = {{"plain", 0}, {"empty", 1}, {"longest", 2}, {"longer", 3}, {"bad", 4}};
constexpr NamedValue kLeft[] = {{"1", 0}, {"2", 1}, {"3", 2}, {"4", 3},
                                {"5", 4}, {"6", 5}, {"7", 6}, {"8", 7}};
static_assert(std::size(kLeft) == kMostLeft);
constexpr NamedValue kRemounts[] = {{"again", 0}, {"ro", 1}};
constexpr NamedValue kImages[] = {{"own", 0}, {"missing", 1}};
constexpr NamedValue kActions[] = {{"caught", 0}, {"default", 1}, {"ignored", 2}, {"blocked", 3}};
constexpr NamedValue kVia[] = {{"load", 0}, {"kernel", 1}};
constexpr NamedValue kAgainst[] = {{"rmid", 0}, {"fork", 1}};
constexpr NamedValue kSignals[] = {{"kill", 0}, {"term", 1}};

constexpr Arg object() {
  return {ArgKind::object, Slot::object, "", true, {}};
}
constexpr Arg address(bool required = true) {
  return {ArgKind::quantity, Slot::addr, required ? "" : "addr", required, {}};
}
constexpr Arg quantity(Slot slot, std::string_view label, bool required) {
  return {ArgKind::quantity, slot, label, required, {}};
}
constexpr Arg small_len() {
  return {ArgKind::small_len, Slot::len, "len", true, {}};
}
constexpr Arg prot() {
  return {ArgKind::prot, Slot::small, "prot", true, {}};
}
constexpr Arg flags(std::span<const NamedValue> names) {
  return {ArgKind::flags, Slot::flags, "flags", false, names};
}
constexpr Arg choice(Slot slot, std::string_view label, std::span<const NamedValue> names) {
  return {ArgKind::choice, slot, label, false, names};
}
constexpr Arg mode() {
  return {ArgKind::mode, Slot::mode, "mode", false, {}};
}

constexpr Arg kOpen[] = {object(), choice(Slot::small, "access", kAccessNames), flags(kOpenFlags), mode()};
constexpr Arg kObject[] = {object()};
constexpr Arg kTruncate[] = {object(), quantity(Slot::len, "size", true)};
constexpr Arg kPread[] = {object(), small_len(), quantity(Slot::off, "off", false)};
constexpr Arg kPwrite[] = {
    object(), small_len(), {ArgKind::byte, Slot::byte, "byte", true, {}}, quantity(Slot::off, "off", false)};
constexpr Arg kMemoryIo[] = {object(), address(), small_len(), quantity(Slot::off, "off", false)};
constexpr Arg kMmap[] = {object(),
                         quantity(Slot::len, "len", true),
                         prot(),
                         flags(kMapFlags),
                         address(false),
                         quantity(Slot::off, "off", false),
                         choice(Slot::byte, "from", kMapSources)};
constexpr Arg kMunmap[] = {address(), quantity(Slot::len, "len", true)};
constexpr Arg kMprotect[] = {address(), quantity(Slot::len, "len", true), prot()};
constexpr Arg kLoad[] = {
    address(), {ArgKind::access_size, Slot::small, "size", false, {}}, choice(Slot::byte, "act", kActions)};
constexpr Arg kCall[] = {address()};
constexpr Arg kStore[] = {
    address(), {ArgKind::bytes, Slot::value, "", true, {}}, choice(Slot::byte, "act", kActions)};
constexpr Arg kContents[] = {address(), small_len(), choice(Slot::small, "via", kVia)};
constexpr Arg kExit[] = {{ArgKind::status, Slot::byte, "status", false, {}}};
constexpr Arg kKill[] = {object(), choice(Slot::small, "signal", kSignals)};
constexpr Arg kShmget[] = {{ArgKind::key, Slot::byte, "key", true, {}},
                           quantity(Slot::len, "size", true),
                           flags(kShmgetFlags),
                           mode()};
constexpr Arg kShmat[] = {object(), address(false), flags(kShmatFlags)};
constexpr Arg kShmdt[] = {address()};
constexpr Arg kShmctl[] = {object(),
                           {ArgKind::choice, Slot::small, "cmd", true, kShmCommands},
                           choice(Slot::byte, "owner", kOwnerNames),
                           mode(),
                           flags(kShmctlFlags)};
constexpr Arg kIpcInfo[] = {{ArgKind::choice, Slot::small, "what", true, kInfos},
                            choice(Slot::byte, "id", kIgnoredIds)};
constexpr Arg kShmStat[] = {
    object(), {ArgKind::status, Slot::byte, "behind", false, {}}, flags(kShmStatFlags)};
constexpr Arg kMsync[] = {address(), quantity(Slot::len, "len", true), flags(kMsyncFlags)};
constexpr Arg kSetid[] = {{ArgKind::user, Slot::byte, "user", true, {}},
                          choice(Slot::small, "group", kGroupNames),
                          {ArgKind::flags, Slot::flags, "groups", false, kSupplementary}};
constexpr Arg kMremap[] = {address(), quantity(Slot::len, "old", true), quantity(Slot::off, "new", true),
                           flags(kMremapFlags), quantity(Slot::to, "to", false)};
constexpr Arg kMadvise[] = {address(), quantity(Slot::len, "len", true),
                            choice(Slot::small, "advice", kAdvice)};
constexpr Arg kFallocate[] = {object(), quantity(Slot::len, "len", true), quantity(Slot::off, "off", false),
                              choice(Slot::small, "how", kAllocate)};
constexpr Arg kFsync[] = {object(), choice(Slot::small, "how", kSync)};
constexpr Arg kMemfd[] = {flags(kMemfdFlags), choice(Slot::byte, "name", kMemfdNames)};
constexpr Arg kSeal[] = {object(), {ArgKind::flags, Slot::flags, "seals", false, kSeals}};
constexpr Arg kMlock[] = {address(), quantity(Slot::len, "len", true), flags(kMlockFlags)};
constexpr Arg kShmInfo[] = {choice(Slot::small, "what", kTotals)};
constexpr Arg kLimit[] = {{ArgKind::choice, Slot::small, "what", true, kLimitNames},
                          quantity(Slot::len, "value", true)};
constexpr Arg kLimitsArgs[] = {{ArgKind::choice, Slot::small, "what", true, kLimitNames}};
constexpr Arg kExec[] = {choice(Slot::small, "image", kImages)};
constexpr Arg kRename[] = {object(), {ArgKind::choice, Slot::byte, "to", true, kPathNames}};
constexpr Arg kShmOpen[] = {object(), choice(Slot::small, "access", kShmAccessNames), flags(kShmOpenFlags),
                            mode()};
constexpr Arg kMlockall[] = {flags(kMlockallFlags)};
constexpr Arg kRlimit[] = {{ArgKind::choice, Slot::small, "what", true, kResources},
                           {ArgKind::small_len, Slot::len, "value", true, {}}};
constexpr Arg kRemap[] = {address(),
                          quantity(Slot::len, "len", true),
                          quantity(Slot::off, "off", false),
                          {ArgKind::prot, Slot::small, "prot", false, {}},
                          {ArgKind::flags, Slot::flags, "flags", false, kRemapFilePagesFlags}};
constexpr Arg kReboot[] = {choice(Slot::small, "how", kEndings)};
constexpr Arg kFork[] = {choice(Slot::small, "new", kForkInto)};
constexpr Arg kUnshare[] = {choice(Slot::small, "what", kUnshared)};
constexpr Arg kSetns[] = {object(), choice(Slot::small, "by", kJoins)};
constexpr Arg kCrowd[] = {{ArgKind::choice, Slot::small, "left", true, kLeft}};
constexpr Arg kRemount[] = {choice(Slot::small, "how", kRemounts)};
constexpr Arg kMincore[] = {address(), small_len()};

constexpr NamedValue kResidentSets[] = {{"anon", 0}, {"file", 1}, {"shmem", 2}};
constexpr Arg kRss[] = {{ArgKind::choice, Slot::small, "what", true, kResidentSets}};
constexpr Arg kMapFile[] = {address()};
constexpr Arg kRaceShmat[] = {object(), {ArgKind::choice, Slot::small, "against", true, kAgainst}};
constexpr Arg kFill[] = {choice(Slot::small, "left", kRooms)};
constexpr Arg kChattr[] = {object(), {ArgKind::choice, Slot::small, "append", true, kAppendOnly}};

using N = NameKind;
using R = ResultKind;

constexpr OpSpec kSpecs[] = {
    {"open", N::file, N::path, R::nothing, kOpen,
     "open(2) a path of the program's directory into a descriptor slot"},
    {"close", N::none, N::file, R::nothing, kObject, "close(2)"},
    {"unlink", N::none, N::path, R::nothing, kObject, "unlink(2)"},
    {"ftruncate", N::none, N::file, R::nothing, kTruncate, "ftruncate(2)"},
    {"truncate", N::none, N::path, R::nothing, kTruncate, "truncate(2)"},
    {"pread", N::none, N::file, R::runs, kPread, "pread(2) into the executor's buffer; shows the bytes"},
    {"pwrite", N::none, N::file, R::count, kPwrite, "pwrite(2) of one repeated byte"},
    {"pread_to", N::none, N::file, R::count, kMemoryIo, "pread(2) into the process's memory at an address"},
    {"pwrite_from", N::none, N::file, R::count, kMemoryIo,
     "pwrite(2) from the process's memory at an address"},
    {"fstat", N::none, N::file, R::stat, kObject, "fstat(2)"},
    {"mmap", N::mapping, N::file, R::address, kMmap,
     "mmap(2); `-` is descriptor -1, `bad` one that is never open; from= maps a special file instead"},
    {"munmap", N::none, N::none, R::nothing, kMunmap, "munmap(2)"},
    {"mprotect", N::none, N::none, R::nothing, kMprotect, "mprotect(2)"},
    {"load", N::none, N::none, R::value, kLoad,
     "one load of 1, 2, 4 or 8 bytes; act= says what SIGSEGV and SIGBUS do"},
    {"store", N::none, N::none, R::nothing, kStore, "one store of 1, 2, 4 or 8 bytes, given in memory order"},
    {"contents", N::none, N::none, R::runs, kContents, "every byte of a range, by loads or by a system call"},
    {"fork", N::process, N::none, R::pid, kFork,
     "fork(2); the child takes part under the given name; with new=pid clone(2) CLONE_NEWPID: it is "
     "the first process of a PID namespace"},
    {"exit", N::none, N::none, R::nothing, kExit, "_exit(2), waited for until complete"},
    {"kill", N::none, N::process, R::nothing, kKill, "kill(2), waited for until the process is gone"},
    {"shmget", N::segment, N::none, R::id, kShmget, "shmget(2)"},
    {"shmat", N::mapping, N::segment, R::address, kShmat,
     "shmat(2); `neg` is id -1, `bogus` one that is never assigned"},
    {"shmdt", N::none, N::none, R::nothing, kShmdt, "shmdt(2)"},
    {"shmctl", N::none, N::segment, R::shm, kShmctl,
     "shmctl(2); owner= (a user, or user:group; `none` is -1) and mode= are what cmd=set asks for"},
    {"maps", N::none, N::none, R::maps, {}, "the process's mappings, from /proc/self/maps"},
    {"msync", N::none, N::none, R::nothing, kMsync, "msync(2)"},
    {"setid", N::none, N::none, R::nothing, kSetid,
     "become another user for good, without capabilities; group= is the effective group, groups= are the "
     "supplementary ones"},
    {"mremap", N::mapping, N::none, R::address, kMremap, "mremap(2); to= is the new address for fixed"},
    {"madvise", N::none, N::none, R::nothing, kMadvise, "madvise(2)"},
    {"fallocate", N::none, N::file, R::nothing, kFallocate,
     "fallocate(2); how= extends the file, keeps its size, punches a hole, zeroes, or takes a range out or "
     "puts one in"},
    {"fsync", N::none, N::file, R::nothing, kFsync, "fsync(2), or with how=data fdatasync(2)"},
    {"memfd", N::file, N::none, R::nothing, kMemfd,
     "memfd_create(2) into a descriptor slot; name= is one of several, or one that is refused"},
    {"seal", N::none, N::file, R::nothing, kSeal, "fcntl(2) F_ADD_SEALS"},
    {"seals", N::none, N::file, R::count, kObject,
     "fcntl(2) F_GET_SEALS: 1 seal, 2 shrink, 4 grow, 8 write, 16 future_write, added up"},
    {"mlock", N::none, N::none, R::nothing, kMlock, "mlock(2), or with flags mlock2(2)"},
    {"munlock", N::none, N::none, R::nothing, kMunmap, "munlock(2)"},
    {"locked",
     N::none,
     N::none,
     R::count,
     {},
     "how many bytes the process has locked: VmLck of /proc/self/status"},
    {"mincore", N::none, N::none, R::count, kMincore, "mincore(2): how many pages are resident"},
    {"shm_info", N::none, N::none, R::count, kShmInfo,
     "shmctl(2) SHM_INFO: the segments of the namespace, the pages they are accounted or have in memory or "
     "swap, the tries to swap, or the highest index in use"},
    {"limit", N::none, N::none, R::nothing, kLimit,
     "set kernel.shmmax, shmall, shmmni, shm_rmid_forced or shm_next_id of a private IPC namespace"},
    {"limits", N::none, N::none, R::count, kLimitsArgs, "read one of them"},
    {"exec", N::none, N::none, R::nothing, kExec,
     "execve(2) of an image with which the process goes on, or of one that does not exist"},
    {"rename", N::none, N::path, R::nothing, kRename, "rename(2) within the program's directory"},
    {"link", N::none, N::path, R::nothing, kRename, "link(2) within the program's directory"},
    {"shm_open", N::file, N::object, R::nothing, kShmOpen,
     "shm_open(3) into a descriptor slot; `long` is a name of more than NAME_MAX bytes, o3 one of as many"},
    {"shm_unlink", N::none, N::object, R::nothing, kObject, "shm_unlink(3)"},
    {"stored", N::none, N::file, R::runs, kPread,
     "the bytes of a file as the storage beneath the page cache has them"},
    {"unshare", N::none, N::none, R::nothing, kUnshare,
     "unshare(2) CLONE_NEWIPC: a new IPC namespace; or with what=user CLONE_NEWUSER: a user namespace "
     "in which the process is root and nobody else exists"},
    {"ipc_info", N::none, N::none, R::count, kIpcInfo,
     "shmctl(2) IPC_INFO: a limit of the namespace or the highest index in use; id= is the argument that is "
     "ignored"},
    {"shm_stat", N::none, N::segment, R::shm_at, kShmStat,
     "shmctl(2) SHM_STAT, or with flags=any SHM_STAT_ANY, of the index of a segment or of one behind it"},
    {"sysvipc", N::none, N::none, R::listing, {}, "the segments of the namespace, from /proc/sysvipc/shm"},
    {"mlockall", N::none, N::none, R::nothing, kMlockall,
     "mlockall(2); the executor's own memory stays unlocked"},
    {"munlockall", N::none, N::none, R::nothing, {}, "munlockall(2)"},
    {"rlimit", N::none, N::none, R::nothing, kRlimit,
     "setrlimit(2) of the soft limit; that of what=as is given as what may be mapped beyond what is now"},
    {"remap", N::none, N::none, R::nothing, kRemap, "remap_file_pages(2)"},
    {"call", N::none, N::none, R::nothing, kCall,
     "calls the code at an address, if it is one return instruction"},
    {"age", N::none, N::file, R::nothing, kObject,
     "futimens(2): sets the access and the modification time of the file to a day of long ago"},
    {"times", N::none, N::file, R::count, kObject,
     "fstat(2): which times are not those that age has set, added up: 1 access, 2 modification"},
    {"reboot", N::process, N::none, R::pid, kReboot,
     "the machine is started anew with the disk that it has; the first process then takes the given name"},
    {"setns", N::none, N::process, R::nothing, kSetns,
     "setns(2): joins the IPC namespace of a process, by a pidfd or by /proc/PID/ns/ipc"},
    {"blocks", N::none, N::file, R::count, kObject,
     "fstat(2): st_blocks, how many units of 512 bytes of storage the file has"},
    {"fill", N::none, N::none, R::nothing, kFill,
     "take all that is left of the program's file system, or with left=all give back what was taken"},
    {"crowd", N::none, N::none, R::count, kCrowd,
     "divides a range of the executor's until the process may make only so many mappings more "
     "(vm.max_map_count); shows how many are the program's"},
    {"memfd_name", N::none, N::file, R::runs, kObject,
     "readlink(2) of the descriptor in /proc/self/fd, if it is that of a memory file; shows the bytes"},
    {"remount", N::none, N::none, R::nothing, kRemount,
     "umount(2) of the program's file system, which is then mounted again; or with how=ro mount(2) "
     "MS_REMOUNT to read-only and back"},
    {"chattr", N::none, N::path, R::nothing, kChattr,
     "FS_IOC_SETFLAGS: sets FS_APPEND_FL of a file, with which it can only be written to at its end, or "
     "takes it away"},
    {"map_file", N::file, N::none, R::nothing, kMapFile,
     "open(2), for reading, of the entry of /proc/self/map_files that is for the mapping at an address"},
    {"descriptors",
     N::none,
     N::none,
     R::count,
     {},
     "how many descriptors the process has, from /proc/self/fd; the executor's own are left out"},
    {"names", N::none, N::none, R::count, {}, "how many names the program's directory and /dev/shm have"},
    {"brk", N::none, N::none, R::count, {}, "brk(2): how many bytes the program break has moved"},
    {"race_shmget", N::segment, N::none, R::racers, kShmget,
     "shmget(2) by four processes at once, which then end; shows the id or the error of each"},
    {"race_shmat", N::none, N::segment, R::racers, kRaceShmat,
     "shmat(2) by processes at once, which look at what they have attached, detach and end: three against an "
     "IPC_RMID, or four that fork meanwhile, whose children attach once more and exit or are killed"},
    {"smaps", N::none, N::none, R::smaps, kMapFile,
     "the entry of /proc/self/smaps for the mapping at an address: its range, what is Shared and Private "
     "of it, and of VmFlags `sh`, `lo`, `lf`, `io`, `sr`, `rr`, `dc`, `wf`, `ht`, `dd` and `nr`"},
    {"rss", N::none, N::none, R::count, kRss,
     "how many pages the process has in memory: RssAnon, RssFile or RssShmem of /proc/self/status, "
     "without the executor's own"},
    {"end", N::none, N::none, R::end, {}, "the state after all processes have ended"},
};
static_assert(std::size(kSpecs) == kOpCodes + 1U);

}  // namespace

const OpSpec& spec(OpCode code) {
  return kSpecs[static_cast<std::uint8_t>(code)];
}

unsigned name_count(NameKind kind) {
  switch (kind) {
    case N::process:
      return kProcesses;
    case N::mapping:
      return kMappings;
    case N::file:
      return kFiles;
    case N::path:
      return kNames;
    case N::segment:
      return kSegments;
    case N::object:
      return kObjects;
    case N::none:
      break;
  }
  return 1;
}

}  // namespace shmcheck::program
