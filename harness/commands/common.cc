#include "harness/commands/common.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "harness/embedded.h"
#include "harness/files.h"
#include "harness/report.h"
#include "harness/result_json.h"
#include "harness/suggest.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

constexpr std::string_view kCheckParts[] = {"corpus", "conformance", "random"};

std::string check_words(std::string_view option, const std::vector<std::string>& words,
                        std::span<const std::string_view> known) {
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      return fmt::format("{}: there is no '{}'{}", option, word, did_you_mean(word, known));
    }
  }
  return {};
}

std::string parse_seed(const std::string& text, std::uint64_t& seed) {
  if (text.empty()) {
    seed = std::random_device{}();
    return {};
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? "" : fmt::format("--seed takes a number below 2^64, not '{}'", text);
}

// The file that the user names, or the one that was built in for this kind of target.
std::string load_expectations(const CommonWords& words, Options& options) {
  if (words.expect == "none") return {};
  if (!words.expect.empty()) return options.expectations.add_file(words.expect);
  const std::string name = options.target.lane() + ".toml";
  for (const ArchiveFile& file : embedded_expectations()) {
    const std::string_view stem = file.name.substr(file.name.rfind('/') + 1);
    if (stem != name) continue;
    const std::string_view text(reinterpret_cast<const char*>(file.content.data()), file.content.size());
    return options.expectations.add_text("ci/expectations/" + name, text);
  }
  return {};
}

std::string prepare_files(const CommonWords& words, Options& options) {
  options.json = words.json;
  options.dir = words.dir;
  if (!options.dir.empty()) {
    const std::string sentence = prepare_directory(options.dir);
    if (!sentence.empty()) return sentence;
  }
  // Found out now, not after the run.
  if (options.json.empty()) return {};
  const std::string probe = options.json + ".probe";
  const std::string sentence = write_file(probe, "{}\n");
  ::unlink(probe.c_str());
  return sentence.empty() ? "" : "--json: " + sentence;
}

}  // namespace

void add_machine_options(CLI::App& command, CommonWords& words) {
  command
      .add_option("--target", words.target,
                  "What is tested: kernel, model, model+FAULT, uml, uml:IMAGE or cmd:COMMAND "
                  "(`shmcheck list targets` explains them)")
      ->type_name("T")
      ->capture_default_str();
  command
      .add_option("--boot-arg", words.boot_args,
                  "Appended to the command line of a guest kernel; may be repeated")
      ->type_name("K=V")
      ->allow_extra_args(false);
  command
      .add_option("--fs", words.fs,
                  "Run programs on these file systems only: tmpfs, ext4, ext4_1k, xfs, btrfs, overlay "
                  "(default: tmpfs and "
                  "ext4, where the target has them)")
      ->type_name("FS,…")
      ->delimiter(',')
      ->allow_extra_args(false);
}

void add_target_options(CLI::App& command, CommonWords& words) {
  add_machine_options(command, words);
  command
      .add_option("--profile", words.profile,
                  "How strictly: posix, linux, defacto or exact (default: exact; linux for cmd: targets)")
      ->type_name("P");
}

void add_run_options(CLI::App& command, CommonWords& words, std::string_view default_time) {
  words.time = default_time;
  command.add_option("--time", words.time, "Bounds everything, boot included: 45s, 500ms, 10m")
      ->type_name("T")
      ->capture_default_str();
  command
      .add_option("--seed", words.seed, "Seed of the random programs (default: a new one, which is printed)")
      ->type_name("N");
  command
      .add_option("--expect", words.expect,
                  "Known failures of the target, or `none` (default: those built in for this kind of target)")
      ->type_name("FILE|none");
  command.add_option("--baseline", words.baseline, "A result of --json: only what is not in it fails")
      ->type_name("RESULT.json");
  command.add_flag("--first", words.first, "Stop at the first finding that counts");
  command.add_flag("--strict", words.strict, "An unexpected pass fails for an image given by path as well");
  command.add_option("--json", words.json, "Write the whole result there")->type_name("FILE");
  command.add_option("--dir", words.dir, "Write the programs and traces of findings there")->type_name("DIR");
}

std::string make_options(const CommonWords& words, Options& options) {
  std::string sentence = parse_target(words.target, words.boot_args, options.target);
  if (sentence.empty() && !words.time.empty()) sentence = parse_time(words.time, options.time);
  if (sentence.empty()) sentence = parse_seed(words.seed, options.seed);
  if (sentence.empty() && !words.profile.empty()) {
    model::Profile profile{};
    sentence = parse_profile(words.profile, profile);
    options.profile = profile;
  }
  if (sentence.empty()) sentence = check_words("--fs", words.fs, program::place_names());
  if (sentence.empty()) sentence = check_words("--part", words.parts, kCheckParts);
  if (sentence.empty() && (words.processes < 1 || words.processes > 64))
    sentence = "--processes takes 1 to 64";
  if (sentence.empty()) sentence = load_expectations(words, options);
  if (sentence.empty() && !words.baseline.empty()) {
    options.has_baseline = true;
    sentence = read_baseline(words.baseline, options.baseline);
  }
  options.fs = words.fs;
  for (const std::string& name : words.fs) {
    std::vector<std::string>& disks = options.target.disks;
    const bool beside = name != "tmpfs" && name != "other" && std::ranges::find(disks, name) == disks.end();
    if (beside) disks.push_back(name);
  }
  options.parts = words.parts;
  options.tests = words.tests;
  options.processes = words.processes;
  options.first = words.first;
  options.strict = words.strict;
  return sentence.empty() ? prepare_files(words, options) : sentence;
}

int usage_error(std::string_view sentence) {
  while (sentence.ends_with('\n')) sentence.remove_suffix(1);
  std::cerr << fmt::format("shmcheck: {}\n", sentence);
  return kUsage;
}

int conclude(Run& run) {
  run.finish();
  run.close();
  Result& result = run.result();
  std::string trouble;
  if (!run.options().json.empty()) trouble = write_file(run.options().json, to_json(result));
  if (!trouble.empty()) result.warnings.push_back("the result could not be written: " + trouble);
  run.output().line(summary(result));
  return result.exit_code();
}

std::string read_text(const std::string& path, std::string& text) {
  std::ostringstream out;
  if (path == "-") {
    out << std::cin.rdbuf();
  } else {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fmt::format("cannot open {}: {}", path, std::strerror(errno));
    out << in.rdbuf();
    if (in.bad() || (in.fail() && !in.eof())) return fmt::format("cannot read {}", path);
  }
  text = out.str();
  return {};
}

std::string read_program(const std::string& path, program::Program& program) {
  std::string text;
  const std::string sentence = read_text(path, text);
  if (!sentence.empty()) return sentence;
  auto parsed = program::parse_program(text, path == "-" ? "standard input" : path);
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) return error->to_string();
  program = std::get<program::Program>(std::move(parsed));
  return program.ops.empty() ? fmt::format("{}: the program has no operations", path) : "";
}

}  // namespace shmcheck::harness
