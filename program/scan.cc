#include "program/scan.h"

#include <algorithm>
#include <charconv>

namespace shmcheck::program {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::string in_base(std::uint64_t v, int base) {
  char digits[32];
  auto end = std::to_chars(std::begin(digits), std::end(digits), v, base).ptr;
  return {digits, end};
}

template <typename T>
std::optional<T> whole(std::string_view text, int base) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Insertions, deletions, replacements and exchanged neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      d[i][j] = std::min({replace, d[i - 1][j] + 1, d[i][j - 1] + 1});
      bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view without_comment(std::string_view line) {
  return line.substr(0, line.find('#'));
}

std::vector<Word> split_words(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_blank(text[end])) ++end;
    words.push_back({text.substr(at, end - at), at});
    at = end;
  }
  return words;
}

std::optional<std::uint64_t> number(std::string_view text, unsigned base) {
  return whole<std::uint64_t>(text, static_cast<int>(base));
}

std::optional<std::uint64_t> hex_number(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  return number(text.substr(2), 16);
}

std::optional<std::int64_t> signed_number(std::string_view text) {
  return whole<std::int64_t>(text, 10);
}

std::string hex(std::uint64_t v) {
  return "0x" + in_base(v, 16);
}

std::string octal(std::uint64_t v) {
  return in_base(v, 8);
}

std::string hex_byte(std::uint8_t v) {
  return {kDigits[v >> 4], kDigits[v & 15]};
}

std::string memory_order(std::uint64_t value, unsigned bytes) {
  std::string out = "0x";
  for (unsigned i = 0; i < bytes; ++i) out += hex_byte(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}

std::optional<std::uint64_t> from_memory_order(std::string_view digits) {
  std::uint64_t value = 0;
  if (digits.empty() || digits.size() % 2 != 0 || digits.size() > 16) return std::nullopt;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    auto byte = number(digits.substr(i, 2), 16);
    if (!byte) return std::nullopt;
    value |= *byte << (4 * i);
  }
  return value;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string out = "'";
  for (char c : text.substr(0, kShown)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      out += "\\x" + hex_byte(byte);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kShown ? "…'" : "'");
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongest = 40;  // a longer word is no typing error, and the distance is quadratic
  if (word.size() > kLongest) return "";
  std::string_view best;
  std::size_t nearest = word.size() / 3 + 2;
  for (std::string_view candidate : candidates) {
    std::size_t distance = edit_distance(word, candidate);
    if (distance >= nearest || distance >= candidate.size()) continue;
    nearest = distance;
    best = candidate;
  }
  return best.empty() ? "" : ", did you mean " + quote(best) + "?";
}

std::string join(std::span<const std::string_view> words, std::string_view separator) {
  std::string out;
  for (std::string_view word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

}  // namespace shmcheck::program
