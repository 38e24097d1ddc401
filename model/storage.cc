#include "model/storage.h"

#include <algorithm>
#include <utility>

namespace shmcheck::model {
namespace {

template <typename Range>
bool covers(const Range& r, std::uint64_t offset) {
  return r.low <= offset && offset < r.high;
}

// What of the ranges lies outside [low, high).
template <typename Range>
std::vector<Range> outside(const std::vector<Range>& ranges, std::uint64_t low, std::uint64_t high) {
  std::vector<Range> left;
  for (const Range& r : ranges) {
    if (r.low < low) {
      left.push_back(r);
      left.back().high = std::min(r.high, low);
    }
    if (r.high > high) {
      left.push_back(r);
      left.back().low = std::max(r.low, high);
    }
  }
  return left;
}

template <typename Range>
void note_edges(const std::vector<Range>& ranges, std::uint64_t offset, std::uint64_t& end) {
  for (const Range& r : ranges) {
    for (std::uint64_t edge : {r.low, r.high}) {
      if (edge > offset) end = std::min(end, edge);
    }
  }
}

}  // namespace

void Storage::former(std::uint64_t low, std::uint64_t high, PageRef page, bool any) {
  if (low < high) formers_.push_back({low, high, std::move(page), any});
}

void Storage::written(std::uint64_t low, std::uint64_t high, clauses::Clause clause) {
  formers_ = outside(formers_, low, high);
  certain_ = outside(certain_, low, high);
  certain_.push_back({low, high, clause});
}

void Storage::settle() {
  for (const Former& f : formers_) certain_ = outside(certain_, f.low, f.high);
  formers_.clear();
}

bool Storage::held(std::uint64_t offset, std::uint8_t byte, std::uint32_t page_size) const {
  return std::ranges::any_of(formers_, [&](const Former& f) {
    return covers(f, offset) && (f.any || f.page.at(offset % page_size) == byte);
  });
}

bool Storage::open(std::uint64_t offset) const {
  return std::ranges::any_of(formers_, [&](const Former& f) { return covers(f, offset); });
}

bool Storage::differs(std::uint64_t low, std::uint64_t high, const PageRef& page,
                      std::uint32_t page_size) const {
  return std::ranges::any_of(formers_, [&](const Former& f) {
    const std::uint64_t end = std::min(high, f.high);
    for (std::uint64_t at = std::max(low, f.low); at < end; ++at) {
      if (f.any || f.page.at(at % page_size) != page.at(at % page_size)) return true;
    }
    return false;
  });
}

clauses::Clause Storage::demanded_by(std::uint64_t offset) const {
  for (const Certain& c : certain_) {
    if (covers(c, offset)) return c.clause;
  }
  return clauses::Clause::none;
}

std::uint64_t Storage::next_edge(std::uint64_t offset, std::uint64_t end) const {
  note_edges(formers_, offset, end);
  note_edges(certain_, offset, end);
  return end;
}

void Storage::oldest(std::uint64_t offset, std::span<std::uint8_t> bytes, std::uint32_t page_size) const {
  for (std::size_t i = formers_.size(); i-- > 0;) {
    const Former& f = formers_[i];
    std::uint64_t low = std::max(f.low, offset), high = std::min(f.high, offset + bytes.size());
    for (std::uint64_t at = low; at < high; ++at) bytes[at - offset] = f.page.at(at % page_size);
  }
}

}  // namespace shmcheck::model
