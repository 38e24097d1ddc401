#include "model/residency.h"

namespace shmcheck::model {
namespace {

// What was populated and not locked need not be mapped: a child has it without its page tables.
bool has_all(const Vma& v) {
  return v.locked && v.resident_by != C::none && v.resident_by != C::mmap_flag_populate;
}

// Memory that the process has not come to since it mapped it: what others have brought in it has not mapped.
bool has_none(World& w, const Step& s, const Vma& v) {
  return s.exact() && w.memory_object(v) && !v.reached;
}

// Pages of the object, from `first` to before `last`, that there can be.
std::uint64_t possible_pages(World& w, const Step& s, const Vma& v, std::uint64_t first, std::uint64_t last) {
  const Inode& o = w.object_of(v);
  const std::uint64_t end = std::min(last, w.up(o.size) / w.page());
  if (end <= first) return 0;
  // Of memory that nobody has touched there are none, as mincore has it.
  const bool known = o.kind != InodeKind::file && !o.populated && !w.facts().shmem_huge;
  return known && s.profile >= Profile::defacto ? o.accessed.count(first, end) : end - first;
}

}  // namespace

std::uint64_t pages_stored_to(const World& w, const Vma& v, std::uint64_t low, std::uint64_t high) {
  if (v.shared || v.inode >= 0 || !has_all(v)) return 0;
  std::uint64_t pages = 0;
  for (std::uint64_t at = low; at < high; at += w.page()) {
    const std::uint64_t offset = v.object_offset(at, w.page());
    const bool given_up = v.copies.doubted(offset, offset + w.page());
    pages += v.copies.find(offset / w.page()) && !given_up ? 1 : 0;
  }
  return pages;
}

std::uint64_t private_pages(const World& w, const Step& s, const Vma& v, std::uint64_t low,
                            std::uint64_t high) {
  // A lock brings in what may be stored to as a store would, and so does mprotect when it grants that of what
  // is locked (mm/gup.c, populate_vma_page_range; mm/mprotect.c, mprotect_fixup).
  const bool all = s.exact() && !v.shared && v.inode < 0 && has_all(v) && (v.prot & program::kProtWrite);
  return all ? (high - low) / w.page() : pages_stored_to(w, v, low, high);
}

Bounds mapped_pages(World& w, const Step& s, const Vma& v, std::uint64_t low, std::uint64_t high) {
  const std::uint64_t pages = (high - low) / w.page();
  if (v.inode < 0) return {private_pages(w, s, v, low, high), pages};
  if (w.object_of(v).huge) return {0, 0};
  const std::uint64_t first = v.object_offset(low, w.page()) / w.page();
  if (has_none(w, s, v)) return {0, 0};
  const std::uint64_t most = possible_pages(w, s, v, first, first + pages);
  return v.shared && has_all(v) ? Bounds{pages, pages} : Bounds{0, most};
}

}  // namespace shmcheck::model
