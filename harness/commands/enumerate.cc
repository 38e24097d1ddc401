// `shmcheck enumerate`: all short programs over small alphabets.

#include <fmt/format.h>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/embedded.h"
#include "harness/interrupt.h"
#include "harness/suggest.h"
#include "harness/workers.h"

namespace shmcheck::harness {
namespace {

struct EnumerateWords {
  std::vector<std::string> alphabets;
  unsigned length = 3;
  bool count = false;
};

// Adds the alphabet of a file, or of the name that one in the command has. Empty on success.
std::string add_alphabet(const std::string& word, std::vector<Alphabet>& to) {
  std::string text;
  std::vector<std::string_view> names;
  for (const CorpusFile& file : embedded_alphabets()) {
    if (file.name == word) text = file.text;
    names.push_back(file.name);
  }
  if (text.empty()) {
    const std::string sentence = read_text(word, text);
    if (!sentence.empty())
      return fmt::format("{}; the alphabets within are {}", sentence, fmt::join(names, ", "));
  }
  auto parsed = parse_alphabet(text, word);
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) return error->to_string();
  to.push_back(std::get<Alphabet>(std::move(parsed)));
  return {};
}

std::string make_enumeration(const EnumerateWords& words, RandomOptions& random) {
  std::vector<std::string> wanted = words.alphabets;
  if (wanted.empty()) {
    for (const CorpusFile& file : embedded_alphabets()) wanted.emplace_back(file.name);
  }
  std::vector<Alphabet> alphabets;
  for (const std::string& word : wanted) {
    const std::string sentence = add_alphabet(word, alphabets);
    if (!sentence.empty()) return sentence;
  }
  random.enumeration = std::make_shared<Enumeration>(std::move(alphabets), words.length);
  if (random.first >= random.enumeration->end())
    return fmt::format("--from {}: the last index is {}", random.first, random.enumeration->end() - 1);
  return {};
}

int enumerate(const CommonWords& words, const EnumerateWords& own, RandomOptions random) {
  Options options;
  std::string sentence = make_options(words, options);
  if (sentence.empty()) sentence = make_enumeration(own, random);
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  output.line(fmt::format("programs {} of up to {} ops, by {} indices", random.enumeration->programs(),
                          own.length, random.enumeration->end()));
  if (own.count) return 0;
  Run run("enumerate", options, output);
  if (!run.open()) return conclude(run);
  run_random_in_processes(run, random, run.deadline());
  return conclude(run);
}

}  // namespace

void add_enumerate(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("enumerate", "All short programs over small alphabets");
  auto words = std::make_shared<CommonWords>();
  auto own = std::make_shared<EnumerateWords>();
  auto random = std::make_shared<RandomOptions>();
  add_target_options(*command, *words);
  add_run_options(*command, *words, "10m");
  command->add_option("--length", own->length, "Programs of up to so many ops, beside scene and observers")
      ->type_name("N")
      ->check(CLI::Range(1U, Enumeration::kLongest))
      ->capture_default_str();
  command
      ->add_option("--alphabet", own->alphabets,
                   "Only these: names, or files with sections [scene], [ops], [observe] and [alike]")
      ->type_name("NAME|FILE,…")
      ->delimiter(',');
  command->add_flag("--count", own->count, "Only tell how many programs there are");
  command->add_option("--from", random->first, "Index of the first program, to go on with what was left")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--processes", words->processes, "In so many processes, each with its own target")
      ->type_name("N")
      ->capture_default_str();
  command->footer(
      "The alphabets within the command are those of corpus/enumerate. Each file system has an equal part "
      "of\n"
      "the time; --fs chooses, and a warning says where to go on.\n"
      "  shmcheck enumerate --target model+fork-forgets-nattch --length 2 --first");
  command->callback([&chosen, words, own, random] {
    chosen = [words, own, random] { return enumerate(*words, *own, *random); };
  });
}

}  // namespace shmcheck::harness
