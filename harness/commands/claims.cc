// `shmcheck claims`: the introductory text, decided by running.

#include "harness/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/interrupt.h"
#include "harness/ipc_run.h"

namespace shmcheck::harness {
namespace {

// Of the time that is left; the tests take what the programs do not need.
constexpr double kDecidingProgramsShare = 0.5, kDecidingTestsShare = 0.95;

Deadline share(Run& run, double part) {
  return Deadline::in(std::chrono::duration_cast<milliseconds>(run.deadline().left() * part));
}

struct ClaimsWords : CommonWords {
  std::string ipc;
};

std::vector<std::string> measured(const ClaimsWords& words, const Options& options) {
  if (options.target.kind != TargetKind::kernel)
    return {"no: bench_ipc measures the running kernel, and the target is another"};
  return ipc_evidence(words.ipc.empty() ? kept_ipc_run() : words.ipc, running_kernel());
}

int claims(const ClaimsWords& words) {
  Options options;
  std::string sentence = make_options(words, options);
  if (sentence.empty() && !words.ipc.empty()) {
    IpcRun run;
    sentence = read_ipc_run(words.ipc, run);
    if (!sentence.empty()) sentence = "--ipc: " + sentence;
  }
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  Run run("claims", options, output);
  if (!run.open()) return conclude(run);
  const std::vector<clauses::Clause> deciding = deciding_clauses();
  run_programs(run, Part::corpus, corpus_programs(run, deciding), share(run, kDecidingProgramsShare));
  if (!run.over()) run_conformance(run, share(run, kDecidingTestsShare), deciding);
  run.finish();
  run.result().ipc_measured = measured(words, options);
  const std::vector<ClaimVerdict> verdicts = decide_claims(run.result());
  const bool decided = std::any_of(verdicts.begin(), verdicts.end(), [](const ClaimVerdict& verdict) {
    return verdict.standing != ClaimVerdict::Standing::undecided;
  });
  if (!decided && run.result().unjudged.empty()) run.result().unjudged = "no claim could be decided";
  return conclude(run);
}

}  // namespace

void add_claims(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand(
      "claims", "Decide the claims of the introductory text by the programs and tests that can");
  auto words = std::make_shared<ClaimsWords>();
  add_target_options(*command, *words);
  add_run_options(*command, *words, "45s");
  command
      ->add_option(
          "--ipc", words->ipc,
          "A run of bench_ipc to show beside S2 (default: the last one of this machine since it booted)")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  shmcheck claims\n"
      "  shmcheck claims --target uml --json claims.json\n"
      "  shmcheck claims --target model+fork-forgets-nattch --expect none\n"
      "The exit code is 1 when a verdict is not the catalogue's, and 125 when no claim was decided.");
  command->callback([&chosen, words] { chosen = [words] { return claims(*words); }; });
}

}  // namespace shmcheck::harness
