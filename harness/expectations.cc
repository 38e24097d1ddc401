#include "harness/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "harness/suggest.h"
#include "program/text.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace shmcheck::harness {
namespace {

constexpr std::string_view kKeys[] = {"clause", "program", "test", "op", "status", "when", "reason", "bug"};
constexpr std::string_view kConditions[] = {"kernel", "arch", "fs", "page"};
constexpr std::string_view kStatuses[] = {"fail", "flake", "skip", "crash"};

// Reads one file; every complaint becomes a line of `errors`.
class Reader {
 public:
  Reader(std::string_view file, std::vector<Expectation>& into) : file_(file), into_(into) {}

  void read(const toml::table& root) {
    for (const auto& [key, node] : root) {
      const toml::array* entries = node.as_array();
      if (key.str() != "expect" || entries == nullptr) {
        complain(node, fmt::format("only [[expect]] tables belong here, not '{}'", key.str()));
        continue;
      }
      for (const toml::node& entry : *entries) {
        if (const toml::table* table = entry.as_table()) {
          read_entry(*table);
        } else {
          complain(entry, "an expectation is a table, written [[expect]]");
        }
      }
    }
  }
  const std::string& errors() const { return errors_; }

 private:
  void complain(const toml::node& node, std::string_view sentence) {
    errors_ += fmt::format("{}:{}: {}\n", file_, node.source().begin.line, sentence);
  }

