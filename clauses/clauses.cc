#include "clauses/clauses.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace shmcheck::clauses {
namespace {

constexpr std::size_t kMostSuggestions = 3;
constexpr Info kNone = {"none", "", "", "", "", "", Strength::kSeed, false, 0, 0, {}, {}};

// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

const Info& info(Clause clause) {
  const auto index = static_cast<std::size_t>(clause);
  return index < kCount ? all()[index] : kNone;
}

std::optional<Clause> find(std::string_view id) {
  const auto clauses = all();
  const auto at = std::find_if(clauses.begin(), clauses.end(), [id](const Info& i) { return i.id == id; });
  if (at == clauses.end()) return std::nullopt;
  return static_cast<Clause>(at - clauses.begin());
}

bool in_core(Clause clause) {
  const Info& i = info(clause);
  return (i.strength == Strength::kPosix || i.seed) && i.marks == 0;
}

std::vector<std::string_view> nearest(std::string_view wrong_id) {
  const std::size_t most_edits = std::max<std::size_t>(2, wrong_id.size() / 3);
  std::vector<std::pair<std::size_t, std::string_view>> close;
  for (const Info& i : all()) {
    const std::size_t edits = edit_distance(wrong_id, i.id);
    if (edits <= most_edits) close.emplace_back(edits, i.id);
  }
  std::stable_sort(close.begin(), close.end(), [](auto& a, auto& b) { return a.first < b.first; });
  close.resize(std::min(close.size(), kMostSuggestions));

  std::vector<std::string_view> ids;
  for (const auto& [edits, id] : close) ids.push_back(id);
  return ids;
}

}  // namespace shmcheck::clauses
