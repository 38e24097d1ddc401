#include "harness/channel_session.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace shmcheck::harness {
namespace {

constexpr milliseconds kPollStep{200};  // how often an interruption is looked for

std::string with_evidence(std::string sentence, const Evidence& console, std::size_t lines) {
  const std::string tail = console.tail(lines);
  if (!tail.empty()) sentence += "\nthe last it wrote:\n" + tail;
  return sentence;
}

// Puts a result's outcomes behind the ops they belong to. Empty on success, else a sentence.
std::string assemble(const program::Frame& frame, const program::Program& program, program::Trace& trace) {
  program::Result result;
  const std::string sentence = program::decode_result(frame.payload, result);
  if (!sentence.empty()) return "the executor's result cannot be understood: " + sentence;
  std::vector<program::Outcome>& outcomes = result.outcomes;
  trace.root_pid = result.root_pid;
  if (outcomes.size() > program.ops.size() + 1)
    return "the executor's result has more steps than the program";
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    program::Op op;
    op.code = program::OpCode::end;
    trace.steps.push_back({i < program.ops.size() ? program.ops[i] : op, std::move(outcomes[i])});
  }
  return {};
}

}  // namespace

ChannelSession::ChannelSession(TargetSpec spec, SessionOptions options)
    : spec_(std::move(spec)), options_(std::move(options)) {
  // A target that dies closes the pipe that it reads from; that must not end this process, whoever uses us.
  ::signal(SIGPIPE, SIG_IGN);
  if (options_.hello_limit.count() == 0) options_.hello_limit = hello_limit(spec_.kind);
}

ChannelSession::~ChannelSession() = default;

std::size_t ChannelSession::window() const {
  return 24;
}

std::string ChannelSession::launch() {
  reader_ = {};
  console_ = {};
  unsent_.clear();
  sent_ = 0;
  sent_total_ = taken_total_ = 0;
  lost_.clear();
  channel_closed_ = false;
  last_heard_ = Deadline::Clock::now();
  return spec_.kind == TargetKind::kernel ? start_kernel(spec_, options_.worker, link_)
         : spec_.kind == TargetKind::uml  ? start_uml(spec_, options_.worker, link_)
                                          : start_command(spec_, options_.worker, link_);
}

std::string ChannelSession::start(Deadline deadline) {
  link_ = {};
  booting_ = false;
  std::string sentence = launch();
  if (!sentence.empty()) return sentence;

  const Deadline hello = Deadline::in(options_.hello_limit).earlier(deadline);
  program::Frame frame;
  switch (wait_frame(frame, hello)) {
    case Wait::frame:
      break;
    case Wait::deadline: {
      sentence = fmt::format("no hello came from {} within {:.1f} s", spec_.text,
                             std::chrono::duration<double>(Deadline::Clock::now() - last_heard_).count());
      sentence = with_evidence(sentence, console_, 15);
      link_.process.kill();
      return sentence;
    }
    case Wait::lost:
      return with_evidence(fmt::format("{} ended before its hello: {}", spec_.text, lost_), console_, 15);
  }
  sentence = take_hello(frame);
  if (!sentence.empty()) link_.process.kill();
  console_.forget_alarm();
  return sentence;
}

std::string ChannelSession::take_hello(const program::Frame& frame) {
  if (frame.type == program::FrameType::error) {
    return fmt::format("the executor refuses: {}", std::string(frame.payload.begin(), frame.payload.end()));
  }
  if (frame.type != program::FrameType::hello) return "the first frame of the executor is not its hello";
  program::Hello hello;
  std::string sentence = program::decode_hello(frame.payload, hello);
  if (!sentence.empty()) return fmt::format("the executor's hello cannot be understood: {}", sentence);
  facts_.clear();
  for (const std::string& line : hello.facts) {
    program::Facts facts;
    sentence = program::from_text(line, facts);
    if (!sentence.empty()) return fmt::format("the facts of the executor's hello: {}", sentence);
    facts_.push_back(facts);
  }
  if (facts_.empty()) return "the target has no file system that programs could run on";
  take_absent(hello.absent);
  return {};
}

void ChannelSession::take_absent(const std::vector<std::string>& lines) {
  absent_ = link_.absent;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(": ");
    const std::string what = line.substr(0, colon);
    const bool known =
        std::any_of(absent_.begin(), absent_.end(), [&what](const Absent& a) { return a.what == what; });
    if (!known) absent_.push_back({what, colon == std::string::npos ? "" : line.substr(colon + 2)});
  }
}

