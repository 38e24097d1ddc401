// What this run has to work with. Filled once at start; tests and needs only read it.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "conformance/framework/registry.h"

namespace shmcheck::conformance {

struct Options {
  std::array<std::string, kPlaceCount> directories;  // --dir-tmpfs=PATH, --dir-ext4=PATH, …; by place
  int report_fd = -1;                                // --report-fd=N
  long budget_ms = -1;                               // --budget-ms=N
  bool list_clauses = false;                         // --list-clauses
  // --clauses=ID,…: run the tests that name one of these; empty: all tests
  std::vector<clauses::Clause> clauses;
};

// A working directory of our own on one file system, or why there is none.
struct Directory {
  std::string path;      // empty when absent
  std::string evidence;  // what was tried, when absent
};

struct Environment {
  std::string release;  // uname -r
  int kernel_major = 0;
  int kernel_minor = 0;
  std::string own_binary;  // absolute path, for helpers
  int own_binary_fd = -1;
  bool private_ipc = false;
  bool private_mounts = false;
  bool private_pids = false;
  std::array<Directory, kPlaceCount> directories;  // by place; none for memfd
  const Directory& at(Place place) const { return directories[static_cast<size_t>(place)]; }
  double slowness = 1;  // time limits are multiplied by it
};

const Environment& env();

// Takes namespaces, makes working directories, measures the target's speed. Returns in the process that runs
// the tests; when there is a private PID namespace, the calling process stays behind as its supervisor and
// exits with the code of the tests.
void EnterEnvironment(const Options& options, const char* argv0);
void LeaveEnvironment();
void PrintEnvironment();

// Size of a page of the target.
size_t page();

// The place of the test that is running, and its working directory: on the tmpfs where the place has none.
Place place();
void SetPlace(Place place);
const char* PlaceName(Place place);
// The place of that name which has directories; Place::none if there is none.
Place PlaceOf(std::string_view name);
const std::string& directory();

// Removes every file below a working directory, but not the directory.
void Sweep(const Directory& directory);

}  // namespace shmcheck::conformance
