// The executor's command line.
#pragma once

#include <cstdint>

#include "executor/text.h"

namespace shmcheck::executor {

struct Options {
  int in = -1, out = -1;
  const char* tmpfs_directory = nullptr;
  const char* ext4_directory = nullptr;
  const char* ext4_image = nullptr;  // a file to be mounted by way of a loop device
  const char* ext4_device = nullptr;
  std::uint32_t other_uid[2] = {60001, 60002};
  bool namespaces = true;
  bool clone_parent = true;  // false, for tests: as on targets that do not know CLONE_PARENT
  int cpu = -1;
  std::uint32_t op_timeout_ms = 3000;
};

// False with a sentence in `wrong`.
bool parse_options(int argc, char** argv, Options& options, Sentence& wrong);

// A decimal number that is all of `text`.
bool parse_number(std::string_view text, std::uint32_t& out);

}  // namespace shmcheck::executor
