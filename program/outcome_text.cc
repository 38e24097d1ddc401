#include "program/outcome_text.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "program/outcome_words.h"
#include "program/text.h"

namespace shmcheck::program {
namespace {

constexpr std::string_view kKindWords[] = {"ok", "", "", "", "unbound", "withheld", "timeout"};

std::string died_text(const Outcome& o) {
  return o.signal != 0 ? "died " + signal_text(o.signal) : "died exit=" + std::to_string(o.value);
}

// The nice form; what it leaves out is found by reading it back.
std::string plain_text(const Outcome& o, const Op& op, const Facts& facts) {
  switch (o.kind) {
    case OutcomeKind::ok:
      return success_text(o, op, facts);
    case OutcomeKind::error:
      return errno_text(o.error);
    case OutcomeKind::signal:
      return fault_text(o.signal, o.code) + " at " + address_text(o.address, facts);
    case OutcomeKind::died:
      return died_text(o);
    case OutcomeKind::unbound:
    case OutcomeKind::withheld:
    case OutcomeKind::timeout:
      break;
  }
  auto kind = static_cast<std::size_t>(o.kind);
  return kind < std::size(kKindWords) ? std::string(kKindWords[kind]) : "";
}

// --- raw: every field as a number
// ----------------------------------------------------------------------------

constexpr std::string_view kRawFields[] = {"kind", "signal", "code", "error", "value", "address"};

std::string raw_text(const Outcome& o) {
  const std::uint64_t values[] = {
      static_cast<std::uint8_t>(o.kind), o.signal, o.code, o.error, o.value, o.address};
  std::string out = "raw{";
  for (std::size_t i = 0; i < std::size(values); ++i) {
    out += std::string(kRawFields[i]) + '=' + hex(values[i]) + ' ';
  }
  out += "words=";
  for (std::size_t i = 0; i < o.words.size(); ++i) {
    if (i != 0) out += ',';
    out += hex(o.words[i]);
  }
  return out + '}';
}

bool parse_raw(Scanner& in, Outcome& o) {
  constexpr std::uint64_t kLimits[] = {6, 255, 255, 65535, UINT64_MAX, UINT64_MAX};
  std::uint64_t values[std::size(kRawFields)] = {};
  for (std::size_t i = 0; i < std::size(values); ++i) {
    if (!in.literal(std::string(kRawFields[i]) + "=") || !in.hexadecimal(values[i], kLimits[i])) return false;
    if (!in.literal(" ")) return false;
  }
  o.kind = static_cast<OutcomeKind>(values[0]);
  o.signal = static_cast<std::uint8_t>(values[1]);
  o.code = static_cast<std::uint8_t>(values[2]);
  o.error = static_cast<std::uint16_t>(values[3]);
  o.value = values[4];
  o.address = values[5];
  if (!in.literal("words=")) return false;
  while (!in.peek("}")) {
    std::uint64_t word = 0;
    if (!o.words.empty() && !in.literal(",")) return false;
    if (!in.hexadecimal(word, UINT64_MAX)) return false;
    o.words.push_back(word);
  }
  return in.literal("}");
}

// --- reading ---------------------------------------------------------------------------------------------

bool parse_died(Scanner& in, Outcome& o) {
  o.kind = OutcomeKind::died;
  if (in.accept("exit=")) return in.decimal(o.value, UINT64_MAX);
  unsigned signal = 0;
  if (!in.signal(signal) || signal == 0) return false;
  o.signal = static_cast<std::uint8_t>(signal);
  return true;
}

bool parse_fault(Scanner& in, const Facts& facts, Outcome& o) {
  unsigned signal = 0, code = 0;
  if (!in.fault(signal, code)) return false;
  o.kind = OutcomeKind::signal;
  o.signal = static_cast<std::uint8_t>(signal);
  o.code = static_cast<std::uint8_t>(code);
  return in.literal(" at ") && in.address(facts, o.address);
}

bool parse_word(Scanner& in, Outcome& o) {
  for (std::size_t kind = static_cast<std::size_t>(OutcomeKind::unbound); kind < std::size(kKindWords);
       ++kind) {
    if (!in.accept(kKindWords[kind])) continue;
    o.kind = static_cast<OutcomeKind>(kind);
    return true;
  }
  return false;
}

bool parse_any(Scanner& in, const Op& op, const Facts& facts, Outcome& o) {
  if (in.accept("raw{")) return parse_raw(in, o);
  if (in.accept("died ")) return parse_died(in, o);
  if (in.peek("SIG") || in.peek("signal")) return parse_fault(in, facts, o);
  unsigned error = 0;
  if (in.error(error)) {
    o.kind = OutcomeKind::error;
    o.error = static_cast<std::uint16_t>(error);
    return true;
  }
  return parse_word(in, o) || parse_success(in, op, facts, o);
}

std::string expectation(const Op& op) {
  return "expected " + success_description(op) +
         ", an errno name, a signal like SIGBUS/ADRERR at a+1p, died, " + "unbound, withheld or timeout";
}

}  // namespace

std::string errno_text(unsigned error) {
  const char* name = error == 0 ? nullptr : strerrorname_np(static_cast<int>(error));
  return name != nullptr ? name : "errno" + std::to_string(error);
}

std::string signal_text(unsigned signal) {
  const char* name = sigabbrev_np(static_cast<int>(signal));
  return name != nullptr ? std::string("SIG") + name : "signal" + std::to_string(signal);
}

std::string fault_text(unsigned signal, unsigned code) {
  return signal_text(signal) + '/' + code_text(signal, code);
}

std::string to_text(const Outcome& outcome, const Op& op, const Facts& facts) {
  std::string text = plain_text(outcome, op, facts);
  Outcome again;
  if (!parse_outcome(text, op, facts, again)) {
    again.before = outcome.before;
    again.after = outcome.after;
    if (again == outcome) return text;
  }
  return raw_text(outcome);
}

std::optional<Fault> parse_outcome(std::string_view text, const Op& op, const Facts& facts,
                                   Outcome& outcome) {
  outcome = {};
  Scanner in(text);
  if (!parse_any(in, op, facts, outcome)) {
    return Fault{in.at(), expectation(op) + ", found " + in.found()};
  }
  if (!in.done()) return Fault{in.at(), "expected nothing more behind the outcome, found " + in.found()};
  return std::nullopt;
}

}  // namespace shmcheck::program
