// mmap(2): when what was there goes, placement, and the new vma.
#include "model/mmap.h"

#include <algorithm>

#include "model/blame.h"
#include "model/rlimit.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEACCES = 13, kEEXIST = 17, kEINVAL = 22, kEOPNOTSUPP = 95;

// Whether the only thing wrong is found by the file system: it does not support MAP_SYNC, or, before 6.13,
// the file is sealed.
bool refused_late(const World& w, const Step& s, const MmapRequest& r) {
  using namespace program::map;
  bool sync = r.file && (s.op.flags & kSync) != 0;
  bool unknown = r.validate && (s.op.flags & (kUnknown | kNoReplace)) != 0;
  if (r.sealed) return w.facts().release < program::release(6, 13);
  return sync && !unknown && w.may_know_sync(w.inodes[r.file->inode]) && s.first_error() == kEOPNOTSUPP;
}

// The start that was given or chosen, checked against what is mapped.
std::uint64_t placed(World& w, Process& p, Step& s, const MmapRequest& r) {
  constexpr std::uint64_t kMapFailed = ~std::uint64_t{0};
  if (!s.running() && !s.expect(s.seen().value != kMapFailed, C::mmap_create_never_map_failed,
                                [] { return std::string("an address, not MAP_FAILED"); }))
    return kMapFailed;
  if (r.fixed) return s.returns(r.address, r.noreplace ? C::mmap_fixed_noreplace : C::mmap_fixed_exact);
  std::uint64_t hint = w.down(r.address);
  // A security module may have a higher minimum of its own: CONFIG_LSM_MMAP_MIN_ADDR, 64 KiB at most.
  std::uint64_t lowest = std::max<std::uint64_t>(w.facts().min_address, 65536);
  bool usable = hint >= lowest && hint < w.facts().top && r.pages < w.facts().top - hint;
  bool hint_free = usable && !occupied(w, p, hint, hint + r.pages);
  std::uint64_t low = s.chosen(hint_free ? hint : free_range(w, p, r.pages), Freedom::address);
  C clause = hint_free ? C::mmap_create_hint_free
             : usable  ? C::mmap_create_hint_occupied
             : hint    ? C::mmap_create_hint_below_minimum
                       : C::mmap_create_null_addr;
  const bool good = good_choice(w, p, low, r.pages);
  C choice = good || low == hint ? clause : blame_of_choice(w, s.op.proc, low, r.pages, clause);
  if (!s.expect(good, choice, [&] { return std::string("a page-aligned address of a free range"); })) {
    return low;
  }
  if (hint_free && low != hint && !s.running()) {
    if (s.exact())
      s.diverge(clause, hex(hint), hex(low));
    else
      s.uses(Freedom::hint_ignored);
  }
  return low;
}

// What demands that the call is granted: what is special about it, and where it was refused with an error
// that fits, that first.
C clause_of_grant(const World& w, const Process& p, const Step& s, const MmapRequest& r) {
  const std::uint32_t flags = s.op.flags;
  const bool read_only = r.file && !r.shared && r.write && !r.file->writable;
  const bool empty = r.file && w.inodes[r.file->inode].size == 0;
  if (p.other_mappings && s.saw(kENOMEM)) return C::mmap_limit_map_count;
  if (read_only && s.saw(kEACCES)) return C::mmap_fd_read_only_private_write;
  if (r.file && s.saw(kEACCES) && w.inodes[r.file->inode].append_only == Attribute::on)
    return C::mmap_fd_append_only_inode;
  if (empty && s.saw(kEINVAL)) return C::mmap_create_empty_file;
  if (flags & program::map::kPopulate) return C::mmap_flag_populate;
  if (!r.validate && (flags & program::map::kUnknown)) return C::mmap_type_shared_ignores_unknown;
  if (flags & (program::map::kLegacy | program::map::kStack)) return C::mmap_flag_noop_legacy;
  if (r.anonymous) return r.offset != 0 ? C::mmap_anon_offset : C::mmap_anon_fd_ignored;
  if (r.source == program::MapSource::zero) return C::mmap_anon_dev_zero;
  if (read_only) return C::mmap_fd_read_only_private_write;
  if (r.file && r.shared && r.write && r.file->append) return C::mmap_fd_o_append;
  return empty ? C::mmap_create_empty_file : C::mmap_create_len_beyond_eof;
}

// What a call that failed has done all the same. `gone`: the file system refused when the old mappings had
// gone; `of_space`: RLIMIT_AS did, when what lay over the edges had been divided.
void leave_behind(World& w, const Process& p, Step& s, const MmapRequest& r, bool gone, bool of_space) {
  bool unsure = r.fixed && !r.noreplace && r.file && s.saw(kEPERM) && !s.must_fail() &&
                w.facts().release < program::release(6, 13);
  if (unsure) s.lose_quietly(Freedom::fixed_failure);
  if (gone && (s.running() || s.seen().kind == OutcomeKind::error)) {
    w.unmap(index_of(w, p), r.address, r.address + r.pages, s.when);
  }
  if (of_space && !s.report().diverged) divide_at_edges(w, p, s, r.address, r.address + r.pages);
}

