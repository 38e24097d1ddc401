// Files that a finding leaves in --dir: program, trace and C reproducer.
#pragma once

#include <string>

#include "harness/options.h"
#include "harness/result.h"

namespace shmcheck::harness {

// Makes the directory if it is not there and checks that files can be made in it. Empty on success, else a
// sentence.
std::string prepare_directory(const std::string& dir);

// Writes the finding's files and adds their names to it. Empty on success, else a sentence; what could not be
// written is not left behind half.
std::string write_files(Finding& finding, const Options& options, const Result& result);

// Writes a whole file, or leaves nothing under that name. Empty on success, else a sentence.
std::string write_file(const std::string& path, std::string_view content);

}  // namespace shmcheck::harness
