#include "executor/driver.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

extern "C" char** environ;

namespace shmcheck::executor {

using program::Frame;
using program::FrameType;

namespace {

Frame broken(std::string_view sentence) {
  return {FrameType::error, ~std::uint32_t{0}, {sentence.begin(), sentence.end()}};
}

// Descriptors of the executor's ends, which no other child inherits.
constexpr int kChildIn = 10, kChildOut = 11;

}  // namespace

std::string executor_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "executor";
}

Driver::Driver(const std::vector<std::string>& argv, bool expect_hello) {
  std::signal(SIGPIPE, SIG_IGN);
  int down[2], up[2];
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, down[0], kChildIn);
  posix_spawn_file_actions_adddup2(&actions, up[1], kChildOut);
  std::vector<std::string> words = argv;
  words.push_back("--in=" + std::to_string(kChildIn));
  words.push_back("--out=" + std::to_string(kChildOut));
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int wrong = posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(down[0]);
  close(up[1]);
  to_ = down[1];
  from_ = up[0];
  if (wrong != 0) throw std::runtime_error("cannot start " + words[0]);
  if (!expect_hello) return;
  Frame frame = receive();
  std::string sentence = frame.type == FrameType::hello
                             ? decode_hello(frame.payload, hello)
                             : std::string(frame.payload.begin(), frame.payload.end());
  for (const std::string& text : hello.facts) {
    if (sentence.empty()) sentence = from_text(text, facts.emplace_back());
  }
  EXPECT_EQ(sentence, "");
}

Driver::~Driver() {
  close_input();
  close(from_);
  if (pid_ > 0) wait();
}

void Driver::send_bytes(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(to_, bytes.data(), bytes.size());
    if (n <= 0) return;  // the answer will be missing
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

bool Driver::fill() {
  std::uint8_t buffer[65536];
  ssize_t n = read(from_, buffer, sizeof buffer);
  if (n <= 0) return false;
  reader_.feed({buffer, static_cast<std::size_t>(n)});
  return true;
}

Frame Driver::receive() {
  Frame frame;
  while (!reader_.next(frame)) {
    if (reader_.fault() != program::FrameFault::none) return broken(sentence(reader_.fault()));
    if (!fill()) return broken("the executor is gone");
  }
  return frame;
}

bool Driver::at_end() {
  Frame frame;
  return !reader_.next(frame) && !fill();
}

program::Trace Driver::trace(std::string_view text, std::uint8_t file_system) {
  program::Trace trace;
  auto parsed = program::parse_program(text, "test");
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) {
    ADD_FAILURE() << error->to_string();
    return trace;
  }
  const auto& program = std::get<program::Program>(parsed);
  send(program::run_frame(++sequence_, file_system, program));
  Frame frame = receive();
  EXPECT_EQ(frame.type, FrameType::result) << std::string(frame.payload.begin(), frame.payload.end());
  EXPECT_EQ(frame.sequence, sequence_);
  program::Result result;
  if (frame.type == FrameType::result) {
    EXPECT_EQ(decode_result(frame.payload, result), "");
  }
  std::vector<program::Outcome>& outcomes = result.outcomes;
  trace.root_pid = result.root_pid;
  trace.facts = facts.at(file_system);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    program::Op op;
    op.code = program::OpCode::end;
    if (i < program.ops.size()) op = program.ops[i];
    trace.steps.push_back({op, outcomes[i]});
  }
  return trace;
}

std::string Driver::run(std::string_view text, std::uint8_t file_system) {
  program::Trace t = trace(text, file_system);
  std::string out;
  for (const program::Step& step : t.steps) {
    if (step.op.code == program::OpCode::end) continue;
    out += to_text(step.op) + " -> " + to_text(step.outcome, step.op, t.facts) + "\n";
  }
  return out;
}

void Driver::close_input() {
  if (to_ >= 0) close(to_);
  to_ = -1;
}

int Driver::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace shmcheck::executor