// Shows the file, or makes the object, that the mapping is of; none of private anonymous memory.
void set_object(World& w, const Process& p, const MmapRequest& r, Vma& v) {
  if (r.file) {
    v.inode = static_cast<std::int32_t>(r.file->inode);
    v.file = static_cast<std::int32_t>(r.file - w.open_files.data());
    v.writable_file = r.file->writable;
    bool sealed =
        (w.inodes[r.file->inode].seals & (program::seal::kWrite | program::seal::kFutureWrite)) != 0;
    v.may_write = !r.shared || (r.file->writable && !sealed);
    v.may_exec = !w.noexec(w.inodes[r.file->inode]);
  } else if (r.shared) {
    Inode object;
    object.kind = InodeKind::shared_anonymous;
    object.of_device = r.source == program::MapSource::zero;
    object.size = r.pages;
    set_unnamed_status(object, p);
    v.inode = static_cast<std::int32_t>(w.add_inode(std::move(object)));
    v.writable_file = true;
  }
}

void insert(World& w, Process& p, Step& s, const MmapRequest& r, std::uint64_t low) {
  using namespace program::map;
  Vma v;
  v.id = w.next_vma++;
  v.made = w.steps;
  v.rounded_up = w.value(s.op.len) % w.page() != 0;
  v.low = low;
  v.high = low + r.pages;
  v.prot = s.op.small & 7;
  v.shared = r.shared;
  // Where nothing is promised beyond what there is, the flag counts for huge pages only (mm/mmap.c, do_mmap).
  const bool reserves = !w.facts().overcommits && !(r.file && w.inodes[r.file->inode].huge);
  v.no_reserve = (s.op.flags & kNoReserve) != 0 && !reserves;
  v.of_stack = (s.op.flags & kStack) != 0;
  v.synchronous = (s.op.flags & kSync) != 0;
  v.page_offset = r.anonymous && r.shared ? 0 : r.anonymous ? low / w.page() : r.offset / w.page();
  set_object(w, p, r, v);
  w.mapping_names[s.op.result] = low;
  p.memory.insert(std::move(v));
  // With MAP_NONBLOCK, MAP_POPULATE does nothing: mmap(2).
  bool populated = (s.op.flags & (kPopulate | kNonBlock)) == kPopulate;
  lock_at_creation(w, p, s, low, (s.op.flags & kLocked) != 0, populated);
}

}  // namespace

void rule_mmap(World& w, Process& p, Step& s) {
  MmapRequest r = mmap_request(w, p, s.op);
  mmap_errors(w, p, s, r);
  if (r.huge) {
    // Only where documents allow it: what such a mapping is like they do not say.
    if (!s.failed(C::mmap_flag_hugetlb_priv)) s.lose_quietly(Freedom::documented_alternative);
    return;
  }
  if (s.must_fail() && s.failures() > 1) s.applies(C::prec_mmap_multi);
  if (s.must_fail() && r.fixed && !r.noreplace && !s.exact() && r.pages != 0 && r.pages <= w.facts().top) {
    s.applies(C::prec_mmap_failed_fixed);
  }
  // The file system refuses after the old mappings have gone; every other check comes before.
  bool of_space = r.no_space && (s.running() ? s.required_error() == kENOMEM : s.saw(kENOMEM));
  bool late = r.fixed && !r.noreplace && !of_space && refused_late(w, s, r);
  bool gone = late;
  // Releases before 6.13 look at seals early or late, as their stable updates have it.
  if (late && (!s.exact() || r.sealed)) {
    int pick = s.choose(2, Freedom::fixed_failure);
    if (pick < 0) return;
    gone = pick == 0;
  }
  // That there is something is no error.
  const bool refuses_owner =
      r.fixed && s.saw(kEEXIST) && !r.noreplace && p.memory.overlaps(r.address, r.address + r.pages);
  C success = refuses_owner ? C::mmap_fixed_not_recommended : clause_of_grant(w, p, s, r);
  // What the file system refuses may have been counted as an access.
  if (r.file) may_move_atime(w.inodes[r.file->inode]);
  // What the kernel takes to be there has been removed.
  C removed = s.saw(kEEXIST) && !refuses_owner
                  ? clause_of_removed(w, s.op.proc, r.address, r.address + r.pages)
                  : C::none;
  if (s.failed(removed == C::none ? success : removed)) return leave_behind(w, p, s, r, gone, of_space);
  std::uint64_t low = placed(w, p, s, r);
  if (!s.running() && s.report().diverged) {
    w.mapping_names[s.op.result] = low;
    // A range that no address space has is not taken over.
    if (low % w.page() != 0 || low + r.pages <= low || low + r.pages > w.facts().top) return;
  }
  // A mapping that continues another one grows it, and the file is not asked.
  bool counts_as_access = r.file && std::ranges::none_of(p.memory.vmas(), [&](const Vma& v) {
                            return v.inode == static_cast<std::int32_t>(r.file->inode);
                          });
  if (r.fixed) {
    if (p.memory.overlaps(low, low + r.pages)) {
      s.applies(C::mmap_fixed_replaces);
      s.applies(C::mmap_fixed_not_recommended);
    }
    w.unmap(index_of(w, p), low, low + r.pages, s.when);
  } else if (p.memory.overlaps(low, low + r.pages)) {
    return;  // a divergence already: the kernel's choice overlaps what is mapped
  }
  if (counts_as_access) moves_atime(w, s, w.inodes[r.file->inode]);
  insert(w, p, s, r, low);
}

}  // namespace shmcheck::model
