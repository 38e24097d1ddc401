#include "harness/enumeration.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>
#include <utility>

namespace shmcheck::harness {
namespace {

using program::Op;
using program::ParseError;

enum class Section { none, scene, ops, observe, alike };

const std::map<std::string, Section, std::less<>> kSections = {{"[scene]", Section::scene},
                                                               {"[ops]", Section::ops},
                                                               {"[observe]", Section::observe},
                                                               {"[alike]", Section::alike}};

constexpr std::size_t kMostAlikeLines = 8, kMostAlike = 16, kMostOps = 4096;

std::string_view stripped(std::string_view line) {
  line = line.substr(0, line.find('#'));
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.remove_suffix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front()))) line.remove_prefix(1);
  return line;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

// The same op with two names exchanged.
std::string exchanged(const Op& op, const std::string& a, const std::string& b) {
  std::string text, word;
  const auto flush = [&] {
    text += word == a ? b : word == b ? a : word;
    word.clear();
  };
  for (const char c : program::to_text(op)) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += c;
      continue;
    }
    flush();
    text += c;
  }
  flush();
  return text;
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) { alphabet_.name = file; }

  std::variant<Alphabet, ParseError> read(std::string_view text) {
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
      ++line_;
      const std::string_view content = stripped(line);
      if (!content.empty()) take(line, content);
      if (error_) return *error_;
    }
    if (alphabet_.ops.empty()) fail("no operation in a section [ops]");
    for (const auto& names : alphabet_.alike) {
      for (std::size_t i = 1; i < names.size(); ++i) require_mirror(names[i - 1], names[i]);
    }
    if (error_) return *error_;
    return std::move(alphabet_);
  }

 private:
  void fail(std::string message) {
    if (!error_) error_ = ParseError{std::string(file_), std::max(line_, 1U), 1, std::move(message)};
  }

  void take(const std::string& line, std::string_view content) {
    if (content.starts_with("[")) {
      const auto found = kSections.find(content);
      if (found == kSections.end())
        fail("unknown section '" + std::string(content) +
             "'; there are [scene], [ops], [observe] and [alike]");
      else
        section_ = found->second;
      return;
    }
    switch (section_) {
      case Section::none:
        return fail("expected [scene], [ops], [observe] or [alike]");
      case Section::scene:
        return take_op(line, alphabet_.scene);
      case Section::ops:
        return take_op(line, alphabet_.ops);
      case Section::observe:
        return take_op(line, alphabet_.observe);
      case Section::alike:
        alphabet_.alike.push_back(words_of(content));
        if (alphabet_.alike.back().size() < 2 || alphabet_.alike.back().size() > kMostAlike)
          fail("expected two to 16 names, as in: p1 p2");
        if (alphabet_.alike.size() > kMostAlikeLines) fail("at most 8 lines of names");
        return;
    }
  }

  void take_op(const std::string& line, std::vector<Op>& to) {
    auto parsed = program::parse_program(line, file_);
    if (auto* error = std::get_if<ParseError>(&parsed)) {
      error->line = line_;
      error_ = *error;
      return;
    }
    for (Op& op : std::get<program::Program>(parsed).ops) to.push_back(op);
    if (to.size() > kMostOps) fail("at most 4096 operations in a section");
  }

  // What is left out has to be there in another form.
  void require_mirror(const std::string& a, const std::string& b) {
    std::vector<std::string> all;
    for (const Op& op : alphabet_.ops) all.push_back(program::to_text(op));
    for (const Op& op : alphabet_.ops) {
      const std::string mirror = exchanged(op, a, b);
      if (std::find(all.begin(), all.end(), mirror) == all.end()) {
        return fail("[alike] names " + a + " and " + b + ", so [ops] needs the mirror image of '" +
                    program::to_text(op) + "': " + mirror);
      }
    }
  }

  std::string_view file_;
  unsigned line_ = 0;
  Section section_ = Section::none;
  Alphabet alphabet_;
  std::optional<ParseError> error_;
};

}  // namespace

std::variant<Alphabet, ParseError> parse_alphabet(std::string_view text, std::string_view file) {
  return Reader(file).read(text);
}

Enumeration::Enumeration(std::vector<Alphabet> alphabets, unsigned length) {
  for (Alphabet& alphabet : alphabets) {
    Block block;
    block.first = end_;
    for (const Op& op : alphabet.ops) {
      std::vector<std::uint8_t>& mentions = block.mentions.emplace_back();
      for (const std::string& word : words_of(program::to_text(op))) {
        for (std::size_t line = 0; line < alphabet.alike.size(); ++line) {
          const auto& names = alphabet.alike[line];
          const auto at = std::find(names.begin(), names.end(), word);
          if (at != names.end())
            mentions.push_back(
                static_cast<std::uint8_t>(16 * line + static_cast<std::size_t>(at - names.begin())));
        }
      }
    }
    std::uint64_t sequences = 1;
    for (unsigned i = 0; i < std::min(length, kLongest); ++i) {
      sequences *= alphabet.ops.size();
      end_ += sequences;
    }
    block.alphabet = std::move(alphabet);
    blocks_.push_back(std::move(block));
  }
}

std::size_t Enumeration::block(std::uint64_t index) const {
  const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), index,
                                       [](std::uint64_t i, const Block& b) { return i < b.first; });
  return static_cast<std::size_t>(behind - blocks_.begin()) - 1;
}

std::vector<std::uint32_t> Enumeration::letters_of(const Block& block, std::uint64_t number) {
  const std::uint64_t letters = block.alphabet.ops.size();
  std::size_t length = 1;
  for (std::uint64_t sequences = letters; number >= sequences; sequences *= letters) {
    number -= sequences;
    ++length;
  }
  std::vector<std::uint32_t> sequence(length);
  for (std::size_t i = length; i-- > 0; number /= letters)
    sequence[i] = static_cast<std::uint32_t>(number % letters);
  return sequence;
}

bool Enumeration::canonical(const Block& block, const std::vector<std::uint32_t>& letters) {
  std::uint8_t used[kMostAlikeLines] = {};  // how many names of each line have been mentioned
  for (const std::uint32_t letter : letters) {
    for (const std::uint8_t mention : block.mentions[letter]) {
      std::uint8_t& next = used[mention / 16];
      if (mention % 16 > next) return false;
      if (mention % 16 == next) ++next;
    }
  }
  return true;
}

std::optional<program::Program> Enumeration::from(std::uint64_t& index) const {
  for (; index < end_; ++index) {
    const Block& b = blocks_[block(index)];
    const std::vector<std::uint32_t> letters = letters_of(b, index - b.first);
    if (!canonical(b, letters)) continue;
    program::Program program;
    program.ops = b.alphabet.scene;
    for (const std::uint32_t letter : letters) program.ops.push_back(b.alphabet.ops[letter]);
    program.ops.insert(program.ops.end(), b.alphabet.observe.begin(), b.alphabet.observe.end());
    return program;
  }
  return std::nullopt;
}

std::uint64_t Enumeration::programs() const {
  std::uint64_t count = 0;
  for (std::uint64_t index = 0; index < end_; ++index) {
    const Block& b = blocks_[block(index)];
    if (canonical(b, letters_of(b, index - b.first))) ++count;
  }
  return count;
}

}  // namespace shmcheck::harness
