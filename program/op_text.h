// The text of single operations, driven by the op table. Internal to program/.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "program/op.h"
#include "program/scan.h"

namespace shmcheck::program {

std::string to_text(const Op& op);

// Reads one op from the words of a line; `end` is the offset behind the line, where missing words are missed.
std::optional<Fault> parse_op(std::span<const Word> words, std::size_t end, Op& op);

// What an argument looks like, for messages and `list ops`: "a quantity like a+3p, m0+1p-1, 2p+1 or 0".
std::string description(const OpSpec& spec, const Arg& arg);

}  // namespace shmcheck::program
