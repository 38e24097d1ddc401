#include "liar/known.h"

#include <errno.h>
#include <string.h>

#include <fstream>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace shmcheck::liar {
namespace {

std::string sentence(const std::string& path, size_t line, const std::string& what) {
  return path + ":" + std::to_string(line) + ": " + what;
}

std::string read_entry(const toml::node& node, const std::string& path, bool record,
                       std::vector<Survivor>& into) {
  const size_t line = node.source().begin.line;
  const toml::table* table = node.as_table();
  if (table == nullptr) return sentence(path, line, "an entry is a table");
  for (const auto& [key, value] : *table) {
    if (key.str() != "test" && key.str() != "reason")
      return sentence(path, line, "no key is named '" + std::string(key.str()) + "'");
  }
  const auto test = (*table)["test"].value<std::string>();
  const auto reason = (*table)["reason"].value<std::string>();
  if (!test || test->empty()) return sentence(path, line, "an entry needs a 'test'");
  if (!reason || reason->empty()) return sentence(path, line, "an entry needs a 'reason'");
  into.push_back({record, *test, *reason, path + ":" + std::to_string(line)});
  return {};
}

}  // namespace

std::string read_broken(const std::string& path, BrokenBy& broken) {
  std::ifstream in(path);
  if (!in) return path + ": " + strerror(errno);
  std::string text;
  for (size_t line = 1; std::getline(in, text); ++line) {
    if (text.empty() || text.starts_with('#')) continue;
    const size_t first = text.find('\t');
    const size_t second = first == std::string::npos ? first : text.find('\t', first + 1);
    if (second == std::string::npos) return sentence(path, line, "wanted: test TAB clauses TAB lie");
    const std::string test = text.substr(0, first);
    if (!broken.emplace(test, Broken{text.substr(first + 1, second - first - 1), text.substr(second + 1)})
             .second)
      return sentence(path, line, test + " is named twice");
  }
  return {};
}

std::string write_broken(const std::string& path, const BrokenBy& broken) {
  std::ofstream out(path);
  out << "# test, clauses, and a lie that makes it fail. Written by ci/liar --update.\n";
  for (const auto& [test, by] : broken) out << test << '\t' << by.clauses << '\t' << by.lie << '\n';
  out.close();
  return out ? std::string() : path + ": cannot be written";
}

std::string read_survivors(const std::string& path, std::vector<Survivor>& survivors) {
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed)
    return sentence(path, parsed.error().source().begin.line, std::string(parsed.error().description()));
  for (const auto& [key, node] : parsed.table()) {
    const toml::array* entries = node.as_array();
    if ((key.str() != "record" && key.str() != "survivor") || entries == nullptr)
      return sentence(path, node.source().begin.line, "only [[record]] and [[survivor]] tables belong here");
    for (const toml::node& entry : *entries) {
      std::string wrong = read_entry(entry, path, key.str() == "record", survivors);
      if (!wrong.empty()) return wrong;
    }
  }
  return {};
}

const Survivor* find_survivor(const std::vector<Survivor>& survivors, std::string_view test) {
  for (const Survivor& known : survivors) {
    if (known.test == test || known.test == test.substr(0, test.find('/'))) return &known;
  }
  return nullptr;
}

}  // namespace shmcheck::liar
