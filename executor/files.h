// Files of programs: n0… in the directory of the place.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

struct PathName {
  explicit PathName(std::uint8_t object) { text[1] = static_cast<char>('0' + object); }
  char text[3] = "n0";
};

// Removes those of `which` (bit K is nK) that are there; -errno of one that stays.
long remove_files(int directory, unsigned which);
inline constexpr unsigned kAllFiles = (1U << program::kNames) - 1;

}  // namespace shmcheck::executor
