#include "program/op_text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace shmcheck::program {
namespace {

struct ProtLetter {
  char letter;
  std::uint8_t bit;
};
constexpr ProtLetter kProtLetters[] = {{'r', kProtRead},    {'w', kProtWrite},     {'x', kProtExec},
                                       {'?', kProtUnknown}, {'d', kProtGrowsDown}, {'u', kProtGrowsUp}};

struct Family {
  char letter;
  std::string_view specials[2];  // names of the indices behind the last one
};
constexpr Family kFamilies[] = {{'?', {}},           {'p', {}}, {'m', {}},
                                {'f', {"-", "bad"}}, {'n', {}}, {'s', {"neg", "bogus"}},
                                {'o', {"long"}}};
static_assert(std::size(kFamilies) == kNameKinds);
constexpr std::string_view kBaseNames[] = {"", "a", "top", "half"};
constexpr std::string_view kQuantityShape = "a quantity like a+3p, m0+1p-1, 2p+1, top or 0";

const Family& family(NameKind kind) {
  return kFamilies[static_cast<std::size_t>(kind)];
}

// --- printing --------------------------------------------------------------------------------------------

std::string name_text(NameKind kind, unsigned index) {
  const Family& f = family(kind);
  if (const unsigned count = name_count(kind); index >= count) return std::string(f.specials[index - count]);
  return f.letter + std::to_string(index);
}

std::string base_text(std::uint8_t base) {
  constexpr auto kMapping = static_cast<std::uint8_t>(Base::mapping);
  if (base >= kMapping) return name_text(NameKind::mapping, base - unsigned{kMapping});
  return std::string(kBaseNames[base]);
}

std::string quantity_text(const Quantity& q) {
  std::string out = base_text(q.base);
  auto term = [&out](int n, std::string_view unit) {
    if (n == 0) return;
    if (n > 0 && !out.empty()) out += '+';
    out += std::to_string(n);
    out += unit;
  };
  term(q.pages, "p");
  term(q.bytes, "");
  return out.empty() ? "0" : out;
}

std::string prot_text(std::uint8_t bits) {
  std::string out;
  for (const ProtLetter& p : kProtLetters) {
    if ((bits & p.bit) != 0) out += p.letter;
  }
  return out.empty() ? "none" : out;
}

std::string flags_text(std::uint32_t bits, std::span<const NamedValue> names) {
  std::string out;
  for (const NamedValue& n : names) {
    if ((bits & n.value) != n.value) continue;
    bits &= ~n.value;
    if (!out.empty()) out += ',';
    out += n.name;
  }
  return out;
}

std::uint8_t small_at(const Op& op, Slot slot) {
  return slot == Slot::small ? op.small : op.byte;
}
std::uint8_t& small_at(Op& op, Slot slot) {
  return slot == Slot::small ? op.small : op.byte;
}

bool is_default(const Op& op, Slot slot) {
  switch (slot) {
    case Slot::addr:
    case Slot::len:
    case Slot::off:
    case Slot::to:
      return op.*quantity_of(slot) == Quantity{};
    case Slot::object:
      return op.object == 0;
    case Slot::flags:
      return op.flags == 0;
    case Slot::mode:
      return op.mode == 0;
    case Slot::value:
      return op.value == 0 && op.small == 0;
    case Slot::small:
    case Slot::byte:
      break;
  }
  return small_at(op, slot) == 0;
}

std::string value_text(const Op& op, const OpSpec& s, const Arg& arg) {
  switch (arg.kind) {
    case ArgKind::object:
      return name_text(s.object_kind, op.object);
    case ArgKind::quantity:
    case ArgKind::small_len:
      return quantity_text(op.*quantity_of(arg.slot));
    case ArgKind::prot:
      return prot_text(op.small);
    case ArgKind::flags:
      return flags_text(op.flags, arg.names);
    case ArgKind::choice:
      return std::string(arg.names[small_at(op, arg.slot)].name);
    case ArgKind::mode:
      return octal(op.mode);
    case ArgKind::byte:
      return "0x" + hex_byte(op.byte);
    case ArgKind::key:
      return op.byte == 0 ? "private" : 'k' + std::to_string(op.byte);
    case ArgKind::user:
      return 'u' + std::to_string(op.byte);
    case ArgKind::access_size:
      return std::to_string(1U << op.small);
    case ArgKind::bytes:
      return memory_order(op.value, 1U << op.small);
    case ArgKind::status:
      break;
  }
  return std::to_string(op.byte);
}

// --- parsing: each returns an empty string or says what was expected ---------------------------------------

std::optional<unsigned> index_in(std::string_view digits, unsigned count) {
  auto n = number(digits);
  if (!n || *n >= count || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  return static_cast<unsigned>(*n);
}

std::optional<unsigned> parse_name(NameKind kind, std::string_view text) {
  const Family& f = family(kind);
  for (unsigned i = 0; i < std::size(f.specials); ++i) {
    if (!text.empty() && text == f.specials[i]) return name_count(kind) + i;
  }
  if (text.empty() || text[0] != f.letter) return std::nullopt;
  return index_in(text.substr(1), name_count(kind));
}

std::string name_shape(NameKind kind, bool specials) {
  const Family& f = family(kind);
  std::string first = std::string(1, f.letter) + "0";
  std::string out = first + " to " + f.letter + std::to_string(name_count(kind) - 1);
  if (specials && !f.specials[0].empty()) {
    out += (f.specials[1].empty() ? " or " : ", ") + std::string(f.specials[0]);
    if (!f.specials[1].empty()) out += " or " + std::string(f.specials[1]);
  }
  return out;
}

// Reads `[sign]digits[p]` at the start of `text` and removes it.
struct Term {
  std::int64_t n = 0;
  bool pages = false;
};
std::optional<Term> take_term(std::string_view& text, bool sign_needed) {
  Term term;
  std::size_t at = 0;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) at = 1;
  if (at == 0 && sign_needed) return std::nullopt;
  std::size_t end = at;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  auto n = number(text.substr(at, end - at));
  if (!n || *n > INT16_MAX) return std::nullopt;
  term.n = text[0] == '-' ? -static_cast<std::int64_t>(*n) : static_cast<std::int64_t>(*n);
  term.pages = end < text.size() && text[end] == 'p';
  text.remove_prefix(end + (term.pages ? 1 : 0));
  return term;
}

std::optional<std::uint8_t> parse_base(std::string_view word) {
  for (std::size_t i = 1; i < std::size(kBaseNames); ++i) {
    if (word == kBaseNames[i]) return static_cast<std::uint8_t>(i);
  }
  auto mapping = parse_name(NameKind::mapping, word);
  if (!mapping) return std::nullopt;
  return static_cast<std::uint8_t>(static_cast<unsigned>(Base::mapping) + *mapping);
}

bool parse_quantity(std::string_view text, Quantity& q) {
  q = {};
  if (text.empty()) return false;
  bool based = text[0] >= 'a' && text[0] <= 'z';
  if (based) {
    std::string_view word = text.substr(0, text.find_first_of("+-"));
    auto base = parse_base(word);
    if (!base) return false;
    q.base = *base;
    text.remove_prefix(word.size());
    if (text.empty()) return true;
  }
  auto term = take_term(text, based);
  if (term && term->pages) {
    q.pages = static_cast<std::int16_t>(term->n);
    if (text.empty()) return true;
    term = take_term(text, true);
  }
  if (!term || term->pages || !text.empty()) return false;
  q.bytes = static_cast<std::int16_t>(term->n);
  return true;
}

// True if normalization leaves the field alone, with nothing else of the op set.
bool stays(OpCode code, Slot slot, const Quantity& q) {
  Op op;
  op.code = code;
  op.*quantity_of(slot) = q;
  normalize(op);
  return op.*quantity_of(slot) == q;
}

bool parse_prot(std::string_view text, std::uint8_t& bits) {
  bits = 0;
  if (text == "none") return true;
  for (char c : text) {
    const auto* p = std::find_if(std::begin(kProtLetters), std::end(kProtLetters),
                                 [c](const ProtLetter& known) { return known.letter == c; });
    if (p == std::end(kProtLetters) || (bits & p->bit) != 0) return false;
    bits = static_cast<std::uint8_t>(bits | p->bit);
  }
  return bits != 0;
}

bool parse_flags(std::string_view text, std::span<const NamedValue> names, std::uint32_t& bits) {
  bits = 0;
  if (text == "0") return true;
  for (;;) {
    std::string_view word = text.substr(0, text.find(','));
    auto n = std::find_if(names.begin(), names.end(), [word](const NamedValue& v) { return v.name == word; });
    if (n == names.end() || (bits & n->value) == n->value) return false;
    bits |= n->value;
    if (word.size() == text.size()) return true;
    text.remove_prefix(word.size() + 1);
  }
}

bool parse_bytes(std::string_view text, Op& op) {
  if (!text.starts_with("0x")) return false;
  auto value = from_memory_order(text.substr(2));
  if (!value) return false;
  for (std::uint8_t log = 0; log < 4; ++log) {
    if (text.size() != 2 + (2U << log)) continue;
    op.small = log;
    op.value = *value;
    return true;
  }
  return false;
}

bool parse_access_size(std::string_view text, std::uint8_t& log) {
  for (log = 0; log < 4; ++log) {
    if (text == std::to_string(1U << log)) return true;
  }
  return false;
}

// A number below `limit` into a byte.
bool parse_small(std::optional<std::uint64_t> n, std::uint64_t limit, std::uint8_t& out) {
  if (!n || *n >= limit) return false;
  out = static_cast<std::uint8_t>(*n);
  return true;
}

bool parse_choice(std::string_view text, std::span<const NamedValue> names, std::uint8_t& out) {
  for (const NamedValue& n : names) {
    if (n.name != text) continue;
    out = static_cast<std::uint8_t>(n.value);
    return true;
  }
  return false;
}

bool parse_prefixed(std::string_view text, char letter, unsigned count, std::uint8_t& out) {
  if (text.empty() || text[0] != letter) return false;
  auto index = index_in(text.substr(1), count);
  return parse_small(index ? std::optional<std::uint64_t>(*index) : std::nullopt, count, out);
}

bool parse_value(std::string_view text, const OpSpec& s, const Arg& arg, Op& op) {
  switch (arg.kind) {
    case ArgKind::object: {
      auto index = parse_name(s.object_kind, text);
      if (index) op.object = static_cast<std::uint8_t>(*index);
      return index.has_value();
    }
    case ArgKind::quantity:
    case ArgKind::small_len: {
      Quantity& q = op.*quantity_of(arg.slot);
      return parse_quantity(text, q) && stays(op.code, arg.slot, q);
    }
    case ArgKind::prot:
      return parse_prot(text, op.small);
    case ArgKind::flags:
      return parse_flags(text, arg.names, op.flags);
    case ArgKind::choice:
      return parse_choice(text, arg.names, small_at(op, arg.slot));
    case ArgKind::mode: {
      auto mode = number(text, 8);
      if (!mode || *mode > 0777) return false;
      op.mode = static_cast<std::uint16_t>(*mode);
      return true;
    }
    case ArgKind::byte:
      return text.size() == 4 && parse_small(hex_number(text), 256, op.byte);
    case ArgKind::key:
      if (text == "private") return parse_small(0, 1, op.byte);
      return text != "k0" && parse_prefixed(text, 'k', kKeys, op.byte);
    case ArgKind::user:
      return parse_prefixed(text, 'u', kUsers, op.byte);
    case ArgKind::access_size:
      return parse_access_size(text, op.small);
    case ArgKind::bytes:
      return parse_bytes(text, op);
    case ArgKind::status:
      break;
  }
  return parse_small(number(text), 256, op.byte);
}

std::string names_of(std::span<const NamedValue> names) {
  std::vector<std::string_view> words;
  for (const NamedValue& n : names) words.push_back(n.name);
  return join(words, ", ");
}

const OpSpec* find_spec(std::string_view name, OpCode& code) {
  for (std::uint8_t i = 0; i < kOpCodes; ++i) {
    code = static_cast<OpCode>(i);
    if (spec(code).name == name) return &spec(code);
  }
  return nullptr;
}

std::string unknown_op(std::string_view found) {
  std::array<std::string_view, kOpCodes> names;
  for (std::uint8_t i = 0; i < kOpCodes; ++i) names[i] = spec(static_cast<OpCode>(i)).name;
  return "expected an operation, found " + quote(found) + did_you_mean(found, names);
}

std::string_view label_of(std::string_view word) {
  std::size_t equals = word.find('=');
  return equals == std::string_view::npos ? "" : word.substr(0, equals);
}

std::string label_list(const OpSpec& s) {
  std::vector<std::string_view> labels;
  for (const Arg& arg : s.args) {
    if (!arg.label.empty()) labels.push_back(arg.label);
  }
  return labels.empty() ? "no labelled arguments" : join(labels, "=, ") + "=";
}

std::string wanted(const OpSpec& s, const Arg& arg) {
  std::string label(arg.label);
  return (label.empty() ? "" : label + "= with ") + description(s, arg);
}

// Reads the words behind the operation's name and result.
class ArgumentParser {
 public:
  ArgumentParser(const OpSpec& s, Op& op) : spec_(s), op_(op), given_(s.args.size(), false) {}

