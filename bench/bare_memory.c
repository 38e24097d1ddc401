/* Ops of the bare C program that touch memory, and the faults that they meet. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bench/bare_state.h"

static jmp_buf back;
static volatile sig_atomic_t armed;
static char fault_stack[16384];

static void set_action(void (*plain)(int), void (*full)(int, siginfo_t*, void*)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  if (full != NULL) {
    action.sa_sigaction = full;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  } else {
    action.sa_handler = plain;
  }
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
}

static void on_fault(int number, siginfo_t* info, void* context) {
  (void)number, (void)info, (void)context;
  if (!armed) {
    set_action(SIG_DFL, NULL);
    return;
  }
  armed = 0;
  longjmp(back, 1);
}

static void set_blocked(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSEGV);
  sigaddset(&set, SIGBUS);
  sigprocmask(how, &set, NULL);
}

void catch_faults(void) {
  stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof fault_stack};
  sigaltstack(&stack, NULL);
  set_action(NULL, on_fault);
}

static void access_memory(const struct bare_op* op, uint64_t address) {
  unsigned char* at = (unsigned char*)address;
  uint64_t moved = op->value;
  if (op->code == BARE_STORE) {
    switch (op->bytes) {
      case 1:
        *(volatile uint8_t*)at = (uint8_t)moved;
        break;
      case 2:
        *(volatile uint16_t*)at = (uint16_t)moved;
        break;
      case 4:
        *(volatile uint32_t*)at = (uint32_t)moved;
        break;
      default:
        *(volatile uint64_t*)at = moved;
    }
    return;
  }
  switch (op->bytes) {
    case 1:
      moved = *(volatile uint8_t*)at;
      break;
    case 2:
      moved = *(volatile uint16_t*)at;
      break;
    case 4:
      moved = *(volatile uint32_t*)at;
      break;
    default:
      moved = *(volatile uint64_t*)at;
  }
}

void do_access(const struct bare_op* op, uint64_t address) {
  switch (op->action) {
    case BARE_CAUGHT:
      if (_setjmp(back) != 0) return;
      armed = 1;
      access_memory(op, address);
      armed = 0;
      return;
    case BARE_DEFAULT:
      set_action(SIG_DFL, NULL);
      break;
    case BARE_IGNORED:
      set_action(SIG_IGN, NULL);
      break;
    default:
      set_blocked(SIG_BLOCK);
  }
  access_memory(op, address);
  set_blocked(SIG_UNBLOCK);
  set_action(NULL, on_fault);
}

static void read_page(const unsigned char* from, uint64_t length) {
  if (_setjmp(back) != 0) return;
  armed = 1;
  const uint64_t pattern = 0x0101010101010101 * *(const volatile unsigned char*)from;
  uint64_t runs = 1, i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t eight;
    memcpy(&eight, from + i, 8);
    runs += eight != pattern;
  }
  for (; i < length; ++i) runs += from[i] != (unsigned char)pattern;
  __asm__ volatile("" : : "r"(runs));
  armed = 0;
}

static void pipe_page(uint64_t address, uint64_t length) {
  while (length > 0) {
    ssize_t n = write(pipe_end[1], (const void*)address, length);
    if (n > 0) n = read(pipe_end[0], buffer, (size_t)n);
    if (n <= 0) return;
    read_page(buffer, (uint64_t)n);
    address += (uint64_t)n;
    length -= (uint64_t)n;
  }
}

void do_contents(uint64_t address, uint64_t left, int by_kernel) {
  while (left > 0) {
    uint64_t length = kPage - address % kPage;
    if (length > left) length = left;
    if (by_kernel) {
      pipe_page(address, length);
    } else {
      read_page((const unsigned char*)address, length);
    }
    address += length;
    left -= length;
  }
}

/* Nothing but a return instruction is run. */
long do_call(uint64_t address) {
  unsigned char code = 0xc3;
  const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = pread(fd, &code, 1, (off_t)address);
  close(fd);
  if (n == 1 && code != 0xc3) return 0;
  if (_setjmp(back) == 0) {
    armed = 1;
    ((void (*)(void))address)();
  }
  armed = 0;
  return 0;
}
