// Hand-made traces, right and wrong, with the exact findings that the judge must report:
// model/goldens/*.trace. The comment of a golden says what it shows, the profile, and one line `finding …`
// for each finding.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/judge.h"
#include "program/text.h"

namespace shmcheck::model {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> goldens() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDENS)) {
    if (entry.path().extension() == ".trace") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

struct Expected {
  Profile profile = Profile::exact;
  std::string findings;
};

Expected expected_of(const std::string& comment) {
  Expected e;
  std::istringstream lines(comment);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("finding ")) e.findings += line.substr(8) + "\n";
    for (Profile p : {Profile::posix, Profile::linux, Profile::defacto, Profile::exact}) {
      if (line == fmt::format("profile {}", to_string(p))) e.profile = p;
    }
  }
  return e;
}

std::string findings_of(const TraceVerdict& verdict) {
  std::string text = verdict.unjudged_reason;
  for (const Finding& f : verdict.findings) {
    text += fmt::format("{}{}\n", to_text(f), f.consequence ? " (consequence)" : "");
  }
  return text;
}

class Golden : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Golden, IsJudgedAsItSays) {
  std::string text = read(GetParam());
  auto parsed = program::parse_trace(text, GetParam().filename().string());
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) FAIL() << error->to_string();
  Expected expected = expected_of(program::leading_comment(text));
  TraceVerdict verdict = judge_trace(std::get<program::Trace>(parsed), expected.profile);
  EXPECT_EQ(findings_of(verdict), expected.findings);
}

INSTANTIATE_TEST_SUITE_P(Model, Golden, testing::ValuesIn(goldens()),
                         [](const auto& param) { return param.param.stem().string(); });

}  // namespace
}  // namespace shmcheck::model
