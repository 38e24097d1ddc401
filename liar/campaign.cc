#include "liar/campaign.h"

#include <stdio.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>

#include "liar/plan.h"

namespace shmcheck::liar {
namespace {

using Clock = std::chrono::steady_clock;
using State = Judged::State;

constexpr size_t kBlock = 96;       // tests that share the start of the binary
constexpr size_t kMostAtOnce = 32;  // lies for a test within one start of the binary
constexpr int kMostFailedStarts = 3;

// A test on its way through the lies.
struct Course {
  Judged judged{};
  std::vector<Planned> lies{};
  size_t next = 0;
  long limit_ms = 0;
  bool open = false;
  bool filtered = true;  // it passes under a seccomp filter
};

// One block of tests: recorded, then lied to until each is broken or out of lies.
class Block {
 public:
  Block(const Campaign& campaign, std::vector<std::string> tests) : campaign_(campaign) {
    for (std::string& test : tests) courses_.push_back(Course{.judged = {.test = std::move(test)}});
  }
  // Gives back what could not be run at all.
  std::string run();
  std::vector<Judged> take() {
    std::vector<Judged> all;
    for (Course& course : courses_) all.push_back(std::move(course.judged));
    return all;
  }

 private:
  void recall();
  std::string record(const std::vector<Course*>& courses, bool filtered);
  Binary binary(bool filtered) const {
    Binary binary = campaign_.binary;
    binary.filtered = filtered;
    return binary;
  }
  void begin(Course& course, const Run& run);
  void tell(size_t at_once, bool filtered);
  void take(Course& course, std::vector<Run>& runs, size_t told);
  bool any_open() const {
    return std::any_of(courses_.begin(), courses_.end(), [](const Course& c) { return c.open; });
  }

