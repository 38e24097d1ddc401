#include "harness/session.h"

#include <deque>

#include "harness/channel_session.h"
#include "model/machine.h"

namespace shmcheck::harness {
namespace {

// The model, run in this process. It cannot be lost.
class ModelSession : public Session {
 public:
  explicit ModelSession(const model::Fault* fault) : fault_(fault) { facts_ = {model::model_facts(fault)}; }

  std::uint64_t submit(std::uint8_t fs, const program::Program& program) override {
    queue_.push_back({fs, program});
    return first_ + queue_.size() - 1;
  }
  std::optional<Answer> next(Deadline) override {
    if (queue_.empty()) return std::nullopt;
    Answer answer;
    answer.ticket = first_++;
    answer.fs = queue_.front().fs;
    answer.program = std::move(queue_.front().program);
    answer.trace = model::run_program(answer.program, facts_.front(), fault_);
    queue_.pop_front();
    return answer;
  }
  std::size_t in_flight() const override { return queue_.size(); }
  std::size_t window() const override { return 1; }

  Executed run_conformance(const std::vector<std::string>&, Deadline,
                           const std::function<void(std::string_view)>&) override {
    return {Executed::End::unavailable, 0,
            "conformance tests make system calls, which the model does not have"};
  }
  std::string restart(Deadline) override { return {}; }
  void abandon() override {
    first_ += queue_.size();
    queue_.clear();
  }

 private:
  struct Queued {
    std::uint8_t fs;
    program::Program program;
  };
  const model::Fault* fault_;
  std::deque<Queued> queue_;
  std::uint64_t first_ = 0;
};

}  // namespace

std::unique_ptr<Session> Session::open(const TargetSpec& spec, const SessionOptions& options,
                                       Deadline deadline, std::string& error) {
  if (spec.kind == TargetKind::model) {
    return std::make_unique<ModelSession>(spec.fault.empty() ? nullptr : model::find_fault(spec.fault));
  }
  auto session = std::make_unique<ChannelSession>(spec, options);
  error = session->start(deadline);
  if (!error.empty()) return nullptr;
  return session;
}

std::optional<Answer> Session::run(std::uint8_t fs, const program::Program& program, Deadline deadline) {
  submit(fs, program);
  return next(deadline);
}

milliseconds hello_limit(TargetKind kind) {
  switch (kind) {
    case TargetKind::kernel:
      return milliseconds(10'000);
    case TargetKind::model:
      return milliseconds(0);
    case TargetKind::uml:
      return milliseconds(40'000);
    case TargetKind::command:
      break;
  }
  return milliseconds(60'000);
}

}  // namespace shmcheck::harness
