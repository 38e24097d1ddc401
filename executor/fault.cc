#include "executor/fault.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include <atomic>

#include "executor/sys.h"

namespace shmcheck::executor {
namespace {

constexpr int kFaultSignals[] = {SIGSEGV, SIGBUS};

// Memory of each process by itself. SA_NODEFER leaves the signal mask as it is, so that leaving the handler
// by a jump needs no system call to put it back.
jmp_buf back;
volatile bool armed = false;
Fault met;
alignas(16) unsigned char fault_stack[16384];

void set_action(void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  for (int signal : kFaultSignals) sigaction(signal, &action, nullptr);
}

void on_fault(int signal, siginfo_t* info, void*) {
  if (!armed) {
    set_action(SIG_DFL);  // and the access is made again
    return;
  }
  armed = false;
  met = {signal, info->si_code, reinterpret_cast<std::uint64_t>(info->si_addr)};
  longjmp(back, 1);
}

void set_caught() {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal : kFaultSignals) sigaction(signal, &action, nullptr);
}

void set_blocked(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kFaultSignals) sigaddset(&set, signal);
  sigprocmask(how, &set, nullptr);
}

}  // namespace

void install_fault_handler() {
  stack_t stack;
  memset(&stack, 0, sizeof stack);
  stack.ss_sp = fault_stack;
  stack.ss_size = sizeof fault_stack;
  sigaltstack(&stack, nullptr);
  set_caught();
}

bool guarded(void (*access)(void*), void* argument, Fault& fault) {
  if (_setjmp(back) != 0) {
    fault = met;
    return false;
  }
  armed = true;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  access(argument);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  armed = false;
  return true;
}

void set_disposition(Disposition disposition) {
  switch (disposition) {
    case Disposition::caught:
      set_blocked(SIG_UNBLOCK);
      set_caught();
      break;
    case Disposition::as_default:
      set_action(SIG_DFL);
      break;
    case Disposition::ignored:
      set_action(SIG_IGN);
      break;
    case Disposition::blocked:
      set_blocked(SIG_BLOCK);
      break;
  }
}

}  // namespace shmcheck::executor
