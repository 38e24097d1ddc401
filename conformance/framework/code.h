// A function of the target's own machine code that can be copied anywhere and called: int f() { return 42; }
#pragma once

#include <cstdint>

namespace shmcheck::conformance {

inline constexpr int kCodeResult = 42;
#if defined(__x86_64__) || defined(__i386__)
inline constexpr uint8_t kCode[] = {0xb8, kCodeResult, 0, 0, 0, 0xc3};  // mov eax, 42; ret
#elif defined(__aarch64__)
inline constexpr uint8_t kCode[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};  // mov w0, #42; ret
#elif defined(__arm__)
inline constexpr uint8_t kCode[] = {kCodeResult, 0,    0xa0, 0xe3,
                                    0x1e,        0xff, 0x2f, 0xe1};  // mov r0, #42; bx lr
#elif defined(__riscv)
inline constexpr uint8_t kCode[] = {0x13, 0x05, 0xa0, 0x02, 0x67, 0x80, 0x00, 0x00};  // li a0, 42; ret
#else
#error "add the machine code of `return 42` for this architecture"
#endif

}  // namespace shmcheck::conformance