std::uint64_t ChannelSession::send(const program::Frame& frame) {
  const std::vector<std::uint8_t> bytes = program::encode_frame(frame);
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = 0;
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  const std::uint64_t end = sent_total_ + unsent_.size();
  write_channel();
  return end;
}

// How much of what is unsent the target can take now.
std::size_t ChannelSession::may_send() const {
  const std::size_t left = unsent_.size() - sent_;
  if (channel_closed_) return 0;
  if (link_.ahead == 0) return left;
  const std::uint64_t on_their_way = sent_total_ - taken_total_;
  return on_their_way >= link_.ahead ? 0 : std::min<std::size_t>(left, link_.ahead - on_their_way);
}

void ChannelSession::taken(std::uint64_t total) {
  taken_total_ = std::max(taken_total_, total);
  write_channel();
}

bool ChannelSession::take_more(const program::Frame& frame) {
  if (frame.type != program::FrameType::more || frame.payload.size() != sizeof(std::uint64_t)) return false;
  taken(program::get_little<std::uint64_t>(frame.payload.data()));
  return true;
}

void ChannelSession::write_channel() {
  while (may_send() > 0) {
    const ssize_t n = ::write(link_.to.get(), unsent_.data() + sent_, may_send());
    if (n > 0) {
      sent_ += static_cast<std::size_t>(n);
      sent_total_ += static_cast<std::uint64_t>(n);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      channel_closed_ = true;  // what the target still has to say is read before it is declared lost
    }
  }
}

void ChannelSession::read_channel() {
  std::array<std::uint8_t, 65536> buffer;
  for (;;) {
    const ssize_t n = ::read(link_.from.get(), buffer.data(), buffer.size());
    if (n > 0) {
      reader_.feed({buffer.data(), static_cast<std::size_t>(n)});
      last_heard_ = Deadline::Clock::now();
      if (static_cast<std::size_t>(n) < buffer.size()) return;
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else {
      channel_closed_ = channel_closed_ || n == 0 || errno != EAGAIN;
      return;
    }
  }
}

void ChannelSession::read_console() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::read(link_.console.get(), buffer.data(), buffer.size());
    if (n > 0) {
      console_.append({buffer.data(), static_cast<std::size_t>(n)});
    } else {
      if (n == 0) link_.console.reset();
      return;
    }
  }
}

// Moves bytes until something has come or the deadline has passed; false if there is nothing more to come.
bool ChannelSession::pump(Deadline deadline) {
  const bool writing = may_send() > 0;
  pollfd waiting[4] = {{link_.from.get(), POLLIN, 0},
                       {link_.console ? link_.console.get() : -1, POLLIN, 0},
                       {link_.process.end_fd(), POLLIN, 0},
                       {writing ? link_.to.get() : -1, POLLOUT, 0}};
  ::poll(waiting, 4, Deadline::in(kPollStep).earlier(deadline).poll_timeout());
  if (waiting[0].revents != 0) read_channel();
  // After the channel: what the target wrote before an answer is known when the answer is taken.
  if (link_.console && (waiting[0].revents != 0 || waiting[1].revents != 0)) read_console();
  if (waiting[3].revents != 0) write_channel();
  return !channel_closed_ && waiting[2].revents == 0;
}

std::string ChannelSession::how_it_ended() {
  // A target that has closed its channel is given a moment to end by itself, so that its status can be told.
  if (!link_.process.wait(Deadline::in(milliseconds(1000))))
    return "it closed its channel and went on running";
  if (link_.console) read_console();
  return fmt::format("it {}", link_.process.ending());
}

void ChannelSession::lose(std::string sentence) {
  if (link_.console) read_console();
  link_.process.kill();
  lost_ = std::move(sentence);
}

ChannelSession::Wait ChannelSession::wait_frame(program::Frame& frame, Deadline deadline) {
  for (;;) {
    if (!lost_.empty()) return Wait::lost;
    while (reader_.next(frame)) {
      if (!take_more(frame)) return Wait::frame;
    }
    if (reader_.fault() != program::FrameFault::none) {
      lose(std::string(program::sentence(reader_.fault())));
      return Wait::lost;
    }
    if (options_.interrupted && options_.interrupted()) return Wait::deadline;
    const milliseconds silence = booting_ ? options_.hello_limit : options_.silence;
    if (!outstanding_.empty() && Deadline::at(last_heard_ + silence).over()) {
      lose(fmt::format("it hangs: no {} for {:.0f} s", booting_ ? "hello after a reboot" : "answer",
                       std::chrono::duration<double>(silence).count()));
      return Wait::lost;
    }
    if (deadline.over()) return Wait::deadline;
    const bool more = pump(deadline);
    if (!more) {
      read_channel();
      while (reader_.next(frame)) {
        if (!take_more(frame)) return Wait::frame;
      }
      if (reader_.fault() == program::FrameFault::none) lose(how_it_ended());
    }
  }
}

