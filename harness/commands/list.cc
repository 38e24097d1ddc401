// `shmcheck list`: what there is to name.

#include <fmt/format.h>

#include <iostream>

#include "clauses/clauses.h"
#include "harness/commands/commands.h"
#include "harness/target.h"
#include "model/faults.h"
#include "program/op.h"

namespace shmcheck::harness {
namespace {

void list_clauses() {
  for (const clauses::Info& info : clauses::all()) {
    std::cout << fmt::format("{:<44} {:<8} {}\n", info.id, clauses::name(info.strength), info.statement);
  }
}

std::string argument_text(const program::Arg& argument) {
  const std::string name = argument.label.empty() ? std::string("VALUE") : fmt::format("{}=", argument.label);
  return argument.required ? name : fmt::format("[{}]", name);
}

void list_ops() {
  for (std::uint8_t i = 0; i < program::kOpCodes; ++i) {
    const program::OpSpec& spec = program::spec(static_cast<program::OpCode>(i));
    std::string arguments;
    for (const program::Arg& argument : spec.args) arguments += " " + argument_text(argument);
    std::cout << fmt::format("{:<12} {}\n{:<12}  {}\n", spec.name, spec.help, "", arguments);
  }
}

void list_faults() {
  for (const model::Fault& fault : model::faults())
    std::cout << fmt::format("{:<36} {}\n", fault.name, fault.description);
}

void list_targets() {
  for (const TargetHelp& help : target_forms()) std::cout << fmt::format("{:<14} {}\n", help.form, help.what);
}

struct Listing {
  const char* name;
  const char* help;
  void (*print)();
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
    command->add_subcommand(listing.name, listing.help)->callback([&chosen, print = listing.print] {
      chosen = [print] {
        print();
        std::cout.flush();
        return std::cout ? 0 : 1;
      };
    });
  }
}

}  // namespace shmcheck::harness
