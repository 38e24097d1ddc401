#include "model/faults.h"

#include <algorithm>
#include <vector>

#include "model/fault_tools.h"

namespace shmcheck::model {

std::span<const Fault> faults() {
  static const std::vector<Fault> all = [] {
    std::vector<Fault> joined;
    for (auto table :
         {memory_faults,    private_faults, process_faults,    attach_faults,    segment_faults,
          piece_faults,     copy_faults,    user_faults,       leftover_faults,  lock_faults,
          fallocate_faults, seal_faults,    limit_faults,      situation_faults, object_faults,
          storage_faults,   ipcns_faults,   standing_faults,   shm_table_faults, request_faults,
          time_faults,      reboot_faults,  space_faults,      map_limit_faults, remount_faults,
          refusal_faults,   group_faults,   descriptor_faults, race_faults,      residency_faults,
          advice_faults}) {
      std::span<const Fault> part = table();
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }();
  return all;
}

const Fault* find_fault(std::string_view name) {
  std::span<const Fault> all = faults();
  auto it = std::ranges::find(all, name, &Fault::name);
  return it == all.end() ? nullptr : &*it;
}

}  // namespace shmcheck::model
