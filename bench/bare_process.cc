#include "bench/bare_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace shmcheck::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

std::string binary() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bare").string();
}

}  // namespace

Bare::Bare(int core, std::span<const std::vector<bare_op>> programs) {
  start();
  const bare_set set{static_cast<std::uint32_t>(programs.size()), static_cast<std::uint32_t>(core)};
  send(&set, sizeof set);
  for (const std::vector<bare_op>& ops : programs) {
    const bare_program head{static_cast<std::uint32_t>(ops.size()), 0};
    send(&head, sizeof head);
    send(ops.data(), ops.size() * sizeof(bare_op));
  }
}

Bare::~Bare() {
  close(to_);  // which ends it
  close(from_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

void Bare::start() {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) fail("pipe2");
  const std::string path = binary();
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl(path.c_str(), "bare", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

void Bare::send(const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = write(to_, at, size);
    if (n <= 0) fail("bare does not take its programs");
    at += n;
    size -= static_cast<std::size_t>(n);
  }
}

bare_result Bare::run() {
  send("", 1);
  bare_result result{};
  if (read(from_, &result, sizeof result) != static_cast<ssize_t>(sizeof result))
    fail("bare does not answer");
  return result;
}

}  // namespace shmcheck::bench