std::uint64_t ChannelSession::submit(std::uint8_t fs, const program::Program& program) {
  if (outstanding_.empty()) last_heard_ = Deadline::Clock::now();
  outstanding_.push_back({next_ticket_, next_sequence_, fs, program, 0});
  ++next_sequence_;
  if (lost_.empty() && !booting_) send_run(outstanding_.back());
  return next_ticket_++;
}

void ChannelSession::send_run(Outstanding& one) {
  one.end = send(program::run_frame(one.sequence, one.fs, one.program));
}

void ChannelSession::begin_reboot(const program::Frame& frame) {
  const program::Program& program = outstanding_.front().program;
  program::Result result;
  const std::string wrong = program::decode_result(frame.payload, result);
  const std::size_t step = result.outcomes.size();
  const bool asked = wrong.empty() && step < program.ops.size() &&
                     program.ops[step].code == program::OpCode::reboot && spec_.kind == TargetKind::uml;
  if (!asked) return lose("it wants to be started anew, which the program does not ask for");
  if (!console_.alarm().empty()) return lose("the target's kernel raised an alarm: " + console_.alarm());
  before_boot_ = frame.payload;
  // Of a crash nothing is left but the disks; in order, they have been unmounted by now.
  link_.process.kill();
  Link anew;
  anew.disks = std::move(link_.disks);
  anew.absent = std::move(link_.absent);
  link_ = std::move(anew);
  const std::string sentence = launch();
  if (!sentence.empty()) return lose("it could not be started anew: " + sentence);
  booting_ = true;
}

void ChannelSession::finish_reboot(const program::Frame& frame) {
  const std::vector<program::Facts> before = facts_;
  const std::string sentence = take_hello(frame);
  if (!sentence.empty()) return lose("after a reboot: " + sentence);
  if (facts_ != before) return lose("after a reboot it is another machine: its facts have changed");
  console_.forget_alarm();
  booting_ = false;
  Outstanding& front = outstanding_.front();
  program::Result result;
  program::decode_result(before_boot_, result);  // as it could be before
  front.end =
      send(program::resume_frame(front.sequence, front.fs, before_boot_,
                                 program::bindings_of(front.program, result.outcomes), front.program));
  for (std::size_t i = 1; i < outstanding_.size(); ++i) send_run(outstanding_[i]);
}

Answer ChannelSession::answer_lost() {
  Answer answer;
  Outstanding& oldest = outstanding_.front();
  answer.ticket = oldest.ticket;
  answer.fs = oldest.fs;
  answer.program = std::move(oldest.program);
  answer.end = Answer::End::lost;
  answer.trace.facts = facts_.at(answer.fs);
  answer.sentence = lost_;
  outstanding_.pop_front();
  return answer;
}

Answer ChannelSession::make_answer(const program::Frame& frame) {
  Answer answer;
  Outstanding& oldest = outstanding_.front();
  answer.ticket = oldest.ticket;
  answer.fs = oldest.fs;
  answer.program = std::move(oldest.program);
  const std::uint64_t end = oldest.end;
  outstanding_.pop_front();
  taken(end);
  answer.trace.facts = facts_.at(answer.fs);
  if (frame.type == program::FrameType::error) {
    answer.end = Answer::End::refused;
    answer.sentence = std::string(frame.payload.begin(), frame.payload.end());
    return answer;
  }
  answer.sentence = assemble(frame, answer.program, answer.trace);
  if (!answer.sentence.empty()) {
    answer.end = Answer::End::refused;
  } else if (answer.trace.steps.empty() || answer.trace.steps.back().op.code != program::OpCode::end) {
    answer.end = Answer::End::timeout;
    answer.sentence = fmt::format("step {} of {} did not finish in time", answer.trace.steps.size(),
                                  answer.program.ops.size());
  }
  return answer;
}