  std::optional<Fault> word(const Word& w) {
    std::string_view label = label_of(w.text);
    std::size_t i = label.empty() ? next_positional() : index_of(label);
    if (i == spec_.args.size()) return unexpected(w, label);
    const Arg& arg = spec_.args[i];
    if (given_[i]) return Fault{w.at, std::string(arg.label) + "= is given twice"};
    given_[i] = true;
    std::size_t skip = label.empty() ? 0 : label.size() + 1;
    std::string_view value = w.text.substr(skip);
    if (parse_value(value, spec_, arg, op_)) return std::nullopt;
    return Fault{w.at + skip, "expected " + description(spec_, arg) + ", found " + quote(value)};
  }

  std::optional<Fault> finish(std::size_t end) const {
    for (std::size_t i = 0; i < given_.size(); ++i) {
      const Arg& arg = spec_.args[i];
      if (arg.required && !given_[i]) {
        return Fault{end, std::string(spec_.name) + " needs " + wanted(spec_, arg)};
      }
    }
    return std::nullopt;
  }

 private:
  std::size_t next_positional() const {
    std::size_t i = 0;
    while (i < given_.size() && (given_[i] || !spec_.args[i].label.empty())) ++i;
    return i;
  }
  std::size_t index_of(std::string_view label) const {
    std::size_t i = 0;
    while (i < given_.size() && spec_.args[i].label != label) ++i;
    return i;
  }
  Fault unexpected(const Word& w, std::string_view label) const {
    std::string name(spec_.name);
    if (label.empty()) {
      return {w.at, name + " takes " + label_list(spec_) + " here, found " + quote(w.text)};
    }
    return {w.at, name + " has no argument " + quote(label) + ", it takes " + label_list(spec_)};
  }

