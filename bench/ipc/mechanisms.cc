#include "bench/ipc/mechanisms.h"

namespace shmcheck::bench {

std::vector<Mechanism> mechanisms() {
  struct Named {
    const char* name;
    Kind kind;
  };
  constexpr Named kMemories[] = {{"file mapping", Kind::file},
                                 {"anonymous mapping", Kind::anonymous},
                                 {"System V segment", Kind::system_v}};
  std::vector<Mechanism> all;
  for (const HandOver hand_over : {HandOver::spinning, HandOver::futex}) {
    const std::string word = hand_over == HandOver::spinning ? "spinning" : "futex";
    for (const auto make : {shared_in_place, shared_copied}) {
      for (const Named& memory : kMemories) {
        all.push_back({memory.name, true, word, make == shared_in_place,
                       [=, kind = memory.kind](std::size_t size) { return make(kind, hand_over, size); }});
      }
    }
  }
  all.push_back({"process_vm_readv", false, "", false, fetched});
  all.push_back({"pipe", false, "", false, through_pipe});
  all.push_back({"Unix stream socket", false, "", false, through_socket});
  all.push_back({"POSIX message queue", false, "", false, through_posix_queue});
  all.push_back({"System V message queue", false, "", false, through_system_v_queue});
  return all;
}

}  // namespace shmcheck::bench