std::optional<Answer> ChannelSession::next(Deadline deadline) {
  if (outstanding_.empty()) return std::nullopt;
  program::Frame frame;
  for (;;) {
    switch (wait_frame(frame, deadline)) {
      case Wait::deadline:
        return std::nullopt;
      case Wait::lost:
        return answer_lost();
      case Wait::frame:
        break;
    }
    if (booting_) {
      finish_reboot(frame);
      continue;
    }
    const bool ours = frame.sequence == outstanding_.front().sequence;
    if (ours && frame.type == program::FrameType::reboot) {
      begin_reboot(frame);
      continue;
    }
    const bool result = frame.type == program::FrameType::result || frame.type == program::FrameType::error;
    if (ours && result) {
      Answer answer = make_answer(frame);
      // A kernel that has found itself broken is started again: what it does from here on says nothing.
      if (!console_.alarm().empty()) {
        lose("the target's kernel raised an alarm: " + console_.alarm());
        answer.end = Answer::End::lost;
        answer.sentence = lost_;
      }
      return answer;
    }
    if (frame.type == program::FrameType::error) {
      lose(fmt::format("the executor gave up: {}", std::string(frame.payload.begin(), frame.payload.end())));
    } else {
      lose(fmt::format("it answered request {} when request {} was to be answered", frame.sequence,
                       outstanding_.front().sequence));
    }
  }
}

// What the executor of a command starts may lie outside of what the command makes: an emulator of user
// programs hands execve to its host. So the tests are started by the command line, as the executor was.
Session::Executed ChannelSession::run_by_command(const std::vector<std::string>& arguments, Deadline deadline,
                                                 const std::function<void(std::string_view)>& output) {
  using End = Executed::End;
  if (std::ranges::find(spec_.command, "executor") == spec_.command.end())
    return {End::unavailable, 0,
            "they are run where the command has the word `executor`, and it names an executor of its own"};
  Fd file;
  Launch launch;
  const std::string sentence = command_launch(spec_, "conformance", arguments, file, launch);
  if (!sentence.empty()) return {End::unavailable, 0, sentence};
  const Followed followed = follow(launch, deadline, output, options_.interrupted);
  if (!followed.ended) return {End::time_limit, 0, followed.sentence};
  if (WIFEXITED(followed.status)) return {End::exited, WEXITSTATUS(followed.status), ""};
  return {End::killed, WTERMSIG(followed.status), "it " + followed.sentence};
}

Session::Executed ChannelSession::run_conformance(const std::vector<std::string>& arguments,
                                                  Deadline deadline,
                                                  const std::function<void(std::string_view)>& output) {
  using End = Executed::End;
  if (spec_.kind == TargetKind::command) return run_by_command(arguments, deadline, output);
  std::vector<std::string> argv = {link_.conformance};
  for (const program::Facts& facts : facts_) {
    const bool beside = facts.fs != program::FileSystem::tmpfs && facts.fs != program::FileSystem::other;
    const std::string_view place = program::place_name(facts);
    if (beside && !link_.room.empty())
      argv.push_back(fmt::format("--dir-{}={}/{}", place, link_.room, place));
  }
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const std::uint32_t sequence = next_sequence_++;
  const auto limit = static_cast<std::uint32_t>(std::max<milliseconds::rep>(1, deadline.left().count()));
  const std::uint64_t end = send(program::command_frame(sequence, limit, argv));
  // The executor ends it at its limit; a target that does not even do that hangs.
  const Deadline patience = Deadline::in(milliseconds(limit) + options_.silence);
  program::Frame frame;
  for (;;) {
    const Wait wait = wait_frame(frame, patience);
    if (wait == Wait::deadline && options_.interrupted && options_.interrupted()) {
      lose("interrupted");
      return {End::time_limit, 0, "interrupted"};
    }
    if (wait == Wait::deadline) lose("it hangs: the conformance binary outlived its time limit");
    if (wait != Wait::frame) return {End::lost, 0, lost_};
    if (frame.sequence != sequence) {
      lose(
          fmt::format("it answered request {} when request {} was to be answered", frame.sequence, sequence));
      continue;
    }
    taken(end);
    const std::string text(frame.payload.begin(), frame.payload.end());
    if (frame.type == program::FrameType::output) {
      output(text);
    } else if (frame.type == program::FrameType::error) {
      return {End::unavailable, 0, text};
    } else if (frame.type == program::FrameType::exited) {
      program::Exited exited;
      const std::string sentence = program::decode_exited(frame.payload, exited);
      if (!sentence.empty()) return {End::unavailable, 0, sentence};
      if (exited.how == program::End::status) return {End::exited, exited.number, ""};
      if (exited.how == program::End::signal) {
        return {End::killed, exited.number, fmt::format("it was killed by signal {}", exited.number)};
      }
      return {End::time_limit, 0, "it was ended at its time limit"};
    }
  }
}

std::string ChannelSession::restart(Deadline deadline) {
  link_.process.kill();
  const std::string sentence = start(deadline);
  if (!sentence.empty()) return sentence;
  for (Outstanding& one : outstanding_) {
    one.sequence = next_sequence_++;
    send_run(one);
  }
  last_heard_ = Deadline::Clock::now();
  return {};
}

}  // namespace shmcheck::harness
