// Memory accesses that may fault, and what they met.
#pragma once

#include <cstdint>

namespace shmcheck::executor {

struct Fault {
  int signal, code;
  std::uint64_t address;
};

// Catches SIGSEGV and SIGBUS on a stack of its own; inherited by fork, so called once.
void install_fault_handler();

// Runs `access` on `argument`. True if it came back; else `fault` says what it met. A fault outside of
// `guarded` is the executor's own and kills it.
bool guarded(void (*access)(void*), void* argument, Fault& fault);

// For an access whose fault must have the action that the kernel gives it.
enum class Disposition : std::uint8_t { caught, as_default, ignored, blocked };
void set_disposition(Disposition disposition);

}  // namespace shmcheck::executor
