// A running target: programs go in, traces come out, in order.
//
// Sessions belong to one thread. Nothing here waits longer than the deadline it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/deadline.h"
#include "harness/result.h"
#include "harness/target.h"
#include "program/trace.h"

namespace shmcheck::harness {

// What came of one program.
struct Answer {
  enum class End : std::uint8_t {
    complete,  // the trace ends with `end`
    timeout,   // the executor gave the program up; the target is well
    lost,      // the target died or hung while it ran this program
    refused,   // the executor could not run it
  };
  std::uint64_t ticket = 0;
  End end = End::complete;
  program::Program program;
  std::uint8_t fs = 0;
  program::Trace trace;  // as far as it is known
  std::string sentence;  // what happened, unless it is complete
  bool complete() const { return end == End::complete; }
};

struct SessionOptions {
  int worker = 0;                     // number of this session among those of one run; picks a core
  milliseconds hello_limit{0};        // 0: the target's own, see hello_limit()
  milliseconds silence{10'000};       // no answer for so long, with work outstanding: the target hangs
  std::function<bool()> interrupted;  // checked while waiting; true ends the wait at once
};

class Session {
 public:
  virtual ~Session() = default;

  // Starts a target and waits for its hello. On failure `error` is a sentence with the evidence; the run was
  // then not judged.
  static std::unique_ptr<Session> open(const TargetSpec& spec, const SessionOptions& options,
                                       Deadline deadline, std::string& error);

  // One for each file system that programs can run on; `fs` below is an index into it.
  const std::vector<program::Facts>& facts() const { return facts_; }
  const std::vector<Absent>& absent() const { return absent_; }

  // Queues a program and gives its ticket. The caller keeps in_flight() near window().
  virtual std::uint64_t submit(std::uint8_t fs, const program::Program& program) = 0;
  // The next answer, in the order of submission. Nothing if none is outstanding or the deadline has passed.
  virtual std::optional<Answer> next(Deadline deadline) = 0;
  virtual std::size_t in_flight() const = 0;
  virtual std::size_t window() const = 0;

  // Submits one program and waits for its answer. Nothing else may be in flight.
  std::optional<Answer> run(std::uint8_t fs, const program::Program& program, Deadline deadline);

  // Runs the conformance binary in the target, if it can be there. `output` gets what it prints as it comes.
  struct Executed {
    enum class End : std::uint8_t { exited, killed, time_limit, lost, unavailable } end = End::unavailable;
    int number = 0;        // exit status or signal
    std::string sentence;  // unless it exited
  };
  virtual Executed run_conformance(const std::vector<std::string>& arguments, Deadline deadline,
                                   const std::function<void(std::string_view)>& output) = 0;

  // Why the target is gone (crash, hang); empty while it lives. Once it is gone only restart() helps.
  const std::string& lost() const { return lost_; }
  // Starts the target again, and submits again what was still in flight. Empty on success.
  virtual std::string restart(Deadline deadline) = 0;
  // Forgets what is in flight; the target must be restarted.
  virtual void abandon() = 0;

  // The last lines that the target wrote beside its channel.
  virtual std::string evidence() const { return {}; }
  // A line in which the target's kernel raised an alarm of its own since the hello, or empty.
  virtual std::string alarm() const { return {}; }

 protected:
  std::vector<program::Facts> facts_;
  std::vector<Absent> absent_;
  std::string lost_;
};

// How long a kind of target may take to its hello.
milliseconds hello_limit(TargetKind kind);

}  // namespace shmcheck::harness
