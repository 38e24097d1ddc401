// `shmcheck list`: what there is to name.

#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "clauses/clauses.h"
#include "harness/commands/commands.h"
#include "harness/coverage.h"
#include "harness/target.h"
#include "model/faults.h"
#include "program/op.h"

namespace shmcheck::harness {
namespace {

int list_clauses() {
  for (const clauses::Info& info : clauses::all()) {
    std::cout << fmt::format("{:<44} {:<8} {}\n", info.id, clauses::name(info.strength), info.statement);
  }
  return 0;
}

int list_coverage() {
  auto coverage = std::make_unique<Coverage>();
  const std::string sentence = measure_coverage(*coverage);
  if (!sentence.empty()) {
    std::cerr << fmt::format("shmcheck: {}\n", sentence);
    return 1;
  }
  std::cout << coverage_table(*coverage);
  return 0;
}

std::string argument_text(const program::Arg& argument) {
  const std::string name = argument.label.empty() ? std::string("VALUE") : fmt::format("{}=", argument.label);
  return argument.required ? name : fmt::format("[{}]", name);
}

int list_ops() {
  for (std::uint8_t i = 0; i < program::kOpCodes; ++i) {
    const program::OpSpec& spec = program::spec(static_cast<program::OpCode>(i));
    std::string arguments;
    for (const program::Arg& argument : spec.args) arguments += " " + argument_text(argument);
    std::cout << fmt::format("{:<12} {}\n{:<12}  {}\n", spec.name, spec.help, "", arguments);
  }
  return 0;
}

int list_faults() {
  for (const model::Fault& fault : model::faults())
    std::cout << fmt::format("{:<36} {}\n", fault.name, fault.description);
  return 0;
}

int list_targets() {
  for (const TargetHelp& help : target_forms()) std::cout << fmt::format("{:<14} {}\n", help.form, help.what);
  return 0;
}

struct Listing {
  const char* name;
  const char* help;
  int (*print)();
};
constexpr Listing kListings[] = {
    {"clauses", "Every clause with its strength and statement", list_clauses},
    {"ops", "Every operation of programs with its arguments", list_ops},
    {"faults", "The planted bugs of --target model+FAULT", list_faults},
    {"targets", "The forms of --target", list_targets},
};

}  // namespace

void add_list(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("list", "List clauses, ops, faults or targets");
  command->require_subcommand(1);
  for (const Listing& listing : kListings) {
    CLI::App* list = command->add_subcommand(listing.name, listing.help);
    auto coverage = std::make_shared<bool>(false);
    if (listing.print == list_clauses)
      list->add_flag("--coverage", *coverage, "What checks each of them: tests, rules, programs, faults");
    list->callback([&chosen, print = listing.print, coverage] {
      chosen = [print, coverage] {
        const int code = *coverage ? list_coverage() : print();
        std::cout.flush();
        return std::cout ? code : 1;
      };
    });
  }
}

}  // namespace shmcheck::harness
