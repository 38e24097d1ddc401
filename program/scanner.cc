#include <csignal>
#include <cstring>

#include "program/outcome_text.h"
#include "program/outcome_words.h"
#include "program/scan.h"

namespace shmcheck::program {
namespace {

struct CodeName {
  unsigned signal;  // 0: any
  unsigned code;
  std::string_view name;
};
// si_code as Outcome holds it, its low eight bits: SI_USER is 0, SI_KERNEL 128, SI_TKILL 250.
constexpr CodeName kCodes[] = {{SIGBUS, 1, "ADRALN"},    {SIGBUS, 2, "ADRERR"},    {SIGBUS, 3, "OBJERR"},
                               {SIGBUS, 4, "MCEERR_AR"}, {SIGBUS, 5, "MCEERR_AO"}, {SIGSEGV, 1, "MAPERR"},
                               {SIGSEGV, 2, "ACCERR"},   {SIGSEGV, 3, "BNDERR"},   {SIGSEGV, 4, "PKUERR"},
                               {SIGSEGV, 8, "MTEAERR"},  {SIGSEGV, 9, "MTESERR"},  {SIGSEGV, 10, "CPERR"},
                               {0, 0, "USER"},           {0, 128, "KERNEL"},       {0, 250, "TKILL"}};
constexpr unsigned kMaxErrno = 4095;  // the range of error returns on Linux
constexpr unsigned kMaxByte = 255;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string code_text(unsigned signal, unsigned code) {
  for (const CodeName& c : kCodes) {
    if ((c.signal == signal || c.signal == 0) && c.code == code) return std::string(c.name);
  }
  return std::to_string(code);
}

std::string address_text(std::uint64_t address, const Facts& facts) {
  std::uint64_t offset = address - facts.arena;
  std::uint64_t page = facts.page_size;
  if (facts.arena == 0 || page == 0 || address < facts.arena || offset > page * facts.arena_pages) {
    return hex(address);
  }
  std::string out = "a+" + std::to_string(offset / page) + 'p';
  if (offset % page != 0) out += '+' + std::to_string(offset % page);
  return out;
}

std::string_view Scanner::word() const {
  std::size_t end = at_;
  while (end < text_.size() && is_word(text_[end])) ++end;
  return text_.substr(at_, end - at_);
}

bool Scanner::accept(std::string_view word) {
  if (!peek(word)) return false;
  at_ += word.size();
  return true;
}

bool Scanner::decimal(std::uint64_t& out, std::uint64_t limit) {
  std::size_t end = at_;
  while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
  auto n = number(text_.substr(at_, end - at_));
  if (!n || *n > limit) return false;
  out = *n;
  at_ = end;
  return true;
}

bool Scanner::octal(std::uint64_t& out) {
  auto n = number(word(), 8);
  if (!n) return false;
  out = *n;
  at_ += word().size();
  return true;
}

bool Scanner::hexadecimal(std::uint64_t& out, std::uint64_t limit) {
  auto n = hex_number(word());
  if (!n || *n > limit) return false;
  out = *n;
  at_ += word().size();
  return true;
}

bool Scanner::hex_digits(std::string_view& out) {
  std::size_t end = at_;
  while (end < text_.size() && std::strchr("0123456789abcdef", text_[end]) != nullptr && text_[end] != 0)
    ++end;
  if (end == at_) return false;
  out = text_.substr(at_, end - at_);
  at_ = end;
  return true;
}

bool Scanner::address(const Facts& facts, std::uint64_t& out) {
  if (hexadecimal(out, UINT64_MAX)) return true;
  Scanner ahead = *this;
  std::uint64_t pages = 0, bytes = 0;
  if (!ahead.accept("a")) return false;
  if (ahead.accept("+") && (!ahead.decimal(pages, facts.arena_pages) || !ahead.accept("p"))) return false;
  if (ahead.accept("+") && !ahead.decimal(bytes, facts.page_size - std::uint64_t{1})) return false;
  out = facts.arena + pages * facts.page_size + bytes;
  *this = ahead;
  return true;
}

bool Scanner::offset(const Facts& facts, std::uint64_t& out) {
  if (hexadecimal(out, UINT64_MAX)) return true;
  Scanner ahead = *this;
  std::uint64_t pages = 0;
  if (facts.page_size == 0 || !ahead.decimal(pages, UINT64_MAX / facts.page_size) || !ahead.accept("p")) {
    return false;
  }
  out = pages * facts.page_size;
  *this = ahead;
  return true;
}

bool Scanner::error(unsigned& out) {
  Scanner ahead = *this;
  std::uint64_t n = 0;
  if (ahead.accept("errno") && ahead.decimal(n, UINT16_MAX)) {
    out = static_cast<unsigned>(n);
    *this = ahead;
    return true;
  }
  if (!peek("E")) return false;
  for (unsigned i = 1; i <= kMaxErrno; ++i) {
    const char* name = strerrorname_np(static_cast<int>(i));
    if (name == nullptr || word() != name) continue;
    out = i;
    at_ += word().size();
    return true;
  }
  return false;
}

bool Scanner::signal(unsigned& out) {
  Scanner ahead = *this;
  std::uint64_t n = 0;
  if (ahead.accept("signal") && ahead.decimal(n, kMaxByte)) {
    out = static_cast<unsigned>(n);
    *this = ahead;
    return true;
  }
  if (!peek("SIG")) return false;
  for (unsigned i = 1; i < NSIG; ++i) {
    const char* name = sigabbrev_np(static_cast<int>(i));
    if (name == nullptr || word().substr(3) != name) continue;
    out = i;
    at_ += word().size();
    return true;
  }
  return false;
}

bool Scanner::fault(unsigned& signal_out, unsigned& code) {
  Scanner ahead = *this;
  std::uint64_t n = 0;
  if (!ahead.signal(signal_out) || !ahead.accept("/")) return false;
  if (ahead.decimal(n, kMaxByte)) {
    code = static_cast<unsigned>(n);
    *this = ahead;
    return true;
  }
  for (const CodeName& c : kCodes) {
    if ((c.signal != signal_out && c.signal != 0) || c.name != ahead.word()) continue;
    code = c.code;
    ahead.at_ += c.name.size();
    *this = ahead;
    return true;
  }
  return false;
}

std::string Scanner::found() const {
  return done() ? "the end of the line" : quote(text_.substr(at_));
}

}  // namespace shmcheck::program
