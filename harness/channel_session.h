// A session with an executor at the other end of a byte channel.
#pragma once

#include <deque>

#include "harness/evidence.h"
#include "harness/link.h"
#include "harness/session.h"
#include "program/frame.h"

namespace shmcheck::harness {

class ChannelSession : public Session {
 public:
  ChannelSession(TargetSpec spec, SessionOptions options);
  ~ChannelSession() override;

  // Starts the target and takes its hello. Empty on success, else a sentence with the evidence.
  std::string start(Deadline deadline);

  std::uint64_t submit(std::uint8_t fs, const program::Program& program) override;
  std::optional<Answer> next(Deadline deadline) override;
  std::size_t in_flight() const override { return outstanding_.size(); }
  std::size_t window() const override;
  Executed run_conformance(const std::vector<std::string>& arguments, Deadline deadline,
                           const std::function<void(std::string_view)>& output) override;
  std::string restart(Deadline deadline) override;
  void abandon() override { outstanding_.clear(); }
  std::string evidence() const override { return console_.tail(30); }
  std::string alarm() const override { return console_.alarm(); }

 private:
  struct Outstanding {
    std::uint64_t ticket;
    std::uint32_t sequence;
    std::uint8_t fs;
    program::Program program;
    std::uint64_t end;  // of its frame, in bytes since the target was started
  };
  enum class Wait { frame, deadline, lost };

  Executed run_by_command(const std::vector<std::string>& arguments, Deadline deadline,
                          const std::function<void(std::string_view)>& output);
  Wait wait_frame(program::Frame& frame, Deadline deadline);
  bool pump(Deadline deadline);
  void read_channel();
  void read_console();
  void write_channel();
  void lose(std::string sentence);
  std::string how_it_ended();
  std::string take_hello(const program::Frame& frame);
  // Starts the process; its hello is yet to come. Empty on success.
  std::string launch();
  void send_run(Outstanding& one);
  // The machine, which has come to a step that starts it anew, is ended; one with the same disks is started.
  void begin_reboot(const program::Frame& frame);
  // That one says hello, and goes on where the other was.
  void finish_reboot(const program::Frame& frame);
  void take_absent(const std::vector<std::string>& lines);
  Answer answer_lost();
  Answer make_answer(const program::Frame& frame);
  // Gives the end of the frame, in bytes since the target was started.
  std::uint64_t send(const program::Frame& frame);
  void taken(std::uint64_t total);
  bool take_more(const program::Frame& frame);
  std::size_t may_send() const;

  TargetSpec spec_;
  SessionOptions options_;
  Link link_;
  Evidence console_;
  program::FrameReader reader_;
  std::vector<std::uint8_t> unsent_;
  std::size_t sent_ = 0;           // of unsent_
  std::uint64_t sent_total_ = 0;   // since the target was started
  std::uint64_t taken_total_ = 0;  // as far as the target has told
  std::deque<Outstanding> outstanding_;
  std::uint64_t next_ticket_ = 0;
  std::uint32_t next_sequence_ = 1;
  bool channel_closed_ = false;
  Deadline::Clock::time_point last_heard_{};
  bool booting_ = false;                   // a machine that is started anew has not said hello yet
  std::vector<std::uint8_t> before_boot_;  // the result of the oldest program's steps until then
};

}  // namespace shmcheck::harness
