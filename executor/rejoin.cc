#include "executor/rejoin.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#include <cstring>

#include "executor/control.h"
#include "executor/crowd.h"
#include "executor/descriptors.h"
#include "executor/fault.h"
#include "executor/fork.h"
#include "executor/hello.h"
#include "executor/maps.h"
#include "executor/own_ranges.h"
#include "executor/process.h"
#include "executor/text.h"
#include "executor/vdso.h"

extern "C" char** environ;

namespace shmcheck::executor {
namespace {

constexpr std::string_view kCheck = "check";
constexpr unsigned long kAskOnly = 0xffff'ffff;

long exec_image(std::string_view word) {
  Text<32> rejoin_word;
  rejoin_word << kRejoin << word;
  const char* argv[] = {"executor", rejoin_word.c_str(), nullptr};
  const char* none[] = {nullptr};
  return sys(SYS_execveat, kImage, "", argv, none, AT_EMPTY_PATH);
}

// Whether everything in this address space lies in ranges that the host was told of.
bool fits() {
  MapsReader maps;
  MapLine line;
  bool any = false;
  while (maps.next(line)) {
    any = true;
    bool known = false;
    for (const Range& own : target.layout.own) known |= own.low <= line.low && line.high <= own.high;
    if (!known) return false;
  }
  return any;
}

}  // namespace

bool is_emulated() {
  char shown[256], real[256];
  long shown_length = sys(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", shown, sizeof shown);
  long real_length = sys(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/exe", real, sizeof real);
  if (failed(shown_length) || failed(real_length)) return false;
  return shown_length != real_length || std::memcmp(shown, real, static_cast<std::size_t>(real_length)) != 0;
}

namespace {

// All that a new image has to find out again.
bool come_back() {
  find_page_size();
  if (failed(map_control_again())) return false;
  target = control->target;
  target.layout.own = {target.own, target.own_count};
  if (control->uses.crowd && failed(map_crowd_range())) return false;
  prepare_vdso();
  note_break();
  install_fault_handler();
  sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  return true;
}

}  // namespace

void settle_layout(char** argv) {
  long now = sys(SYS_personality, kAskOnly);
  if (failed(now) || (now & ADDR_NO_RANDOMIZE) != 0 || is_emulated()) return;
  if (failed(sys(SYS_personality, now | ADDR_NO_RANDOMIZE))) return;
  sys(SYS_execve, "/proc/self/exe", argv, environ);
  // Before /proc is there.
  auto* path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (path != nullptr) sys(SYS_execve, path, argv, environ);
}

void prepare_rejoin() {
  control->target = target;
  long image = control_can_be_mapped_again() ? sys(SYS_openat, AT_FDCWD, "/proc/self/exe", O_PATH) : -ENOSYS;
  if (!failed(image)) {
    long moved = sys(SYS_dup3, image, kImage, 0);
    sys(SYS_close, image);
    image = moved;
  }
  if (failed(image)) return say_absent("exec", "/proc/self/exe", image);
  if (is_emulated()) return say_absent("exec", "an emulator has its host run the new image");
  long child = fork_raw();
  if (child == 0) {
    exec_image(kCheck);
    sys(SYS_exit_group, 127);
  }
  if (failed(child) || wait_for(child) != 0)
    return say_absent("exec", "the new image does not lie where the old one did");
  target.execs = true;
  control->target = target;
}

void rejoin(std::string_view word) {
  if (!come_back()) sys(SYS_exit_group, 126);
  if (word == kCheck) sys(SYS_exit_group, fits() ? 0 : 1);
  go_on_as(static_cast<std::uint8_t>(word[0] - '0'));
}

long exec_as(std::uint8_t process) {
  const char word[] = {static_cast<char>('0' + process)};
  return exec_image({word, 1});
}

}  // namespace shmcheck::executor
