#include "harness/interrupt.h"

#include <signal.h>

#include <atomic>

namespace shmcheck::harness {
namespace {

std::atomic<int> caught_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void note(int signal) {
  caught_signal.store(signal);
}

}  // namespace

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() {
  return caught_signal.load() != 0;
}

std::string_view interrupting_signal() {
  switch (caught_signal.load()) {
    case 0:
      return "";
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGTERM";
  }
}

}  // namespace shmcheck::harness
