// What the successes of operations carry: values and words, per ResultKind. Internal to program/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "program/trace.h"

namespace shmcheck::program {

// Reads an outcome from left to right. Every method returns false, and stays where it is, if the text does
// not go on as asked.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  std::size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  bool peek(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool accept(std::string_view word);
  bool literal(std::string_view word) { return accept(word); }
  bool decimal(std::uint64_t& out, std::uint64_t limit);
  bool octal(std::uint64_t& out);
  bool hexadecimal(std::uint64_t& out, std::uint64_t limit);  // 0x…
  bool hex_digits(std::string_view& out);                     // the longest run of hexadecimal digits
  bool address(const Facts& facts, std::uint64_t& out);       // a, a+3p, a+3p+5 or 0x…
  bool offset(const Facts& facts, std::uint64_t& out);        // 3p or 0x…
  bool error(unsigned& out);                                  // ENOMEM or errno200
  bool signal(unsigned& out);                                 // SIGBUS or signal99
  bool fault(unsigned& signal, unsigned& code);               // SIGBUS/ADRERR
  std::string found() const;                                  // what stands here, for messages

 private:
  std::string_view word() const;  // letters, digits and underscores from here
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string address_text(std::uint64_t address, const Facts& facts);
std::string code_text(unsigned signal, unsigned code);

std::string success_text(const Outcome& o, const Op& op, const Facts& facts);
bool parse_success(Scanner& in, const Op& op, const Facts& facts, Outcome& o);
std::string success_description(const Op& op);

}  // namespace shmcheck::program
