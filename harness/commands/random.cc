// `shmcheck random`: random programs only.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/interrupt.h"
#include "harness/workers.h"

namespace shmcheck::harness {
namespace {

int random_programs(const CommonWords& words, const RandomOptions& random) {
  Options options;
  const std::string sentence = make_options(words, options);
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  Run run("random", options, output);
  if (!run.open()) return conclude(run);
  run_random_in_processes(run, random, run.deadline());
  return conclude(run);
}

}  // namespace

void add_random(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("random", "Random programs, judged by the reference model");
  auto words = std::make_shared<CommonWords>();
  auto random = std::make_shared<RandomOptions>();
  add_target_options(*command, *words);
  add_run_options(*command, *words, "60s");
  command->add_option("--processes", words->processes, "In so many processes, each with its own target")
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--programs", random->programs,
                   "At most so many in each process (default: as many as the time allows)")
      ->type_name("N");
  command->add_option("--from", random->first, "Index of the first program of the seed")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--trace", random->trace, "Print the trace of each program, of the first process");
  command->footer(
      "A program is made from seed and index alone, so one of them can be made again and looked at:\n"
      "  shmcheck random --target uml --seed 7 --from 1234 --programs 1 --trace");
  command->callback(
      [&chosen, words, random] { chosen = [words, random] { return random_programs(*words, *random); }; });
}

}  // namespace shmcheck::harness
