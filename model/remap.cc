// remap_file_pages(2), which Linux has emulated by a new mapping since 4.0. In the order of mm/mmap.c.
#include <algorithm>

#include "model/append_only.h"
#include "model/map_limit.h"
#include "model/rlimit.h"
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEAGAIN = 11, kEACCES = 13, kEINVAL = 22, kENOSYS = 38, kEOVERFLOW = 75;

// Whether a range of mappings is one to the kernel: of the same open file, with the same flags. One of those
// is MAP_NORESERVE and one MAP_SYNC, though no document says so; and since 6.8, and some stable releases
// before, MAP_STACK, where the kernel has huge pages to keep from it (commit c4608d1bf7c6).
enum class Unity { one, perhaps, undocumented, broken };

Unity unity(const Process& p, const Vma& first, std::uint64_t high) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  Unity found = Unity::one;
  std::uint64_t at = first.high;
  for (std::size_t i = p.memory.first_above(first.high); at < high; ++i) {
    if (i == vmas.size() || vmas[i].low != at) return Unity::broken;
    const Vma& v = vmas[i];
    bool same_file = v.inode == first.inode && v.file == first.file && v.attach == first.attach;
    bool same_flags = v.shared && v.prot == first.prot && v.may_write == first.may_write &&
                      v.locked == first.locked && v.on_fault == first.on_fault &&
                      v.dont_fork == first.dont_fork && v.read_hint == first.read_hint;
    if (!same_file || !same_flags) return Unity::broken;
    if (v.of_stack != first.of_stack) found = std::max(found, Unity::perhaps);
    if (v.no_reserve != first.no_reserve || v.synchronous != first.synchronous) found = Unity::undocumented;
    at = v.high;
  }
  return found;
}

// Whether the range is all that keeps a segment that goes with its last attach. The old mapping is closed
// before the new one is opened.
bool ends_segment(const World& w, const Process& p, const Vma& first, std::uint64_t low, std::uint64_t high) {
  if (first.segment < 0) return false;
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(first.segment)];
  if (!(k.perm.mode & kShmDest) && !w.ipc.of(k).limits.rmid_forced) return false;
  std::int64_t within = 0;
  for (const Vma& v : p.memory.vmas())
    within += v.segment == first.segment && v.low >= low && v.high <= high ? 1 : 0;
  return within == k.nattch;
}

void range_errors(const Process& p, Step& s, const Vma* v, std::uint64_t high) {
  if (!v || !v->shared) return s.must(kEINVAL, C::remap_file_pages_einval);
  // What is shared but cannot be stored to through its descriptor is not VM_SHARED; no document says so.
  if (!v->writable_file) {
    if (s.exact())
      s.must(kEINVAL, C::remap_file_pages_einval);
    else
      s.may(kEINVAL, Freedom::documented_alternative);
  }
  Unity u = unity(p, *v, high);
  if (u == Unity::broken || (u == Unity::undocumented && s.exact()))
    s.must(kEINVAL, C::remap_file_pages_einval);
  else if (u == Unity::undocumented)
    s.may(kEINVAL, Freedom::documented_alternative);
  else if (u == Unity::perhaps)
    s.may(kEINVAL, Freedom::map_merge);
}

// As of the mmap that it is.
void mapping_errors(World& w, const Process& p, Step& s, const Vma& v, std::uint64_t low, std::uint64_t size,
                    std::uint64_t offset) {
  using namespace program::seal;
  mapping_limit_errors(w, p, s, 0, C::mmap_limit_map_count);
  if (low < w.facts().min_address && !p.cred.machine) s.must(kEPERM, C::mmap_fixed_low_address_priv);
  if (v.locked) may_lock_errors(p, s, C::mmap_flag_locked_limit);
  if (v.locked || p.lock_future) memlock_errors(w, p, s, size, kEAGAIN, C::mmap_flag_locked_limit);
  constexpr std::uint64_t largest = INT64_MAX;
  if (offset > largest || size > largest - offset)
    s.must(kEOVERFLOW, kEINVAL, C::mmap_create_offset_overflow);
  // That the attribute refuses it the manual of mmap says.
  const Attribute append_only = append_only_when_mapped(w, w.object_of(v));
  if (v.writable_file && append_only != Attribute::off && s.exact())
    append_only_errors(w.object_of(v), s, kEACCES, C::mmap_fd_append_only_inode);
  else if (v.writable_file && append_only != Attribute::off)
    s.may(kEACCES, Freedom::documented_alternative);
  std::uint32_t seals = w.object_of(v).seals & (kWrite | kFutureWrite);
  if (!seals || !v.writable_file) return;
  bool early = w.facts().release >= program::release(6, 13);
  if ((v.prot & program::kProtWrite) && early)
    s.must(kEPERM, seals & kWrite ? C::seal_write : C::seal_future_write);
  else if ((v.prot & program::kProtWrite) || !early || !s.exact())
    s.may(kEPERM, Freedom::documented_alternative);
}

