// The append-only attribute of files.
#pragma once

#include "program/facts.h"

namespace shmcheck::executor {

// What programs can do with it in a directory that is theirs; `fd` is that of a file there.
program::AppendAttribute append_attribute(int fd);

// Sets it or takes it away; 0 or -errno.
long set_append_only(int directory, const char* name, bool on);

}  // namespace shmcheck::executor
