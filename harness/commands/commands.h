// The commands behind `shmcheck`: each adds itself to the parser, and gives the exit code when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace shmcheck::harness {

using Action = std::function<int()>;

// Each sets `chosen` when the user names its command.
void add_claims(CLI::App& app, Action& chosen);
void add_check(CLI::App& app, Action& chosen);
void add_run(CLI::App& app, Action& chosen);
void add_judge(CLI::App& app, Action& chosen);
void add_random(CLI::App& app, Action& chosen);
void add_enumerate(CLI::App& app, Action& chosen);
void add_shrink(CLI::App& app, Action& chosen);
void add_perturb(CLI::App& app, Action& chosen);
void add_faults(CLI::App& app, Action& chosen);
void add_list(CLI::App& app, Action& chosen);

}  // namespace shmcheck::harness
