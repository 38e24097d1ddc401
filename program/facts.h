// Facts: what a target says about itself. They are read (uname, statfs, sysctl), never probed from behaviour.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::program {

struct Range {
  std::uint64_t low = 0, high = 0;  // [low, high)
  bool operator==(const Range&) const = default;
  bool overlaps(std::uint64_t lo, std::uint64_t hi) const { return lo < high && low < hi; }
};

enum class FileSystem : std::uint8_t { tmpfs, ext4, xfs, btrfs, overlay, other };

// What there is of huge pages of the default size: nothing known, a kernel without them, an empty pool that
// may not grow, or pages.
enum class HugePages : std::uint8_t { unknown, none, empty, some };
inline constexpr std::string_view kHugePagesNames[] = {"unknown", "none", "empty", "some"};
// Who may ask for a segment of huge pages by his group: bit K of Facts::huge_users is uK.
inline constexpr std::uint32_t kHugeUsersUnknown = 8;

// Whether files of the program's directory have the append-only attribute: not at all, or not for programs;
// as one that nobody may change; or one that u0 may.
enum class AppendAttribute : std::uint8_t { none, fixed, settable };
inline constexpr std::string_view kAppendNames[] = {"none", "fixed", "settable"};

// What an id is shown as in a user namespace that does not map it: the default of kernel.overflowuid and
// overflowgid.
inline constexpr std::uint32_t kOverflowId = 65534;

struct Facts {
  std::uint32_t protocol = 1;
  std::string kernel = "linux";  // uname -s in lower case
  std::uint32_t release = 0;     // 6.18.44 is 6 << 16 | 18 << 8 | 44
  std::string arch = "x86_64";
  bool little_endian = true;
  std::uint32_t page_size = 4096;
  std::uint32_t shmlba = 4096;
  FileSystem fs = FileSystem::tmpfs;  // of the program's directory
  std::uint32_t fs_block = 4096;
  std::uint64_t arena = 0;  // start of the window that is free in a fresh process
  std::uint32_t arena_pages = 0;
  std::uint64_t top = std::uint64_t{1} << 47;  // no user address space reaches it
  std::uint64_t min_address = 65536;           // vm.mmap_min_addr
  std::vector<Range> own;                      // the executor's memory, never touched by an op
  std::uint32_t uid = 0, gid = 0;              // of u0
  std::uint32_t other_uid[2] = {0, 0};         // of u1, u2 (gid alike); 0 if the target has none
  bool capable = true;                         // u0 has the capabilities that clauses speak of
  bool first_userns = true;                    // and they hold for the machine, not for a user namespace only
  bool private_ipc = true;                     // segments of the namespace are all ours
  std::uint64_t shmmax = 0, shmall = 0, shmmni = 0;
  std::uint64_t memlock = 8 << 20;  // RLIMIT_MEMLOCK of its processes, bytes
  bool set_limits = true;           // programs can change kernel.shm* of the (private) IPC namespace
  bool exec = true;                 // processes of programs can exec and go on
  bool fork = true;                 // and fork
  bool stored = true;               // what its storage holds, if it has any, can be read
  bool shm_objects = true;          // programs have a tmpfs with the sticky bit on /dev/shm
  // proc(5), fs.protected_hardlinks and fs.protected_regular
  bool protected_hardlinks = false, protected_regular = false;
  bool next_id = true;              // and ask for the id of the next segment (shm_next_id)
  bool ipc_namespaces = true;       // and can make further IPC namespaces
  bool pid_namespaces = true;       // and fork into further PID namespaces
  bool user_namespaces = true;      // and make further user namespaces, where the overflow id is kOverflowId
  bool reboot = false;              // the machine can be started anew with the disk that it has
  bool shmem_huge = false;          // shared memory may be given huge pages unasked (shmem_enabled)
  bool map_files = true;            // there is a directory /proc/self/map_files
  bool names = true;                // and whatever has a name in its directories is a program's
  bool smaps = true;                // there is a file /proc/self/smaps (CONFIG_PROC_PAGE_MONITOR)
  bool rss = true;                  // and what the executor has in memory can be told from the program's
  bool overcommits = true;          // vm.overcommit_memory is not 2, so MAP_NORESERVE counts
  bool fill = true;                 // the file system of programs can be filled up
  bool nx = false;                  // the processor refuses to execute pages without PROT_EXEC
  std::uint64_t max_map_count = 0;  // vm.max_map_count; 0: programs cannot come near it
  bool noexec = false;              // the program's directory is on a mount without execution (ST_NOEXEC)
  bool objects_noexec = false;      // and so is /dev/shm
  bool remounts = false;  // the program's file system is storage that programs can unmount and mount
  HugePages huge = HugePages::unknown;             // vm.nr_hugepages and vm.nr_overcommit_hugepages
  std::uint64_t huge_page = 0;                     // Hugepagesize of /proc/meminfo, bytes
  std::uint32_t huge_users = kHugeUsersUnknown;    // vm.hugetlb_shm_group
  AppendAttribute append = AppendAttribute::none;  // FS_IOC_GETFLAGS, CAP_LINUX_IMMUTABLE
  bool operator==(const Facts&) const = default;
};

constexpr std::uint32_t release(std::uint32_t major, std::uint32_t minor, std::uint32_t patch = 0) {
  return major << 16 | minor << 8 | (patch > 255 ? 255 : patch);
}

std::string_view to_string(FileSystem fs);

// Where programs find their files, as --fs and reports name it: the file system, and `ext4_1k` for an ext4
// with blocks of 1 KiB.
std::string_view place_name(const Facts& facts);
std::span<const std::string_view> place_names();

// `key=value` words separated by blanks, in a fixed order; what the hello frame and a trace's `target` line
// hold.
std::string to_text(const Facts& facts);

// Empty on success, else a sentence that names the word that was not understood; `where` takes its offset in
// `text`. Keys that are not given keep their defaults, except `protocol` and `page`, which are required.
// `facts` changes on success only.
std::string from_text(std::string_view text, Facts& facts, std::size_t* where = nullptr);

}  // namespace shmcheck::program
