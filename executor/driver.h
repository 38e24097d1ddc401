// Test support: starts the executor and speaks with it over pipes.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "program/frame.h"
#include "program/text.h"

namespace shmcheck::executor {

class Driver {
 public:
  // Starts `argv`, which finds the channel at kIn and kOut. Reads the hello unless told otherwise.
  explicit Driver(const std::vector<std::string>& argv, bool expect_hello = true);
  static constexpr int kIn = 10, kOut = 11;
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void send_bytes(std::span<const std::uint8_t> bytes);
  void send(const program::Frame& frame) { send_bytes(program::encode_frame(frame)); }
  // The next frame; type error with a sentence of our own if the stream ends or is damaged.
  program::Frame receive();
  // True if the stream ends here, without another frame.
  bool at_end();

  // Runs a program given as text and returns the trace as text, one line a step, without the clock.
  std::string run(std::string_view text, std::uint8_t file_system = 0);
  program::Trace trace(std::string_view text, std::uint8_t file_system = 0);

  void close_input();
  int wait();  // the exit status, or minus the signal
  pid_t pid() const { return pid_; }

  program::Hello hello;
  std::vector<program::Facts> facts;

 private:
  bool fill();

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  std::uint32_t sequence_ = 0;
  program::FrameReader reader_;
};

// Processes of this machine whose parent is `pid`.
std::vector<pid_t> children_of(pid_t pid);

// The command line of the executor beside the running test.
std::vector<std::string> executor(std::vector<std::string> options = {});
std::string executor_path();

// One executor that tests share which leave it as they found it.
Driver& shared_driver();

// Runs a program whose lines are `op -> outcome`, each outcome a pattern in which `*` stands for anything.
void expect_trace(Driver& driver, std::string_view lines, std::uint8_t file_system = 0);

// Runs a command of the target; its output, then ` -> status 0` or the like.
std::string run_command(Driver& driver, std::span<const std::string> argv, std::uint32_t limit_ms = 0);

}  // namespace shmcheck::executor
