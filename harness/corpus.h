// The programs of the corpus that the command carries.
#pragma once

#include <string>
#include <vector>

#include "clauses/clauses.h"
#include "program/op.h"

namespace shmcheck::harness {

struct NamedProgram {
  std::string name;
  program::Program program;
  std::vector<clauses::Clause> shows = {};  // clauses that its comment names
};

// One program, or what is wrong with its text. corpus_test sees to it that nothing is.
struct CorpusProgram {
  NamedProgram named;
  std::string error;  // file:line:column: …; empty: the program is whole
};

// In the order of their names.
std::vector<CorpusProgram> read_corpus();
// The same; empty on success, else what is wrong with the first that is not whole.
std::string read_corpus(std::vector<NamedProgram>& programs);

}  // namespace shmcheck::harness
