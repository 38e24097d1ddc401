// What the storage beneath a file may hold: the bytes as they are, or as they were at some time since they
// were last written to it for certain.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "clauses/clauses.h"
#include "model/page.h"

namespace shmcheck::model {

class Storage {
 public:
  // Bytes [low, high), which lie in the file, are about to change. `page` has them, null: zeros; where `any`,
  // nothing certain is known of them. A range with a page lies within that page.
  void former(std::uint64_t low, std::uint64_t high, PageRef page, bool any = false);
  // What the file has there is on storage now; `clause` demands it.
  void written(std::uint64_t low, std::uint64_t high, clauses::Clause clause);

  // Whether storage may hold this byte, of a time when the file had it.
  bool held(std::uint64_t offset, std::uint8_t byte, std::uint32_t page_size) const;
  // Whether the byte has changed since it was written for certain.
  bool open(std::uint64_t offset) const;
  // Whether a byte of [low, high), which lies in one page, may be another one than what the file has in
  // `page`.
  bool differs(std::uint64_t low, std::uint64_t high, const PageRef& page, std::uint32_t page_size) const;
  bool anything_certain() const { return !certain_.empty(); }
  // What demands that the byte is on storage; none: nothing has written it for certain.
  clauses::Clause demanded_by(std::uint64_t offset) const;
  // The first offset behind this one where one of these answers may change, at most `end`.
  std::uint64_t next_edge(std::uint64_t offset, std::uint64_t end) const;
  // Puts what was written for certain last over the bytes from `offset` on.
  void oldest(std::uint64_t offset, std::span<std::uint8_t> bytes, std::uint32_t page_size) const;

  // The last call that might have written but need not: what says so.
  clauses::Clause may_have = clauses::Clause::none;

  // What it may hold instead of what the file has.
  struct Former {
    std::uint64_t low, high;
    PageRef page;
    bool any;
  };
  const std::vector<Former>& formers() const { return formers_; }
  // The file was read from it: they are the same.
  void settle();

 private:
  struct Certain {
    std::uint64_t low, high;
    clauses::Clause clause;
  };
  std::vector<Former> formers_;   // the oldest first
  std::vector<Certain> certain_;  // disjoint
};

}  // namespace shmcheck::model
