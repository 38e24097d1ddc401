#include "harness/corpus.h"

#include <fmt/format.h>

#include "harness/embedded.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

std::vector<clauses::Clause> named_clauses(std::string_view text) {
  std::vector<clauses::Clause> named;
  for (const std::string& id : program::clause_ids(program::leading_comment(text))) {
    if (const auto clause = clauses::find(id)) named.push_back(*clause);
  }
  return named;
}

}  // namespace

std::vector<CorpusProgram> read_corpus() {
  std::vector<CorpusProgram> corpus;
  for (const CorpusFile& file : embedded_corpus()) {
    CorpusProgram& one = corpus.emplace_back();
    one.named.name = file.name;
    one.named.shows = named_clauses(file.text);
    auto parsed = program::parse_program(file.text, fmt::format("corpus/{}.prog", file.name));
    if (const auto* error = std::get_if<program::ParseError>(&parsed))
      one.error = error->to_string();
    else
      one.named.program = std::get<program::Program>(std::move(parsed));
  }
  return corpus;
}

std::string read_corpus(std::vector<NamedProgram>& programs) {
  for (CorpusProgram& one : read_corpus()) {
    if (!one.error.empty()) return one.error;
    programs.push_back(std::move(one.named));
  }
  return {};
}

}  // namespace shmcheck::harness
