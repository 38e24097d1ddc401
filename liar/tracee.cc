#include "liar/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmcheck::liar {
namespace {

std::string proc(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

bool is_signal_stop(int status) {
  return WIFSTOPPED(status) && (status >> 16) == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80);
}

}  // namespace

std::optional<Registers> Tracee::registers() const {
  Registers registers{};
  if (ptrace(PTRACE_GETREGS, pid_, nullptr, &registers) != 0) return std::nullopt;
  return registers;
}

bool Tracee::set_registers(const Registers& registers) const {
  return ptrace(PTRACE_SETREGS, pid_, nullptr, &registers) == 0;
}

bool Tracee::read(uint64_t address, void* to, size_t size) const {
  const iovec mine{to, size};
  const iovec theirs{reinterpret_cast<void*>(address), size};
  return process_vm_readv(pid_, &mine, 1, &theirs, 1, 0) == static_cast<ssize_t>(size);
}

bool Tracee::write(uint64_t address, const void* from, size_t size) const {
  const int fd = open(proc(pid_, "mem").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t count = pwrite(fd, from, size, static_cast<off_t>(address));
  close(fd);
  return count == static_cast<ssize_t>(size);
}

// Runs to the end of the system call that the process is about to make.
bool Tracee::step_to_exit(std::vector<int>& held) const {
  for (;;) {
    int status = 0;
    if (ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr) != 0) return false;
    while (waitpid(pid_, &status, __WALL) < 0) {
      if (errno != EINTR) return false;
    }
    if (!WIFSTOPPED(status)) return false;
    if (is_signal_stop(status)) {
      held.push_back(WSTOPSIG(status));
      continue;
    }
    __ptrace_syscall_info info{};
    if (ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), pid_, sizeof info, &info) < 0)
      return false;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) return true;
  }
}

std::optional<long> Tracee::call(uint64_t door, long number, const Arguments& arguments) const {
  const auto saved = registers();
  if (!saved || door == 0) return std::nullopt;
  Registers calling = *saved;
  calling.rip = door;
  calling.rax = static_cast<uint64_t>(number);
  calling.orig_rax = ~uint64_t{0};
  set_arguments(calling, arguments);
  std::vector<int> held;
  if (!set_registers(calling) || !step_to_exit(held)) return std::nullopt;
  const auto after = registers();
  if (!after || !set_registers(*saved)) return std::nullopt;
  for (const int signal : held) syscall(SYS_tkill, pid_, signal);
  return static_cast<long>(after->rax);
}

std::vector<Tracee::Area> Tracee::areas() const {
  std::vector<Area> areas;
  FILE* const file = fopen(proc(pid_, "maps").c_str(), "re");
  if (file == nullptr) return areas;
  char line[PATH_MAX + 128];
  while (fgets(line, sizeof line, file) != nullptr) {
    Area area{};
    char perms[8] = {};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &area.start, &area.end, perms) != 3) continue;
    area.perms = perms;
    areas.push_back(area);
  }
  fclose(file);
  return areas;
}

std::string Tracee::descriptor(uint64_t fd) const {
  char link[PATH_MAX];
  const std::string path = proc(pid_, "fd/") + std::to_string(static_cast<int>(fd));
  const ssize_t size = readlink(path.c_str(), link, sizeof link);
  return size < 0 ? "" : std::string(link, static_cast<size_t>(size));
}

}  // namespace shmcheck::liar
