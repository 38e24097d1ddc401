#include "executor/files.h"

#include <errno.h>

#include "executor/attributes.h"

namespace shmcheck::executor {
namespace {

// What is append-only keeps its name.
long remove_file(int directory, const char* name) {
  long result = sys(SYS_unlinkat, directory, name, 0);
  if (result != -EPERM) return result;
  result = set_append_only(directory, name, false);
  return failed(result) ? result : sys(SYS_unlinkat, directory, name, 0);
}

}  // namespace

long remove_files(int outside, std::string_view path, unsigned which) {
  long wrong = 0;
  for (std::uint8_t i = 0; i < program::kNames; ++i) {
    if ((which >> i & 1) == 0) continue;
    const long result = remove_file(outside, PathName(i, path).c_str());
    if (failed(result) && result != -ENOENT) wrong = result;
  }
  return wrong;
}

}  // namespace shmcheck::executor
