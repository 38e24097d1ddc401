// POSIX shared memory objects of programs: o0… below /dev/shm.
#pragma once

namespace shmcheck::executor {

// Gives programs a /dev/shm of their own where mounts are private; elsewhere they use everybody's, under
// names that nobody else has.
void prepare_objects();
// Undoes the mount.
void forget_objects();

// Removes what the program that has just ended has left.
void remove_objects();

}  // namespace shmcheck::executor
