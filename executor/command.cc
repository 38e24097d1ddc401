#include "executor/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "executor/children.h"
#include "executor/fork.h"
#include "executor/process.h"
#include "executor/text.h"

extern "C" char** environ;

namespace shmcheck::executor {
namespace {

using program::End;
using program::FrameType;

constexpr std::size_t kMaxArguments = 256;

// Copies the strings, each closed by a NUL, to where the child can read them. False if they are none or too
// long.
bool split_arguments(std::span<const std::uint8_t> bytes, char** argv) {
  std::span<std::uint8_t> room = bounce_area();
  if (bytes.empty() || bytes.back() != 0 || bytes.size() > room.size()) return false;
  memcpy(room.data(), bytes.data(), bytes.size());
  std::size_t count = 0;
  auto* at = reinterpret_cast<char*>(room.data());
  char* end = at + bytes.size();
  while (at != end) {
    if (count == kMaxArguments) return false;
    argv[count++] = at;
    at += strlen(at) + 1;
  }
  argv[count] = nullptr;
  return true;
}

void mask_child_signal(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(how, &set, nullptr);
}

// Undoes what program processes inherit: signal actions, one CPU, the working directory.
[[noreturn]] void become(char** argv, int output, const cpu_set_t& cpus) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int signal : {SIGCHLD, kStopSignal, SIGSEGV, SIGBUS, SIGPIPE}) sigaction(signal, &action, nullptr);
  tie_to_supervisor();
  sys(SYS_sched_setaffinity, 0, sizeof cpus, &cpus);
  mask_child_signal(SIG_UNBLOCK);
  sys(SYS_chdir, "/");
  sys(SYS_umask, 022);
  sys(SYS_setpgid, 0, 0);
  long empty = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
  if (!failed(empty)) sys(SYS_dup3, empty, 0, 0);
  sys(SYS_dup3, output, 1, 0);
  sys(SYS_dup3, output, 2, 0);
  sys(SYS_close, kPipeRead);
  sys(SYS_close, kPipeWrite);
  sys(SYS_close, kRegion);
  sys(SYS_close, kImage);
  long result = sys(SYS_execve, argv[0], argv, environ);
  Sentence wrong;
  wrong << argv[0] << ": " << error_name(result) << "\n";
  sys(SYS_write, 2, wrong.c_str(), wrong.view().size());
  sys(SYS_exit_group, 127);
  __builtin_unreachable();
}

enum class Pipe { data, nothing_yet, end, host_gone };

// Sends on what has come through the pipe.
Pipe forward(Channel& channel, std::uint32_t sequence, int pipe) {
  std::uint8_t buffer[16384];
  long n = sys(SYS_read, pipe, buffer, sizeof buffer);
  if (n == -EAGAIN || n == -EINTR) return Pipe::nothing_yet;
  if (n <= 0) return Pipe::end;
  bool sent = channel.send(FrameType::output, sequence, std::span(buffer, static_cast<std::size_t>(n)));
  return sent ? Pipe::data : Pipe::host_gone;
}

pid_t command = 0;
Death command_death;

void note_command(const Death& death) {
  if (death.pid == command) command_death = death;
}

enum class Followed { ended, time_limit, host_gone };

// Until the command has ended or the time is over. SIGCHLD comes only while ppoll sleeps.
Followed follow(Channel& channel, std::uint32_t sequence, int pipe, std::uint64_t deadline) {
  sigset_t none;
  sigemptyset(&none);
  pollfd source = {pipe, POLLIN, 0};
  for (;;) {
    for (Death death; next_death(death);) note_command(death);
    if (command_death.pid != 0) return Followed::ended;
    if (load(control->stopping) != 0) return Followed::host_gone;
    std::uint64_t now = now_ms();
    if (now >= deadline) return Followed::time_limit;
    std::uint64_t left = deadline - now;
    const timespec limit = {static_cast<time_t>(left / 1000), static_cast<long>(left % 1000) * 1'000'000};
    source.revents = 0;
    if (ppoll(&source, 1, deadline == UINT64_MAX ? nullptr : &limit, &none) <= 0) continue;
    Pipe pipe_state = forward(channel, sequence, pipe);
    if (pipe_state == Pipe::host_gone) return Followed::host_gone;
    if (pipe_state == Pipe::end) source.fd = -1;  // it goes on without output
  }
}

}  // namespace

bool run_command(Channel& channel, std::uint32_t sequence, std::span<const std::uint8_t> payload,
                 const cpu_set_t& cpus) {
  char* argv[kMaxArguments + 1];
  if (payload.size() < 4 || !split_arguments(payload.subspan(4), argv)) {
    return channel.send(FrameType::error, sequence, "the command frame holds no time limit and argv");
  }
  auto limit = program::get_little<std::uint32_t>(payload.data());
  std::uint64_t deadline = limit == 0 ? UINT64_MAX : now_ms() + limit;
  int pipe[2] = {};
  long result = sys(SYS_pipe2, pipe, O_CLOEXEC | O_NONBLOCK);
  mask_child_signal(SIG_BLOCK);
  command_death = {};
  if (!failed(result)) {
    result = fork_raw();
    if (result == 0) become(argv, pipe[1], cpus);
    sys(SYS_close, pipe[1]);
  }
  if (failed(result)) {
    mask_child_signal(SIG_UNBLOCK);
    Sentence wrong;
    wrong << "the command could not be started: " << error_name(result);
    return channel.send(FrameType::error, sequence, wrong.view());
  }
  command = static_cast<pid_t>(result);
  sys(SYS_setpgid, command, command);
  if (!target.private_pids) set_program_group(command);
  Followed followed = follow(channel, sequence, pipe[0], deadline);
  mask_child_signal(SIG_UNBLOCK);
  bool all_dead = kill_all(note_command);
  while (followed != Followed::host_gone && forward(channel, sequence, pipe[0]) == Pipe::data) {
  }
  sys(SYS_close, pipe[0]);
  if (followed == Followed::host_gone || !all_dead) return false;
  bool by_signal = command_death.signal != 0;
  End how = followed == Followed::time_limit ? End::time_limit : by_signal ? End::signal : End::status;
  const std::uint8_t exited[] = {
      static_cast<std::uint8_t>(how),
      static_cast<std::uint8_t>(by_signal ? command_death.signal : command_death.status)};
  return channel.send(FrameType::exited, sequence, exited);
}

}  // namespace shmcheck::executor
