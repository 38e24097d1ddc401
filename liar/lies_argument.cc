// Lies about what is done: the kernel does another thing than it was asked for, and says that it did as told.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

using Fits = std::function<bool(const Event&)>;

bool changes(Scene& scene, size_t argument, uint64_t value) {
  Arguments arguments = scene.event.arguments;
  if (arguments[argument] == value) return false;
  arguments[argument] = value;
  set_arguments(scene.registers, arguments);
  return true;
}

Fits is(long number) {
  return [=](const Event& e) { return e.spec->number == number; };
}
Fits starts(const char* label) {
  return [=](const Event& e) { return e.label.starts_with(label); };
}

struct Adder {
  std::vector<Lie>& lies;
  void operator()(const char* name, Fits fits, size_t argument,
                  std::function<uint64_t(const Arguments&)> value) const {
    lies.push_back({name, When::before, std::move(fits),
                    [=](Scene& scene) { return changes(scene, argument, value(scene.event.arguments)); }});
  }
};

uint64_t without(uint64_t value, int bits) {
  return value & ~static_cast<uint64_t>(bits);
}
uint64_t with(uint64_t value, int bits) {
  return value | static_cast<uint64_t>(bits);
}

void add_mmap_lies(const Adder& add) {
  add("maps privately", starts("mmap shared"), 3,
      [](const Arguments& a) { return with(without(a[3], MAP_TYPE), MAP_PRIVATE); });
  add("maps shared", starts("mmap private"), 3,
      [](const Arguments& a) { return with(without(a[3], MAP_TYPE), MAP_SHARED); });
  add(
      "maps anonymous memory",
      [](const Event& e) { return e.spec->number == SYS_mmap && (e.arguments[3] & MAP_ANONYMOUS) == 0; }, 3,
      [](const Arguments& a) { return with(a[3], MAP_ANONYMOUS); });
  add(
      "maps the page behind",
      [](const Event& e) { return e.spec->number == SYS_mmap && (e.arguments[3] & MAP_ANONYMOUS) == 0; }, 5,
      [](const Arguments& a) { return a[5] + kPage; });
  add("maps without PROT_WRITE", is(SYS_mmap), 2,
      [](const Arguments& a) { return without(a[2], PROT_WRITE); });
  add("maps with PROT_READ and PROT_WRITE", is(SYS_mmap), 2,
      [](const Arguments& a) { return with(a[2], PROT_READ | PROT_WRITE); });
  add("maps without PROT_EXEC", is(SYS_mmap), 2, [](const Arguments& a) { return without(a[2], PROT_EXEC); });
  add("maps without any access", is(SYS_mmap), 2, [](const Arguments&) { return uint64_t{PROT_NONE}; });
  add("maps a page less", is(SYS_mmap), 1,
      [](const Arguments& a) { return a[1] > kPage ? a[1] - kPage : a[1]; });
  add("maps a page more", is(SYS_mmap), 1, [](const Arguments& a) { return a[1] + kPage; });
  add("maps elsewhere", is(SYS_mmap), 0, [](const Arguments& a) { return a[0] == 0 ? 0 : a[0] + kPage; });
  add("ignores MAP_FIXED", is(SYS_mmap), 3,
      [](const Arguments& a) { return without(a[3], MAP_FIXED | MAP_FIXED_NOREPLACE); });
  add("takes MAP_FIXED for given", is(SYS_mmap), 3, [](const Arguments& a) {
    return a[0] == 0 ? a[3] : with(without(a[3], MAP_FIXED_NOREPLACE), MAP_FIXED);
  });
  add("populates", is(SYS_mmap), 3, [](const Arguments& a) { return with(a[3], MAP_POPULATE); });
  add("ignores all further flags", is(SYS_mmap), 3, [](const Arguments& a) {
    return a[3] & static_cast<uint64_t>(MAP_TYPE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE);
  });
}

