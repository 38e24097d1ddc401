// Any input, taken as program text, as trace text, as facts and as program bytes, either is understood and
// round-trips or gives an error with a position inside it.
#include <cstdio>
#include <cstdlib>

#include "program/bytes.h"
#include "program/text.h"

using namespace shmcheck::program;

namespace {

void require(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "%s:\n%.*s\n", what, static_cast<int>(text.size()), text.data());
  std::abort();
}

void require_position(const ParseError& error, std::string_view text) {
  unsigned line = 1;
  std::size_t begin = 0;
  while (line < error.line) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    begin = end + 1;
    ++line;
  }
  std::size_t length = std::min(text.find('\n', begin), text.size()) - begin;
  // The end of a text without its facts is missed on the line behind the last one.
  require(error.line <= line + 1, "the error is on no line of the text", text);
  require(error.column >= 1 && error.column <= length + 1, "the error is in no column of its line", text);
  require(!error.message.empty() && error.message.find('\n') == std::string::npos, "not one sentence", text);
}

template <typename T>
void check_text(std::string_view text, Parsed<T> (*parse)(std::string_view, std::string_view)) {
  Parsed<T> result = parse(text, "input");
  if (auto* error = std::get_if<ParseError>(&result)) return require_position(*error, text);
  std::string canonical = to_text(std::get<T>(result));
  Parsed<T> again = parse(canonical, "canonical");
  require(std::holds_alternative<T>(again), "the canonical text is not understood", canonical);
  require(std::get<T>(again) == std::get<T>(result), "the canonical text means something else", canonical);
  require(to_text(std::get<T>(again)) == canonical, "the canonical text is not canonical", canonical);
}

void check_bytes(std::span<const std::uint8_t> bytes) {
  Program program = decode(bytes), exact;
  std::string text = to_text(program);
  require(decode_exact(encode(program), exact).empty() && exact == program, "bytes do not round-trip", text);
  check_text<Program>(text, parse_program);
  require(std::holds_alternative<Program>(parse_program(text, "decoded")), "text is not understood", text);
}

void check_facts(std::string_view text) {
  Facts facts, again;
  if (!from_text(text, facts).empty()) return;
  require(from_text(to_text(facts), again).empty() && again == facts, "facts do not round-trip", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_text<Program>(text, parse_program);
  check_text<Trace>(text, parse_trace);
  // A trace of one target, so that the fuzzer need not find its facts first.
  std::string trace = "target protocol=1 page=4096 arena=0x10000 arena_pages=16\n" + std::string(text);
  check_text<Trace>(trace, parse_trace);
  check_facts(text);
  check_bytes({data, size});
  return 0;
}
