// A result for people: the target, findings in one line and in full, the table per chapter, the statistics.
#pragma once

#include <string>
#include <vector>

#include "harness/result.h"

namespace shmcheck::harness {

// What the target is, which file systems programs run on, and what is absent with its evidence.
std::vector<std::string> describe_target(const Result& result);

// "FAIL eof.one-byte-file: corpus eof/one-byte-file on ext4, step 4 (p0 load m0+1p)"
std::string brief(const Finding& finding);

// Clause with statement and source, the program with its step marked, allowed and seen, seed, replay command.
std::string describe(const Finding& finding);

// A row per chapter that has anything to say, and the totals.
std::string chapter_table(const Result& result);

// Programs, judged ops, speed; per op the share of steps with exactly one allowed outcome; freedoms used; how
// many rules were reached.
std::string random_statistics(const Result& result);

// Everything that follows a run, down to the line `VERDICT …`.
std::string summary(const Result& result);

// A command that shows the finding again.
std::string replay_command(const Finding& finding, const Result& result);

// The program's lines, the marked one with `=>` before it and its outcome behind it.
std::string marked_program(const Finding& finding);

// `text` as one word of a shell command.
std::string shell_word(std::string_view text);

}  // namespace shmcheck::harness
