#include "executor/driver.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

extern "C" char** environ;

namespace shmcheck::executor {

using program::Frame;
using program::FrameType;

namespace {

// Longer than any step of a test.
constexpr int kPatienceMs = 20'000;

Frame broken(std::string_view sentence) {
  return {FrameType::error, ~std::uint32_t{0}, {sentence.begin(), sentence.end()}};
}

}  // namespace

std::string executor_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "executor";
}

std::vector<std::string> executor(std::vector<std::string> options) {
  options.insert(options.begin(), {executor_path(), "--in=" + std::to_string(Driver::kIn),
                                   "--out=" + std::to_string(Driver::kOut)});
  return options;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    std::string text;
    std::getline(stat, text);
    // `pid (name) state ppid`, where the name may hold anything.
    int parent = 0;
    std::size_t close = text.rfind(')');
    if (close == std::string::npos || std::sscanf(text.c_str() + close, ") %*c %d", &parent) != 1) continue;
    if (parent == pid) out.push_back(static_cast<pid_t>(std::atoi(entry.path().filename().c_str())));
  }
  return out;
}

Driver& shared_driver() {
  static Driver driver(executor());
  return driver;
}

Driver::Driver(const std::vector<std::string>& argv, bool expect_hello) {
  std::signal(SIGPIPE, SIG_IGN);
  int down[2], up[2];
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, down[0], kIn);
  posix_spawn_file_actions_adddup2(&actions, up[1], kOut);
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
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
  pollfd source = {from_, POLLIN, 0};
  if (poll(&source, 1, kPatienceMs) == 0) {
    ADD_FAILURE() << "the executor is silent";
    kill(pid_, SIGKILL);
    return false;
  }
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

void expect_trace(Driver& driver, std::string_view lines, std::uint8_t file_system) {
  std::vector<std::string> patterns;
  std::string program;
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    std::size_t arrow = line.find(" -> ");
    if (line.empty()) continue;
    program += std::string(line.substr(0, arrow)) + "\n";
    patterns.emplace_back(arrow == std::string_view::npos ? "*" : line.substr(arrow + 4));
  }
  program::Trace trace = driver.trace(program, file_system);
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (i >= trace.steps.size()) {
      ADD_FAILURE() << "the trace has no step " << i << ", which should be " << patterns[i];
      return;
    }
    const program::Step& step = trace.steps[i];
    std::string seen = to_text(step.outcome, step.op, trace.facts);
    EXPECT_EQ(fnmatch(patterns[i].c_str(), seen.c_str(), 0), 0)
        << "step " << i << ": " << to_text(step.op) << " -> " << seen << "\nexpected -> " << patterns[i];
  }
}

std::string run_command(Driver& driver, std::span<const std::string> argv, std::uint32_t limit_ms) {
  driver.send(program::command_frame(99, limit_ms, argv));
  std::string out;
  for (;;) {
    Frame frame = driver.receive();
    EXPECT_TRUE(frame.sequence == 99 || frame.type == FrameType::error);
    if (frame.type == FrameType::exited) {
      program::Exited exited;
      EXPECT_EQ(decode_exited(frame.payload, exited), "");
      const char* names[] = {"status", "signal", "time limit"};
      return out + " -> " + names[static_cast<int>(exited.how)] + " " + std::to_string(exited.number);
    }
    out.append(frame.payload.begin(), frame.payload.end());
    if (frame.type != FrameType::output) return "error: " + out;
  }
}

}  // namespace shmcheck::executor
