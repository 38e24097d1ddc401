// All short programs over a small alphabet: most real bugs need no more than three operations in the right
// place.
//
// An alphabet is a text file of program lines in sections:
//
//   [scene]       performed first, in every program
//   [ops]         the letters: each program goes on with one to `length` of them, in every order
//   [observe]     performed last, in every program
//   [alike]       lines of names that are interchangeable, such as `p1 p2`
//
// Of the programs that differ only by an exchange of such names the one whose first uses come in the order of
// the line is enumerated, the others are not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "program/op.h"
#include "program/text.h"

namespace shmcheck::harness {

struct Alphabet {
  std::string name;
  std::vector<program::Op> scene, ops, observe;
  std::vector<std::vector<std::string>> alike;
};

// A whole alphabet, or what is wrong with the file and where.
std::variant<Alphabet, program::ParseError> parse_alphabet(std::string_view text, std::string_view file);

// The programs of several alphabets, shortest first within each. An index stands for a sequence of letters;
// indices of sequences that are mirror images of others are left out.
class Enumeration {
 public:
  // length: 1 … kLongest letters.
  Enumeration(std::vector<Alphabet> alphabets, unsigned length);

  // Indices lie below this.
  std::uint64_t end() const { return end_; }
  // The program with this index, or else the next one that there is, with its index; nothing behind the last.
  std::optional<program::Program> from(std::uint64_t& index) const;
  // Counts the programs. It takes some 10 ns for each index.
  std::uint64_t programs() const;
  // The alphabet that an index below end() belongs to.
  const Alphabet& alphabet(std::uint64_t index) const { return blocks_[block(index)].alphabet; }

  static constexpr unsigned kLongest = 5;

 private:
  // Sequences of one alphabet; letters as numbers, the first letter in the highest place.
  struct Block {
    Alphabet alphabet;
    std::uint64_t first = 0;                          // index
    std::vector<std::vector<std::uint8_t>> mentions;  // by letter: names of alike lines, 16 * line + place
  };
  std::size_t block(std::uint64_t index) const;
  static bool canonical(const Block& block, const std::vector<std::uint32_t>& letters);
  // The letters of a sequence, by its number within the block.
  static std::vector<std::uint32_t> letters_of(const Block& block, std::uint64_t number);

  std::vector<Block> blocks_;
  std::uint64_t end_ = 0;
};

}  // namespace shmcheck::harness
