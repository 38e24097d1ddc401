// The canonical text of programs and traces: one operation per line, `#` starts a comment.
//
//     p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a+3p            (program)
//     p0 load m0+1p -> SIGBUS/ADRERR at a+4p @1700000000             (trace)
//
// docs/program.md has the grammar. Printing expects normalized ops; parsing yields normalized ops or one
// error with the position of what was not understood, never a part of the text.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "program/op.h"
#include "program/trace.h"

namespace shmcheck::program {

struct ParseError {
  std::string file;
  unsigned line = 0, column = 0;  // 1-based; columns count bytes
  std::string message;            // what was found and what was expected
  std::string to_string() const;  // file:line:column: message
  bool operator==(const ParseError&) const = default;
};

template <typename T>
using Parsed = std::variant<T, ParseError>;

std::string to_text(const Op& op);
std::string to_text(const Program& program);
std::string to_text(const Trace& trace);
// The part of a trace's line behind `->`, without the clock. `op` says what a success carries, `facts` where
// the arena is.
std::string to_text(const Outcome& outcome, const Op& op, const Facts& facts);

Parsed<Program> parse_program(std::string_view text, std::string_view file);
Parsed<Trace> parse_trace(std::string_view text, std::string_view file);

Program program_of(const Trace& trace);

// The comment lines at the start of a text, without `#` and the blank after it, each ended by a newline.
std::string leading_comment(std::string_view text);
// The words of a comment that stand in square brackets: `[eof.one-byte-file]`.
std::vector<std::string> clause_ids(std::string_view comment);
// The inverse of leading_comment: every line of `comment` as a comment line.
std::string comment_block(std::string_view comment);

}  // namespace shmcheck::program
