// One run of a command on one target: its session, its result so far, and what every part does with an
// answer.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/options.h"
#include "harness/output.h"
#include "harness/session.h"

namespace shmcheck::harness {

// Where a program comes from.
struct Subject {
  Part part = Part::program;
  std::string name;
  std::optional<std::uint64_t> seed;
};

class Run {
 public:
  // `command` is the word for the result: check, run, random.
  Run(std::string command, const Options& options, Output& output);

  // Starts the target; prints what it is and what is absent. False if that failed: the result says why.
  bool open(int worker = 0);

  const Options& options() const { return options_; }
  Output& output() { return output_; }
  Session& session() { return *session_; }
  Result& result() { return result_; }
  Deadline deadline() const { return deadline_; }
  // What is under way at the end is waited for as long as a hang takes to be noticed, for that is a finding.
  // Nothing goes on after this.
  Deadline last_call() const {
    return Deadline::at(started_ + options_.time + silence() + milliseconds(2000));
  }
  milliseconds elapsed() const;
  // Indices of the session's file systems that the user wants.
  const std::vector<std::uint8_t>& file_systems() const { return file_systems_; }
  const program::Facts& facts(std::uint8_t fs) const { return session_->facts().at(fs); }

  // No more work is to begin: the time is over, the user interrupted, the target cannot be had back, or
  // --first has what it wants.
  bool over() const;

  // Judges an answer and counts what was judged. Nothing if all was allowed, else what was seen, not yet
  // looked into.
  std::optional<Finding> judge(const Subject& subject, const Answer& answer);
  // Looks into a finding (is it reproducible, what is the shortest program that shows it?), then counts,
  // prints and files it.
  // Nothing may be in flight. A lost target is started again.
  void settle(Finding finding);
  // Starts a lost target again. False, and the run is over, if it does not come back.
  bool revive();
  // The same for a finding that needs no looking into.
  void report(Finding finding);

  // Ends the target.
  void close() { session_.reset(); }

  // Marks the end, and says why the run is partial or unjudged.
  void finish();

 private:
  void print_target();
  bool choose_file_systems();
  milliseconds silence() const { return std::min(milliseconds(10'000), options_.time / 5); }
  bool foreseen(Finding& finding) const;
  void add(Finding finding);

  const Options& options_;
  Output& output_;
  Result result_;
  Deadline::Clock::time_point started_ = Deadline::Clock::now();
  Deadline deadline_;
  std::unique_ptr<Session> session_;
  std::vector<std::uint8_t> file_systems_;
  bool gone_ = false;
};

}  // namespace shmcheck::harness
