// System calls where the C library checks or changes arguments before the kernel sees them.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmcheck::conformance {

// mmap with any offset: the C library refuses unaligned ones by itself.
inline void* RawMmap(void* address, size_t size, int prot, int flags, int fd, off_t offset) {
#ifdef SYS_mmap2
  // The offset counts in units of 4096 bytes, so an unaligned one cannot be expressed; only 64-bit targets
  // test that.
  return reinterpret_cast<void*>(syscall(SYS_mmap2, address, size, prot, flags, fd, offset >> 12));
#else
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, prot, flags, fd, offset));
#endif
}

// mremap with a defined fifth argument: the C library passes one only with MREMAP_FIXED.
inline void* RawMremap(void* address, size_t old_size, size_t new_size, int flags,
                       void* new_address = nullptr) {
  return reinterpret_cast<void*>(syscall(SYS_mremap, address, old_size, new_size, flags, new_address));
}

inline int RawMemfdCreate(const char* name, unsigned flags) {
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

}  // namespace shmcheck::conformance
