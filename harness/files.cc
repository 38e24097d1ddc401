#include "harness/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "harness/fd.h"
#include "harness/report.h"
#include "program/reproducer.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

std::string stem_of(const Finding& finding, std::size_t number) {
  std::string stem =
      fmt::format("{:03}-{}-{}", number, to_string(finding.outcome),
                  finding.clause == clauses::Clause::none ? finding.subject
                                                          : std::string(clauses::info(finding.clause).id));
  for (char& c : stem) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  return stem;
}

// The head of a program's file: what it shows and how to see it.
std::string comment(const Finding& finding, const Result& result) {
  std::string text = brief(finding) + "\n";
  if (!finding.allowed.empty()) text += fmt::format("allowed: {}\nseen: {}\n", finding.allowed, finding.seen);
  if (!finding.sentence.empty()) text += finding.sentence + "\n";
  if (finding.seed) text += fmt::format("seed: {}\n", *finding.seed);
  text += fmt::format("target: {}, profile {}\n", result.target, model::to_string(result.profile));
  return program::comment_block(text);
}

std::string reproducer(const Finding& finding) {
  const clauses::Info& info = clauses::info(finding.clause);
  return program::c_reproducer(
      finding.program, finding.trace, finding.step,
      {std::string(info.id), std::string(info.statement), finding.allowed, finding.seen});
}

}  // namespace

std::string write_file(const std::string& path, std::string_view content) {
  const std::string unfinished = path + ".part";
  const auto trouble = [&](std::string_view what) {
    const int why = errno;
    ::unlink(unfinished.c_str());
    return fmt::format("cannot {} {}: {}", what, path, std::strerror(why));
  };
  Fd fd(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fmt::format("cannot create {}: {}", path, std::strerror(errno));
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return trouble("write");
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return trouble("rename to");
  return {};
}

std::string prepare_directory(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return fmt::format("cannot make the directory {}: {}", dir, error.message());
  const std::string probe = dir + "/.shmcheck";
  // As large as what is to be written there: a full file system still creates empty files.
  const std::string sentence = write_file(probe, std::string(16 * 1024, '\n'));
  ::unlink(probe.c_str());
  return sentence.empty() ? "" : fmt::format("the directory {} cannot be used: {}", dir, sentence);
}

std::string write_files(Finding& finding, const Options& options, const Result& result) {
  const std::string stem =
      fmt::format("{}/{}{}", options.dir, options.file_prefix, stem_of(finding, result.findings.size() + 1));
  struct File {
    std::string path, content;
  };
  std::vector<File> files;
  if (!finding.program.ops.empty()) {
    files.push_back({stem + ".prog", comment(finding, result) + program::to_text(finding.program)});
    if (!finding.trace.steps.empty()) files.push_back({stem + ".trace", program::to_text(finding.trace)});
    if (finding.step < finding.trace.steps.size()) files.push_back({stem + ".c", reproducer(finding)});
  } else {
    files.push_back({stem + ".txt", describe(finding)});
  }
  for (const File& file : files) {
    const std::string sentence = write_file(file.path, file.content);
    if (!sentence.empty()) return sentence;
    finding.files.push_back(file.path);
  }
  return {};
}

}  // namespace shmcheck::harness
