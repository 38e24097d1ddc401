// The three pipes between the runner and a target: to it, from it, and its console.
#pragma once

#include <string>

#include "harness/fd.h"
#include "harness/link.h"

namespace shmcheck::harness {

struct Pipe {
  Fd read, write;
  std::string make();  // empty on success, else a sentence
};

struct ChannelPipes {
  Pipe to_target, from_target, console;
  std::string make();
  // Closes the target's ends here, and gives ours, made non-blocking, to the link.
  void give_to(Link& link);
};

}  // namespace shmcheck::harness
