// `shmcheck shrink`: the shortest program that shows what a program shows.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/files.h"
#include "harness/interrupt.h"
#include "harness/report.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

int shrink_given(const CommonWords& words, const std::string& path, const std::string& out) {
  Options options;
  NamedProgram program{path, {}};
  std::string sentence = make_options(words, options);
  if (sentence.empty()) sentence = read_program(path, program.program);
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  options.first = true;
  Output output;
  Run run("shrink", options, output);
  if (!run.open()) return conclude(run);
  // Whatever a program shows is shrunk before it is reported.
  run_programs(run, Part::program, {program}, run.deadline());
  const int code = conclude(run);
  for (const Finding& finding : run.result().findings) {
    if (out.empty() || finding.program.ops.empty()) continue;
    sentence = write_file(out, program::to_text(finding.program));
    if (!sentence.empty()) return usage_error(sentence);
  }
  return code;
}

}  // namespace

void add_shrink(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("shrink", "Find the shortest program that shows the same divergence");
  auto words = std::make_shared<CommonWords>();
  auto path = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  command->add_option("PROGRAM", *path, "A program file; - is standard input")->required();
  command->add_option("--out", *out, "Write the shortest program there")->type_name("FILE");
  add_target_options(*command, *words);
  add_run_options(*command, *words, "60s");
  command->callback(
      [&chosen, words, path, out] { chosen = [=] { return shrink_given(*words, *path, *out); }; });
}

}  // namespace shmcheck::harness
