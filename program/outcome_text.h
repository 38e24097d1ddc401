// The text of outcomes. Internal to program/; to_text(Outcome, …) is declared in text.h.
//
// Every outcome has a text. One that does not fit the layout that its operation's result promises (a bit, a
// word or a field where none belongs) is written as `raw{…}`, field by field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "program/scan.h"
#include "program/trace.h"

namespace shmcheck::program {

std::optional<Fault> parse_outcome(std::string_view text, const Op& op, const Facts& facts, Outcome& outcome);

// `ENOMEM`, or `errno4000` for a number without a name.
std::string errno_text(unsigned error);
// `SIGBUS`, or `signal99`.
std::string signal_text(unsigned signal);
// `SIGBUS/ADRERR`, or with numbers where there are no names.
std::string fault_text(unsigned signal, unsigned code);

}  // namespace shmcheck::program
