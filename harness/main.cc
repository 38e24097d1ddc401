// shmcheck: holds an implementation of Linux shared memory to its documentation.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/suggest.h"

namespace {

// A word where a command should be that is none; CLI11 would only say that a command is missing.
std::string unknown_command(CLI::App& app, int argc, char** argv) {
  CLI::App* at = &app;
  for (int i = 1; i < argc && at->get_require_subcommand_min() > 0; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("-")) return {};
    std::vector<std::string> names;
    CLI::App* next = nullptr;
    for (CLI::App* sub : at->get_subcommands([](CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
      if (sub->get_name() == word) next = sub;
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    if (next == nullptr) {
      return fmt::format("there is no '{}'{}; --help shows the commands", word,
                         shmcheck::harness::did_you_mean(word, known));
    }
    at = next;
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace shmcheck::harness;
  CLI::App app{"shmcheck holds an implementation of Linux shared memory to its documentation."};
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of all commands");
  app.footer(
      "The last line of a run is VERDICT pass, fail or unjudged; the exit code is\n"
      "  0  everything was as expected\n"
      "  1  a divergence; a crash, hang or loss of the target after its hello is one\n"
      "  125  the target never said hello, or nothing was judged\n"
      "  2  the command line, or a file it names, cannot be understood");
  Action chosen;
  for (const auto add : {add_check, add_claims, add_run, add_judge, add_random, add_enumerate, add_shrink,
                         add_perturb, add_faults, add_list})
    add(app, chosen);
  const std::string unknown = unknown_command(app, argc, argv);
  if (!unknown.empty()) return usage_error(unknown);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  return chosen();
}
