// clauses_generate OUT_DIR FILE.toml…: checks the catalogue and writes it as C++ into
// OUT_DIR/generated.{h,cc}. Exits 1 with one line for each error. Leaves an output alone which would not
// change, so that a correction of a text does not rebuild everything that names a clause.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "clauses/catalogue.h"

namespace shmcheck::clauses {
namespace {

using std::string;

string read_file(const string& path) {
  std::ifstream in(path, std::ios::binary);
  string text(std::istreambuf_iterator<char>(in), {});
  if (!in) throw std::runtime_error("cannot read " + path);
  return text;
}

void write_if_changed(const string& path, const string& text) {
  if (std::filesystem::exists(path) && read_file(path) == text) return;
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
}

string literal(const string& text) {
  string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + '"';
}

string hex(std::uint32_t value) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "0x%X", value);
  return buffer;
}

template <class T, class F>
string joined(const std::vector<T>& values, F&& show) {
  string result;
  for (const T& value : values) result += (result.empty() ? "" : ", ") + show(value);
  return result;
}

// A named array to which a span of a row can refer; an empty list needs none.
class Arrays {
 public:
  template <class T, class F>
  string add(const string& type, const std::vector<T>& values, F&& show) {
    if (values.empty()) return "{}";
    const string name = "kList" + std::to_string(count_++);
    text_ += "constexpr " + type + " " + name + "[] = {" + joined(values, show) + "};\n";
    return name;
  }
  const string& text() const { return text_; }

 private:
  string text_;
  int count_ = 0;
};

string number(std::uint8_t value) {
  return std::to_string(value);
}

string header(const Catalogue& catalogue) {
  string out =
      "// Generated from clauses/*.toml.\n#pragma once\n\n#include <cstddef>\n#include <cstdint>\n\n"
      "namespace shmcheck::clauses {\n\nenum class Clause : std::uint16_t {\n";
  for (const ClauseEntry& clause : catalogue.clauses) out += "  " + enumerator(clause.id) + ",\n";
  out += "  none = 0xFFFF,  // no clause\n};\n\ninline constexpr std::size_t kCount = " +
         std::to_string(catalogue.clauses.size()) + ";\n\n}  // namespace shmcheck::clauses\n";
  return out;
}

string clause_row(const ClauseEntry& clause, Arrays& arrays) {
  string out = "    {";
  for (const string* text :
       {&clause.id, &clause.statement, &clause.source, &clause.check, &clause.freedom, &clause.no_rule}) {
    out += literal(*text) + ", ";
  }
  out += "static_cast<Strength>(" + std::to_string(static_cast<int>(clause.strength)) + "), ";
  out += clause.seed ? "true, " : "false, ";
  out += number(clause.chapter) + ", " + hex(clause.marks) + ", ";
  out += arrays.add("std::uint8_t", clause.rulings, number) + ", ";
  return out + arrays.add("std::uint8_t", clause.claims, number) + "},\n";
}

string clause_lists(const NoteEntry& note, const Catalogue& catalogue, Arrays& arrays) {
  return joined(note.clauses, [&](const std::vector<std::size_t>& list) {
    return arrays.add("Clause", list, [&](std::size_t index) {
      return "Clause::" + enumerator(catalogue.clauses[index].id);
    });
  });
}

string ruling_row(const NoteEntry& ruling, const Catalogue& catalogue, Arrays& arrays) {
  return "    {" + literal(ruling.id) + ", " + joined(ruling.columns, literal) + ", " +
         clause_lists(ruling, catalogue, arrays) + "},\n";
}

string claim_row(const NoteEntry& claim, const Catalogue& catalogue, Arrays& arrays) {
  const auto* truth = std::find(std::begin(kVerdictNames), std::end(kVerdictNames), claim.columns[1]);
  return "    {" + literal(claim.id) + ", " + literal(claim.columns[0]) + ", " + literal(claim.columns[2]) +
         ", static_cast<Truth>(" + std::to_string(truth - std::begin(kVerdictNames)) + "), " +
         clause_lists(claim, catalogue, arrays) + "},\n";
}

string table(const string& type, const string& name, const string& rows, const string& function) {
  return "constexpr " + type + " " + name + "[] = {\n" + rows + "};\n}  // namespace\n\nstd::span<const " +
         type + "> " + function + "() { return " + name + "; }\n\nnamespace {\n";
}

string source(const Catalogue& catalogue) {
  Arrays arrays;
  string clauses, chapters, rulings, claims;
  for (const ClauseEntry& clause : catalogue.clauses) clauses += clause_row(clause, arrays);
  for (const ChapterEntry& chapter : catalogue.chapters) {
    chapters += "    {" + number(chapter.number) + ", " + literal(chapter.title) + ", " +
                literal(chapter.note) + "},\n";
  }
  for (const NoteEntry& ruling : catalogue.rulings) rulings += ruling_row(ruling, catalogue, arrays);
  for (const NoteEntry& claim : catalogue.claims) claims += claim_row(claim, catalogue, arrays);
  return "// Generated from clauses/*.toml.\n#include \"clauses/clauses.h\"\n\n"
         "namespace shmcheck::clauses {\nnamespace {\n" +
         arrays.text() + table("Info", "kClauses", clauses, "all") +
         table("Chapter", "kChapters", chapters, "chapters") +
         table("Ruling", "kRulings", rulings, "rulings") + table("Claim", "kClaims", claims, "claims") +
         "}  // namespace\n}  // namespace shmcheck::clauses\n";
}

int generate(const string& out_dir, const std::vector<string>& paths) {
  std::vector<Source> sources;
  for (const string& path : paths) sources.push_back({path, read_file(path)});
  const Reading reading = read_catalogue(sources);
  for (const string& error : reading.errors) std::fprintf(stderr, "%s\n", error.c_str());
  if (!reading.errors.empty()) return 1;
  write_if_changed(out_dir + "/generated.h", header(reading.catalogue));
  write_if_changed(out_dir + "/generated.cc", source(reading.catalogue));
  return 0;
}

}  // namespace
}  // namespace shmcheck::clauses

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s OUT_DIR FILE.toml...\n", argv[0]);
    return 2;
  }
  try {
    return shmcheck::clauses::generate(argv[1], {argv + 2, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
