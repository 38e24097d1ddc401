#include "harness/perturb/reviewed.h"

#include <fmt/format.h>

#include <sstream>
#include <stdexcept>

namespace shmcheck::harness {
namespace {

constexpr const char* kReviewed =
#include "harness/perturb/reviewed.inc"
    ;

std::string_view op_name(program::OpCode op) {
  return op == program::OpCode::end ? "end" : program::spec(op).name;
}

[[noreturn]] void bad_word(const std::string& line, const std::string& word) {
  throw std::logic_error(fmt::format("reviewed.inc: '{}' in '{}' is not known", word, line));
}

std::string_view field_of(const std::string& line, const std::string& word) {
  for (const Perturbation& lie : perturbations()) {
    if (lie.field == word) return lie.field;
  }
  bad_word(line, word);
}

std::vector<program::OpCode> every_op() {
  std::vector<program::OpCode> ops;
  for (unsigned i = 0; i <= program::kOpCodes; ++i) ops.push_back(static_cast<program::OpCode>(i));
  return ops;
}

std::vector<program::OpCode> ops_of(const std::string& line, const std::string& words) {
  if (words == "any") return every_op();
  std::vector<program::OpCode> ops;
  std::istringstream each(words);
  for (std::string word; std::getline(each, word, ',');) {
    const std::size_t before = ops.size();
    for (const program::OpCode op : every_op()) {
      if (op_name(op) == word) ops.push_back(op);
    }
    if (ops.size() == before) bad_word(line, word);
  }
  return ops;
}

model::Freedom freedom_of(const std::string& line, const std::string& word) {
  for (std::size_t i = 0; i < model::kFreedoms; ++i) {
    if (to_string(static_cast<model::Freedom>(i)) == word) return static_cast<model::Freedom>(i);
  }
  bad_word(line, word);
}

unsigned profile_bit(const std::string& line, const std::string& word) {
  for (std::size_t i = 0; i < kProfiles.size(); ++i) {
    if (to_string(kProfiles[i]) == word) return 1U << i;
  }
  bad_word(line, word);
}

void read_line(const std::string& line, std::map<Grant, unsigned>& table) {
  std::istringstream words(line.substr(0, line.find('#')));
  std::string field, ops, freedom, profile;
  if (!(words >> field)) return;
  words >> ops >> freedom;
  if (freedom.empty() || freedom.back() != ':') bad_word(line, freedom);
  freedom.pop_back();
  unsigned profiles = 0;
  while (words >> profile) profiles |= profile_bit(line, profile);
  for (const program::OpCode op : ops_of(line, ops))
    table[{field_of(line, field), op, freedom_of(line, freedom)}] |= profiles;
}

}  // namespace

std::map<Grant, unsigned> reviewed() {
  std::map<Grant, unsigned> table;
  std::istringstream lines(kReviewed);
  for (std::string line; std::getline(lines, line);) read_line(line, table);
  return table;
}

std::vector<Grant> grants_of(const Accepted& accepted) {
  std::vector<Grant> grants;
  for (std::size_t i = 0; i < model::kFreedoms; ++i) {
    if ((accepted.freedoms >> i & 1) != 0)
      grants.push_back({perturbations()[accepted.lie].field, accepted.op, static_cast<model::Freedom>(i)});
  }
  return grants;
}

std::vector<model::Freedom> explained(const std::map<Grant, unsigned>& reviewed, const Accepted& accepted,
                                      std::size_t profile) {
  std::vector<model::Freedom> freedoms;
  for (const Grant& grant : grants_of(accepted)) {
    const auto at = reviewed.find(grant);
    if (at != reviewed.end() && (at->second >> profile & 1) != 0) freedoms.push_back(grant.freedom);
  }
  return freedoms;
}

std::map<Accepted, unsigned> not_reviewed(const TrialResult& result) {
  const std::map<Grant, unsigned> known = reviewed();
  std::map<Accepted, unsigned> fresh;
  for (const auto& [key, counts] : result.accepted) {
    if (key.freedoms == 0) continue;
    for (std::size_t p = 0; p < kProfiles.size(); ++p) {
      if (counts[p] > 0 && explained(known, key, p).empty()) fresh[key] |= 1U << p;
    }
  }
  return fresh;
}

std::string review_line(const Grant& grant, unsigned profiles) {
  std::string line = fmt::format("{} {} {}:", grant.field, op_name(grant.op), to_string(grant.freedom));
  for (std::size_t p = 0; p < kProfiles.size(); ++p) {
    if ((profiles >> p & 1) != 0) line += fmt::format(" {}", to_string(kProfiles[p]));
  }
  return line;
}

}  // namespace shmcheck::harness
