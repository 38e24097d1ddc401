// An executor for tests of the harness: it answers with the model's outcomes, and misbehaves as it is told.
//
// usage: fake_executor MODE, with frames on standard input and output

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/machine.h"
#include "program/bytes.h"
#include "program/frame.h"

namespace shmcheck {
namespace {

using program::Frame;
using program::FrameType;

void send_bytes(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) std::exit(0);  // the host has gone
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void send(FrameType type, std::uint32_t sequence, std::vector<std::uint8_t> payload) {
  send_bytes(program::encode_frame({type, sequence, std::move(payload)}));
}

void say_hello(std::uint32_t protocol) {
  std::vector<std::uint8_t> payload(4);
  program::put_little(payload.data(), protocol);
  const std::string text =
      "facts " + program::to_text(model::model_facts()) + "\nabsent ext4: this is a fake\n";
  payload.insert(payload.end(), text.begin(), text.end());
  send(FrameType::hello, 0, std::move(payload));
}

[[noreturn]] void hang() {
  for (;;) ::pause();
}

// What the second program of a session meets.
void misbehave(std::string_view mode, std::uint32_t sequence, program::Result& result) {
  if (mode == "dies") {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit instead
    ::raise(SIGSEGV);
  }
  if (mode == "hangs") hang();
  if (mode == "exits") std::exit(3);
  if (mode == "garbage") send_bytes(std::vector<std::uint8_t>(64, 'x'));
  if (mode == "half-frame") {
    std::vector<std::uint8_t> bytes =
        program::encode_frame({FrameType::result, sequence, program::encode_result(result)});
    bytes.resize(bytes.size() / 2);
    send_bytes(bytes);
    std::exit(0);
  }
  if (mode == "times-out" && !result.outcomes.empty()) {
    result.outcomes.resize(1);
    result.outcomes[0] = {};
    result.outcomes[0].kind = program::OutcomeKind::timeout;
  }
  if (mode == "reboots") send(FrameType::reboot, sequence, program::encode_result({1, {}}));
  if (mode == "panics") std::fprintf(stderr, "Kernel panic - not syncing: planted\n");
}

bool lies(std::string_view mode, unsigned run) {
  return mode == "wrong" || (mode == "wrong-once" && run == 2);
}

void answer(std::string_view mode, const Frame& frame, unsigned run) {
  const program::Program program = program::decode(std::span(frame.payload).subspan(1));
  const program::Trace trace = model::run_program(program, model::model_facts());
  program::Result result;
  result.root_pid = trace.root_pid;
  for (const program::Step& step : trace.steps) result.outcomes.push_back(step.outcome);
  if (run >= 2) misbehave(mode, frame.sequence, result);
  // An error that nothing may give.
  if (lies(mode, run)) {
    result.outcomes.front() = {};
    result.outcomes.front().kind = program::OutcomeKind::error;
    result.outcomes.front().error = EXDEV;
  }
  send(FrameType::result, frame.sequence, program::encode_result(result));
}

void serve(std::string_view mode) {
  program::FrameReader reader;
  unsigned runs = 0;
  std::uint8_t buffer[4096];
  for (;;) {
    Frame frame;
    while (reader.next(frame)) {
      if (frame.type == FrameType::run) answer(mode, frame, ++runs);
      if (frame.type == FrameType::quit) return;
    }
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) return;
    reader.feed({buffer, static_cast<std::size_t>(n)});
  }
}

int main_of(std::string_view mode) {
  if (mode == "silent") hang();
  if (mode == "exits-at-once") {
    std::fprintf(stderr, "cannot find my head\n");
    return 7;
  }
  if (mode == "chatters") {
    send_bytes(std::vector<std::uint8_t>(64, 'x'));
    hang();
  }
  if (mode == "refuses") {
    const std::string why = "no directory for files of programs";
    send(FrameType::error, 0, {why.begin(), why.end()});
    return 1;
  }
  say_hello(mode == "old" ? program::kProtocol + 1 : program::kProtocol);
  serve(mode);
  return 0;
}

}  // namespace
}  // namespace shmcheck

int main(int argc, char** argv) {
  return shmcheck::main_of(argc > 1 ? argv[1] : "good");
}
