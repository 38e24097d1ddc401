// Expectations: the known failures of one target, from ci/expectations/<target>.toml.
//
//   [[expect]]
//   clause  = "madvise.dontfork"          # or program = "fork/…", or test = "Suite.Name/tmpfs", or
//                                         # op = "madvise advice=dontfork": in no random program then
//   status  = "fail"                      # fail, flake, skip or crash
//   when    = { kernel = ">=6.1 <6.2", arch = "x86_64", fs = "tmpfs", page = 4096 }   # may be absent
//   reason  = "…"
//   bug     = "https://…"
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/clauses.h"
#include "harness/result.h"
#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::harness {

enum class Expected : std::uint8_t { fail, flake, skip, crash };

struct Expectation {
  std::string file;
  unsigned line = 0;
  std::optional<clauses::Clause> clause;
  std::string program;                 // empty: any
  std::string test;                    // empty: any
  std::optional<program::OpCode> op;   // of random programs; only with status skip
  std::vector<std::string> arguments;  // that the op is written with
  Expected status = Expected::fail;
  std::uint32_t kernel_low = 0, kernel_high = UINT32_MAX;  // release in [low, high)
  std::string arch, fs;                                    // empty: any
  std::uint32_t page = 0;                                  // 0: any
  std::string reason, bug;

  std::string where() const;  // "ci/expectations/uml.toml:12"
  // Whether its condition holds on a target with these facts.
  bool applies(const program::Facts& facts) const;
  // Whether it is about this op of a random program.
  bool matches(const program::Op& op) const;
};

class Expectations {
 public:
  // Adds a file's expectations. Empty on success, else sentences that begin with FILE:LINE.
  std::string add_text(std::string_view file, std::string_view text);
  std::string add_file(const std::string& path);

  // The one that foresees this finding, or null. `facts` are those of the finding's file system.
  const Expectation* find(const Finding& finding, const program::Facts& facts) const;
  // The program or test is not to be run at all, or null.
  const Expectation* skips(std::string_view subject, const program::Facts& facts) const;
  // The clauses that are known to fail here; the generator avoids them in half of its programs.
  std::vector<clauses::Clause> known_clauses(std::span<const program::Facts> facts) const;
  std::span<const Expectation> all() const { return all_; }

 private:
  std::vector<Expectation> all_;
};

// Expectations of `fail` or `crash` that this run proved wrong: what they name was tested, on a file system
// for which they hold, and everything passed.
struct UnexpectedPass {
  const Expectation* expectation;
  std::string sentence;  // says which line to delete
};
std::vector<UnexpectedPass> unexpected_passes(const Expectations& expectations, const Result& result,
                                              std::span<const std::string> passed_subjects);

}  // namespace shmcheck::harness
