// The paths n0… of a program, from the directory that its processes are in.
#pragma once

#include "executor/control.h"

namespace shmcheck::executor {

class PathName {
 public:
  explicit PathName(unsigned name) { path_ << control->directory.view() << "n" << static_cast<int>(name); }
  const char* c_str() const { return path_.c_str(); }

 private:
  Text<kDirectoryRoom + 4> path_;
};

}  // namespace shmcheck::executor
