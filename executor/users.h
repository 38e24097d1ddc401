// The user that programs run as and what he may do, and the other users u1 and u2 that a program's processes
// can become.
#pragma once

#include "executor/options.h"

namespace shmcheck::executor {

// Sets target.uid, gid and other_uid. Only root of a user namespace in which the ids exist has others.
void find_users(const Options& options);

// The first user namespace maps every id to itself; a target without the map has no other.
bool is_first_userns();

// Whether this process has the capabilities that clauses speak of, and whether it has one.
bool is_capable();
bool has_capability(unsigned capability);

}  // namespace shmcheck::executor
