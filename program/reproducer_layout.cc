// Whether a program depends on the neighbours of mappings that the kernel placed.
#include <algorithm>

#include "program/reproducer_parts.h"
#include "program/withheld.h"

namespace shmcheck::program {
namespace {

struct Placed {
  std::uint64_t at = 0, length = 0;  // length 0: not bound, or within the arena
};

class Neighbours {
 public:
  explicit Neighbours(const Facts& facts) : facts_(facts) {}

  bool reached_by(const Op& op) const {
    if (op.code == OpCode::maps) return true;
    return reached(op.addr, extent(op)) || reached(op.to, value(op.off));
  }

  void bind(const Step& step) {
    const OpSpec& s = spec(step.op.code);
    if (s.result_name != NameKind::mapping || step.outcome.kind != OutcomeKind::ok) return;
    // An attachment is as long as its segment, which the step does not say: its first page is.
    Quantity length = step.op.code == OpCode::mmap ? step.op.len : step.op.off;
    std::uint64_t at = step.outcome.value;
    std::uint64_t arena_bytes = std::uint64_t{facts_.arena_pages} * facts_.page_size;
    bool arena = at >= facts_.arena && at - facts_.arena < arena_bytes;
    bool attached = step.op.code == OpCode::shmat;
    placed_[step.op.result] = {at, arena ? 0 : attached ? facts_.page_size : up(value(length))};
  }

 private:
  std::uint64_t value(const Quantity& q) const { return resolve(q, 0, facts_.page_size); }
  std::uint64_t up(std::uint64_t v) const {
    return (v + facts_.page_size - 1) / facts_.page_size * facts_.page_size;
  }
  static bool is_access(const Op& op) { return op.code == OpCode::load || op.code == OpCode::store; }
  std::uint64_t extent(const Op& op) const { return is_access(op) ? access_bytes(op) : value(op.len); }

  bool reached(const Quantity& q, std::uint64_t length) const {
    if (!q.names_mapping()) return false;
    const Placed& p = placed_[q.mapping()];
    std::uint64_t offset = value(q);
    return p.length != 0 && (offset > p.length || length > p.length - offset);
  }

  const Facts& facts_;
  Placed placed_[kMappings];
};

}  // namespace

bool looks_beside(std::span<const Step> steps, const Facts& facts) {
  Neighbours neighbours(facts);
  return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
    bool reached = neighbours.reached_by(step.op);
    neighbours.bind(step);
    return reached;
  });
}

}  // namespace shmcheck::program
