#include "model/faults.h"

#include <algorithm>

namespace shmcheck::model {
std::span<const Fault> faults() {
  return {};
}
const Fault* find_fault(std::string_view) {
  return nullptr;
}
}  // namespace shmcheck::model
