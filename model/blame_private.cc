// What private mappings hold of an object, or held before they went: a byte that leaked is theirs.
#include <algorithm>

#include "model/blame.h"

namespace shmcheck::model {
namespace {

template <typename Pred>
bool any_copy(const World& w, std::int32_t inode, std::uint64_t offset, Pred pred) {
  return std::ranges::any_of(w.processes, [&](const Process& p) {
    return std::ranges::any_of(p.memory.vmas(), [&](const Vma& v) {
      return !v.shared && v.inode == inode && v.copies.find(offset / w.page()) && pred(v);
    });
  });
}

}  // namespace

bool held_privately(const World& w, std::int32_t inode, std::uint64_t offset, std::uint8_t seen,
                    const Vma* but) {
  return inode >= 0 && any_copy(w, inode, offset, [&](const Vma& v) {
           return &v != but && v.copies.at(offset, w.page()) == seen;
         });
}

bool stored_privately(const World& w, std::int32_t inode, std::uint64_t offset) {
  if (inode < 0) return false;
  return w.inodes[static_cast<std::size_t>(inode)].may_be_stored_privately(offset / w.page());
}

bool discarded(const World& w, std::int32_t inode, std::uint64_t offset) {
  return stored_privately(w, inode, offset) && w.inodes[static_cast<std::size_t>(inode)].discard_step != 0 &&
         !any_copy(w, inode, offset, [](const Vma&) { return true; });
}

C clause_of_leak(const World& w, std::int32_t inode, std::uint64_t offset) {
  const Inode& o = w.inodes[static_cast<std::size_t>(inode)];
  const bool since = o.discard_step > o.bytes.origin(offset, w.page()).step;
  return since && discarded(w, inode, offset) ? C::private_discard : C::private_isolated;
}

}  // namespace shmcheck::model