void replace(World& w, Process& p, Step& s, Vma v, std::uint64_t low, std::uint64_t size,
             std::uint64_t offset) {
  using namespace program::seal;
  std::uint8_t who = index_of(w, p);
  // The call holds the file, and that its namespace, while nothing is attached.
  IpcIds* const held =
      v.segment < 0 ? nullptr : &w.ipc.of(w.ipc.segments[static_cast<std::size_t>(v.segment)]);
  if (held) held->held = true;
  w.unmap(who, low, low + size, s.when);
  if (held) held->held = false;
  bool sealed = (w.object_of(v).seals & (kWrite | kFutureWrite)) != 0;
  bool of_descriptor = v.file >= 0;
  v.id = w.next_vma++;
  v.made = w.steps;
  v.low = low;
  v.high = low + size;
  v.page_offset = offset / w.page();
  if (of_descriptor) v.may_write = v.writable_file && !sealed;
  v.locked |= p.lock_future;
  v.on_fault = p.lock_future_on_fault;
  v.dont_fork = v.no_reserve = v.synchronous = v.of_stack = v.inherited = v.rounded_up = v.discarded = false;
  v.resident_by = C::none;
  v.dirtied = false;
  may_move_atime(w.object_of(v));
  v.read_hint = 0;
  v.event = {C::remap_file_pages_order, w.steps};
  if (v.locked) p.lock_clause = C::mlock_accounting;
  // The call maps with MAP_POPULATE (mm/mmap.c).
  const bool populated = !(s.op.flags & program::map::kNonBlock) || (v.locked && !v.on_fault);
  if (populated) note_populated(w, v);
  const bool joins = v.segment >= 0 && w.join_neighbour(who, v);
  if (v.segment >= 0 && !joins) w.open_attach(static_cast<std::uint32_t>(v.segment), who, s.when, false);
  if (!joins) p.memory.insert(std::move(v));
  if (populated) w.note_reached(p, low);
}

}  // namespace

void rule_remap(World& w, Process& p, Step& s) {
  std::uint64_t low = w.down(w.value(s.op.addr)), size = w.down(w.value(s.op.len));
  std::uint64_t offset = w.down(w.value(s.op.off));
  if (!s.exact()) s.may(kENOSYS, Freedom::documented_alternative);
  if (s.op.small != 0) s.must(kEINVAL, C::remap_file_pages_einval);
  if (low + size <= low) s.must(kEINVAL, C::remap_file_pages_einval);
  const Vma* v = p.memory.find(low);
  bool ends = false;
  if (!s.must_fail()) range_errors(p, s, v, low + size);
  if (!s.must_fail()) {
    mapping_errors(w, p, s, *v, low, size, offset);
    if (!s.must_fail()) division_errors(w, p, s, low, low + size, C::munmap_split_limit);
    ends = ends_segment(w, p, *v, low, low + size);
    if (ends && !s.exact())
      s.may(kEINVAL, Freedom::documented_alternative);
    else if (ends)
      s.must(kEINVAL, C::remap_file_pages_order);
  }
  bool late = !s.must_fail() && s.saw(kEPERM);
  bool ends_here = ends && s.exact() && s.first_error() == kEINVAL;
  bool failed = s.failed(C::remap_file_pages_order);
  // Whether the segment is still there is not known, nor where the mapping would be then.
  if (ends && !s.exact()) {
    if (!s.report().diverged) s.lose_quietly(Freedom::documented_alternative);
    return;
  }
  if (failed) {
    // Before 6.13 the old mapping may have gone when the seals are looked at.
    if (late && !s.report().diverged) s.lose_quietly(Freedom::fixed_failure);
    if (ends_here && !s.report().diverged) w.unmap(index_of(w, p), low, low + size, s.when);
    return;
  }
  replace(w, p, s, *v, low, size, offset);
}

}  // namespace shmcheck::model
