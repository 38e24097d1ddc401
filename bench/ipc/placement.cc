// Which CPUs the two processes run on.

#include <fmt/format.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <vector>

#include "bench/ipc/pair.h"

namespace shmcheck::bench {
namespace {

// Hardware threads of one core say the same. A kernel that does not say has none of them, as far as it tells.
std::string core_of(int cpu) {
  std::string text;
  for (const char* name : {"physical_package_id", "core_id"}) {
    std::ifstream in(fmt::format("/sys/devices/system/cpu/cpu{}/topology/{}", cpu, name));
    std::string word;
    text += in >> word ? word + " " : fmt::format("cpu{} ", cpu);
  }
  return text;
}

}  // namespace

std::vector<Placement> placements() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) fail("sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) cpus.push_back(cpu);
  }
  const int first = cpus.front();
  std::vector<Placement> all = {{first, first}};
  for (const int cpu : cpus) {
    if (core_of(cpu) == core_of(first)) continue;
    all.push_back({first, cpu});
    break;
  }
  return all;
}

}  // namespace shmcheck::bench
