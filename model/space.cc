// Storage of files as st_blocks counts it, and what is left of a file system that was filled up.
//
// tmpfs gives a page storage when it comes into the page cache, be it read or written through a mapping
// (mm/shmem.c, shmem_fault), and read(2) alone does without. Other file systems give it to what is written,
// at write-back at the latest.
#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

bool on_tmpfs(const World& w, const Inode& inode) {
  return w.fs_of(inode) == program::FileSystem::tmpfs;
}

// Of a file on ext4, since commit 7ac67301e82f (6.16): pages that came in together make a large folio, and a
// store through a mapping gives storage to all of it (ext4_page_mkwrite).
bool has_large_folios(const World& w, const Inode& inode) {
  return !on_tmpfs(w, inode) && inode.large_folios && w.facts().release >= program::release(6, 16);
}

// Of a page that goes in part some blocks may go, if they are smaller.
bool has_small_blocks(const World& w, const Inode& inode) {
  return !on_tmpfs(w, inode) && w.facts().fs_block < w.page();
}

// How many of pages first … last-1 may have storage.
std::uint64_t most_of(const Inode& inode, std::uint64_t first, std::uint64_t last) {
  constexpr std::uint64_t kAny = std::uint64_t{1} << 32;
  return inode.storage_unknown && first < last ? kAny : inode.accessed.count(first, last);
}

bool in_use(const World& w, std::uint32_t index) {
  return w.is_open(index) || std::ranges::any_of(w.processes, [&](const Process& p) {
           return std::ranges::any_of(
               p.memory.vmas(), [&](const Vma& v) { return v.inode == static_cast<std::int32_t>(index); });
         });
}

}  // namespace

Space World::space_for(const Inode& inode, std::uint64_t index, bool write, std::uint64_t more) const {
  if (!of_full(inode) || inode.stored.contains(index)) return Space::there;
  const bool tmpfs = on_tmpfs(*this, inode);
  if (!write && !tmpfs) return Space::there;
  if (inode.accessed.contains(index)) return tmpfs && !inode.accessed_unsure ? Space::there : Space::unsure;
  if (inode.storage_unknown) return Space::unsure;
  if (more < spare_least) return Space::there;
  if (more < spare_most) return Space::unsure;
  return write || exact ? Space::none : Space::unsure;
}

bool World::may_take_page(const Inode& inode, std::uint64_t index) const {
  if (!of_full(inode) || !on_tmpfs(*this, inode) || inode.stored.contains(index)) return false;
  return inode.accessed_unsure || !inode.accessed.contains(index);
}

// A store to a page that has storage can be refused for a hole in its folio, seen on 6.18, and even if it is
// fallocate that gave it: no document allows that.
Space World::space_for_access(const Vma& vma, std::uint64_t offset, bool to_object) const {
  const Inode& inode = object_of(vma);
  const Space space = space_for(inode, offset / page(), to_object);
  if (space != Space::there || !to_object || !of_full(inode) || !has_large_folios(*this, inode)) return space;
  if (!exact && inode.preallocated.contains(offset / page())) return space;
  const std::uint64_t pages = up(inode.size) / page();
  return inode.stored.count(0, pages) < pages ? Space::unsure : space;
}

bool World::can_be_had(const Vma& vma, std::uint64_t offset, bool write, std::uint64_t more) {
  if (!backed(vma, offset)) return false;
  if (vma.inode < 0) return true;
  Space space = space_for(object_of(vma), offset / page(), write, more);
  unsure_of_space |= space == Space::unsure;
  return space != Space::none;
}

void World::note_accessed(const Vma& vma, std::uint64_t offset, bool write) {
  if (vma.inode < 0) return;
  const auto index = static_cast<std::uint32_t>(vma.inode);
  if (!write && !on_tmpfs(*this, inodes[index])) return;
  if (!certain_access && !inodes[index].accessed.contains(offset / page()))
    inodes[index].accessed_unsure = true;
  if (write) store_takes_neighbours(index);
  may_take_storage(index, offset, offset + 1);
}

void World::may_take_storage(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  Inode& inode = inodes[index];
  PageSet& known = inode.accessed_unsure ? inode.stored : inode.accessed;
  const std::uint64_t first = low / page(), last = low < high ? (high - 1) / page() + 1 : first;
  if (of_full(inode)) spare_least -= std::min(spare_least, last - first - known.count(first, last));
  inode.accessed.add_bytes(low, high, page());
  inode.most_pages = std::max(inode.most_pages, inode.accessed.size());
}

void World::takes_storage(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  may_take_storage(index, low, high);
  inodes[index].stored.add_bytes(low, high, page());
}

