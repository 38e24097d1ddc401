// The catalogue of what is documented about Linux shared memory, as compile-time constants.
//
// Everything here is constant data without dynamic initialisation, so it may be linked into static binaries
// that run on a target. The source is clauses/*.toml; docs/clauses.md says how to read and change it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "clauses/generated.h"  // enum class Clause, kCount
#include "clauses/vocabulary.h"

namespace shmcheck::clauses {

struct Info {
  std::string_view id;         // as in the catalogue: "mmap.create.len-zero"
  std::string_view statement;  // exactly what an oracle demands
  std::string_view source;     // the documents it rests on
  std::string_view check;      // how it is observed
  std::string_view freedom;    // what an oracle must accept besides; empty: nothing
  std::string_view no_rule;    // why no program can decide it; empty: a rule of the model does
  Strength strength;
  bool seed;                              // the introductory text claims it as well
  std::uint8_t chapter;                   // 1…20
  std::uint32_t marks;                    // set of Mark
  std::span<const std::uint8_t> rulings;  // numbers of rulings cited: 3 is D3, at rulings()[2]
  std::span<const std::uint8_t> claims;   // numbers of claims cited: 21 is S21, at claims()[20]

  // Nothing can break it.
  constexpr bool records() const { return (marks & kRecord) != 0; }
  // A rule of the model is to decide it.
  constexpr bool has_rule() const { return no_rule.empty() && !records(); }
};

struct Chapter {
  std::uint8_t number;
  std::string_view title;
  std::string_view note;  // applies to every clause of the chapter; mostly empty
};

// A known gap between a document and the kernel, and what the oracle makes of it.
struct Ruling {
  std::string_view id;  // "D3"
  std::string_view document;
  std::string_view kernel;
  std::string_view ruling;
  std::span<const Clause> clauses;
};

// A claim of the introductory text, what is true of it, and the clauses which decide it.
struct Claim {
  std::string_view id;  // "S21"
  std::string_view claim;
  std::string_view refined;         // what is true; empty: nothing to add
  Truth truth;                      // when all its clauses hold
  std::span<const Clause> needs;    // one broken: the claim is false
  std::span<const Clause> refutes;  // one holds: the claim is false
  std::span<const Clause> refines;  // one broken: what is said to be true instead is false
};

std::span<const Info> all();  // in catalogue order: all()[n] describes Clause{n}
std::span<const Chapter> chapters();
std::span<const Ruling> rulings();
std::span<const Claim> claims();

// Clause::none and values outside the enumeration give an entry with the id "none" and no text.
const Info& info(Clause clause);

std::optional<Clause> find(std::string_view id);

// The core subset runs everywhere: clauses of POSIX or of the introductory text whose check needs nothing
// special.
bool in_core(Clause clause);

// At most three ids which a writer of `wrong_id` may have meant, likeliest first; empty if none is close.
std::vector<std::string_view> nearest(std::string_view wrong_id);

constexpr std::string_view name(Strength strength) {
  return kStrengthNames[static_cast<std::size_t>(strength)];
}

}  // namespace shmcheck::clauses
