// Many segments and many attaches on the running kernel, judged step by step.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "harness/session.h"
#include "model/judge.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

constexpr unsigned kSegmentsInAll = 4096;  // the default of kernel.shmmni
constexpr unsigned kProcesses = 64, kAttachesOfEach = 2, kAttaches = kProcesses * kAttachesOfEach;
static_assert(kProcesses <= program::kProcesses);

// As many segments as a namespace can have, by names that are used again and again; the last one attached by
// all processes, of which half end without a detach.
program::Program many() {
  std::string text;
  for (unsigned i = 0; i < kSegmentsInAll; ++i)
    text += fmt::format("p0 shmget s{} key=private size={} mode=600\n", i % program::kSegments, i % 3 + 1);
  text += "p0 shmget s0 key=private size=1 mode=600\n";  // one more than there can be
  text += "p0 shm_info\np0 shm_info what=pages\np0 ipc_info what=highest\np0 sysvipc\n";
  for (unsigned i = 0; i < kAttachesOfEach; ++i) text += fmt::format("p0 shmat m{} s7\n", i);
  for (unsigned p = 1; p < kProcesses; ++p) text += fmt::format("p0 fork p{}\n", p);
  for (unsigned p = 0; p < kProcesses; ++p)
    text += fmt::format("p{} store m{} 0x{:02x}\n", p, p % kAttachesOfEach, p + 1);
  text += "p3 shmctl s7 cmd=stat\np0 load m0\n";
  for (unsigned p = 1; p < kProcesses; p += 2) text += fmt::format("p{} exit\n", p);
  text += "p0 shmctl s7 cmd=stat\n";
  for (unsigned i = 0; i < kAttachesOfEach; ++i) text += fmt::format("p2 shmdt m{}\n", i);
  text += "p0 shmctl s7 cmd=stat\np0 shmctl s7 cmd=rmid\np0 shm_info\n";
  return std::get<program::Program>(program::parse_program(text, "many"));
}

std::uint64_t most_attached(const program::Trace& trace) {
  std::uint64_t most = 0;
  for (const program::Step& step : trace.steps) {
    if (step.op.code == program::OpCode::shmctl && step.outcome.words.size() == program::kShmStatWords)
      most = std::max(most, step.outcome.words.back());
  }
  return most;
}

TEST(Scale, FourThousandSegmentsAndSixtyFourProcessesAreJudged) {
  std::string error;
  const auto session = Session::open({}, {}, Deadline::in(hello_limit(TargetKind::kernel)), error);
  ASSERT_NE(session, nullptr) << error;
  const program::Facts& facts = session->facts().at(0);
  if (!facts.private_ipc || facts.shmmni != kSegmentsInAll) GTEST_SKIP() << to_text(facts);
  const auto start = steady_clock::now();
  const std::optional<Answer> answer = session->run(0, many(), Deadline::in(milliseconds{60'000}));
  const auto ran = steady_clock::now();
  ASSERT_TRUE(answer && answer->complete()) << (answer ? answer->sentence : session->lost());
  const model::TraceVerdict verdict = model::judge_trace(answer->trace, model::Profile::exact);
  const auto judged = steady_clock::now();
  const model::Finding* finding = verdict.first();
  EXPECT_EQ(finding, nullptr) << to_text(*finding);
  EXPECT_EQ(verdict.unjudged_reason, "");
  EXPECT_EQ(verdict.stats.unjudged, 0U);
  EXPECT_EQ(most_attached(answer->trace), kAttaches);
  fmt::print("{} segments, {} processes with {} attaches: run in {:.0f} ms, judged in {:.0f} ms\n",
             kSegmentsInAll, kProcesses, kAttaches, duration<double, std::milli>(ran - start).count(),
             duration<double, std::milli>(judged - ran).count());
  // A number that is wrong is seen among them.
  program::Trace lied = answer->trace;
  for (program::Step& step : lied.steps) {
    if (step.op.code == program::OpCode::sysvipc)
      step.outcome.words[2000 * program::kListingRowWords + 13] = 1;
  }
  const model::TraceVerdict of_lie = model::judge_trace(lied, model::Profile::exact);
  ASSERT_NE(of_lie.first(), nullptr);
  EXPECT_EQ(lied.steps[of_lie.first()->step].op.code, program::OpCode::sysvipc);
}

}  // namespace
}  // namespace shmcheck::harness
