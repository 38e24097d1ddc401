// Probing memory by real loads and stores. A fault is a value, never the end of the test.
//
//   EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
//   EXPECT_THAT(Load(map.at(0)), Reads(0x41));
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"

namespace shmcheck::conformance {

// How most tests map.
inline constexpr int kReadWrite = PROT_READ | PROT_WRITE;
inline constexpr int kTypes[] = {MAP_SHARED, MAP_PRIVATE};
inline constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

struct Access {
  int signal = 0;  // 0: the access worked
  int code = 0;    // si_code
  uintptr_t fault_address = 0;
  uint64_t value = 0;  // what a load gave

  bool ok() const { return signal == 0; }
};
std::ostream& operator<<(std::ostream& out, const Access& access);
std::string FaultName(int signal, int code);

Access Load(const volatile void* address);
Access Store(volatile void* address, uint8_t value);
// Naturally aligned or not: one access instruction where the architecture has one.
Access LoadWord(const volatile void* address);
Access StoreWord(volatile void* address, uint64_t value);
// Calls the code at the address; `value` is what it returned.
Access Call(const void* code);

class AccessMatcher {
 public:
  using is_gtest_matcher = void;
  // `address` is compared by page, unless `exact`.
  AccessMatcher(Access wanted, bool check_value, bool exact)
      : wanted_(wanted), check_value_(check_value), exact_(exact) {}
  bool MatchAndExplain(const Access& access, std::ostream*) const;
  void DescribeTo(std::ostream* out) const;
  void DescribeNegationTo(std::ostream* out) const;

 private:
  Access wanted_;
  bool check_value_;
  bool exact_;
};

// The access works, whatever it reads.
inline AccessMatcher Works() {
  return {Access{}, false, false};
}
inline AccessMatcher Reads(uint64_t value) {
  return {Access{0, 0, 0, value}, true, false};
}
// The fault lies in the page of `address` (architectures may report no more than the page).
inline AccessMatcher FaultsWith(int signal, int code, const volatile void* address) {
  return {Access{signal, code, reinterpret_cast<uintptr_t>(address), 0}, false, false};
}
inline AccessMatcher FaultsExactlyAt(int signal, int code, const volatile void* address) {
  return {Access{signal, code, reinterpret_cast<uintptr_t>(address), 0}, false, true};
}

// A run of bytes that was read, or why it could not be read.
struct Bytes {
  std::vector<uint8_t> data;
  std::string problem;  // empty: all bytes were read

  bool operator==(const Bytes& other) const = default;
};
std::ostream& operator<<(std::ostream& out, const Bytes& bytes);

Bytes Memory(const volatile void* address, size_t size);  // by loads
Bytes KernelCopy(const void* address, size_t size);       // by a system call that reads user memory
Bytes Contents(int fd, off_t offset, size_t size);        // by pread; less than `size` is a problem
Bytes WholeFile(int fd);

// The byte that FillPattern puts at `offset`: never 0, its period is no multiple of a page, seeds differ
// everywhere.
uint8_t PatternByte(size_t offset, unsigned seed = 0);
std::vector<uint8_t> Pattern(size_t offset, size_t size, unsigned seed = 0);
Access FillPattern(volatile void* address, size_t offset, size_t size, unsigned seed = 0);
Access Fill(volatile void* address, uint8_t value, size_t size);

class BytesMatcher {
 public:
  using is_gtest_matcher = void;
  explicit BytesMatcher(std::vector<uint8_t> wanted) : wanted_(std::move(wanted)) {}
  explicit BytesMatcher(uint8_t all) : all_(all), uniform_(true) {}
  bool MatchAndExplain(const Bytes& bytes, std::ostream* out) const;
  void DescribeTo(std::ostream* out) const;
  void DescribeNegationTo(std::ostream* out) const;

 private:
  std::vector<uint8_t> wanted_;
  uint8_t all_ = 0;
  bool uniform_ = false;
};
inline BytesMatcher AllBytesAre(uint8_t value) {
  return BytesMatcher(value);
}
inline BytesMatcher BytesAre(std::vector<uint8_t> wanted) {
  return BytesMatcher(std::move(wanted));
}
BytesMatcher HoldsPattern(size_t offset, size_t size, unsigned seed = 0);

// Installed in every test process before its body: a fault outside a probe becomes a failure that names it.
void InstallFaultHandler();

// One bit per page: resident or not, by mincore; `problem` says why it is unknown.
struct Residency {
  std::vector<bool> pages;
  std::string problem;
};
Residency ResidentPages(const void* address, size_t size);

}  // namespace shmcheck::conformance
