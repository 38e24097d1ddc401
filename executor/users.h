// The other users u1 and u2 that a program's processes can become.
#pragma once

#include "executor/options.h"

namespace shmcheck::executor {

// Sets target.uid, gid and other_uid. Only root of a user namespace in which the ids exist has others.
void find_users(const Options& options);

}  // namespace shmcheck::executor
