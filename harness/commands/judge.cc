// `shmcheck judge`: traces from anywhere, with no target at all.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/files.h"
#include "harness/report.h"
#include "harness/result_json.h"
#include "harness/traces.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

int judge_given(const CommonWords& words, const std::vector<std::string>& paths) {
  Options options;
  std::string sentence = make_options(words, options);
  std::vector<NamedTrace> traces;
  for (const std::string& path : paths) {
    std::string text;
    if (sentence.empty()) sentence = read_text(path, text);
    if (!sentence.empty()) break;
    auto parsed = program::parse_trace(text, path == "-" ? "standard input" : path);
    if (const auto* error = std::get_if<program::ParseError>(&parsed)) {
      sentence = error->to_string();
    } else {
      traces.push_back({path, std::get<program::Trace>(std::move(parsed))});
    }
  }
  if (!sentence.empty()) return usage_error(sentence);
  Output output;
  Result result = judge_traces(traces, options, output);
  if (!options.json.empty()) sentence = write_file(options.json, to_json(result));
  if (!sentence.empty()) result.warnings.push_back("the result could not be written: " + sentence);
  output.line(summary(result));
  return result.exit_code();
}

}  // namespace

void add_judge(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("judge", "Judge traces, from anywhere, without a target");
  auto words = std::make_shared<CommonWords>();
  auto paths = std::make_shared<std::vector<std::string>>();
  command->add_option("TRACE", *paths, "Trace files; - is standard input")->required();
  command
      ->add_option("--profile", words->profile,
                   "How strictly: posix, linux, defacto or exact (default: exact)")
      ->type_name("P");
  command->add_option("--expect", words->expect, "Known failures of the traces' target, or `none`")
      ->type_name("FILE|none");
  command->add_option("--json", words->json, "Write the whole result there")->type_name("FILE");
  command->callback([&chosen, words, paths] { chosen = [=] { return judge_given(*words, *paths); }; });
}

}  // namespace shmcheck::harness
