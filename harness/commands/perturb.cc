// `shmcheck perturb`: does the judge see a lie in a trace?

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/entropy.h"
#include "harness/files.h"
#include "harness/interrupt.h"
#include "harness/perturb/report.h"
#include "harness/perturb/reviewed.h"
#include "harness/session_runner.h"

namespace shmcheck::harness {
namespace {

struct PerturbWords {
  std::uint64_t traces = 10'000;
  std::uint64_t first = 0;
  bool review = false;
};

// Each file system of the target gives its share of the traces.
TrialResult try_on_all(Run& run, const PerturbWords& perturb) {
  TrialResult sum;
  const std::size_t count = run.file_systems().size();
  for (std::size_t i = 0; i < count && !run.over(); ++i) {
    const std::uint8_t fs = run.file_systems()[i];
    TrialOptions options;
    options.seed = mix(run.options().seed, fs);  // other programs on each, and for each seed
    options.first_index = perturb.first;
    options.traces = perturb.traces / count + (i < perturb.traces % count ? 1 : 0);
    options.over = [&] { return run.over(); };
    options.progress = [&](std::uint64_t traces) {
      run.output().progress(
          fmt::format("perturb on {}: {} traces", program::place_name(run.facts(fs)), traces));
    };
    SessionRunner runner(run, fs);
    sum += try_judge(options, runner);
  }
  return sum;
}

TrialHead head_of(Run& run) {
  TrialHead head{run.options().target.text, {}, run.options().seed, 0};
  for (const std::uint8_t fs : run.file_systems())
    head.file_systems +=
        fmt::format("{}{}", head.file_systems.empty() ? "" : ", ", program::place_name(run.facts(fs)));
  head.seconds = std::chrono::duration<double>(run.elapsed()).count();
  return head;
}

int unjudged(Output& output, const std::string& sentence) {
  output.line(fmt::format("nothing was judged: {}\nVERDICT unjudged", sentence));
  return 125;
}

// What reviewed.inc lacks, if all that was accepted for a reason is right.
void print_review(Output& output, const TrialResult& result) {
  std::map<Grant, unsigned> lines;
  for (const auto& [key, profiles] : not_reviewed(result)) {
    for (const Grant& grant : grants_of(key)) lines[grant] |= profiles;
  }
  for (const auto& [grant, profiles] : lines) output.line(review_line(grant, profiles));
}

int perturb_traces(const CommonWords& words, const PerturbWords& perturb) {
  Options options;
  std::string sentence = make_options(words, options);
  if (sentence.empty() && perturb.traces == 0) sentence = "--traces takes a number above 0";
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  Run run("perturb", options, output);
  if (!run.open()) return unjudged(output, run.result().unjudged);
  const TrialResult result = try_on_all(run, perturb);
  const TrialHead head = head_of(run);
  run.close();
  if (!options.json.empty()) sentence = write_file(options.json, trial_json(head, result));
  if (!sentence.empty()) output.line("warning: the result could not be written: " + sentence);
  if (result.traces == 0)
    return unjudged(output, result.unhealthy > 0 ? "no trace was right as it was\n" + result.unhealthy_example
                                                 : "there is no trace");
  output.line("\n" + table_of(result) + holes_of(result));
  if (perturb.review) print_review(output, result);
  if (result.unhealthy > 0)
    output.line(fmt::format("{} traces were left out, since they were wrong as they were, such as: {}",
                            result.unhealthy, result.unhealthy_example));
  if (!result.stopped.empty() || result.traces < perturb.traces)
    output.line(fmt::format("PARTIAL {} of {} traces{}{}", result.traces, perturb.traces,
                            result.stopped.empty() ? "" : ": ", result.stopped));
  output.line(fmt::format("{} traces of {} ({}), {} steps, {} lies in {:.1f} s", result.traces, head.target,
                          head.file_systems, result.steps, result.told(), head.seconds));
  const bool pass = sees_all(result);
  output.line(fmt::format("VERDICT {}", pass ? "pass" : "fail"));
  return pass ? 0 : 1;
}

}  // namespace

void add_perturb(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("perturb", "Change one outcome of real traces; the judge must see it");
  auto words = std::make_shared<CommonWords>();
  auto perturb = std::make_shared<PerturbWords>();
  words->expect = "none";
  words->time = "10m";
  add_machine_options(*command, *words);
  command->add_option("--time", words->time, "Bounds everything, boot included: 45s, 500ms, 10m")
      ->type_name("T")
      ->capture_default_str();
  command
      ->add_option("--seed", words->seed,
                   "Of the programs and the lies (default: a new one, which is printed)")
      ->type_name("N");
  command->add_option("--traces", perturb->traces, "So many traces, with a lie in each")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--from", perturb->first, "Index of the first program of the seed")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--json", words->json, "Write the counts there")->type_name("FILE");
  command->add_flag("--review", perturb->review, "Print the lines that the reviewed list lacks");
  command->footer(
      "Where a lie is accepted the judge must have used a freedom that is about this field of this op's "
      "outcome, as\n"
      "the reviewed list has it: harness/perturb/reviewed.inc. Each trace is judged by all four profiles.");
  command->callback(
      [&chosen, words, perturb] { chosen = [words, perturb] { return perturb_traces(*words, *perturb); }; });
}

}  // namespace shmcheck::harness