  void check_keys(const toml::table& table, std::span<const std::string_view> known) {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
        complain(node, fmt::format("no key is named '{}'{}", key.str(), did_you_mean(key.str(), known)));
      }
    }
  }

  std::string text(const toml::table& table, std::string_view key, bool required) {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (required) complain(table, fmt::format("an expectation needs '{}'", key));
      return {};
    }
    const std::optional<std::string> value = node->value<std::string>();
    if (!value || value->empty()) {
      complain(*node, fmt::format("'{}' is a text that is not empty", key));
      return {};
    }
    return *value;
  }

  void read_entry(const toml::table& table) {
    Expectation entry;
    entry.file = file_;
    entry.line = table.source().begin.line;
    check_keys(table, kKeys);
    const std::string clause = text(table, "clause", false);
    if (!clause.empty()) {
      entry.clause = clauses::find(clause);
      if (!entry.clause) {
        complain(*table.get("clause"), fmt::format("no clause is named '{}'{}", clause,
                                                   did_you_mean(clause, clauses::nearest(clause))));
      }
    }
    entry.program = text(table, "program", false);
    entry.test = text(table, "test", false);
    read_op(table, entry);
    if (clause.empty() && entry.program.empty() && entry.test.empty() && !table.contains("op")) {
      complain(table, "an expectation names a clause, a program, a test or an op");
    }
    const std::string status = text(table, "status", true);
    const auto* found = std::find(std::begin(kStatuses), std::end(kStatuses), status);
    if (found != std::end(kStatuses)) {
      entry.status = static_cast<Expected>(found - std::begin(kStatuses));
    } else if (!status.empty()) {
      complain(*table.get("status"), fmt::format("status is fail, flake, skip or crash, not '{}'{}", status,
                                                 did_you_mean(status, kStatuses)));
    }
    if (entry.op && entry.status != Expected::skip)
      complain(*table.get("op"), "an op is left out of random programs: its status is skip");
    entry.reason = text(table, "reason", true);
    entry.bug = text(table, "bug", true);
    read_condition(table, entry);
    into_.push_back(std::move(entry));
  }

  // "madvise advice=dontfork": the name of an op and arguments as programs have them.
  void read_op(const toml::table& table, Expectation& entry) {
    std::istringstream words(text(table, "op", false));
    std::string word;
    if (!(words >> word)) return;
    std::vector<std::string_view> known;
    for (std::uint8_t i = 0; i < program::kOpCodes; ++i) {
      known.push_back(program::spec(static_cast<program::OpCode>(i)).name);
      if (known.back() == word) entry.op = static_cast<program::OpCode>(i);
    }
    if (!entry.op)
      return complain(*table.get("op"),
                      fmt::format("no op is named '{}'{}", word, did_you_mean(word, known)));
    const program::OpSpec& spec = program::spec(*entry.op);
    while (words >> word) {
      const std::string label = word.substr(0, word.find('='));
      const bool there =
          std::any_of(spec.args.begin(), spec.args.end(), [&label](const program::Arg& argument) {
            return !argument.label.empty() && argument.label == label;
          });
      if (!there) complain(*table.get("op"), fmt::format("'{}' is no argument of {}", word, spec.name));
      entry.arguments.push_back(word);
    }
  }

  void read_condition(const toml::table& table, Expectation& entry) {
    const toml::node* node = table.get("when");
    if (node == nullptr) return;
    const toml::table* when = node->as_table();
    if (when == nullptr) {
      complain(*node, "'when' is a table, such as { fs = \"tmpfs\" }");
      return;
    }
    check_keys(*when, kConditions);
    entry.arch = text(*when, "arch", false);
    entry.fs = text(*when, "fs", false);
    if (const toml::node* page = when->get("page")) {
      const std::optional<std::int64_t> bytes = page->value<std::int64_t>();
      if (bytes && *bytes > 0 && *bytes <= 1 << 20) {
        entry.page = static_cast<std::uint32_t>(*bytes);
      } else {
        complain(*page, "'page' is a page size in bytes");
      }
    }
    if (const toml::node* kernel = when->get("kernel")) read_kernel(*kernel, entry);
  }

  // ">=6.1 <6.2": bounds separated by blanks.
  void read_kernel(const toml::node& node, Expectation& entry) {
    std::istringstream words(node.value_or(std::string()));
    std::string word;
    bool any = false;
    while (words >> word) {
      any = true;
      const bool low = word.starts_with(">=");
      std::uint32_t bound = 0;
      if ((!low && !word.starts_with("<")) || !read_release(word.substr(low ? 2 : 1), bound)) {
        complain(node, fmt::format("'{}' is no bound of a kernel release; write \">=6.1 <6.2\"", word));
        return;
      }
      (low ? entry.kernel_low : entry.kernel_high) = bound;
    }
    if (!any) complain(node, "'kernel' holds bounds such as \">=6.1 <6.2\"");
  }

  static bool read_release(std::string_view text, std::uint32_t& release) {
    std::uint32_t parts[3] = {0, 0, 0};
    const char* at = text.data();
    const char* end = at + text.size();
    for (std::uint32_t& part : parts) {
      const auto [next, error] = std::from_chars(at, end, part);
      if (error != std::errc() || part > 255) return false;
      at = next;
      if (at == end) break;
      if (*at++ != '.') return false;
    }
    release = program::release(parts[0], parts[1], parts[2]);
    return at == end;
  }

  std::string file_;
  std::vector<Expectation>& into_;
  std::string errors_;
};

bool names(const Expectation& entry, const Finding& finding) {
  if (entry.op) return false;
  if (entry.clause) {
    const bool among = std::find(finding.more_clauses.begin(), finding.more_clauses.end(), *entry.clause) !=
                       finding.more_clauses.end();
    if (finding.clause != *entry.clause && !among) return false;
  }
  if (!entry.program.empty() && (finding.part == Part::conformance || entry.program != finding.subject))
    return false;
  return entry.test.empty() || (finding.part == Part::conformance && entry.test == finding.subject);
}

bool foresees(Expected status, Outcome outcome) {
  switch (status) {
    case Expected::fail:
      return outcome == Outcome::fail;
    case Expected::flake:
      return outcome == Outcome::flake;
    case Expected::crash:
      return outcome == Outcome::crash || outcome == Outcome::timeout;
    case Expected::skip:
      return true;
  }
  return false;
}

}  // namespace

