// Entries of /proc/PID/smaps: which pages of a mapping its process has mapped, and who else has.
#include <fmt/format.h>

#include "model/residency.h"

namespace shmcheck::model {
namespace {

using program::SmapsEntry;

constexpr int kENODATA = 61;

struct Counts {
  Bounds all, shared, exclusive;  // pages
  Counts& operator+=(const Counts& o) {
    all += o.all, shared += o.shared, exclusive += o.exclusive;
    return *this;
  }
};

struct Elsewhere {
  bool surely = false, perhaps = false;
};

// Pages of the object, from `first` to before `last`.
struct Part {
  std::uint64_t first, last;
};

Part part_of(const World& w, const Vma& v, std::uint64_t low, std::uint64_t high) {
  return {v.object_offset(low, w.page()) / w.page(), v.object_offset(high, w.page()) / w.page()};
}

// A page is what the documents count. If it is part of a large folio, some kernels ask whether any other
// process has the folio mapped, or had (Documentation/filesystems/proc.rst on Private_Clean;
// CONFIG_NO_PAGE_MAPCOUNT, since 6.15). tmpfs has none unless it is asked for.
bool of_large_folios(const World& w, const Step& s, const Inode& o) {
  if (!s.exact()) return true;
  const bool on_disk = w.fs_of(o) != program::FileSystem::tmpfs;
  return w.facts().release >= program::release(6, 15) && (on_disk || w.facts().shmem_huge);
}

bool has_others(const World& w) {
  return w.processes.size() > 1;
}

// Who else has pages [part) of the vma's object mapped. That a second mapping of the same process counts,
// too, is what Linux does with pages of their own (fs/proc/task_mmu.c, smaps_account); the documents speak of
// processes and of page table entries.
Elsewhere look_elsewhere(World& w, const Step& s, const Process& p, const Vma& v, const Part& part) {
  const bool large = of_large_folios(w, s, w.object_of(v));
  Elsewhere found{false, large && has_others(w)};
  for (const Process& other : w.processes) {
    if (other.life != Life::alive) continue;
    for (const Vma& u : other.memory.vmas()) {
      if (&u == &v || u.inode != v.inode) continue;
      const Part shown = part_of(w, u, u.low, u.high);
      if (shown.last <= part.first || part.last <= shown.first) continue;
      const Bounds mapped = mapped_pages(w, s, u, u.low, u.high);
      found.perhaps |= mapped.most > 0;
      const bool counts = &other != &p || (s.exact() && !large);
      const bool all = shown.first <= part.first && part.last <= shown.last;
      found.surely |= counts && all && mapped.least > 0;
    }
  }
  return found;
}

// Where another mapping of the object begins or ends within the part, or the end of the part.
std::uint64_t next_edge(const World& w, const Vma& v, const Part& part) {
  std::uint64_t edge = part.last;
  for (const Process& other : w.processes) {
    if (other.life != Life::alive) continue;
    for (const Vma& u : other.memory.vmas()) {
      if (u.inode != v.inode) continue;
      const Part shown = part_of(w, u, u.low, u.high);
      for (std::uint64_t at : {shown.first, shown.last}) {
        if (part.first < at && at < edge) edge = at;
      }
    }
  }
  return edge;
}

Counts count(const Bounds& all, const Elsewhere& e) {
  return {all,
          {e.surely ? all.least : 0, e.perhaps ? all.most : 0},
          {e.perhaps ? 0 : all.least, e.surely ? 0 : all.most}};
}

// Private pages may be those of a parent or a child, which have them until one of them stores.
Counts count_private(World& w, const Step& s, const Process& p, const Vma& v, std::uint64_t low,
                     std::uint64_t high) {
  Bounds all{private_pages(w, s, v, low, high), (high - low) / w.page()};
  Elsewhere e{false, has_others(w)};
  if (v.inode >= 0) e.perhaps |= look_elsewhere(w, s, p, v, part_of(w, v, low, high)).perhaps;
  if (v.inode >= 0 && w.object_of(v).huge) all.most = 0;
  return count(all, e);
}

Counts count_part(World& w, const Step& s, const Process& p, const Vma& v, std::uint64_t low,
                  std::uint64_t high) {
  if (!v.shared) return count_private(w, s, p, v, low, high);
  Counts sum;
  for (Part part = part_of(w, v, low, high); part.first < part.last;) {
    const Part piece{part.first, next_edge(w, v, part)};
    const std::uint64_t to = low + (piece.last - piece.first) * w.page();
    sum += count(mapped_pages(w, s, v, low, to), look_elsewhere(w, s, p, v, piece));
    low = to;
    part.first = piece.last;
  }
  return sum;
}

void make(World& w, const Process& p, Step& s, const Vma& v) {
  const Counts pages = count_part(w, s, p, v, v.low, v.high);
  const std::uint64_t shared = pages.shared.least, exclusive = pages.all.least - shared;
  s.made().words = {v.low, v.high, shared * w.page(), exclusive * w.page(), smaps_flags(w, p, v)};
}

bool is_range_of(const World& w, const Process& p, const SmapsEntry& e, std::uint64_t address) {
  return e.low <= address && address < e.high && e.low % w.page() == 0 && e.high % w.page() == 0 &&
         p.memory.covers(e.low, e.high);
}

std::string text(const Counts& pages) {
  return fmt::format("{} to {} pages, {} to {} of them shared, {} to {} private", pages.all.least,
                     pages.all.most, pages.shared.least, pages.shared.most, pages.exclusive.least,
                     pages.exclusive.most);
}

// Whether the counts of the entry say more than that there are not more pages than it has.
bool says_more(const Counts& pages) {
  return pages.all.least > 0 || pages.shared.most < pages.all.most;
}

void check_counts(const World& w, Step& s, const SmapsEntry& e, const Counts& pages, bool large) {
  if (!pages.all.decided() || !pages.shared.decided()) s.uses(Freedom::residency);
  if (large && !pages.shared.decided()) s.uses(Freedom::large_folios);
  if (!s.exact() && !pages.shared.decided()) s.uses(Freedom::documented_alternative);
  if (says_more(pages)) s.applies(C::proc_smaps_shared);
  const std::uint64_t shared = e.shared / w.page(), exclusive = e.exclusive / w.page();
  const bool whole = e.shared % w.page() == 0 && e.exclusive % w.page() == 0;
  if (whole && pages.shared.allow(shared) && pages.exclusive.allow(exclusive) &&
      pages.all.allow(shared + exclusive))
    return;
  s.diverge(C::proc_smaps_shared, text(pages),
            fmt::format("{} shared bytes, {} private", e.shared, e.exclusive));
  s.adopted();  // a wrong count changes no mapping
}

}  // namespace

void rule_smaps(World& w, Process& p, Step& s) {
  const std::uint64_t address = w.value(s.op.addr);
  const Vma* at = p.memory.find(address);
  if (!at) s.must(kENODATA, C::proc_maps_unmapped_gone);
  if (s.failed(C::proc_smaps_shared)) return;
  if (s.running()) return make(w, p, s, *at);
  const std::vector<std::uint64_t>& words = s.seen().words;
  const SmapsEntry e{words[0], words[1], words[2], words[3], words[4]};
  // Which neighbours the kernel has made one entry of is its own.
  if (e.low != at->low || e.high != at->high) s.names(Freedom::map_merge);
  if (!s.expect(is_range_of(w, p, e, address), C::proc_maps_row,
                [&] { return fmt::format("mapped pages around {:#x}", address); }))
    return;
  Counts pages;
  bool large = false;
  for (const Vma& v : p.memory.vmas()) {
    const std::uint64_t low = std::max(v.low, e.low), high = std::min(v.high, e.high);
    if (low >= high) continue;
    if (!check_smaps_flags(w, p, s, v, e.flags)) return s.adopted();
    pages += count_part(w, s, p, v, low, high);
    large |= v.inode >= 0 && of_large_folios(w, s, w.object_of(v));
  }
  check_counts(w, s, e, pages, large);
}

}  // namespace shmcheck::model