  const Campaign& campaign_;
  std::vector<Course> courses_;
  std::string problem_;
  int failed_starts_ = 0;
};

// What broke a test last time breaks it again, as a rule. Only the others are run without a lie.
void Block::recall() {
  std::map<std::string, Planned> known;
  std::vector<Task> tasks;
  for (const Course& course : courses_) {
    const std::string& test = course.judged.test;
    const auto entry = campaign_.known->find(test);
    if (entry == campaign_.known->end()) continue;
    const auto planned = recall_planned(entry->second.lie, {});
    if (!planned) continue;
    known.emplace(test, *planned);
    tasks.push_back({.test = test, .choices = {planned->choice}, .limit_ms = 3000});
  }
  if (tasks.empty()) return;
  Outcome outcome = run_tasks(binary(true), tasks);
  for (Course& course : courses_) {
    const auto& runs = outcome.runs[course.judged.test];
    if (runs.empty() || runs.front().told == 0 || runs.front().verdict.kind != Verdict::Kind::broken)
      continue;
    const Verdict& verdict = runs.front().verdict;
    const std::string& lie = known.at(course.judged.test).name;
    course.judged = {.state = State::broken,
                     .test = verdict.test,
                     .clauses = verdict.clauses,
                     .about = recall_planned(lie, verdict.clauses)->about,
                     .lie = lie,
                     .message = verdict.message,
                     .tried = 1};
  }
}

std::string Block::record(const std::vector<Course*>& courses, bool filtered) {
  std::vector<Task> tasks;
  for (const Course* course : courses)
    tasks.push_back({.test = course->judged.test, .choices = {}, .limit_ms = 60'000});
  Outcome outcome = run_tasks(binary(filtered), tasks);
  for (Course* course : courses) {
    const auto& runs = outcome.runs[course->judged.test];
    course->filtered = filtered;
    if (!runs.empty()) begin(*course, runs.front());
  }
  return outcome.problem;
}

void Block::begin(Course& course, const Run& run) {
  Judged& judged = course.judged;
  judged.clauses = run.verdict.clauses;
  judged.message = run.verdict.message;
  if (run.verdict.kind == Verdict::Kind::skipped)
    judged.state = State::skipped;
  else if (run.verdict.kind != Verdict::Kind::passed)
    judged.state = State::failing;
  else {
    judged.state = State::survived;
    judged.message.clear();
    if (campaign_.listed != nullptr && find_survivor(*campaign_.listed, judged.test) != nullptr) return;
    course.lies = plan(run.recording, judged.clauses);
    course.limit_ms = 800 + 4 * run.verdict.ms;
    course.open = true;
    if (campaign_.known == nullptr) return;
    const auto known = campaign_.known->find(judged.test);
    if (known == campaign_.known->end()) return;
    if (auto first = find_planned(known->second.lie, run.recording, judged.clauses))
      course.lies.insert(course.lies.begin(), std::move(*first));
  }
}

void Block::take(Course& course, std::vector<Run>& runs, size_t told) {
  Judged& judged = course.judged;
  for (size_t i = 0; i < std::min(runs.size(), told); ++i) {
    const Run& run = runs[i];
    const Planned& planned = course.lies[course.next + i];
    ++judged.tried;
    if (run.told == 0) continue;  // nor does a failure without a lie count
    if (run.verdict.kind == Verdict::Kind::stage) judged.stage = true;
    if (run.verdict.kind != Verdict::Kind::broken) continue;
    judged.state = State::broken;
    judged.about = planned.about;
    judged.lie = planned.name;
    judged.message = run.verdict.message;
    course.open = false;
    return;
  }
  course.next += told;
  course.open = course.next < course.lies.size() && judged.tried < campaign_.most_lies;
}

void Block::tell(size_t at_once, bool filtered) {
  std::vector<Task> tasks;
  for (const Course& course : courses_) {
    if (!course.open || course.filtered != filtered) continue;
    Task task{.test = course.judged.test, .choices = {}, .limit_ms = course.limit_ms};
    for (size_t i = course.next; i < std::min(course.next + at_once, course.lies.size()); ++i)
      task.choices.push_back(course.lies[i].choice);
    tasks.push_back(std::move(task));
  }
  if (tasks.empty()) return;
  Outcome outcome = run_tasks(binary(filtered), tasks);
  if (!outcome.problem.empty() && ++failed_starts_ > kMostFailedStarts) {
    problem_ = outcome.problem;
    for (Course& course : courses_) course.open = false;
    return;
  }
  for (Course& course : courses_) {
    auto& runs = outcome.runs[course.judged.test];
    // What a start that failed did not come to is told again.
    if (!course.open || course.filtered != filtered || (runs.empty() && !outcome.problem.empty())) continue;
    take(course, runs, std::min(at_once, course.lies.size() - course.next));
  }
}

std::string Block::run() {
  if (campaign_.known != nullptr) recall();
  std::vector<Course*> all;
  for (Course& course : courses_) {
    if (course.judged.state == State::unjudged) all.push_back(&course);
  }
  std::string problem;
  for (int attempt = 0; attempt < kMostFailedStarts && !all.empty(); ++attempt) {
    // What failed without a lie gets another chance: it may use seccomp itself, or the machine may be busy.
    problem = record(all, attempt != 1);
    std::erase_if(all, [](const Course* course) {
      return course->judged.state != State::failing && course->judged.state != State::unjudged;
    });
  }
  if (all.size() == courses_.size() && !problem.empty()) return problem;
  for (size_t at_once = 1; any_open(); at_once = std::min(2 * at_once, kMostAtOnce)) {
    tell(at_once, true);
    tell(at_once, false);
  }
  return problem_;
}

std::vector<std::vector<std::string>> blocks_of(const Campaign& campaign) {
  std::vector<std::string> order = campaign.tests;
  std::shuffle(order.begin(), order.end(), std::mt19937(campaign.seed));
  std::vector<std::vector<std::string>> blocks;
  for (size_t at = 0; at < order.size(); at += kBlock) {
    const size_t end = std::min(at + kBlock, order.size());
    blocks.emplace_back(order.begin() + static_cast<long>(at), order.begin() + static_cast<long>(end));
  }
  return blocks;
}

}  // namespace

CampaignResult run_campaign(const Campaign& campaign) {
  const auto begin = Clock::now();
  std::vector<std::vector<std::string>> blocks = blocks_of(campaign);
  CampaignResult result;
  std::map<std::string, Judged> by_name;
  std::mutex lock;
  size_t next = 0;
  const auto work = [&] {
    for (;;) {
      std::vector<std::string> tests;
      {
        const std::lock_guard hold(lock);
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        const bool over = campaign.budget_seconds && seconds > *campaign.budget_seconds;
        if (next == blocks.size() || over || !result.problem.empty()) return;
        tests = std::move(blocks[next++]);
      }
      Block block(campaign, std::move(tests));
      const std::string problem = block.run();
      const std::lock_guard hold(lock);
      if (!problem.empty()) result.problem = problem;
      for (Judged& judged : block.take()) {
        if (campaign.seen) campaign.seen(judged);
        by_name[judged.test] = std::move(judged);
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned job = 1; job < campaign.jobs; ++job) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const std::string& test : campaign.tests) {
    Judged& judged = by_name[test];
    judged.test = test;
    result.judged.push_back(std::move(judged));
  }
  return result;
}

std::string list_tests(const std::string& binary, std::vector<Listed>& tests) {
  FILE* const pipe = popen(("exec '" + binary + "' --list-clauses").c_str(), "re");
  if (pipe == nullptr) return "cannot start " + binary;
  std::string text;
  char chunk[4096];
  for (size_t count = fread(chunk, 1, sizeof chunk, pipe); count > 0;
       count = fread(chunk, 1, sizeof chunk, pipe))
    text.append(chunk, count);
  if (pclose(pipe) != 0) return binary + " --list-clauses fails";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) return binary + " --list-clauses: a line is not understood: " + line;
    tests.push_back({line.substr(0, tab), line.substr(tab + 1, line.find('\t', tab + 1) - tab - 1)});
    at = end + 1;
  }
  return tests.empty() ? binary + " --list-clauses lists no test" : "";
}

}  // namespace shmcheck::liar
