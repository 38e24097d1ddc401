// Words, numbers and messages: what the parsers of this room share. Internal to program/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::program {

// Where a parser stopped and why. `at` is a byte offset into the text that the parser was given.
struct Fault {
  std::size_t at = 0;
  std::string message;
};

struct Word {
  std::string_view text;
  std::size_t at = 0;  // byte offset in the line
};

bool is_blank(char c);  // space, tab or carriage return
std::string_view without_comment(std::string_view line);
std::vector<Word> split_words(std::string_view text);

// The whole of `text` as a number of the given base (digits only, no sign, lower-case or upper-case hex).
std::optional<std::uint64_t> number(std::string_view text, unsigned base = 10);
std::optional<std::uint64_t> hex_number(std::string_view text);  // with its 0x
std::optional<std::int64_t> signed_number(std::string_view text);

std::string hex(std::uint64_t v);  // 0x… without leading zeros
std::string octal(std::uint64_t v);
std::string hex_byte(std::uint8_t v);  // two digits, no 0x

// Bytes in memory order, `0x4142` is 0x41 at the lower address.
std::string memory_order(std::uint64_t value, unsigned bytes);
std::optional<std::uint64_t> from_memory_order(std::string_view digits);

// 'text' in quotes, with unprintable bytes as \xNN and cut after 40 bytes.
std::string quote(std::string_view text);
// `, did you mean 'x'?` for the nearest candidate, or nothing if none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);
std::string join(std::span<const std::string_view> words, std::string_view separator);

}  // namespace shmcheck::program
