#include "model/merging.h"

namespace shmcheck::model {
namespace {

// Whether the pages of two neighbours are numbered through. Anonymous memory that nobody has stored to may be
// numbered anew, by its address, when it moves (mm/vma.c, copy_vma).
bool numbered_through(const Vma& a, const Vma& b, std::uint32_t page) {
  auto by_address = [](const Vma& v) { return v.inode < 0 && !v.touched; };
  std::uint64_t end = a.page_offset + (a.high - a.low) / page;
  if (end == b.page_offset || (by_address(a) && a.high / page == b.page_offset)) return true;
  return by_address(b) && (end == b.low / page || by_address(a));
}

}  // namespace

bool may_be_one(const Vma& a, const Vma& b, std::uint32_t page) {
  return a.high == b.low && a.segment < 0 && b.segment < 0 && a.prot == b.prot && a.inode == b.inode &&
         a.shared == b.shared && a.may_write == b.may_write && a.may_exec == b.may_exec &&
         a.dont_fork == b.dont_fork && a.wipe_on_fork == b.wipe_on_fork && a.no_reserve == b.no_reserve &&
         a.synchronous == b.synchronous && a.locked == b.locked && a.on_fault == b.on_fault &&
         a.read_hint == b.read_hint && numbered_through(a, b, page);
}

}  // namespace shmcheck::model
