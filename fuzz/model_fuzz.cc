// Any bytes are a program; what the model does with it, the judge allows, in every profile and on every kind
// of target that the facts describe.
//
// The first byte, where a program has its version, chooses profile and facts: it is not part of the program.
#include <cstdio>
#include <cstdlib>

#include "fuzz/input.h"
#include "model/judge.h"
#include "model/machine.h"
#include "program/text.h"

using namespace shmcheck;
using namespace shmcheck::program;

namespace {

Facts facts_of(std::uint8_t choice) {
  static const FileSystem kFileSystems[] = {FileSystem::tmpfs, FileSystem::ext4, FileSystem::xfs,
                                            FileSystem::other};
  static const std::uint32_t kReleases[] = {release(6, 18), release(6, 1), release(5, 10), release(6, 12)};
  static const Facts kFacts = model::model_facts();
  Facts facts = kFacts;
  facts.fs = kFileSystems[choice % 4];
  facts.release = kReleases[choice / 4 % 4];
  if (choice / 16 == 3) facts.page_size = facts.shmlba = 65536;
  return facts;
}

}  // namespace

// Memory that was freed long ago need not be watched for, nor every frame above an allocation: both take a
// fifth of the time.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier): the sanitizer's
  return "quarantine_size_mb=8:thread_local_quarantine_size_kb=64:malloc_context_size=8";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Program program = fuzz::program_of({data, size});
  Facts facts = facts_of(data[0] / 4);
  auto profile = static_cast<model::Profile>(data[0] % 4);
  Trace trace = model::run_program(program, facts);
  model::TraceVerdict verdict = model::judge_trace(trace, profile);
  if (const model::Finding* f = verdict.first()) {
    std::fprintf(stderr, "the model's own outcome is refused: %s, %s\n%s\n",
                 std::string(model::to_string(profile)).c_str(), to_text(*f).c_str(), to_text(trace).c_str());
    std::abort();
  }
  return 0;
}
