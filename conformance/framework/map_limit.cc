#include "conformance/framework/map_limit.h"

#include <sys/mman.h>

namespace shmcheck::conformance {
namespace {
constexpr size_t kReachable = 300'000;
}  // namespace

MapLimit ReachMapLimit(Where where) {
  const size_t limit = std::stoul(ReadText("/proc/sys/vm/max_map_count", where));
  if (limit > kReachable) {
    Send(Record::Kind::skip, where.file, where.line, "vm.max_map_count is " + std::to_string(limit));
    _exit(0);
  }
  MapLimit reached;
  reached.reserved = Reserve((limit + 16) * page(), where);
  // Each page made readable between two that are not is two mappings more.
  for (size_t i = 1; i + 1 < limit + 16; i += 2) {
    if (mprotect(reached.reserved.at(i * page()), page(), PROT_READ) != 0) {
      reached.errno_seen = errno;
      reached.used = i;
      return reached;
    }
  }
  Abandon(where, "more mappings than vm.max_map_count allows");
}

}  // namespace shmcheck::conformance
