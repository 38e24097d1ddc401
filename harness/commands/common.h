// Options that several commands share, and what they do before and after their work.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/options.h"
#include "harness/parts.h"

namespace shmcheck::harness {

inline constexpr int kUsage = 2;

// The words of the command line, as they were given.
struct CommonWords {
  std::string target = "kernel";
  std::vector<std::string> boot_args;
  std::string time;
  std::string seed;
  std::string profile;
  std::string expect;
  std::string baseline;
  std::string json;
  std::string dir;
  std::vector<std::string> fs;
  std::vector<std::string> parts;
  std::string tests;
  int processes = 1;
  bool first = false;
  bool strict = false;
};

// --target, --boot-arg, --fs
void add_machine_options(CLI::App& command, CommonWords& words);
// The same and --profile.
void add_target_options(CLI::App& command, CommonWords& words);
// --time, --json, --dir, --expect, --baseline, --first, --strict, --profile, --seed
void add_run_options(CLI::App& command, CommonWords& words, std::string_view default_time);

// Makes options of the words. Empty on success, else sentences for a usage error.
std::string make_options(const CommonWords& words, Options& options);

// Prints a usage error and gives its exit code.
int usage_error(std::string_view sentence);

// Prints the summary, writes the JSON file, and gives the exit code.
int conclude(Run& run);

// Reads a program; `-` is standard input. Empty on success, else a sentence with file, line and column.
std::string read_program(const std::string& path, program::Program& program);
// Reads a whole file; `-` is standard input.
std::string read_text(const std::string& path, std::string& text);

}  // namespace shmcheck::harness
