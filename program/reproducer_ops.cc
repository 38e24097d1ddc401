// Every operation as a C statement. The numbers for unknown bits are those that the executor uses.
#include <bit>
#include <span>

#include "program/op_text.h"
#include "program/reproducer_parts.h"
#include "program/scan.h"
#include "program/users.h"

namespace shmcheck::program {
namespace {

struct CName {
  std::uint32_t bit;
  std::string_view name;
};
constexpr CName kProt[] = {{kProtRead, "PROT_READ"},           {kProtWrite, "PROT_WRITE"},
                           {kProtExec, "PROT_EXEC"},           {kProtUnknown, "0x100000"},
                           {kProtGrowsDown, "PROT_GROWSDOWN"}, {kProtGrowsUp, "PROT_GROWSUP"}};
constexpr CName kMapFlags[] = {{map::kShared, "MAP_SHARED"},
                               {map::kPrivate, "MAP_PRIVATE"},
                               {map::kAnonymous, "MAP_ANONYMOUS"},
                               {map::kFixed, "MAP_FIXED"},
                               {map::kNoReplace, "MAP_FIXED_NOREPLACE"},
                               {map::kPopulate, "MAP_POPULATE"},
                               {map::kNoReserve, "MAP_NORESERVE"},
                               {map::kStack, "MAP_STACK"},
                               {map::kUnknown, "0x400000"},
                               {map::kSync, "MAP_SYNC"},
                               {map::kLocked, "MAP_LOCKED"},
                               {map::kNonBlock, "MAP_NONBLOCK"},
                               {map::kGrowsDown, "MAP_GROWSDOWN"},
                               {map::kHuge, "MAP_HUGETLB"},
                               {map::kLegacy, "MAP_DENYWRITE | MAP_EXECUTABLE"}};
// In the order of MapSource.
constexpr std::string_view kMapSources[] = {"", "open(\"/dev/zero\", O_RDWR)", "open(\"/dev/null\", O_RDWR)",
                                            "open(\".\", O_RDONLY)", "pipe_end()"};
constexpr CName kOpenFlags[] = {{openflag::kCreat, "O_CREAT"},
                                {openflag::kExcl, "O_EXCL"},
                                {openflag::kTrunc, "O_TRUNC"},
                                {openflag::kAppend, "O_APPEND"}};
constexpr CName kGetFlags[] = {{shmget::kCreat, "IPC_CREAT"},
                               {shmget::kExcl, "IPC_EXCL"},
                               {shmget::kNoReserve, "SHM_NORESERVE"},
                               {shmget::kHuge, "SHM_HUGETLB"}};
constexpr CName kAttachFlags[] = {{shmat::kReadOnly, "SHM_RDONLY"},
                                  {shmat::kRound, "SHM_RND"},
                                  {shmat::kRemap, "SHM_REMAP"},
                                  {shmat::kExec, "SHM_EXEC"}};
constexpr CName kSyncFlags[] = {{msync::kAsync, "MS_ASYNC"},
                                {msync::kSync, "MS_SYNC"},
                                {msync::kInvalidate, "MS_INVALIDATE"},
                                {msync::kUnknown, "8"}};
constexpr CName kRemapFlags[] = {{mremap::kMayMove, "MREMAP_MAYMOVE"},
                                 {mremap::kFixed, "MREMAP_FIXED"},
                                 {mremap::kDontUnmap, "4 /* MREMAP_DONTUNMAP */"},
                                 {mremap::kUnknown, "0x100"}};
constexpr CName kMemfdFlags[] = {
    {memfd::kSealing, "MFD_ALLOW_SEALING"}, {memfd::kUnknown, "0x4000"}, {memfd::kHuge, "MFD_HUGETLB"}};
constexpr CName kSealBits[] = {{seal::kSeal, "F_SEAL_SEAL"},
                               {seal::kShrink, "F_SEAL_SHRINK"},
                               {seal::kGrow, "F_SEAL_GROW"},
                               {seal::kWrite, "F_SEAL_WRITE"},
                               {seal::kFutureWrite, "16 /* F_SEAL_FUTURE_WRITE */"},
                               {seal::kUnknown, "0x4000"}};
constexpr CName kMlockFlags[] = {{mlock::kOnFault, "1 /* MLOCK_ONFAULT */"}, {mlock::kUnknown, "0x100"}};
constexpr CName kMlockallFlags[] = {{mlockall::kCurrent, "MCL_CURRENT"},
                                    {mlockall::kFuture, "MCL_FUTURE"},
                                    {mlockall::kOnFault, "4 /* MCL_ONFAULT */"},
                                    {mlockall::kUnknown, "0x100"}};
// In the order of Resource.
constexpr std::string_view kResources[] = {"RLIMIT_AS", "RLIMIT_MEMLOCK", "RLIMIT_FSIZE"};
// In the order of Allocate.
constexpr std::string_view kAllocate[] = {"0",
                                          "FALLOC_FL_KEEP_SIZE",
                                          "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE",
                                          "FALLOC_FL_ZERO_RANGE",
                                          "FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE",
                                          "0x4000",
                                          "8 /* FALLOC_FL_COLLAPSE_RANGE */",
                                          "0x20 /* FALLOC_FL_INSERT_RANGE */",
                                          "FALLOC_FL_PUNCH_HOLE"};
constexpr std::string_view kAccess[] = {"O_RDONLY", "O_RDWR", "O_WRONLY"};
constexpr std::string_view kTypes[] = {"unsigned char", "unsigned short", "unsigned", "unsigned long"};
constexpr std::string_view kCommands[] = {"IPC_STAT", "IPC_RMID", "IPC_SET", "SHM_LOCK", "SHM_UNLOCK", "77"};
// In the order of Advice; numbers, since libc headers are older than some of them.
constexpr unsigned kAdvice[] = {0, 1, 2, 3, 4, 9, 10, 11, 8, 20, 21, 22, 23, 18, 19, 77};
static_assert(std::size(kAdvice) == static_cast<std::size_t>(Advice::unknown) + 1);
// In the order of Limit.
constexpr std::string_view kLimitFiles[] = {
    "\"/proc/sys/kernel/shmmax\"", "\"/proc/sys/kernel/shmall\"", "\"/proc/sys/kernel/shmmni\"",
    "\"/proc/sys/kernel/shm_rmid_forced\"", "\"/proc/sys/kernel/shm_next_id\""};
static_assert(std::size(kLimitFiles) == kLimits);
constexpr std::uint32_t kKeyBase = 0x73686d00;

// A line of arguments.
template <typename... Parts>
std::string list(const Parts&... parts) {
  std::string out;
  ((out += (out.empty() ? "" : ", "), out += parts), ...);
  return out;
}

std::string bits(std::uint32_t flags, std::span<const CName> names) {
  std::string out;
  for (const CName& n : names) {
    if ((flags & n.bit) == 0) continue;
    if (!out.empty()) out += " | ";
    out += n.name;
  }
  return out.empty() ? "0" : out;
}

std::string base_expression(const Quantity& q, const Facts& facts) {
  if (q.names_mapping()) return "S.m[" + std::to_string(q.mapping()) + "]";
  switch (static_cast<Base>(q.base)) {
    case Base::arena:
      return "A";
    case Base::top:
      return hex(facts.top) + "ul";
    case Base::half:
      return "(1ul << 63)";
    default:
      return "";
  }
}

std::string expression(const Quantity& q, const Facts& facts) {
  std::string out = base_expression(q, facts);
  auto term = [&out](int n, std::string_view unit) {
    if (n == 0) return;
    if (n < 0) out += out.empty() ? "0 - " : " - ";
    if (n > 0 && !out.empty()) out += " + ";
    out += std::to_string(n < 0 ? -n : n);
    out += unit;
  };
  term(q.pages, " * P");
  term(q.bytes, "");
  return out.empty() ? "0" : out;
}

std::string descriptor(std::uint8_t file) {
  if (file == kFileNone) return "-1";
  return std::to_string(file == kFileBad ? 999 : 100 + file);
}

std::string segment(std::uint8_t index) {
  if (index == kSegmentNegative) return "-1";
  return index == kSegmentBogus ? "0x7fffffff" : "S.s[" + std::to_string(index) + "]";
}

// A path of the program's, where its files are.
std::string path_in(std::string_view directory, std::uint8_t name) {
  return "(long)\"" + std::string(directory) + "n" + std::to_string(name) + '"';
}

// o3 has a name of NAME_MAX bytes, `long` one of a byte more.
std::string object_path(const Op& op) {
  if (op.object == kObjectLong) return "object(0, 256)";
  return "object(" + std::to_string(op.object) + (op.object == kObjects - 1 ? ", 255)" : ", 0)");
}

std::string memfd_name(const Op& op, const Facts& facts) {
  const auto name = static_cast<MemfdName>(op.byte);
  if (name == MemfdName::bad) return hex(facts.top) + "ul";
  const std::size_t bytes = kMemfdLongestName + (name == MemfdName::longer ? 1 : 0);
  if (has_long_name(op)) return "name_of(" + std::to_string(bytes) + ")";
  return "(long)\"" + std::string(name == MemfdName::plain ? kMemfdPlainName : "") + '"';
}

std::string octal_mode(const Op& op) {
  return '0' + octal(op.mode);
}

std::string memory_literal(const Op& op) {
  std::string out = "\"";
  for (unsigned i = 0; i < 1U << op.small; ++i) {
    out += "\\x" + hex_byte(static_cast<std::uint8_t>(op.value >> (8 * i)));
  }
  return out + '"';
}

std::string access(const Op& op, const std::string& what) {
  if (op.byte == 0) return what;
  return std::string("act(") + std::to_string(op.byte) + "); " + what + " act(0);";
}

std::string id(std::uint32_t number) {
  return number == UINT32_MAX ? "-1" : std::to_string(number);
}

std::string setid_statement(const Op& op, const Facts& facts) {
  std::string groups;
  for (std::uint8_t u = 0; u < kUsers; ++u) {
    if ((op.flags >> u & 1U) != 0) groups += ", " + id(group_id(facts, u));
  }
  return "setid(" +
         list(asks_for_groups(op) ? "0" : "1", id(user_id(facts, op.byte)),
              id(group_id(facts, setid_group(op))), std::to_string(std::popcount(op.flags))) +
         ", (gid_t[4]){" + (groups.empty() ? "0" : groups.substr(2)) + "});";
}

std::string shmctl_statement(const Op& op, const Facts& facts) {
  if ((op.flags & shmctl::kBadBuffer) != 0) {
    return "ok(sys(" + list("shmctl", segment(op.object), kCommands[op.small], hex(facts.top)) + "ul));";
  }
  switch (static_cast<ShmCommand>(op.small)) {
    case ShmCommand::stat:
      return "shm_stat(" + list(segment(op.object), "IPC_STAT") + ");";
    case ShmCommand::set:
      return "shm_set(" +
             list(segment(op.object), id(user_id(facts, owner_user(op.byte))),
                  id(group_id(facts, owner_group(op.byte))), octal_mode(op)) +
             ");";
    default:
      return "ok(sys(" + list("shmctl", segment(op.object), kCommands[op.small], "0") + "));";
  }
}

// An id is an index where only its low bits count; what lies behind it is another one.
std::string shm_stat_statement(const Op& op) {
  std::string index = op.object == kSegmentNegative ? "-1" : segment(op.object) + " % 0x8000";
  if (op.byte != 0) index += " + " + std::to_string(op.byte);
  const bool any = (op.flags & shmstat::kAny) != 0;
  return "shm_stat(" + list(index, any ? "15 /* SHM_STAT_ANY */" : "SHM_STAT") + ");";
}

std::string name_of(std::uint8_t index) {
  return std::to_string(index);
}

}  // namespace

std::string statement_of(const Op& op, const Facts& facts, std::string_view directory, bool failing) {
  std::string mapped = failing ? "where(" : "mapped(";
  auto q = [&facts](const Quantity& quantity) { return expression(quantity, facts); };
  auto path = [directory](std::uint8_t name) { return path_in(directory, name); };
  auto sys = [](std::string_view how, const std::string& arguments) {
    return std::string(how) + "sys(" + arguments + "));";
  };
  switch (op.code) {
    case OpCode::open:
      return sys(
          "opened(" + descriptor(op.result) + ", 0, ",
          list("openat", "AT_FDCWD", path(op.object),
               std::string(kAccess[op.small]) + (op.flags != 0 ? " | " + bits(op.flags, kOpenFlags) : ""),
               octal_mode(op)));
    case OpCode::close:
      return sys("ok(", list("close", descriptor(op.object)));
    case OpCode::unlink:
      return sys("ok(", list("unlinkat", "AT_FDCWD", path(op.object), "0"));
    case OpCode::ftruncate:
      return sys("ok(", list("ftruncate", descriptor(op.object), q(op.len)));
    case OpCode::truncate:
      return sys("ok(", list("truncate", path(op.object), q(op.len)));
    case OpCode::pread:
      return "file_bytes(" + list(descriptor(op.object), q(op.len), q(op.off)) + ");";
    case OpCode::pwrite:
      return sys("count(", list("pwrite64", descriptor(op.object),
                                "filled(" + list(hex(op.byte), q(op.len)) + ")", q(op.len), q(op.off)));
    case OpCode::pread_to:
    case OpCode::pwrite_from:
      return sys("count(", list(op.code == OpCode::pread_to ? "pread64" : "pwrite64", descriptor(op.object),
                                q(op.addr), q(op.len), q(op.off)));
    case OpCode::fstat:
      return "file_stat(" + descriptor(op.object) + ");";
    case OpCode::mmap:
      return sys(mapped + name_of(op.result) + ", ",
                 list("mmap", q(op.addr), q(op.len), bits(op.small, kProt), bits(op.flags, kMapFlags),
                      op.byte == 0 ? descriptor(op.object) : std::string(kMapSources[op.byte]), q(op.off)));
    case OpCode::munmap:
      return sys("ok(", list("munmap", q(op.addr), q(op.len)));
    case OpCode::mprotect:
      return sys("ok(", list("mprotect", q(op.addr), q(op.len), bits(op.small, kProt)));
    case OpCode::load:
      return access(op, "LOAD(" + list(kTypes[op.small], q(op.addr)) + ");");
    case OpCode::store:
      return access(op, "STORE(" + list(kTypes[op.small], q(op.addr), memory_literal(op)) + ");");
    case OpCode::contents:
      return "contents(" + list(q(op.addr), q(op.len), op.small == 0 ? "by_load" : "by_kernel") + ");";
    case OpCode::fork:
      if (static_cast<ForkInto>(op.small) == ForkInto::new_pids)
        return "forked_first(" + name_of(op.result) + ");";
      return "forked(" + name_of(op.result) + ");";
    case OpCode::exit:
      return "_exit(" + std::to_string(op.byte) + ");";
    case OpCode::kill:
      return "ok(kill(S.pid[" + name_of(op.object) + "], " + (op.small == 0 ? "SIGKILL" : "SIGTERM") + "));";
    case OpCode::shmget:
      return sys("got(" + name_of(op.result) + ", ",
                 list("shmget", op.byte == 0 ? "IPC_PRIVATE" : hex(kKeyBase + op.byte), q(op.len),
                      (op.flags != 0 ? bits(op.flags, kGetFlags) + " | " : "") + octal_mode(op)));
    case OpCode::shmat:
      return sys(mapped + name_of(op.result) + ", ",
                 list("shmat", segment(op.object), q(op.addr), bits(op.flags, kAttachFlags)));
    case OpCode::shmdt:
      return sys("ok(", list("shmdt", q(op.addr)));
    case OpCode::shmctl:
      return shmctl_statement(op, facts);
    case OpCode::maps:
      return "maps();";
    case OpCode::msync:
      return sys("ok(", list("msync", q(op.addr), q(op.len), bits(op.flags, kSyncFlags)));
    case OpCode::setid:
      return setid_statement(op, facts);
    case OpCode::mremap:
      return sys(mapped + name_of(op.result) + ", ",
                 list("mremap", q(op.addr), q(op.len), q(op.off), bits(op.flags, kRemapFlags), q(op.to)));
    case OpCode::madvise:
      return sys("ok(", list("madvise", q(op.addr), q(op.len), std::to_string(kAdvice[op.small])));
    case OpCode::fallocate:
      return sys("ok(", list("fallocate", descriptor(op.object), kAllocate[op.small], q(op.off), q(op.len)));
    case OpCode::fsync:
      return sys("ok(", list(op.small == 0 ? "fsync" : "fdatasync", descriptor(op.object)));
    case OpCode::memfd:
      return sys("opened(" + descriptor(op.result) + ", 0, ",
                 list("memfd_create", memfd_name(op, facts), bits(op.flags, kMemfdFlags)));
    case OpCode::seal:
      return sys("ok(", list("fcntl", descriptor(op.object), "F_ADD_SEALS", bits(op.flags, kSealBits)));
    case OpCode::seals:
      return sys("count(", list("fcntl", descriptor(op.object), "F_GET_SEALS"));
    case OpCode::mlock:
      if (op.flags == 0) return sys("ok(", list("mlock", q(op.addr), q(op.len)));
      return sys("ok(", list("mlock2", q(op.addr), q(op.len), bits(op.flags, kMlockFlags)));
    case OpCode::munlock:
      return sys("ok(", list("munlock", q(op.addr), q(op.len)));
    case OpCode::locked:
      return "locked();";
    case OpCode::mincore:
      return "resident(" + list(q(op.addr), q(op.len)) + ");";
    case OpCode::shm_info:
      return "shm_total(" + std::to_string(op.small) + ");";
    case OpCode::ipc_info:
      return "ipc_info(" + list(op.byte == 0 ? "0" : "-1", std::to_string(op.small)) + ");";
    case OpCode::shm_stat:
      return shm_stat_statement(op);
    case OpCode::sysvipc:
      return "listing();";
    case OpCode::limit:
      return "limit(" + list(kLimitFiles[op.small], "O_WRONLY", q(op.len)) + ");";
    case OpCode::limits:
      return "limit(" + list(kLimitFiles[op.small], "O_RDONLY", "0") + ");";
    case OpCode::exec:
      if (static_cast<Image>(op.small) == Image::own) return "execed(" + name_of(op.proc) + ");";
      return "ok(execl(\"no-such-image\", \"\", NULL));";
    case OpCode::rename:
      return sys("ok(", list("renameat", "AT_FDCWD", path(op.object), "AT_FDCWD", path(op.byte)));
    case OpCode::link:
      return sys("ok(", list("linkat", "AT_FDCWD", path(op.object), "AT_FDCWD", path(op.byte), "0"));
    case OpCode::shm_open:
      return sys(
          "opened(" + descriptor(op.result) + ", O_CLOEXEC, ",
          list("openat", "AT_FDCWD", object_path(op),
               std::string(kAccess[op.small]) + (op.flags != 0 ? " | " + bits(op.flags, kOpenFlags) : "") +
                   " | O_CLOEXEC | O_NOFOLLOW",
               octal_mode(op)));
    case OpCode::shm_unlink:
      return "ok(removed(" + object_path(op) + "));";
    case OpCode::stored:
      return "stored(" + list(descriptor(op.object), q(op.len), q(op.off)) + ");";
    case OpCode::unshare:
      return static_cast<Unshare>(op.small) == Unshare::ipc ? "ok(unshare(CLONE_NEWIPC));"
                                                            : "ok(new_users());";
    case OpCode::mlockall:
      return "lock_all(" + bits(op.flags, kMlockallFlags) + ");";
    case OpCode::munlockall:
      return "ok(sys(munlockall));";
    case OpCode::rlimit:
      return "set_limit(" + list(kResources[op.small], q(op.len)) + ");";
    case OpCode::remap:
      return sys("ok(", list("remap_file_pages", q(op.addr), q(op.len), bits(op.small, kProt),
                             "(" + q(op.off) + ") / P", bits(op.flags, kMapFlags)));
    case OpCode::call:
      return "run_code(" + q(op.addr) + ");";
    case OpCode::age:
      return "age(" + descriptor(op.object) + ");";
    case OpCode::times:
      return "times(" + descriptor(op.object) + ");";
    case OpCode::reboot:
      return "";  // no file is made of a program that has one (c_reproducer)
    case OpCode::setns:
      return "ok(join(" + list("S.pid[" + name_of(op.object) + "]", name_of(op.small)) + "));";
    case OpCode::blocks:
      return "blocks(" + descriptor(op.object) + ");";
    case OpCode::fill:
      return static_cast<Room>(op.small) == Room::none ? "fill(0);" : "fill(1);";
    case OpCode::crowd:
      return "crowd(" + std::to_string(mappings_left(op.small)) + ");";
    case OpCode::remount:
      return "remount(" + std::to_string(op.small) + ");";
    case OpCode::memfd_name:
      return "memfd_name(" + descriptor(op.object) + ");";
    case OpCode::chattr:
      return "chattr(" + list(path(op.object), name_of(op.small)) + ");";
    case OpCode::map_file:
      return "opened(" + list(descriptor(op.result), "O_CLOEXEC", "map_file(" + q(op.addr) + ")") + ");";
    case OpCode::descriptors:
      return "count(descriptors());";
    case OpCode::names:
      return "count(names());";
    case OpCode::brk:
      return "count(syscall(SYS_brk, 0) - start);";
    case OpCode::race_shmget:
      return "race_get(" + name_of(op.result) + ", (long[]){" +
             list(hex(kKeyBase + op.byte), q(op.len),
                  (op.flags != 0 ? bits(op.flags, kGetFlags) + " | " : "") + octal_mode(op)) +
             "});";
    case OpCode::race_shmat:
      return "race_attach(" + list(segment(op.object), name_of(op.small)) + ");";
    case OpCode::smaps:
      return "smaps(" + q(op.addr) + ");";
    case OpCode::rss:
      return "rss(" + std::to_string(op.small) + ");";
    case OpCode::end:
      break;
  }
  return "";
}

}  // namespace shmcheck::program
