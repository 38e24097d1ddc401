// How much the executor costs over a bare C program that makes the same system calls with the same processes
// and the same hand-overs: `executor_bench [ROUNDS]` prints microseconds per program, of CPU time and of the
// clock on the wall. Both run on one core; rounds alternate, and the median counts. Under load trust the CPU
// time.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "executor/driver.h"
#include "executor/overhead.h"

namespace shmcheck::executor {
namespace {

constexpr std::string_view kFile = R"(
p0 open f0 n0 access=rw flags=creat mode=644
p0 ftruncate f0 size=1
p0 mmap m0 f0 len=2p prot=rw flags=shared
p0 store m0 0x01
p0 store m0+1p 0x01
p0 pwrite f0 len=4 byte=0x61 off=100
p0 pread f0 len=4 off=100
p0 msync m0 len=1p flags=sync
p0 munmap m0 len=2p
p0 close f0
p0 unlink n0
)";

constexpr std::string_view kSegment = R"(
p0 shmget s0 key=private size=1p mode=600
p0 shmat m0 s0
p0 store m0 0x01
p0 shmctl s0 cmd=stat
p0 shmdt m0
p0 shmctl s0 cmd=rmid
)";

std::string turns() {
  std::string out = "p0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 fork p1\n";
  for (int i = 0; i < kHandOvers / 2; ++i) out += "p0 store m0 0x01\np1 load m0\n";
  return out + "p1 exit\n";
}

struct Cost {
  double cpu_us, wall_us;
};

// CPU time of a process and of its children that were waited for.
double cpu_us(pid_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(stat, text);
  unsigned long user = 0, system = 0, child_user = 0, child_system = 0;
  std::size_t close = text.rfind(')');
  if (close == std::string::npos ||
      std::sscanf(text.c_str() + close, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                  &user, &system, &child_user, &child_system) != 4) {
    throw std::runtime_error("/proc/PID/stat cannot be read");
  }
  auto ticks = static_cast<double>(user + system + child_user + child_system);
  return ticks * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

template <typename Round>
Cost measure(pid_t pid, Round round) {
  double cpu = cpu_us(pid);
  auto begin = std::chrono::steady_clock::now();
  round();
  std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - begin;
  return {(cpu_us(pid) - cpu) / kProgramsARound, wall.count() / kProgramsARound};
}

void run_executor(Driver& driver, const program::Program& program) {
  for (std::uint32_t i = 0; i < kProgramsARound; ++i) {
    driver.send(program::run_frame(i, 0, program));
    if (driver.receive().type != program::FrameType::result) throw std::runtime_error("a run failed");
  }
}

Cost median(const std::vector<Cost>& all) {
  auto of = [&all](double Cost::*member) {
    std::vector<double> v;
    v.reserve(all.size());
    for (const Cost& cost : all) v.push_back(cost.*member);
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  return {of(&Cost::cpu_us), of(&Cost::wall_us)};
}

int compare(int rounds) {
  const std::pair<const char*, std::string> kPrograms[] = {
      {"file", std::string(kFile)}, {"segment", std::string(kSegment)}, {"turns", turns()}};
  Driver bare({executor_path() + "_bare"}, false);
  Driver driver(executor({"--cpu=0"}));
  const pid_t supervisor = children_of(driver.pid()).at(0);
  for (std::uint8_t i = 0; const auto& [name, text] : kPrograms) {
    auto program = std::get<program::Program>(program::parse_program(text, name));
    std::vector<Cost> theirs, ours;
    for (int round = 0; round < rounds; ++round) {
      theirs.push_back(measure(bare.pid(), [&] {
        bare.send_bytes({&i, 1});
        if (!bare.receive_byte(i)) throw std::runtime_error("a bare program failed");
      }));
      ours.push_back(measure(supervisor, [&] { run_executor(driver, program); }));
    }
    Cost b = median(theirs), e = median(ours);
    fmt::print(
        "{:<8} {:2} ops   CPU {:6.1f} -> {:6.1f} us, ratio {:.2f}   wall {:6.1f} -> {:6.1f} us, ratio "
        "{:.2f}\n",
        name, program.ops.size(), b.cpu_us, e.cpu_us, e.cpu_us / b.cpu_us, b.wall_us, e.wall_us,
        e.wall_us / b.wall_us);
    ++i;
  }
  return 0;
}

}  // namespace
}  // namespace shmcheck::executor

int main(int argc, char** argv) try {
  return shmcheck::executor::compare(argc > 1 ? std::stoi(argv[1]) : 15);
} catch (const std::exception& wrong) {
  std::fputs(wrong.what(), stderr);
  return 1;
}
