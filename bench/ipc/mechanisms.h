// All mechanisms that are compared.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/ipc/channel.h"
#include "bench/ipc/memory.h"
#include "bench/ipc/ring.h"

namespace shmcheck::bench {

std::unique_ptr<Channel> shared_in_place(Kind kind, HandOver hand_over, std::size_t size);
std::unique_ptr<Channel> shared_copied(Kind kind, HandOver hand_over, std::size_t size);
std::unique_ptr<Channel> fetched(std::size_t size);
std::unique_ptr<Channel> through_pipe(std::size_t size);
std::unique_ptr<Channel> through_socket(std::size_t size);
std::unique_ptr<Channel> through_posix_queue(std::size_t size);
std::unique_ptr<Channel> through_system_v_queue(std::size_t size);

using MakeChannel = std::function<std::unique_ptr<Channel>(std::size_t size)>;

struct Mechanism {
  std::string name;
  bool shared_memory = false;
  std::string hand_over;  // of shared memory
  bool in_place = false;
  MakeChannel make;  // throws Unavailable, or what else went wrong

  bool spins() const { return hand_over == "spinning"; }
};

std::vector<Mechanism> mechanisms();

}  // namespace shmcheck::bench
