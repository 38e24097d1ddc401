// Any bytes are a program; what a live target does with it, the model allows.
//
// The target is started once, by the first input; SHMCHECK_TARGET names it (kernel, uml, uml:IMAGE,
// model+FAULT, …), without it the running kernel. An engine sees the coverage of the judge: what the target
// did that was new to the rules is new to it. A divergence is confirmed and shrunk as in any campaign.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fuzz/input.h"
#include "harness/campaign.h"
#include "harness/session.h"
#include "program/text.h"

using namespace shmcheck;
using namespace shmcheck::harness;

namespace {

[[noreturn]] void give_up(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::abort();
}

std::unique_ptr<Session> open_target() {
  const char* named = std::getenv("SHMCHECK_TARGET");
  TargetSpec spec;
  std::string sentence = parse_target(named ? named : "kernel", {}, spec);
  if (!sentence.empty()) give_up("SHMCHECK_TARGET: " + sentence);
  std::unique_ptr<Session> session =
      Session::open(spec, {}, Deadline::in(hello_limit(TargetKind::command)), sentence);
  if (!session) give_up(sentence);
  return session;
}

// Most inputs run on the first file system, tmpfs: a disk answers fsync a thousand times slower.
std::uint8_t file_system(const Session& session, std::uint8_t choice) {
  constexpr unsigned kOthers = 8;  // one input of so many
  const std::size_t others = session.facts().size() - 1;
  if (others == 0 || choice % kOthers != 0) return 0;
  return static_cast<std::uint8_t>(1 + choice / kOthers % others);
}

// What takes as long as a hundred programs is left to `shmcheck random`: tens of thousands of mappings, and
// file systems that are unmounted.
void leave_out_slow(program::Program& program) {
  std::erase_if(program.ops, [](const program::Op& op) {
    return op.code == program::OpCode::crowd || op.code == program::OpCode::remount;
  });
}

// One file system of the target; a target that is lost ends the campaign.
class OnFileSystem final : public ProgramRunner {
 public:
  OnFileSystem(Session& session, std::uint8_t choice)
      : session_(session), fs_(file_system(session, choice)) {}

  const program::Facts& facts() const override { return session_.facts()[fs_]; }
  std::size_t window() const override { return 1; }
  void submit(const program::Program& program) override { session_.submit(fs_, program); }
  std::optional<ProgramRun> next() override {
    std::optional<Answer> answer = session_.next(Deadline::in(milliseconds(20'000)));
    if (!answer || answer->end == Answer::End::lost) return std::nullopt;
    return ProgramRun{static_cast<ProgramRun::End>(answer->end), std::move(answer->trace),
                      std::move(answer->sentence)};
  }
  std::string why() const override { return session_.lost() + '\n' + session_.evidence(); }

 private:
  Session& session_;
  std::uint8_t fs_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<Session> session = open_target();
  if (size == 0) return 0;
  program::Program program = fuzz::program_of({data, size});
  leave_out_slow(program);
  CampaignOptions options;
  options.programs = 1;
  options.source = [&program](std::uint64_t&) { return std::optional(program); };
  OnFileSystem runner(*session, data[0]);
  CampaignResult result = run_campaign(options, runner);
  if (!result.stopped.empty()) give_up("the target is lost: " + result.stopped + '\n' + to_text(program));
  for (const CampaignFinding& f : result.findings) {
    if (f.kind == CampaignFinding::Kind::flake) continue;
    std::string what = f.kind == CampaignFinding::Kind::divergence ? to_text(f.finding) : f.sentence;
    give_up(std::string(to_string(runner.facts().fs)) + ", " + what + '\n' + to_text(f.program));
  }
  return 0;
}