  const OpSpec& spec_;
  Op& op_;
  std::vector<bool> given_;
};

}  // namespace

std::string description(const OpSpec& s, const Arg& arg) {
  switch (arg.kind) {
    case ArgKind::object:
      return name_shape(s.object_kind, true);
    case ArgKind::quantity:
      if (arg.slot == Slot::addr || arg.slot == Slot::to) return std::string(kQuantityShape);
      return "a quantity like 2p+1, -1p, half, top or 0 (not counted from a mapping)";
    case ArgKind::small_len:
      return "a length like 2p-1 or 5, from 0 to " + std::to_string(kMaxIoPages) + "p for every page size";
    case ArgKind::prot:
      return "letters of rwx?du, each once, or none";
    case ArgKind::flags:
      return "names from " + names_of(arg.names) + " joined by commas, each once";
    case ArgKind::choice:
      return "one of " + names_of(arg.names);
    case ArgKind::mode:
      return "octal permission bits from 0 to 777";
    case ArgKind::byte:
      return "a byte from 0x00 to 0xff";
    case ArgKind::key:
      return "private or k1 to k" + std::to_string(kKeys - 1);
    case ArgKind::user:
      return "u0 to u" + std::to_string(kUsers - 1);
    case ArgKind::access_size:
      return "1, 2, 4 or 8";
    case ArgKind::bytes:
      return "1, 2, 4 or 8 bytes in memory order like 0x4142";
    case ArgKind::status:
      break;
  }
  return "an exit status from 0 to 255";
}

