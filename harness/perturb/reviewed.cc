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

std::size_t lie_of(const std::string& line, const std::string& word) {
  for (std::size_t i = 0; i < perturbations().size(); ++i) {
    if (perturbations()[i].name == word) return i;
  }
  bad_word(line, word);
}

program::OpCode op_of(const std::string& line, const std::string& word) {
  for (unsigned i = 0; i <= program::kOpCodes; ++i) {
    if (op_name(static_cast<program::OpCode>(i)) == word) return static_cast<program::OpCode>(i);
  }
  bad_word(line, word);
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

void read_line(const std::string& line, std::map<Accepted, unsigned>& table) {
  std::istringstream words(line.substr(0, line.find('#')));
  std::string lie, op, freedom, profile;
  if (!(words >> lie)) return;
  words >> op >> freedom;
  if (freedom.empty() || freedom.back() != ':') bad_word(line, freedom);
  freedom.pop_back();
  unsigned& profiles = table[{lie_of(line, lie), op_of(line, op), freedom_of(line, freedom)}];
  while (words >> profile) profiles |= profile_bit(line, profile);
}

}  // namespace

std::map<Accepted, unsigned> reviewed() {
  std::map<Accepted, unsigned> table;
  std::istringstream lines(kReviewed);
  for (std::string line; std::getline(lines, line);) read_line(line, table);
  return table;
}

std::map<Accepted, unsigned> not_reviewed(const TrialResult& result) {
  const std::map<Accepted, unsigned> known = reviewed();
  std::map<Accepted, unsigned> fresh;
  for (const auto& [key, counts] : result.accepted) {
    if (key.freedom == model::Freedom::count) continue;
    const auto at = known.find(key);
    const unsigned allowed = at == known.end() ? 0 : at->second;
    for (std::size_t p = 0; p < kProfiles.size(); ++p) {
      if (counts[p] > 0 && (allowed >> p & 1) == 0) fresh[key] |= 1U << p;
    }
  }
  return fresh;
}

std::string review_line(const Accepted& accepted, unsigned profiles) {
  std::string line = fmt::format("{} {} {}:", perturbations()[accepted.lie].name, op_name(accepted.op),
                                 to_string(accepted.freedom));
  for (std::size_t p = 0; p < kProfiles.size(); ++p) {
    if ((profiles >> p & 1) != 0) line += fmt::format(" {}", to_string(kProfiles[p]));
  }
  return line;
}

}  // namespace shmcheck::harness
