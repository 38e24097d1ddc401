// Properties of programs and traces as text and as bytes, over inputs that RapidCheck shrinks.
#include <rapidcheck.h>

#include <cstdlib>

#include "program/bytes.h"
#include "program/text.h"

using namespace shmcheck::program;

namespace {

// Any bytes, in whole records: numbers near zero, which name things, and any numbers.
rc::Gen<std::vector<std::uint8_t>> records() {
  auto byte = rc::gen::oneOf(rc::gen::inRange<std::uint8_t>(0, 20), rc::gen::arbitrary<std::uint8_t>());
  auto record = rc::gen::container<std::vector<std::uint8_t>>(kRecordBytes, byte);
  return rc::gen::map(rc::gen::container<std::vector<std::vector<std::uint8_t>>>(record),
                      [](const auto& all) {
                        std::vector<std::uint8_t> bytes = {kByteVersion};
                        for (const auto& one : all) bytes.insert(bytes.end(), one.begin(), one.end());
                        return bytes;
                      });
}

rc::Gen<Program> programs() {
  return rc::gen::map(records(), [](const std::vector<std::uint8_t>& bytes) { return decode(bytes); });
}

rc::Gen<Outcome> outcomes() {
  return rc::gen::build<Outcome>(
      rc::gen::set(&Outcome::kind,
                   rc::gen::map(rc::gen::inRange(0, 7), [](int k) { return OutcomeKind(k); })),
      rc::gen::set(&Outcome::signal), rc::gen::set(&Outcome::code), rc::gen::set(&Outcome::error),
      rc::gen::set(&Outcome::value), rc::gen::set(&Outcome::address), rc::gen::set(&Outcome::before),
      rc::gen::set(&Outcome::after), rc::gen::set(&Outcome::words));
}

Program reparsed(const std::string& text) {
  Parsed<Program> result = parse_program(text, "property");
  if (auto* error = std::get_if<ParseError>(&result)) RC_FAIL(error->to_string() + '\n' + text);
  return std::get<Program>(result);
}

void text_is_canonical() {
  Program program = *programs();
  std::string text = to_text(program);
  Program again = reparsed(text);
  RC_ASSERT(again == program);
  RC_ASSERT(to_text(again) == text);
}

void bytes_are_canonical() {
  Program program = *programs(), exact;
  std::vector<std::uint8_t> bytes = encode(program);
  RC_ASSERT(decode_exact(bytes, exact) == "");
  RC_ASSERT(exact == program);
  RC_ASSERT(encode(exact) == bytes);
}

// A change of one byte changes one op at most: what a mutating fuzzer relies on.
void one_byte_changes_one_op() {
  std::vector<std::uint8_t> bytes = *records();
  RC_PRE(bytes.size() > 1);
  Program before = decode(bytes);
  std::size_t at = *rc::gen::inRange<std::size_t>(1, bytes.size());
  bytes[at] = *rc::gen::arbitrary<std::uint8_t>();
  Program after = decode(bytes);
  RC_ASSERT(after.ops.size() == before.ops.size());
  for (std::size_t i = 0; i < before.ops.size(); ++i) {
    RC_ASSERT(i == (at - 1) / kRecordBytes || after.ops[i] == before.ops[i]);
  }
}

// Comments and blanks between words carry no meaning.
void layout_carries_no_meaning() {
  Program program = *programs();
  std::string spaced;
  for (char c : to_text(program)) {
    if (c == ' ')
      spaced += std::string(*rc::gen::inRange<std::size_t>(1, 4), '\t');
    else if (c == '\n')
      spaced += *rc::gen::element<std::string>("\n", "  \r\n", " # p0 maps\n", "\n\n#\n");
    else
      spaced += c;
  }
  RC_ASSERT(reparsed(spaced) == program);
}

void traces_round_trip() {
  Trace trace;
  trace.root_pid = *rc::gen::arbitrary<std::uint64_t>();
  trace.facts.arena = 0x10000;
  trace.facts.arena_pages = 16;
  for (const Op& op : (*programs()).ops) trace.steps.push_back({op, *outcomes()});
  std::string text = to_text(trace);
  Parsed<Trace> again = parse_trace(text, "property");
  if (auto* error = std::get_if<ParseError>(&again)) RC_FAIL(error->to_string() + '\n' + text);
  RC_ASSERT(std::get<Trace>(again) == trace);
}

// Cutting a text anywhere gives a program or an error within the text, never anything else.
void errors_lie_within_the_text() {
  std::string text = to_text(*programs());
  text.resize(*rc::gen::inRange<std::size_t>(0, text.size() + 1));
  Parsed<Program> result = parse_program(text, "property");
  auto* error = std::get_if<ParseError>(&result);
  if (error == nullptr) return;
  auto lines = static_cast<unsigned>(std::count(text.begin(), text.end(), '\n')) + 1;
  RC_ASSERT(error->line == lines);
  RC_ASSERT(error->column <= text.size() - (text.rfind('\n') + 1) + 1);
}

}  // namespace

int main() {
  bool good = true;
  good &= rc::check("a program's text is canonical", text_is_canonical);
  good &= rc::check("a program's bytes are canonical", bytes_are_canonical);
  good &= rc::check("one byte changes one op", one_byte_changes_one_op);
  good &= rc::check("layout carries no meaning", layout_carries_no_meaning);
  good &= rc::check("traces round-trip exactly", traces_round_trip);
  good &= rc::check("errors lie within the text", errors_lie_within_the_text);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
