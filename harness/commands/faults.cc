// `shmcheck faults`: do random programs and the corpus find planted faults?

#include <fmt/format.h>

#include <algorithm>

#include "harness/commands/commands.h"
#include "harness/commands/common.h"
#include "harness/embedded.h"
#include "harness/files.h"
#include "harness/hunt/report.h"
#include "harness/interrupt.h"
#include "harness/suggest.h"

namespace shmcheck::harness {
namespace {

struct FaultWords {
  // Not those that the generator was tuned with.
  HuntOptions hunt{.first_seed = 20290101};
  std::vector<std::string> names;
  std::string json, svg;
  unsigned length = 2;  // of enumerated programs; 0: none
};

std::string choose(const std::vector<std::string>& names, std::vector<const model::Fault*>& chosen) {
  std::vector<std::string_view> known;
  for (const model::Fault& fault : model::faults()) {
    known.push_back(fault.name);
    if (names.empty()) chosen.push_back(&fault);
  }
  for (const std::string& name : names) {
    chosen.push_back(model::find_fault(name));
    if (chosen.back() == nullptr)
      return fmt::format("there is no fault '{}'{}", name, did_you_mean(name, known));
  }
  return {};
}

// All alphabets within the command. Empty on success.
std::string enumerate_all(unsigned length, std::optional<Enumeration>& enumeration) {
  std::vector<Alphabet> alphabets;
  for (const CorpusFile& file : embedded_alphabets()) {
    auto parsed = parse_alphabet(file.text, file.name);
    if (const auto* error = std::get_if<program::ParseError>(&parsed)) return error->to_string();
    alphabets.push_back(std::get<Alphabet>(std::move(parsed)));
  }
  enumeration.emplace(std::move(alphabets), length);
  return {};
}

std::string write_results(const FaultWords& words, const std::vector<Hunt>& hunts, double seconds) {
  std::string sentence;
  if (!words.json.empty()) sentence = write_file(words.json, hunts_json(hunts, words.hunt, seconds));
  if (sentence.empty() && !words.svg.empty()) sentence = write_file(words.svg, hunts_svg(hunts, words.hunt));
  return sentence;
}

int hunt_faults(const FaultWords& words) {
  std::vector<const model::Fault*> chosen;
  std::vector<NamedProgram> corpus;
  std::string sentence = choose(words.names, chosen);
  if (sentence.empty() && (words.hunt.seeds < 1 || words.hunt.seeds > 1000))
    sentence = "--seeds takes 1 to 1000";
  if (sentence.empty() && words.hunt.ops == 0) sentence = "--ops takes a number above 0";
  if (sentence.empty()) sentence = read_corpus(corpus);
  std::optional<Enumeration> enumeration;
  if (sentence.empty() && words.length > 0) sentence = enumerate_all(words.length, enumeration);
  if (!sentence.empty()) return usage_error(sentence);
  catch_interrupts();
  Output output;
  const auto start = Deadline::Clock::now();
  std::vector<Hunt> hunts;
  for (const model::Fault* fault : chosen) {
    if (interrupted()) break;
    output.progress(fmt::format("{} of {}: {}", hunts.size() + 1, chosen.size(), fault->name));
    hunts.push_back(hunt(*fault, words.hunt, {&corpus, enumeration ? &*enumeration : nullptr}));
  }
  const double seconds = std::chrono::duration<double>(Deadline::Clock::now() - start).count();
  const Totals totals = totals_of(hunts);
  output.line(hunts_table(hunts));
  output.line(totals_text(totals, words.hunt.seeds, words.hunt.ops));
  sentence = write_results(words, hunts, seconds);
  if (!sentence.empty()) output.line("warning: the result could not be written: " + sentence);
  if (interrupted()) output.line(fmt::format("PARTIAL interrupted by {}", interrupting_signal()));
  const bool unjudged = hunts.empty() || interrupted();
  const bool pass = !unjudged && keeps_promises(totals);
  output.line(fmt::format("{} faults in {:.1f} s\nVERDICT {}", hunts.size(), seconds,
                          unjudged ? "unjudged"
                          : pass   ? "pass"
                                   : "fail"));
  return unjudged ? 125 : pass ? 0 : 1;
}

}  // namespace

void add_faults(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("faults", "Hunt the planted faults of the model; each must be found");
  auto words = std::make_shared<FaultWords>();
  words->hunt.over = interrupted;
  command->add_option("FAULT", words->names, "Only these (default: all; `shmcheck list faults` names them)");
  command->add_option("--seed", words->hunt.first_seed, "The first seed")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seeds", words->hunt.seeds, "So many seeds, one after the other")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--ops", words->hunt.ops, "Give a fault up after so many judged ops")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--length", words->length, "Enumerate programs of up to so many ops; 0: none")
      ->type_name("N")
      ->check(CLI::Range(0U, Enumeration::kLongest))
      ->capture_default_str();
  command->add_option("--json", words->json, "Write the whole result there")->type_name("FILE");
  command->add_option("--svg", words->svg, "Write a plot there: faults caught over ops")->type_name("FILE");
  command->callback([&chosen, words] { chosen = [words] { return hunt_faults(*words); }; });
}

}  // namespace shmcheck::harness