void World::gives_back(std::uint32_t index, std::uint64_t first, std::uint64_t last) {
  Inode& inode = inodes[index];
  if (of_full(inode)) {
    spare_most += most_of(inode, first, last);
    if (on_tmpfs(*this, inode)) spare_least += inode.stored.count(first, last);
  }
  for (PageSet* pages : {&inode.stored, &inode.accessed, &inode.synced, &inode.preallocated, &inode.touched})
    pages->drop(first, last);
}

// A disk's file system punches nothing behind the page in which the file ends; ext4 does for one page, if the
// end lies at a page's edge (ext4_punch_hole).
void World::punches_storage(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  Inode& inode = inodes[index];
  // And the page in which the file ends goes whole with what lies in it.
  if (!on_tmpfs(*this, inode) && high > inode.size) high = std::max(high, up(inode.size));
  const std::uint64_t first = up(low) / page(), last = std::max(first, high / page());
  const std::uint64_t end = up(inode.size) / page();
  gives_back(index, first, on_tmpfs(*this, inode) ? last : std::clamp(end, first, last));
  const bool parts = has_small_blocks(*this, inode);
  for (PageSet* pages : {&inode.stored, &inode.synced, &inode.preallocated})
    pages->drop(parts ? low / page() : first, parts ? (high - 1) / page() + 1 : last);
}

void World::cuts_storage(std::uint32_t index, std::uint64_t size) {
  gives_back(index, up(size) / page(), UINT64_MAX);
  Inode& inode = inodes[index];
  if (!has_small_blocks(*this, inode)) return;
  for (PageSet* pages : {&inode.stored, &inode.synced}) pages->drop(size / page(), UINT64_MAX);
}

void World::store_takes_neighbours(std::uint32_t index) {
  constexpr std::uint64_t kMost = 64;  // pages; more are not told apart
  Inode& inode = inodes[index];
  if (!has_large_folios(*this, inode)) return;
  if (inode.size > kMost * page()) inode.storage_unknown = true;
  may_take_storage(index, 0, std::min(inode.size, kMost * page()));
}

void World::may_cut_storage(std::uint32_t index, std::uint64_t size) {
  Inode& inode = inodes[index];
  if (of_full(inode)) spare_most += most_of(inode, up(size) / page(), UINT64_MAX);
  for (PageSet* pages : {&inode.stored, &inode.synced, &inode.preallocated})
    pages->drop(up(size) / page(), UINT64_MAX);
}

void World::certainly_stored(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  if (low >= high) return;
  Inode& inode = inodes[index];
  inode.synced.add_some(inode.stored, low / page(), (high - 1) / page() + 1);
}

void World::storage_outlives(std::uint32_t index, bool crashed) {
  Inode& inode = inodes[index];
  inode.large_folios = true;  // by reading ahead
  if (!crashed) return certainly_stored(index, 0, UINT64_MAX);
  inode.stored = inode.synced = inode.preallocated = PageSet();
  inode.storage_unknown = inode.accessed_unsure = true;
}

void World::note_left_files() {
  for (std::uint32_t i = 0; i < inodes.size(); ++i) {
    Inode& inode = inodes[i];
    if (!of_full(inode) || inode.links != 0 || inode.left || in_use(*this, i)) continue;
    inode.left = true;
    spare_most += most_of(inode, 0, UINT64_MAX);
  }
}

// What tmpfs has only read is given up when it is reclaimed, and accounted later (mm/shmem.c,
// shmem_recalc_inode).
void World::may_be_reclaimed(std::uint32_t index, std::uint64_t first, std::uint64_t last) {
  Inode& inode = inodes[index];
  inode.accessed_unsure = true;
  if (!on_tmpfs(*this, inode)) {
    inode.large_folios = true;  // by reading ahead, when they come in again
    return;
  }
  const std::uint64_t pages = inode.accessed.count(first, last) - inode.stored.count(first, last);
  inode.reclaimed += pages;
  if (of_full(inode)) spare_most += pages;
}

void note_populated(World& w, const Vma& v) {
  if (v.inode < 0) return;
  const auto index = static_cast<std::uint32_t>(v.inode);
  Inode& inode = w.inodes[index];
  if (Inode* object = w.memory_object(v)) {
    object->populated = true;
    return;
  }
  if (!on_tmpfs(w, inode)) return;
  constexpr std::uint64_t kMost = 4096;  // pages; more are not told apart
  const std::uint64_t low = v.page_offset * w.page(),
                      high = std::min(low + (v.high - v.low), w.up(inode.size));
  inode.accessed_unsure = true;
  if (low < high && high - low > kMost * w.page())
    inode.storage_unknown = true;
  else
    w.may_take_storage(index, low, high);
}

}  // namespace shmcheck::model
