// Lies about faults: another signal, another reason, another place, none at all.

#include <sys/mman.h>
#include <sys/syscall.h>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

uint64_t fault_page(const Scene& scene) {
  return reinterpret_cast<uint64_t>(scene.fault->si_addr) & ~(kPage - 1);
}

// Memory appears where the access went, and the access is repeated.
bool succeed(Scene& scene) {
  const auto mapped = scene.tracee.call(scene.door, SYS_mmap,
                                        {fault_page(scene), kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~uint64_t{0}, 0});
  if (!mapped || *mapped < 0) return false;
  scene.fault->si_signo = 0;
  return true;
}

bool swap_signal(Scene& scene) {
  scene.fault->si_signo = scene.fault->si_signo == SIGBUS ? SIGSEGV : SIGBUS;
  return true;
}

bool swap_code(Scene& scene) {
  scene.fault->si_code = scene.fault->si_code == 2 ? 1 : 2;
  return true;
}

bool move_address(Scene& scene) {
  scene.fault->si_addr = static_cast<char*>(scene.fault->si_addr) + kPage;
  return true;
}

}  // namespace

void add_fault_lies(std::vector<Lie>& lies) {
  lies.push_back({"the access works", When::fault, any, succeed});
  lies.push_back({"the other signal", When::fault, any, swap_signal});
  lies.push_back({"the other si_code", When::fault, any, swap_code});
  lies.push_back({"si_addr a page on", When::fault, any, move_address});
}

}  // namespace shmcheck::liar
