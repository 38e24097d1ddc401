// The words a clause may use for its strength and for what its check needs. The build-time generator and the
// library share them, so that a word in the catalogue and its constant cannot drift apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace shmcheck::clauses {

// Who demands a clause. (The kPrefix is needed: `linux` is a macro of GNU compilers.)
enum class Strength : std::uint8_t {
  kPosix,    // POSIX.1-2008 with XSI requires it
  kLinux,    // documented for Linux: man pages or kernel documentation
  kDefacto,  // long-standing behaviour which no document promises
  kSeed,     // rests on the introductory text only
};

inline constexpr std::string_view kStrengthNames[] = {"posix", "linux", "defacto", "seed"};

// What is true of a claim of the introductory text, when every clause that decides it holds.
enum class Truth : std::uint8_t {
  yes,
  refined,   // true with the precision that its `refined` text adds
  no,        //
  internal,  // of data within the kernel: decided by what follows from it
  outdated,  // of data within a kernel of long ago, likewise
  advice,    // no statement of fact: decided is what the advice rests on
};
inline constexpr std::string_view kVerdictNames[] = {"true",     "true, refined", "false",
                                                     "internal", "outdated",      "advice"};
constexpr std::string_view name(Truth truth) {
  return kVerdictNames[static_cast<std::size_t>(truth)];
}

// What a check of a clause needs; Info::marks is a set of these.
enum Mark : std::uint32_t {
  kRoot = 1U << 0,      // uid 0 or a named capability
  kUnpriv = 1U << 1,    // a child with another uid and gid and no capabilities
  kIpcns = 1U << 2,     // a private IPC namespace
  kFsExt4 = 1U << 3,    // a file system of that type
  kFsTmpfs = 1U << 4,   //
  kFsXfs = 1U << 5,     //
  kMount = 1U << 6,     // the test mounts a file system of its own
  kBlockdev = 1U << 7,  // a look at the backing store beneath the page cache
  kVmReboot = 1U << 8,  // decidable only by crashing or rebooting a virtual machine
  kSwap = 1U << 9,      // that facility
  kHugetlb = 1U << 10,  //
  kUserns = 1U << 11,   //
  kPidns = 1U << 12,    //
  kStress = 1U << 13,   // statistical: one failure refutes, no number of passes proves
  kKver = 1U << 14,     // the result depends on the kernel version
  kRecord = 1U << 15,   // it grants everything: nothing can break it, what is seen is only recorded
};

// kMarkNames[n] is the catalogue's word for the mark 1 << n.
inline constexpr std::string_view kMarkNames[] = {
    "root",      "unpriv", "ipcns",   "fs:ext4", "fs:tmpfs", "fs:xfs", "mount", "blockdev",
    "vm-reboot", "swap",   "hugetlb", "userns",  "pidns",    "stress", "kver",  "record"};
static_assert(kRecord == 1U << (std::size(kMarkNames) - 1));

}  // namespace shmcheck::clauses
