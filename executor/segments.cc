#include "executor/segments.h"

#include <sys/ipc.h>

namespace shmcheck::executor {

std::uint64_t segments_in_namespace() {
  if (!target.private_ipc) return ~std::uint64_t{0};
  shm_info info = {};
  long result = sys(SYS_shmctl, 0, SHM_INFO, &info);
  return failed(result) ? ~std::uint64_t{0} : static_cast<std::uint64_t>(info.used_ids);
}

void remove_segments(std::uint64_t in_namespace) {
  if (in_namespace == 0) return;
  for (std::uint32_t i = 0; i < control->id_count && i < std::size(control->ids); ++i) {
    sys(SYS_shmctl, control->ids[i], IPC_RMID, nullptr);  // EINVAL: it is gone already
  }
}

std::uint8_t find_foreign_keys() {
  unsigned found = 0;
  for (unsigned k = 1; k < program::kKeys; ++k) {
    if (sys(SYS_shmget, kKeyBase + static_cast<std::int32_t>(k), 0, 0) != -ENOENT) found |= 1U << k;
  }
  return static_cast<std::uint8_t>(found);
}

}  // namespace shmcheck::executor
