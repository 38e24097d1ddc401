// Starting, watching and ending the process of a target, so that nothing of it outlives the runner.
//
// A contained process runs in a PID and a mount namespace of its own, below a small init of ours. Killing
// that init, or the death of the runner by any signal, makes the host's kernel kill everything in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/deadline.h"
#include "harness/fd.h"

namespace shmcheck::harness {

enum class Contain {
  no,
  if_permitted,  // without the right to make namespaces: a process group and a parent-death signal only
  required,      // a user namespace is added if that is what it takes
};

struct Launch {
  struct Pass {
    int from;  // the runner's descriptor
    int to;    // its number in the child
  };
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // KEY=VALUE, added to the runner's
  int image = -1;                        // executed instead of what argv[0] names
  std::vector<Pass> descriptors;         // 0, 1 and 2 are /dev/null unless named here
  Contain contain = Contain::no;
  struct File {
    std::string name;
    std::span<const std::uint8_t> content;
  };
  bool scratch = false;     // contained only: a private tmpfs over scratch_directory()
  std::vector<File> files;  // put there, executable
  int core = -1;            // pinned to it
};

// A directory that a private tmpfs can cover, an empty one if possible; empty if there is none.
std::string scratch_directory();

// Whether this caller may make PID and mount namespaces without a user namespace.
bool can_contain();

class Process {
 public:
  Process() = default;
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process() { kill(); }

  // Empty on success, else a sentence. Returns when the child has executed its image.
  std::string start(const Launch& launch);

  bool running() const { return pid_ > 0; }
  // Readable when the process has ended; -1 if nothing runs.
  int end_fd() const { return end_.get(); }
  // Reaps it if it has ended; true if nothing runs (any more).
  bool ended();
  bool wait(Deadline deadline);
  // "exited with status 1", "was killed by signal 9 (Killed)"; empty while it runs.
  const std::string& ending() const { return ending_; }
  int status() const { return status_; }  // as waitpid has it
  // Kills it and all that it started, and waits until they are gone.
  void kill();

 private:
  pid_t pid_ = -1;
  bool contained_ = false;
  Fd end_;  // readable at the end: of a contained process the pipe from its init, else a pidfd
  int status_ = 0;
  std::string ending_;
};

// "exited with status 1"
std::string describe_wait_status(int status);

// Runs a program to its end and hands over what it prints (both streams) as it comes. What has not ended by
// the deadline, or when `interrupted` says so, is killed.
struct Followed {
  bool ended = false;
  int status = 0;        // as waitpid has it, if it ended
  std::string sentence;  // how it ended, or why it did not
};
Followed follow(const Launch& launch, Deadline deadline, const std::function<void(std::string_view)>& output,
                const std::function<bool()>& interrupted = {});

// Runs a helper program to its end and collects what it prints (both streams, bounded). The status is -1 if
// it could not be started or did not end in time; then `output` ends with a sentence that says so.
struct Ran {
  int status = -1;
  std::string output;
};
Ran run_helper(const Launch& launch, Deadline deadline);

}  // namespace shmcheck::harness