void add_range_lies(const Adder& add) {
  const auto takes_range = [](const Event& e) {
    for (const long number :
         {SYS_munmap, SYS_mprotect, SYS_madvise, SYS_msync, SYS_mlock, SYS_mlock2, SYS_munlock}) {
      if (e.spec->number == number) return true;
    }
    return false;
  };
  add("a page less", takes_range, 1, [](const Arguments& a) { return a[1] > kPage ? a[1] - kPage : 0; });
  add("a page more", takes_range, 1, [](const Arguments& a) { return a[1] == 0 ? kPage : a[1] + kPage; });
  add("protects with PROT_WRITE", is(SYS_mprotect), 2,
      [](const Arguments& a) { return with(a[2], PROT_READ | PROT_WRITE); });
  add("protects without PROT_WRITE", is(SYS_mprotect), 2,
      [](const Arguments& a) { return without(a[2], PROT_WRITE); });
  add("protects without PROT_EXEC", is(SYS_mprotect), 2,
      [](const Arguments& a) { return without(a[2], PROT_EXEC); });
  add("protects with PROT_NONE", is(SYS_mprotect), 2, [](const Arguments&) { return uint64_t{PROT_NONE}; });
  add("advises MADV_DONTNEED", is(SYS_madvise), 2, [](const Arguments&) { return uint64_t{MADV_DONTNEED}; });
  add("advises MADV_REMOVE", is(SYS_madvise), 2, [](const Arguments&) { return uint64_t{MADV_REMOVE}; });
  add("remaps without further flags", is(SYS_mremap), 3,
      [](const Arguments& a) { return a[3] & MREMAP_MAYMOVE; });
  add("remaps to a page less", is(SYS_mremap), 2,
      [](const Arguments& a) { return a[2] > kPage ? a[2] - kPage : a[2]; });
  add("remaps to a page more", is(SYS_mremap), 2, [](const Arguments& a) { return a[2] + kPage; });
}

void add_sysv_lies(const Adder& add) {
  add("attaches for writing", is(SYS_shmat), 2, [](const Arguments& a) { return without(a[2], SHM_RDONLY); });
  add("attaches read-only", is(SYS_shmat), 2, [](const Arguments& a) { return with(a[2], SHM_RDONLY); });
  add("attaches anywhere", is(SYS_shmat), 1, [](const Arguments&) { return uint64_t{0}; });
  add("attaches without further flags", is(SYS_shmat), 2, [](const Arguments&) { return uint64_t{0}; });
  add("makes a page more", is(SYS_shmget), 1, [](const Arguments& a) { return a[1] + kPage; });
  add("makes with another mode", is(SYS_shmget), 2, [](const Arguments& a) { return a[2] ^ 0400; });
  add("makes under no key", is(SYS_shmget), 0, [](const Arguments&) { return uint64_t{IPC_PRIVATE}; });
  add("ignores IPC_EXCL", is(SYS_shmget), 2, [](const Arguments& a) { return without(a[2], IPC_EXCL); });
  add("makes what is missing", is(SYS_shmget), 2, [](const Arguments& a) { return with(a[2], IPC_CREAT); });
}

void add_file_lies(const Adder& add) {
  add("truncates to one byte less", is(SYS_ftruncate), 1,
      [](const Arguments& a) { return a[1] > 0 ? a[1] - 1 : 1; });
  add("truncates to a page more", is(SYS_ftruncate), 1, [](const Arguments& a) { return a[1] + kPage; });
  add("allocates a page less", is(SYS_fallocate), 3,
      [](const Arguments& a) { return a[3] > kPage ? a[3] - kPage : 1; });
  add("allocates a page more", is(SYS_fallocate), 3, [](const Arguments& a) { return a[3] + kPage; });
  add("allocates without a mode", is(SYS_fallocate), 1, [](const Arguments&) { return uint64_t{0}; });
  add("opens for reading and writing", is(SYS_openat), 2,
      [](const Arguments& a) { return with(without(a[2], O_ACCMODE), O_RDWR); });
  add("opens for reading", is(SYS_openat), 2, [](const Arguments& a) { return without(a[2], O_ACCMODE); });
  add("ignores O_TRUNC, O_EXCL and O_CREAT", is(SYS_openat), 2,
      [](const Arguments& a) { return without(a[2], O_TRUNC | O_EXCL | O_CREAT); });
  add("opens without O_CLOEXEC", is(SYS_openat), 2,
      [](const Arguments& a) { return without(a[2], O_CLOEXEC); });
  add("makes without flags", is(SYS_memfd_create), 1, [](const Arguments&) { return uint64_t{0}; });
  add("makes with every flag", is(SYS_memfd_create), 1, [](const Arguments&) { return uint64_t{3}; });
  add("seals less", starts("fcntl F_ADD_SEALS"), 2, [](const Arguments& a) { return a[2] & (a[2] - 1); });
  add("seals all", starts("fcntl F_ADD_SEALS"), 2, [](const Arguments&) { return uint64_t{0x1f}; });
  add("writes a byte less", starts("write file"), 2,
      [](const Arguments& a) { return a[2] > 0 ? a[2] - 1 : 0; });
  add("sets another limit", is(SYS_prlimit64), 1, [](const Arguments&) { return uint64_t{15}; });
}

}  // namespace

void add_argument_lies(std::vector<Lie>& lies) {
  const Adder add{lies};
  add_mmap_lies(add);
  add_range_lies(add);
  add_sysv_lies(add);
  add_file_lies(add);
}

}  // namespace shmcheck::liar
