#include "executor/text.h"

namespace shmcheck::executor {

std::string_view error_name(long number) {
  static Text<32> unnamed;
  const char* name = strerrorname_np(static_cast<int>(number < 0 ? -number : number));
  if (name != nullptr) return name;
  unnamed = {};
  unnamed << "error " << std::int64_t{number};
  return unnamed.view();
}

}  // namespace shmcheck::executor
