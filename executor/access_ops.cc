// Ops that touch memory: single loads and stores, and observers of whole ranges.
#include <fcntl.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstring>

#include "executor/call.h"
#include "executor/fault.h"
#include "executor/runs.h"

namespace shmcheck::executor {
namespace {

// --- one access of 1, 2, 4 or 8 bytes --------------------------------------------------------------------

struct Access {
  std::uint64_t address, value;
  std::uint8_t log;
  bool is_store;
};

#if defined(__x86_64__)
// Not through rbp or rsp, which a compiler may choose: with them a non-canonical address raises SIGBUS (#SS)
// instead of SIGSEGV (#GP).
template <typename T>
void access_as(Access& a) {
  if (a.is_store) {
    __asm__ volatile("mov %1, (%0)" : : "D"(a.address), "q"(static_cast<T>(a.value)) : "memory");
    return;
  }
  T moved;
  __asm__ volatile("mov (%1), %0" : "=q"(moved) : "S"(a.address) : "memory");
  a.value = moved;
}
#else
// One instruction where the architecture can access unaligned memory at all.
template <typename T>
struct __attribute__((packed)) Unaligned {
  T value;
};

template <typename T>
void access_as(Access& a) {
  std::uint64_t moved = 0;
  if (a.address % sizeof(T) == 0) {
    auto* at = reinterpret_cast<volatile T*>(a.address);
    if (a.is_store) {
      *at = static_cast<T>(a.value);
    } else {
      moved = *at;
    }
  } else {
    auto* at = reinterpret_cast<volatile Unaligned<T>*>(a.address);
    if (a.is_store) {
      at->value = static_cast<T>(a.value);
    } else {
      moved = at->value;
    }
  }
  if (!a.is_store) a.value = moved;
}
#endif

void access_memory(void* argument) {
  auto& a = *static_cast<Access*>(argument);
  switch (a.log) {
    case 0:
      return access_as<std::uint8_t>(a);
    case 1:
      return access_as<std::uint16_t>(a);
    case 2:
      return access_as<std::uint32_t>(a);
    default:
      return access_as<std::uint64_t>(a);
  }
}

// Between bytes in memory order (byte i at bits 8i) and the number that this machine's instruction moves.
std::uint64_t to_machine(std::uint64_t v, unsigned log) {
  if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) return v;
  return __builtin_bswap64(v) >> (64 - (8U << log));
}

void settle_fault(Call& call, const Fault& fault) {
  call.outcome.kind = OutcomeKind::signal;
  call.outcome.signal = static_cast<std::uint8_t>(fault.signal);
  call.outcome.code = static_cast<std::uint8_t>(fault.code);
  call.outcome.address = fault.address;
}

void perform_access(Call& call, bool is_store) {
  const Op& op = call.op;
  Access access{call.at.addr, to_machine(op.value, op.small), op.small, is_store};
  auto disposition = static_cast<Disposition>(op.byte);
  if (disposition != Disposition::caught) {
    set_disposition(disposition);
    access_memory(&access);
    set_disposition(Disposition::caught);
  } else if (Fault fault; !guarded(access_memory, &access, fault)) {
    settle_fault(call, fault);
    return;
  }
  if (!is_store) call.outcome.value = to_machine(access.value, op.small);
}

// --- execution -------------------------------------------------------------------------------------------

#if defined(__x86_64__)
constexpr std::uint8_t kReturn = 0xc3;

void call_code(void* argument) {
  reinterpret_cast<void (*)()> (*static_cast<std::uint64_t*>(argument))();
}

// The file of a process that dumps no core belongs to root: for that moment it would dump one.
long open_own_memory() {
  sys(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
  sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  return fd;
}

// Whether what lies there is certain not to be a return instruction. Read as a debugger does, since a page
// can be executable and yet not readable. What cannot be read cannot be run: it faults.
bool is_other_code(std::uint64_t address) {
  long fd = open_own_memory();
  if (failed(fd)) return true;
  std::uint8_t code = kReturn;
  long n = sys(SYS_pread64, fd, &code, 1, address);
  sys(SYS_close, fd);
  return n == 1 && code != kReturn;
}
#endif

// --- contents --------------------------------------------------------------------------------------------

// A range inside one page, and how far its scan came.
struct Scan {
  std::span<const std::uint8_t> bytes;
  Words* runs;
};

void scan_bytes(void* argument) {
  auto& scan = *static_cast<Scan*>(argument);
  while (!scan.bytes.empty()) {
    std::size_t n = equal_prefix(scan.bytes);
    scan.runs->push_run({program::RunKind::bytes, scan.bytes[0], 0, n});
    scan.bytes = scan.bytes.subspan(n);
  }
}

void contents_by_load(Words& words, std::uint64_t address, std::uint64_t length) {
  Scan scan{{reinterpret_cast<const std::uint8_t*>(address), length}, &words};
  Fault fault;
  if (guarded(scan_bytes, &scan, fault)) return;
  words.push_run({program::RunKind::signal, static_cast<std::uint8_t>(fault.signal),
                  static_cast<std::uint8_t>(fault.code), scan.bytes.size()});
}

// What the kernel reads on the process's behalf, through a pipe that never holds more than this.
void contents_by_kernel(Words& words, std::uint64_t address, std::uint64_t length) {
  std::span<std::uint8_t> bounce = bounce_area();
  while (length > 0) {
    long n = sys(SYS_write, kPipeWrite, address, length);
    if (n > 0) n = sys(SYS_read, kPipeRead, bounce.data(), n);
    if (n <= 0) {
      // Before 6.2 a write that copied nothing leaves an empty buffer in the pipe; sixteen of them fill it.
      sys(SYS_read, kPipeRead, bounce.data(), bounce.size());
      words.push_run({program::RunKind::error, static_cast<std::uint8_t>(-n), 0, length});
      return;
    }
    push_byte_runs(words, bounce.first(static_cast<std::size_t>(n)));
    address += static_cast<std::uint64_t>(n);
    length -= static_cast<std::uint64_t>(n);
  }
}

}  // namespace

void perform_load(Call& call) {
  perform_access(call, false);
}
void perform_store(Call& call) {
  perform_access(call, true);
}

// Elsewhere than on x86-64 nothing is called: what a return is there takes several bytes.
void perform_call(Call& call) {
#if defined(__x86_64__)
  if (!is_other_code(call.at.addr)) {
    Fault fault;
    if (guarded(call_code, &call.at.addr, fault)) return;
    return settle_fault(call, fault);
  }
#endif
  call.outcome.kind = OutcomeKind::withheld;
}

void perform_contents(Call& call) {
  auto one_page = static_cast<program::Via>(call.op.small) == program::Via::kernel ? contents_by_kernel
                                                                                   : contents_by_load;
  std::uint64_t page = target.layout.page;
  std::uint64_t address = call.at.addr, left = call.at.len;
  while (left > 0) {
    std::uint64_t length = std::min(left, page - address % page);
    one_page(call.words, address, length);
    address += length;
    left -= length;
  }
}

}  // namespace shmcheck::executor
