// Files of a line or a page of text, as /proc has them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace shmcheck::executor {

// The beginning of the file, as far as one read gives it and `room` holds it. 0 or -errno.
long read_small_file(const char* path, std::span<char> room, std::string_view& text);

// 0 or -errno.
long write_small_file(const char* path, std::string_view text);

// Takes blanks and a decimal number off the front of `text`; false if no number stands there.
bool take_number(std::string_view& text, std::uint64_t& value);
// The same of a number that may be negative; modulo 2^64.
bool take_signed(std::string_view& text, std::uint64_t& value);

// The number behind `key` in the text of a file; false if there is none.
bool number_behind(std::string_view text, std::string_view key, std::uint64_t& value);

}  // namespace shmcheck::executor
