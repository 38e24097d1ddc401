#include "executor/hello.h"

#include <linux/magic.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/utsname.h>

#include "executor/control.h"
#include "executor/small_file.h"
#include "executor/users.h"

namespace shmcheck::executor {
namespace {

Text<8192> absences;
Text<32768> payload;

constexpr std::uint64_t kXfsMagic = 0x58465342;

struct FileSystemName {
  std::uint64_t type;
  std::string_view name;
};
constexpr FileSystemName kFileSystems[] = {{TMPFS_MAGIC, "tmpfs"},
                                           {EXT4_SUPER_MAGIC, "ext4"},
                                           {kXfsMagic, "xfs"},
                                           {BTRFS_SUPER_MAGIC, "btrfs"},
                                           {OVERLAYFS_SUPER_MAGIC, "overlay"}};

std::string_view file_system_name(std::uint64_t type) {
  for (const FileSystemName& known : kFileSystems) {
    if (known.type == type) return known.name;
  }
  return "other";
}

std::string_view yes_no(bool b) {
  return b ? "yes" : "no";
}

// The first number of a file under /proc/sys, or `fallback`.
std::uint64_t read_number(const char* path, std::uint64_t fallback) {
  char room[32];
  std::string_view text;
  std::uint64_t v = 0;
  return !failed(read_small_file(path, room, text)) && take_number(text, v) ? v : fallback;
}

// At most three numbers, as facts.h packs them: `6.18.44-x` is 6.18.44.
void put_release(std::string_view text) {
  for (int part = 0; part < 3; ++part) {
    std::uint64_t v = 0;
    take_number(text, v);
    if (text.starts_with('.')) text.remove_prefix(1);
    payload << (part > 0 ? "." : "") << (part > 0 && v > 255 ? std::uint64_t{255} : v);
  }
}

void put_lower(const char* text) {
  for (; *text != '\0'; ++text) {
    char c = *text >= 'A' && *text <= 'Z' ? static_cast<char>(*text - 'A' + 'a') : *text;
    payload << std::string_view(&c, 1);
  }
}

// The selected word of shmem_enabled stands in brackets.
bool gives_huge_pages() {
  char room[128];
  std::string_view text;
  if (failed(read_small_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", room, text))) return false;
  for (std::string_view word : {"[always]", "[within_size]", "[force]"}) {
    if (text.find(word) != std::string_view::npos) return true;
  }
  return false;
}

void put_limits() {
  shminfo info = {};
  sys(SYS_shmctl, 0, IPC_INFO, &info);
  payload << " shmmax=" << read_number("/proc/sys/kernel/shmmax", info.shmmax)
          << " shmall=" << read_number("/proc/sys/kernel/shmall", info.shmall)
          << " shmmni=" << read_number("/proc/sys/kernel/shmmni", info.shmmni);
  rlimit locks = {};
  if (!failed(sys(SYS_prlimit64, 0, RLIMIT_MEMLOCK, nullptr, &locks)))
    payload << " memlock=" << locks.rlim_cur;
  payload << " set_limits=" << yes_no(target.sets_limits) << " exec=" << yes_no(target.execs)
          << " fork=" << yes_no(target.forks) << " shm_objects=" << yes_no(target.has_objects)
          << " protected_hardlinks=" << yes_no(read_number("/proc/sys/fs/protected_hardlinks", 0) != 0)
          << " protected_regular=" << yes_no(read_number("/proc/sys/fs/protected_regular", 0) != 0)
          << " ipc_namespaces=" << yes_no(target.unshares_ipc) << " next_id=" << yes_no(target.sets_next_id)
          << " reboot=" << yes_no(target.reboots) << " shmem_huge=" << yes_no(gives_huge_pages())
          << " nx=" << yes_no(target.nx) << " max_map_count=" << target.max_map_count
          << " objects_noexec=" << yes_no(target.objects_noexec) << " map_files=" << yes_no(target.map_files)
          << " names=" << yes_no(target.names) << " pid_namespaces=" << yes_no(target.has_pid_namespaces)
          << " user_namespaces=" << yes_no(target.has_user_namespaces) << " smaps=" << yes_no(target.smaps)
          << " rss=" << yes_no(target.rss)
          << " overcommits=" << yes_no(read_number("/proc/sys/vm/overcommit_memory", 0) != 2);
}

void put_huge_pages() {
  payload << " huge=" << program::kHugePagesNames[static_cast<std::size_t>(target.layout.huge)]
          << " huge_page=" << target.layout.huge_page << " huge_users=" << target.layout.huge_users;
}

void put_own() {
  payload << " own=";
  for (std::size_t i = 0; i < target.own_count; ++i) {
    if (i > 0) payload << ",";
    payload.hex(target.own[i].low) << "-";
    payload.hex(target.own[i].high);
  }
}

// The words of program::to_text(Facts).
void put_facts(const Place& place) {
  utsname name = {};
  sys(SYS_uname, &name);
  payload << "facts protocol=" << static_cast<int>(program::kProtocol) << " kernel=";
  put_lower(name.sysname);
  payload << " release=";
  put_release(name.release);
  payload << " arch=" << name.machine
          << " endian=" << (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big")
          << " page=" << target.layout.page << " shmlba=" << target.layout.shmlba
          << " fs=" << file_system_name(place.type) << " fs_block=" << place.block << " arena=";
  payload.hex(kArenaAddress) << " arena_pages=" << kArenaPages << " top=";
  payload.hex(target.layout.top) << " min_address=";
  payload.hex(read_number("/proc/sys/vm/mmap_min_addr", 65536));
  put_own();
  payload << " uid=" << target.uid << " gid=" << target.gid << " other_uid=" << target.other_uid[0] << ","
          << target.other_uid[1] << " capable=" << yes_no(is_capable())
          << " first_userns=" << yes_no(is_first_userns()) << " private_ipc=" << yes_no(target.private_ipc);
  put_limits();
  put_huge_pages();
  payload << " stored=" << yes_no(place.reads_storage) << " fill=" << yes_no(place.fills)
          << " noexec=" << yes_no(place.noexec) << " remounts=" << yes_no(place.disk.there)
          << " append=" << program::kAppendNames[static_cast<std::size_t>(place.append)] << "\n";
}

}  // namespace

void say_absent(std::string_view thing, std::string_view evidence) {
  absences << "absent " << thing << ": " << evidence << "\n";
}

void say_absent(std::string_view thing, std::string_view call, long error) {
  absences << "absent " << thing << ": " << call << ": " << error_name(error) << "\n";
}

std::string_view hello_payload(std::span<const Place> places) {
  payload = {};
  char version[4];
  program::put_little(reinterpret_cast<std::uint8_t*>(version), std::uint32_t{program::kProtocol});
  payload << std::string_view(version, sizeof version);
  for (const Place& place : places) put_facts(place);
  payload << absences.view();
  return payload.view();
}

}  // namespace shmcheck::executor
