// The fixed C code of reproducers, in pieces. Internal to program/.
#pragma once

#include <span>
#include <string_view>

#include "program/reproducer_parts.h"

namespace shmcheck::program {

// Written compactly, since people read it in a bug report.
struct Piece {
  Needs needs;  // any of these
  Needs uses;   // and these come along
  std::string_view includes;
  std::string_view code;
};

// In the order in which they are written: a piece uses only what stands before it, there or in a table
// before.
std::span<const Piece> common_code();   // how an outcome is said
std::span<const Piece> file_code();     // files, their names, times and storage
std::span<const Piece> memory_code();   // mappings and accesses to them, and what /proc shows of them
std::span<const Piece> process_code();  // processes, and segments with their namespaces and limits
std::span<const Piece> race_code();     // several processes at once

}  // namespace shmcheck::program
