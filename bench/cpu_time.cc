#include "bench/cpu_time.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace shmcheck::bench {
namespace {

struct Entry {
  int parent = 0;
  unsigned long ticks = 0;
};

bool read_stat(const std::filesystem::path& process, Entry& entry) {
  std::ifstream in(process / "stat");
  std::string line;
  if (!std::getline(in, line)) return false;  // it has ended meanwhile
  // The name, in parentheses, may hold anything.
  const std::size_t name_end = line.rfind(')');
  unsigned long user, system, children_user, children_system;
  if (name_end == std::string::npos ||
      std::sscanf(line.c_str() + name_end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                  &entry.parent, &user, &system, &children_user, &children_system) != 5) {
    return false;
  }
  entry.ticks = user + system + children_user + children_system;
  return true;
}

std::map<int, Entry> all_processes() {
  std::map<int, Entry> processes;
  for (const auto& item : std::filesystem::directory_iterator("/proc")) {
    const std::string name = item.path().filename().string();
    int pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (Entry entry; read_stat(item.path(), entry)) processes[pid] = entry;
  }
  return processes;
}

}  // namespace

double descendants_cpu_seconds() {
  const std::map<int, Entry> processes = all_processes();
  unsigned long ticks = 0;
  for (const auto& [pid, entry] : processes) {
    int ancestor = entry.parent;
    while (ancestor > 1 && ancestor != getpid()) {
      const auto it = processes.find(ancestor);
      ancestor = it == processes.end() ? 0 : it->second.parent;
    }
    if (ancestor == getpid()) ticks += entry.ticks;
  }
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace shmcheck::bench