std::string to_text(const Op& op) {
  const OpSpec& s = spec(op.code);
  std::string out = name_text(NameKind::process, op.proc) + ' ' + std::string(s.name);
  if (s.result_name != NameKind::none) out += ' ' + name_text(s.result_name, op.result);
  for (const Arg& arg : s.args) {
    if (!arg.required && is_default(op, arg.slot)) continue;
    out += ' ';
    if (!arg.label.empty()) out += std::string(arg.label) + '=';
    out += value_text(op, s, arg);
  }
  return out;
}

std::optional<Fault> parse_op(std::span<const Word> words, std::size_t end, Op& op) {
  op = {};
  auto need = [&](std::size_t i) { return i < words.size() ? words[i] : Word{"", end}; };
  auto expected = [&](std::size_t i, const std::string& what) {
    std::string found = i < words.size() ? quote(words[i].text) : "the end of the line";
    return Fault{need(i).at, "expected " + what + ", found " + found};
  };
  auto process = parse_name(NameKind::process, need(0).text);
  if (!process) return expected(0, "a process, " + name_shape(NameKind::process, false));
  op.proc = static_cast<std::uint8_t>(*process);
  if (words.size() < 2) return expected(1, "an operation");
  const OpSpec* s = find_spec(words[1].text, op.code);
  if (s == nullptr) return Fault{words[1].at, unknown_op(words[1].text)};
  std::size_t next = 2;
  if (s->result_name != NameKind::none) {
    auto result = parse_name(s->result_name, need(next).text);
    if (!result || *result >= name_count(s->result_name)) {
      return expected(next, "the name of the result, " + name_shape(s->result_name, false));
    }
    op.result = static_cast<std::uint8_t>(*result);
    ++next;
  }
  ArgumentParser arguments(*s, op);
  for (const Word& w : words.subspan(next)) {
    if (auto fault = arguments.word(w)) return fault;
  }
  return arguments.finish(end);
}

}  // namespace shmcheck::program