std::string Expectation::where() const {
  return fmt::format("{}:{}", file, line);
}

bool Expectation::applies(const program::Facts& facts) const {
  return facts.release >= kernel_low && facts.release < kernel_high && (arch.empty() || arch == facts.arch) &&
         (fs.empty() || fs == program::place_name(facts)) && (page == 0 || page == facts.page_size);
}

bool Expectation::matches(const program::Op& given) const {
  if (op != given.code) return false;
  std::istringstream words(program::to_text(given));
  const std::vector<std::string> written(std::istream_iterator<std::string>(words), {});
  return std::ranges::all_of(arguments, [&written](const std::string& argument) {
    return std::ranges::find(written, argument) != written.end();
  });
}

std::string Expectations::add_text(std::string_view file, std::string_view text) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    return fmt::format("{}:{}: {}\n", file, parsed.error().source().begin.line, parsed.error().description());
  }
  Reader reader(file, all_);
  reader.read(parsed.table());
  return reader.errors();
}

std::string Expectations::add_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fmt::format("{}: cannot read this file of expectations\n", path);
  return add_text(path, text.str());
}

const Expectation* Expectations::find(const Finding& finding, const program::Facts& facts) const {
  for (const Expectation& entry : all_) {
    if (foresees(entry.status, finding.outcome) && entry.applies(facts) && names(entry, finding))
      return &entry;
  }
  return nullptr;
}

const Expectation* Expectations::skips(std::string_view subject, const program::Facts& facts) const {
  for (const Expectation& entry : all_) {
    const bool named = !entry.op && (entry.program == subject || entry.test == subject);
    if (entry.status == Expected::skip && named && entry.applies(facts)) return &entry;
  }
  return nullptr;
}

std::vector<clauses::Clause> Expectations::known_clauses(std::span<const program::Facts> facts) const {
  std::vector<clauses::Clause> known;
  for (const Expectation& entry : all_) {
    const bool here =
        std::any_of(facts.begin(), facts.end(), [&entry](const auto& f) { return entry.applies(f); });
    if (entry.clause && here) known.push_back(*entry.clause);
  }
  return known;
}

std::vector<UnexpectedPass> unexpected_passes(const Expectations& expectations, const Result& result,
                                              std::span<const std::string> passed_subjects) {
  std::vector<UnexpectedPass> passes;
  // What would have shown that a clause fails may be among what there was no time for; random programs alone
  // may miss it.
  const bool complete = result.parts[static_cast<std::size_t>(Part::corpus)].run > 0 &&
                        std::all_of(result.parts.begin(), result.parts.end(),
                                    [](const PartCount& part) { return part.not_run == 0; });
  for (const Expectation& entry : expectations.all()) {
    const bool here = std::any_of(result.facts.begin(), result.facts.end(),
                                  [&entry](const auto& facts) { return entry.applies(facts); });
    if (!here || entry.status == Expected::flake || entry.status == Expected::skip) continue;
    const bool used = std::any_of(result.findings.begin(), result.findings.end(),
                                  [&entry](const Finding& finding) { return names(entry, finding); });
    if (used) continue;
    const std::string& subject = entry.program.empty() ? entry.test : entry.program;
    const bool tested =
        subject.empty()
            ? complete && entry.clause && result.tallies[static_cast<std::size_t>(*entry.clause)].pass > 0
            : std::find(passed_subjects.begin(), passed_subjects.end(), subject) != passed_subjects.end();
    if (!tested) continue;
    const std::string what = subject.empty() ? std::string(clauses::info(*entry.clause).id) : subject;
    passes.push_back(
        {&entry, fmt::format("{} was expected to {} and passed: delete the expectation at {}", what,
                             entry.status == Expected::crash ? "crash" : "fail", entry.where())});
  }
  return passes;
}

}  // namespace shmcheck::harness
