#include "clauses/catalogue.h"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace shmcheck::clauses {
namespace {

using std::string;
using std::string_view;

constexpr string_view kClauseKeys[] = {"id",    "statement", "strength", "seed",  "source", "check",
                                       "marks", "freedom",   "rulings",  "seeds", "no_rule"};
constexpr string_view kChapterKeys[] = {"number", "title", "note", "clause"};

// rulings.toml and claims.toml have the same shape: rows of text with a list of clauses.
struct NoteFile {
  string_view name, table;
  char letter;  // of the ids: D1, D2, …
  std::vector<string_view> columns, lists, keys;
};

const NoteFile kRulings = {"rulings.toml",
                           "ruling",
                           'D',
                           {"document", "kernel", "ruling"},
                           {"clauses"},
                           {"id", "document", "kernel", "ruling", "clauses"}};
const NoteFile kClaims = {"claims.toml",
                          "claim",
                          'S',
                          {"claim", "verdict", "refined"},
                          {"needs", "refutes", "refines"},
                          {"id", "claim", "verdict", "refined", "needs", "refutes", "refines"}};

string between(char mark, string_view word) {
  return string(1, mark).append(word).append(1, mark);
}

string quoted(string_view word) {
  return between('\'', word);
}

string last_component(const string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

class Reader {
 public:
  Reading read(const std::vector<Source>& sources) {
    for (const Source& source : sources) {
      path_ = source.path;
      try {
        const toml::table root = toml::parse(source.text, source.path);
        read_file(last_component(source.path), root);
      } catch (const toml::parse_error& e) {
        error(e.source(), string(e.description()));
      }
    }
    resolve();
    return std::move(reading_);
  }

 private:
  // A reference which can be checked only when everything has been read.
  struct Clauses {
    string path;
    toml::source_region where;
    std::vector<NoteEntry>* notes;
    std::size_t index, list;
    std::vector<std::pair<string, toml::source_region>> ids;
  };
  struct ClauseNotes {
    string path;
    toml::source_region where;
    std::size_t clause;
  };

  void error(const toml::source_region& where, const string& sentence) {
    reading_.errors.push_back(path_ + ":" + std::to_string(where.begin.line) + ": " + sentence);
  }

  void read_file(const string& name, const toml::table& root) {
    if (name == kRulings.name) {
      read_notes(kRulings, root, reading_.catalogue.rulings);
    } else if (name == kClaims.name) {
      read_notes(kClaims, root, reading_.catalogue.claims);
    } else {
      read_chapter(name, root);
    }
  }

  void check_keys(const toml::table& table, std::span<const string_view> known) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
        error(key.source(), "unknown key " + quoted(key.str()));
      }
    }
  }

  string text(const toml::table& table, string_view key, bool required) {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (required) error(table.source(), "key " + quoted(key) + " is missing");
      return {};
    }
    const auto value = node->value_exact<string>();
    if (!value || value->empty()) error(node->source(), quoted(key) + " must be a string that is not empty");
    return value.value_or("");
  }

  template <class T>
  std::vector<std::pair<T, toml::source_region>> list(const toml::table& table, string_view key) {
    std::vector<std::pair<T, toml::source_region>> values;
    const toml::node* node = table.get(key);
    if (node == nullptr) return values;
    if (!node->is_array()) {
      error(node->source(), quoted(key) + " must be an array");
      return values;
    }
    for (const toml::node& element : *node->as_array()) {
      if (const auto value = element.value_exact<T>()) {
        values.emplace_back(*value, element.source());
      } else {
        error(element.source(), "wrong type of element in " + quoted(key));
      }
    }
    return values;
  }

  // Calls `each` for every table of [[key]].
  template <class F>
  void tables(const toml::table& root, string_view key, F each) {
    const toml::array* rows = root[key].as_array();
    if (rows == nullptr) {
      error(root.source(), "no [[" + string(key) + "]]");
      return;
    }
    for (const toml::node& row : *rows) {
      if (row.is_table()) {
        each(*row.as_table());
      } else {
        error(row.source(), quoted(key) + " must be an array of tables");
      }
    }
  }

  void read_chapter(const string& file, const toml::table& root) {
    check_keys(root, kChapterKeys);
    const auto expected = static_cast<std::uint8_t>(reading_.catalogue.chapters.size() + 1);
    const auto number = root["number"].value_exact<std::int64_t>();
    const string prefix = (expected < 10 ? "0" : "") + std::to_string(expected) + "-";
    if (number != expected || file.compare(0, prefix.size(), prefix) != 0) {
      error(root.source(), "chapter " + std::to_string(expected) + " is expected here: a file " + prefix +
                               "NAME.toml with number = " + std::to_string(expected));
    }
    reading_.catalogue.chapters.push_back({expected, text(root, "title", true), text(root, "note", false)});
    tables(root, "clause", [&](const toml::table& row) { read_clause(row, expected); });
  }

  void read_clause(const toml::table& row, std::uint8_t chapter) {
    check_keys(row, kClauseKeys);
    ClauseEntry entry;
    entry.id = text(row, "id", true);
    entry.statement = text(row, "statement", true);
    entry.source = text(row, "source", true);
    entry.check = text(row, "check", true);
    entry.freedom = text(row, "freedom", false);
    entry.no_rule = text(row, "no_rule", false);
    entry.chapter = chapter;
    if (const toml::node* seed = row.get("seed")) {
      if (!seed->is_boolean()) error(seed->source(), "'seed' must be true or false");
      entry.seed = seed->value_or(false);
    }
    read_strength(row, entry);
    read_marks(row, entry);
    entry.rulings = cited(row, "rulings", 'D', entry.source);
    entry.claims = cited(row, "seeds", 'S', entry.source);
    check_id(row, entry.id);
    clause_notes_.push_back({path_, row.source(), reading_.catalogue.clauses.size()});
    reading_.catalogue.clauses.push_back(std::move(entry));
  }

  void read_strength(const toml::table& row, ClauseEntry& entry) {
    const string word = text(row, "strength", true);
    const auto at = std::find(std::begin(kStrengthNames), std::end(kStrengthNames), word);
    if (at != std::end(kStrengthNames)) {
      entry.strength = static_cast<Strength>(at - std::begin(kStrengthNames));
    } else if (!word.empty()) {
      error(row.get("strength")->source(), "unknown strength " + quoted(word));
    }
  }

  // The marks are the mark words in backquotes of the check text, where a reader looks for them.
  void read_marks(const toml::table& row, ClauseEntry& entry) {
    for (const auto& [word, where] : list<string>(row, "marks")) {
      const auto at = std::find(std::begin(kMarkNames), std::end(kMarkNames), word);
      if (at == std::end(kMarkNames)) {
        error(where, "unknown mark " + quoted(word));
      } else {
        entry.marks |= 1U << (at - std::begin(kMarkNames));
      }
    }
    for (std::size_t n = 0; n < std::size(kMarkNames); ++n) {
      const bool listed = (entry.marks >> n & 1U) != 0;
      const bool in_text = entry.check.find(between('`', kMarkNames[n])) != string::npos;
      if (listed != in_text) {
        error(row.source(), "mark " + quoted(kMarkNames[n]) + " of " + quoted(entry.id) + " stands in " +
                                (listed ? "'marks' but not in 'check'" : "'check' but not in 'marks'"));
      }
    }
  }

  // Numbers of the rulings or claims listed under `key`, which must be those that the source text cites.
  std::vector<std::uint8_t> cited(const toml::table& row, const char* key, char letter,
                                  const string& source) {
    std::vector<std::uint8_t> numbers;
    std::set<string> listed;
    for (const auto& [id, where] : list<string>(row, key)) {
      if (const auto number = note_number(id, letter)) {
        numbers.push_back(*number);
      } else {
        error(where, quoted(id) + " is not of the form " + letter + "1");
      }
      listed.insert(id);
    }
    std::set<string> in_text;
    const std::regex reference(string("\\b") + letter + "[0-9]+\\b");
    for (std::sregex_iterator at(source.begin(), source.end(), reference), end; at != end; ++at) {
      in_text.insert(at->str());
    }
    if (listed != in_text) error(row.source(), quoted(key) + " differs from what 'source' cites");
    return numbers;
  }

  static std::optional<std::uint8_t> note_number(const string& id, char letter) {
    static const std::regex form("[DS][1-9][0-9]?");
    if (!std::regex_match(id, form) || id[0] != letter) return std::nullopt;
    return static_cast<std::uint8_t>(std::stoi(id.substr(1)));
  }

  // Two ids which differ only in punctuation would give one enumerator.
  void check_id(const toml::table& row, const string& id) {
    static const std::regex form("[a-z][a-z0-9]*(-[a-z0-9]+)*(\\.[a-z0-9]+(-[a-z0-9]+)*)+");
    if (!std::regex_match(id, form))
      error(row.source(), "id " + quoted(id) + " is not words of [a-z0-9] joined by . or -");
    const auto [first, added] = enumerators_.try_emplace(enumerator(id), path_, row.source().begin.line);
    if (!added) {
      error(row.source(), "id " + quoted(id) + " is taken by " + first->second.first + ":" +
                              std::to_string(first->second.second));
    }
    indices_.try_emplace(id, reading_.catalogue.clauses.size());
  }

  void read_notes(const NoteFile& file, const toml::table& root, std::vector<NoteEntry>& notes) {
    check_keys(root, std::span(&file.table, 1));
    tables(root, file.table, [&](const toml::table& row) {
      check_keys(row, file.keys);
      NoteEntry entry;
      entry.id = text(row, "id", true);
      const string expected = file.letter + std::to_string(notes.size() + 1);
      if (entry.id != expected)
        error(row.source(), quoted(expected) + " is expected here, not " + quoted(entry.id));
      for (const string_view column : file.columns)
        entry.columns.push_back(text(row, column, column != "refined"));
      bool names = false;
      for (std::size_t n = 0; n < file.lists.size(); ++n) {
        auto ids = list<string>(row, file.lists[n]);
        names = names || !ids.empty();
        references_.push_back({path_, row.source(), &notes, notes.size(), n, std::move(ids)});
      }
      if (!names) error(row.source(), quoted(entry.id) + " names no clause");
      if (&file == &kClaims) check_verdict(row, entry.id);
      entry.clauses.resize(file.lists.size());
      notes.push_back(std::move(entry));
    });
  }

  // The word of the verdict has to agree with the lists of clauses, of which it follows.
  void check_verdict(const toml::table& row, const string& id) {
    const string word = row["verdict"].value_or("");
    if (std::find(std::begin(kVerdictNames), std::end(kVerdictNames), word) == std::end(kVerdictNames)) {
      error(row.source(), "unknown verdict " + quoted(word));
    }
    const auto has = [&row](string_view key) { return row[key].is_array(); };
    if (has("refutes") != (word == name(Truth::no))) {
      error(row.source(), quoted(id) + " must be false if a clause refutes it, and only then");
    }
    if (has("refines") && word == name(Truth::yes)) {
      error(row.source(), quoted(id) + " must be refined if a clause refines it");
    }
  }

  void resolve() {
    for (const Clauses& reference : references_) {
      path_ = reference.path;
      NoteEntry& note = (*reference.notes)[reference.index];
      for (const auto& [id, where] : reference.ids) {
        const auto at = indices_.find(id);
        if (at == indices_.end()) {
          error(where, quoted(note.id) + " names the clause " + quoted(id) + ", which does not exist");
        } else {
          note.clauses[reference.list].push_back(at->second);
        }
      }
    }
    for (const ClauseNotes& at : clause_notes_) check_citations(at);
    check_cited_by_clauses();
  }

  // A clause may cite only what exists; and a ruling which a clause cites must list that clause.
  void check_citations(const ClauseNotes& at) {
    path_ = at.path;
    const Catalogue& catalogue = reading_.catalogue;
    const ClauseEntry& clause = catalogue.clauses[at.clause];
    for (const unsigned number : clause.claims) {
      if (number > catalogue.claims.size()) error(at.where, "no claim 'S" + std::to_string(number) + "'");
    }
    for (const unsigned number : clause.rulings) {
      if (number > catalogue.rulings.size()) {
        error(at.where, "no ruling 'D" + std::to_string(number) + "'");
        continue;
      }
      const NoteEntry& ruling = catalogue.rulings[number - 1];
      const std::vector<std::size_t>& listed = ruling.clauses.front();
      if (std::count(listed.begin(), listed.end(), at.clause) == 0) {
        error(at.where, quoted(ruling.id) + " does not list " + quoted(clause.id) + ", which cites it");
      }
    }
  }

  void check_cited_by_clauses() {
    for (const Clauses& reference : references_) {
      if (reference.notes != &reading_.catalogue.rulings) continue;
      path_ = reference.path;
      const NoteEntry& ruling = reading_.catalogue.rulings[reference.index];
      for (const std::size_t index : ruling.clauses.front()) {
        const ClauseEntry& clause = reading_.catalogue.clauses[index];
        if (std::count(clause.rulings.begin(), clause.rulings.end(), reference.index + 1) == 0) {
          error(reference.where,
                quoted(clause.id) + " does not cite " + quoted(ruling.id) + ", which lists it");
        }
      }
    }
  }

  Reading reading_;
  string path_;
  std::map<string, std::pair<string, toml::source_index>> enumerators_;  // -> file and line
  std::map<string, std::size_t> indices_;
  std::vector<Clauses> references_;
  std::vector<ClauseNotes> clause_notes_;
};

}  // namespace

string enumerator(string id) {
  std::replace_if(
      id.begin(), id.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return id;
}

Reading read_catalogue(const std::vector<Source>& sources) {
  return Reader().read(sources);
}

}  // namespace shmcheck::clauses
