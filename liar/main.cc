// liar: shows that the conformance tests can fail, by lying to each of them about what the kernel did.

#include <fnmatch.h>
#include <stdio.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "liar/campaign.h"
#include "liar/report.h"

namespace {

using namespace shmcheck::liar;

constexpr int kFine = 0, kSurvivors = 1, kUsage = 2, kCouldNotRun = 125;

struct Options {
  std::string binary, ext4, filter = "*", broken, survivors, json, list;
  bool search = false, update = false, verbose = false, lies = false;
  double budget = 0;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  unsigned seed = 0;
  int most = 400;
};

int usage_error(const std::string& sentence) {
  fprintf(stderr, "liar: %s\n", sentence.c_str());
  return kUsage;
}

bool selected(const std::string& test, const std::string& filter) {
  std::istringstream patterns(filter);
  for (std::string pattern; std::getline(patterns, pattern, ':');) {
    if (fnmatch(pattern.c_str(), test.c_str(), 0) == 0) return true;
  }
  return false;
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) fprintf(stderr, "liar: %s: cannot be written\n", path.c_str());
  return static_cast<bool>(out);
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--binary", options.binary, "The conformance binary")->required();
  app.add_option("--dir-ext4", options.ext4, "A directory on ext4, for the tests that need one");
  app.add_option("--filter", options.filter, "Only the tests whose names match: GLOB[:GLOB]…");
  app.add_option("--broken", options.broken, "The list of lies that are known to break the tests");
  app.add_option("--survivors", options.survivors, "The list of tests that no lie breaks, with the reasons");
  app.add_option("--json", options.json, "Write what was found out to this file");
  app.add_option("--list", options.list, "Write test, clauses and lie, separated by tabs, to this file");
  app.add_option("--budget", options.budget, "Begin no test after so many seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--jobs", options.jobs, "How many tests to lie to at once")->check(CLI::Range(1U, 64U));
  app.add_option("--most", options.most, "How many lies to tell a test before it counts as a survivor")
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "Of the order of the tests");
  app.add_flag("--search", options.search, "Do not begin with the lies that are known");
  app.add_flag("--update", options.update, "Write the list of --broken anew");
  app.add_flag("--verbose", options.verbose, "A line per test");
  app.add_flag("--lies", options.lies, "Print the table of lies and leave");
  app.footer(
      "exit code: 0 every test was broken or is listed, 1 a test survived that is not listed, 2 usage,\n"
      "           125 nothing could be run");
}

void print_lies() {
  for (const Lie& lie : lies())
    printf("%-8s %s\n", std::string(to_string(lie.when)).c_str(), lie.name.c_str());
}

void print_judged(const Judged& judged) {
  static constexpr const char* kStates[] = {"broken", "survived", "skipped", "failing", "unjudged"};
  printf("%-9s %s: %s (%d)  %s\n", kStates[static_cast<int>(judged.state)], judged.test.c_str(),
         judged.lie.c_str(), judged.tried, judged.message.c_str());
  fflush(stdout);
}

// The tests to judge. Empty on success, else a sentence.
std::string choose_tests(const Options& options, std::vector<std::string>& tests, bool& all) {
  std::vector<Listed> listed;
  std::string wrong = list_tests(options.binary, listed);
  if (!wrong.empty()) return wrong;
  for (const Listed& each : listed) {
    if (selected(each.test, options.filter)) tests.push_back(each.test);
  }
  all = tests.size() == listed.size();
  return {};
}

int conclude(const Options& options, const Report& report, BrokenBy known) {
  const std::string wrong = complaints(report);
  printf("%s%s", table(report).c_str(), wrong.c_str());
  const BrokenBy found = broken_by(report.judged);
  bool written = options.json.empty() || write_file(options.json, to_json(report));
  if (!options.list.empty()) {
    const std::string trouble = write_broken(options.list, found);
    if (!trouble.empty()) fprintf(stderr, "liar: %s\n", trouble.c_str());
    written = written && trouble.empty();
  }
  if (options.update) {
    for (const Judged& judged : report.judged) {
      if (judged.state == Judged::State::survived) known.erase(judged.test);
    }
    for (const auto& [test, by] : found) known[test] = by;
    const std::string trouble = write_broken(options.broken, known);
    if (!trouble.empty()) return usage_error(trouble);
  }
  if (!written) return kUsage;
  return wrong.empty() ? kFine : kSurvivors;
}

int run(const Options& options) {
  Report report;
  BrokenBy known;
  std::string wrong;
  const bool fresh = options.update && access(options.broken.c_str(), F_OK) != 0;
  if (!options.broken.empty() && !fresh) wrong = read_broken(options.broken, known);
  if (wrong.empty() && !options.survivors.empty())
    wrong = read_survivors(options.survivors, report.survivors);
  if (!wrong.empty()) return usage_error(wrong);
  Campaign campaign;
  bool all = false;
  wrong = choose_tests(options, campaign.tests, all);
  if (!wrong.empty()) {
    fprintf(stderr, "liar: %s\n", wrong.c_str());
    return kCouldNotRun;
  }
  if (campaign.tests.empty()) return usage_error("no test has a name that matches " + options.filter);
  campaign.binary.path = options.binary;
  if (!options.ext4.empty()) campaign.binary.arguments.push_back("--dir-ext4=" + options.ext4);
  if (!options.search) {
    campaign.known = &known;
    campaign.listed = &report.survivors;
  }
  campaign.most_lies = options.most;
  if (options.budget > 0) campaign.budget_seconds = options.budget;
  campaign.jobs = options.jobs;
  campaign.seed = options.seed;
  if (options.verbose) campaign.seen = print_judged;
  CampaignResult result = run_campaign(campaign);
  if (!result.problem.empty()) {
    fprintf(stderr, "liar: %s\n", result.problem.c_str());
    return kCouldNotRun;
  }
  report.judged = std::move(result.judged);
  report.complete = all && options.budget <= 0;
  return conclude(options, report, std::move(known));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"liar lies to every conformance test about what the kernel did, until one lie makes it fail."};
  Options options;
  add_options(app, options);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--lies") return print_lies(), kFine;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kUsage;
  }
  if (options.update && options.broken.empty()) return usage_error("--update needs --broken");
  return run(options);
}
