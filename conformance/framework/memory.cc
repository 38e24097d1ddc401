#include "conformance/framework/memory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "conformance/framework/environment.h"
#include "conformance/framework/outcome.h"
#include "conformance/framework/report.h"

namespace shmcheck::conformance {
namespace {

struct Probe {
  sigjmp_buf back;
  Access seen;
};
thread_local Probe* volatile probe = nullptr;

void OnFault(int signal, siginfo_t* info, void*) {
  if (probe != nullptr) {
    probe->seen = {signal, info->si_code, reinterpret_cast<uintptr_t>(info->si_addr), 0};
    siglongjmp(probe->back, 1);
  }
  char text[160];
  snprintf(text, sizeof text, "an access outside every probe raised %s at %p",
           FaultName(signal, info->si_code).c_str(), info->si_addr);
  Send(Record::Kind::failure, "", 0, text);
  ::signal(signal, SIG_DFL);  // returning repeats the access, which now ends the process
}

// Runs `access` with the fault handler pointing back here. The handler does not block its signal
// (SA_NODEFER), so no mask has to be saved. Nothing with a destructor may live between the two.
template <typename F>
[[gnu::noinline]] Access Probed(F access) {
  Probe mine{};
  Probe* const outer = probe;
  if (sigsetjmp(mine.back, 0) == 0) {
    probe = &mine;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    mine.seen.value = access();
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  probe = outer;
  return mine.seen;
}

struct [[gnu::packed, gnu::may_alias]] UnalignedWord {
  uint64_t value;
};

}  // namespace

void InstallFaultHandler() {
  struct sigaction action {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL}) sigaction(signal, &action, nullptr);
}

std::string FaultName(int signal, int code) {
  struct Name {
    int signal;
    int code;
    const char* name;
  };
  static constexpr Name kNames[] = {
      {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"}, {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
      {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},    {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
      {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
  };
  for (const Name& known : kNames) {
    if (known.signal == signal && known.code == code) return SignalName(signal) + "/" + known.name;
  }
  return SignalName(signal) + "/code " + std::to_string(code);
}

std::ostream& operator<<(std::ostream& out, const Access& access) {
  if (access.ok()) return out << "works, value 0x" << std::hex << access.value << std::dec;
  return out << FaultName(access.signal, access.code) << " at 0x" << std::hex << access.fault_address
             << std::dec;
}

Access Load(const volatile void* address) {
  return Probed([=] { return uint64_t{*static_cast<const volatile uint8_t*>(address)}; });
}

Access Store(volatile void* address, uint8_t value) {
  return Probed([=] {
    *static_cast<volatile uint8_t*>(address) = value;
    return uint64_t{0};
  });
}

Access LoadWord(const volatile void* address) {
  return Probed([=] { return static_cast<const volatile UnalignedWord*>(address)->value; });
}

Access StoreWord(volatile void* address, uint64_t value) {
  return Probed([=] {
    static_cast<volatile UnalignedWord*>(address)->value = value;
    return uint64_t{0};
  });
}

Access Call(const void* code) {
  return Probed(
      [=] { return static_cast<uint64_t>(reinterpret_cast<int (*)()>(const_cast<void*>(code))()); });
}

bool AccessMatcher::MatchAndExplain(const Access& access, std::ostream*) const {
  if (access.signal != wanted_.signal) return false;
  if (access.ok()) return !check_value_ || access.value == wanted_.value;
  const uintptr_t mask = exact_ ? ~uintptr_t{0} : ~(page() - 1);
  return access.code == wanted_.code && (access.fault_address & mask) == (wanted_.fault_address & mask);
}

void AccessMatcher::DescribeTo(std::ostream* out) const {
  if (wanted_.ok() && !check_value_) {
    *out << "works";
  } else if (wanted_.ok()) {
    *out << "reads 0x" << std::hex << wanted_.value << std::dec;
  } else {
    *out << "raises " << FaultName(wanted_.signal, wanted_.code)
         << (exact_ ? " exactly at" : " in the page of") << " 0x" << std::hex << wanted_.fault_address
         << std::dec;
  }
}

void AccessMatcher::DescribeNegationTo(std::ostream* out) const {
  *out << "anything but: ";
  DescribeTo(out);
}

std::ostream& operator<<(std::ostream& out, const Bytes& bytes) {
  out << bytes.data.size() << " bytes";
  if (!bytes.problem.empty()) out << ", then " << bytes.problem;
  char digits[8];
  for (size_t i = 0; i < bytes.data.size() && i < 16; ++i) {
    snprintf(digits, sizeof digits, "%s%02x", i == 0 ? ": " : " ", bytes.data[i]);
    out << digits;
  }
  return out << (bytes.data.size() > 16 ? " …" : "");
}

Bytes Memory(const volatile void* address, size_t size) {
  Bytes bytes{std::vector<uint8_t>(size), ""};
  uint8_t* const to = bytes.data.data();
  const auto* const from = static_cast<const volatile uint8_t*>(address);
  size_t done = 0;
  size_t* const count = &done;
  const Access access = Probed([=] {
    const size_t head = std::min(size, (8 - reinterpret_cast<uintptr_t>(from) % 8) % 8);
    for (; *count < head; ++*count) to[*count] = from[*count];
    for (; *count + 8 <= size; *count += 8) {
      const uint64_t word = *reinterpret_cast<const volatile uint64_t*>(from + *count);
      std::memcpy(to + *count, &word, 8);
    }
    for (; *count < size; ++*count) to[*count] = from[*count];
    return uint64_t{0};
  });
  if (!access.ok()) {
    bytes.data.resize(done);
    bytes.problem = FaultName(access.signal, access.code) + " at byte " + std::to_string(done);
  }
  return bytes;
}

Bytes KernelCopy(const void* address, size_t size) {
  Bytes bytes;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {{}, "no pipe: " + ErrnoName(errno)};
  std::vector<uint8_t> chunk(page());
  while (bytes.data.size() < size && bytes.problem.empty()) {
    const size_t at = bytes.data.size();
    const ssize_t count =
        write(ends[1], static_cast<const uint8_t*>(address) + at, std::min(size - at, page()));
    const ssize_t back = count <= 0 ? -1 : read(ends[0], chunk.data(), static_cast<size_t>(count));
    if (back <= 0) {
      bytes.problem = "write gives " + (count < 0 ? ErrnoName(errno) : std::to_string(count)) + " at byte " +
                      std::to_string(at);
      break;
    }
    bytes.data.insert(bytes.data.end(), chunk.begin(), chunk.begin() + back);
  }
  close(ends[0]);
  close(ends[1]);
  return bytes;
}

Bytes Contents(int fd, off_t offset, size_t size) {
  Bytes bytes{std::vector<uint8_t>(size), ""};
  size_t done = 0;
  while (done < size) {
    const ssize_t count = pread(fd, bytes.data.data() + done, size - done, offset + static_cast<off_t>(done));
    if (count <= 0) {
      bytes.problem = "pread gives " + (count < 0 ? ErrnoName(errno) : std::string("0")) + " at byte " +
                      std::to_string(done);
      break;
    }
    done += static_cast<size_t>(count);
  }
  bytes.data.resize(done);
  return bytes;
}

Bytes WholeFile(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return {{}, "fstat gives " + ErrnoName(errno)};
  return Contents(fd, 0, static_cast<size_t>(status.st_size));
}

uint8_t PatternByte(size_t offset, unsigned seed) {
  return static_cast<uint8_t>(1 + (offset % 251 + 37 * (offset / 251) + 101UL * seed) % 255);
}

std::vector<uint8_t> Pattern(size_t offset, size_t size, unsigned seed) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = PatternByte(offset + i, seed);
  return bytes;
}

Access FillPattern(volatile void* address, size_t offset, size_t size, unsigned seed) {
  auto* const to = static_cast<volatile uint8_t*>(address);
  return Probed([=] {
    for (size_t i = 0; i < size; ++i) to[i] = PatternByte(offset + i, seed);
    return uint64_t{0};
  });
}

Access Fill(volatile void* address, uint8_t value, size_t size) {
  auto* const to = static_cast<volatile uint8_t*>(address);
  return Probed([=] {
    for (size_t i = 0; i < size; ++i) to[i] = value;
    return uint64_t{0};
  });
}

bool BytesMatcher::MatchAndExplain(const Bytes& bytes, std::ostream* out) const {
  if (!bytes.problem.empty()) return false;
  if (!uniform_ && bytes.data.size() != wanted_.size()) {
    if (out != nullptr) *out << "which has the wrong size";
    return false;
  }
  for (size_t i = 0; i < bytes.data.size(); ++i) {
    const uint8_t wanted = uniform_ ? all_ : wanted_[i];
    if (bytes.data[i] == wanted) continue;
    if (out != nullptr) {
      char text[80];
      snprintf(text, sizeof text, "whose byte %zu is 0x%02x, wanted 0x%02x", i, bytes.data[i], wanted);
      *out << text;
    }
    return false;
  }
  return true;
}

void BytesMatcher::DescribeTo(std::ostream* out) const {
  if (uniform_) {
    *out << "only bytes of value " << int{all_};
  } else {
    *out << Bytes{wanted_, ""};
  }
}

void BytesMatcher::DescribeNegationTo(std::ostream* out) const {
  *out << "anything but: ";
  DescribeTo(out);
}

BytesMatcher HoldsPattern(size_t offset, size_t size, unsigned seed) {
  return BytesMatcher(Pattern(offset, size, seed));
}

Residency ResidentPages(const void* address, size_t size) {
  const size_t count = (size + page() - 1) / page();
  std::vector<unsigned char> vector(count);
  if (mincore(const_cast<void*>(address), size, vector.data()) != 0)
    return {{}, "mincore gives " + ErrnoName(errno)};
  Residency residency;
  for (const unsigned char bits : vector) residency.pages.push_back((bits & 1) != 0);
  return residency;
}

}  // namespace shmcheck::conformance
