// `shmcheck check`: the main job.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/interrupt.h"
#include "harness/workers.h"

namespace shmcheck::harness {
namespace {

// How the time that is left is shared: each part may take this much of it, and what it does not need goes to
// the next. Random programs take all that is left: a quarter at least, since on a slow or busy machine each
// test sees more than some more random programs do.
constexpr double kCorpusShare = 0.35, kConformanceShare = 0.75;
constexpr milliseconds kConformanceMost{20'000};

Deadline share(Run& run, double part, milliseconds most) {
  const auto left = std::chrono::duration_cast<milliseconds>(run.deadline().left() * part);
  return Deadline::in(std::min(left, most));
}

// The time that findings are looked into, and the target ended, after the random programs.
milliseconds reserve(Run& run) {
  return std::min(milliseconds(1500), run.options().time / 20);
}

void report_unexpected_passes(Run& run, const std::vector<std::string>& passed) {
  const Options& options = run.options();
  const bool whole =
      options.parts.empty() && run.result().partial.empty() && !options.first && options.tests.empty();
  if (!whole) return;
  const bool fails = options.strict || !options.target.image_by_path;
  for (const UnexpectedPass& pass : unexpected_passes(options.expectations, run.result(), passed)) {
    (fails ? run.result().failed_reasons : run.result().warnings).push_back(pass.sentence);
  }
}

int check(const CommonWords& words) {
  Options options;
  const std::string sentence = make_options(words, options);
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  Run run("check", options, output);
  if (!run.open()) return conclude(run);
  std::vector<std::string> passed;
  if (options.wants(Part::corpus)) {
    const milliseconds most = std::chrono::duration_cast<milliseconds>(options.time);
    passed = run_programs(run, Part::corpus, corpus_programs(run), share(run, kCorpusShare, most)).passed;
  }
  if (options.wants(Part::conformance) && !run.over()) {
    const milliseconds most =
        std::max(kConformanceMost, std::chrono::duration_cast<milliseconds>(options.time * 0.65));
    for (std::string& name : run_conformance(run, share(run, kConformanceShare, most)))
      passed.push_back(std::move(name));
  }
  if (options.wants(Part::random) && !run.over()) {
    run_random_in_processes(run, {},
                            Deadline::in(std::max(run.deadline().left() - reserve(run), milliseconds(0))));
  }
  run.finish();
  report_unexpected_passes(run, passed);
  return conclude(run);
}

}  // namespace

void add_check(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("check", "The main job: corpus programs, conformance tests, random programs");
  auto words = std::make_shared<CommonWords>();
  add_target_options(*command, *words);
  add_run_options(*command, *words, "45s");
  command
      ->add_option("--processes", words->processes,
                   "Random programs in so many processes, each with its own target")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--part", words->parts, "Only these: corpus, conformance, random")
      ->type_name("PART,…")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--tests", words->tests, "Only these conformance tests (a filter as gtest takes it)")
      ->type_name("FILTER");
  command->footer(
      "Examples:\n"
      "  shmcheck check\n"
      "  shmcheck check --target uml:./linux --boot-arg foo=1 --time 45s --json result.json --dir findings\n"
      "  shmcheck check --target 'cmd:runsc --network=none do executor' --expect none");
  command->callback([&chosen, words] { chosen = [words] { return check(*words); }; });
}

}  // namespace shmcheck::harness
