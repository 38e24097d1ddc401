// Hunting planted faults of the running model: how soon does random testing find each, what does it blame,
// how short is the program that it shows; and does the corpus find it?
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "clauses/clauses.h"
#include "harness/corpus.h"
#include "harness/enumeration.h"
#include "model/faults.h"

namespace shmcheck::harness {

// One seed's hunt.
struct Catch {
  bool caught = false;
  std::uint64_t ops = 0;  // judged until then, observations included; all of them if it was not caught
  double seconds = 0;     // until then
  clauses::Clause clause = clauses::Clause::none;
  bool right = false;      // the clause is one that the fault breaks
  std::size_t length = 0;  // ops of the shortest program
};

// What the corpus shows, all of its programs in the order of their names.
struct CorpusCatch {
  std::uint64_t programs = 0;  // that show it
  std::uint64_t right = 0;     // of them, those that blame a clause that it breaks
  std::uint64_t ops = 0;       // until the first of them
  double seconds = 0;          // the same
  std::string first;           // its name
};

// What enumeration shows: all programs of up to `length` ops, shortest first, alphabet after alphabet.
struct EnumeratedCatch {
  std::uint64_t programs = 0;  // until the first that shows it, that one included; 0: none does
  std::uint64_t ops = 0;       // until then
  double seconds = 0;          // the same
  bool right = false;          // it blames a clause that the fault breaks
};

struct Hunt {
  const model::Fault* fault = nullptr;
  std::vector<Catch> catches;  // one for each seed
  CorpusCatch corpus;
  EnumeratedCatch enumerated;

  bool caught() const;               // on every seed
  std::uint64_t median_ops() const;  // of the seeds
  std::uint64_t worst_ops() const;
  double median_seconds() const;
  std::size_t rightly() const;  // seeds whose blame is right
  std::size_t median_length() const;
  std::size_t worst_length() const;
};

struct HuntOptions {
  std::uint64_t first_seed = 0;
  unsigned seeds = 10;
  std::uint64_t ops = 200'000;  // at most, of each seed
  std::function<bool()> over = [] { return false; };
};

// What is tried beside random programs; null: not.
struct HuntSources {
  const std::vector<NamedProgram>* corpus = nullptr;
  const Enumeration* enumeration = nullptr;
};

Hunt hunt(const model::Fault& fault, const HuntOptions& options, const HuntSources& sources);

// The middle one, or the lower of the two middle ones; 0 of none.
template <typename T>
T median_of(std::vector<T> values) {
  if (values.empty()) return T{};
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace shmcheck::harness
