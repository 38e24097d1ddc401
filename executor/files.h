// Files of programs: n0… in the directory of the place.
#pragma once

#include "executor/control.h"
#include "executor/text.h"

namespace shmcheck::executor {

// As calls take it: the directory that processes are in has an empty path.
inline const char* path_of(const Text<kDirectoryRoom>& directory) {
  return directory.view().empty() ? "." : directory.c_str();
}

// From the directory that processes are in.
class PathName {
 public:
  explicit PathName(std::uint8_t name, std::string_view directory = control->directory.view()) {
    path_ << directory << "n" << static_cast<int>(name);
  }
  const char* c_str() const { return path_.c_str(); }

 private:
  Text<kDirectoryRoom + 4> path_;
};

// Removes those of `which` (bit K is nK) that are there; `path` is the program's directory, from `outside`.
// -errno of one that stays.
long remove_files(int outside, std::string_view path, unsigned which);
inline constexpr unsigned kAllFiles = (1U << program::kNames) - 1;

}  // namespace shmcheck::executor
