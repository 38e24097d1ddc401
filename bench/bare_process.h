// bare.c as a process of ours.
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "bench/flatten.h"

namespace shmcheck::bench {

class Bare {
 public:
  // Starts the binary `bare` that lies beside this one, pinned to `core`. Throws with a sentence.
  Bare(int core, std::span<const std::vector<bare_op>> programs);
  ~Bare();
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  // Runs every program once.
  bare_result run();

 private:
  void start();
  void send(const void* data, std::size_t size);

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
};

}  // namespace shmcheck::bench
