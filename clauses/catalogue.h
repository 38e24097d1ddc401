// Reads and checks the catalogue; used at build time only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "clauses/vocabulary.h"

namespace shmcheck::clauses {

struct Source {
  std::string path;  // as errors shall show it; its last component tells what it holds
  std::string text;
};

struct ClauseEntry {
  std::string id, statement, source, check, freedom, no_rule;
  Strength strength = Strength::kSeed;
  bool seed = false;
  std::uint8_t chapter = 0;
  std::uint32_t marks = 0;
  std::vector<std::uint8_t> rulings, claims;
};

struct ChapterEntry {
  std::uint8_t number = 0;
  std::string title, note;
};

// A numbered row of rulings.toml or claims.toml: `columns` and `clauses` in the order of the file's keys.
struct NoteEntry {
  std::string id;
  std::vector<std::string> columns;
  std::vector<std::vector<std::size_t>> clauses;  // per list, indices into Catalogue::clauses
};

struct Catalogue {
  std::vector<ChapterEntry> chapters;
  std::vector<ClauseEntry> clauses;
  std::vector<NoteEntry> rulings, claims;
};

struct Reading {
  Catalogue catalogue;
  std::vector<std::string> errors;  // "FILE:LINE: sentence"; empty: the catalogue is good
};

// `sources`: the chapters in order, then rulings.toml and claims.toml.
Reading read_catalogue(const std::vector<Source>& sources);

// "mmap.create.len-zero" -> "mmap_create_len_zero"
std::string enumerator(std::string id);

}  // namespace shmcheck::clauses
