// A process under ptrace: its registers, its memory, and system calls made in its name. x86-64 only.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shmcheck::liar {

using Registers = user_regs_struct;
using Arguments = std::array<uint64_t, 6>;

inline constexpr uint64_t kPage = 4096;  // x86-64 has no other

// A thread of the tested tree, as the tracer sees it.
class Tracee {
 public:
  explicit Tracee(pid_t pid) : pid_(pid) {}
  pid_t pid() const { return pid_; }

  // All of these answer false or nothing when the process is gone or the memory is not there.
  std::optional<Registers> registers() const;
  bool set_registers(const Registers& registers) const;
  bool read(uint64_t address, void* to, size_t size) const;
  // Also where the process itself may not write.
  bool write(uint64_t address, const void* from, size_t size) const;

  // Makes the stopped process do a system call of ours and puts its registers back; nothing when the process
  // did not come through. `door` is where it has a system call instruction. Signals that come in between are
  // sent again.
  std::optional<long> call(uint64_t door, long number, const Arguments& arguments) const;

  // Its mappings, as /proc/PID/maps has them.
  struct Area {
    uint64_t start, end;
    std::string perms;
  };
  std::vector<Area> areas() const;
  // What a descriptor is: a path, "pipe:[…]" and so on.
  std::string descriptor(uint64_t fd) const;

 private:
  bool step_to_exit(std::vector<int>& held) const;
  pid_t pid_;
};

inline Arguments arguments_of(const Registers& r) {
  return {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
}
inline void set_arguments(Registers& r, const Arguments& a) {
  r.rdi = a[0], r.rsi = a[1], r.rdx = a[2], r.r10 = a[3], r.r8 = a[4], r.r9 = a[5];
}

}  // namespace shmcheck::liar
