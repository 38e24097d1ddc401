// `shmcheck run`: programs that the user gives.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/interrupt.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

int run_given(const CommonWords& words, const std::vector<std::string>& paths, bool print) {
  Options options;
  std::string sentence = make_options(words, options);
  std::vector<NamedProgram> programs;
  for (const std::string& path : paths) {
    if (!sentence.empty()) break;
    programs.push_back({path, {}});
    sentence = read_program(path, programs.back().program);
  }
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  Run run("run", options, output);
  if (!run.open()) return conclude(run);
  run_programs(run, Part::program, programs, run.deadline(), [&](const Answer& answer) {
    if (print) output.line(program::to_text(answer.trace));
  });
  return conclude(run);
}

}  // namespace

void add_run(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("run", "Run programs on a target, and judge what they do");
  auto words = std::make_shared<CommonWords>();
  auto paths = std::make_shared<std::vector<std::string>>();
  auto print = std::make_shared<bool>(false);
  command->add_option("PROGRAM", *paths, "Program files; - is standard input")->required();
  add_target_options(*command, *words);
  add_run_options(*command, *words, "60s");
  command->add_flag("--trace", *print, "Print the trace of each program");
  command->footer("Example:\n  shmcheck run --target uml --fs ext4 --trace corpus/eof/one-byte-file.prog");
  command->callback(
      [&chosen, words, paths, print] { chosen = [=] { return run_given(*words, *paths, *print); }; });
}

}  // namespace shmcheck::harness
