// Faults of what /proc shows of residency: entries of smaps, counters of status.
#include "model/fault_tools.h"
#include "model/residency.h"

namespace shmcheck::model {
namespace {

using program::ResidentSet;

void becomes_shared(Outcome& o) {
  o.words[kEntryShared] += std::exchange(o.words[kEntryExclusive], 0);
}

// --- entries of smaps

constexpr C kSmaps[] = {C::proc_smaps_shared};

void shared_as_private(const World&, World& w, const Op& op, Outcome& o) {
  if (entry_shown(w, op, o)) o.words[kEntryExclusive] += std::exchange(o.words[kEntryShared], 0);
}

void private_as_shared(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->shared) becomes_shared(o);
}

// Somebody else had it mapped, and has ended.
void dead_count(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  const bool ended = std::ranges::any_of(w.processes, [](const Process& p) { return p.life == Life::dead; });
  if (v && v->shared && ended) becomes_shared(o);
}

void leaves_a_page_out(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->segment >= 0 && o.words[kEntryExclusive] > 0) o.words[kEntryExclusive] -= w.page();
}

// What a child has from its parent, and has not come to itself.
bool only_inherited(World& w, const Vma& v) {
  return v.inherited && !v.reached && w.memory_object(v);
}

void child_has_pages(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && only_inherited(w, *v)) o.words[kEntryShared] = v->high - v->low;
}

void attach_has_pages(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->segment >= 0 && !v->inherited && !v->reached)
    o.words[kEntryShared] = w.object_of(*v).accessed.size() * w.page();
}

void anonymous_without_sh(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  const bool anonymous = v && v->inode >= 0 && w.object_of(*v).kind == InodeKind::shared_anonymous;
  if (anonymous) o.words[kEntryFlags] &= ~program::kSmapsShared;
}

void sh_as_maps_has_it(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->shared) o.words[kEntryFlags] |= program::kSmapsShared;
}

void sh_of_private_files(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && !v->shared && v->inode >= 0) o.words[kEntryFlags] |= program::kSmapsShared;
}

constexpr C kLocks[] = {C::fork_locks_not_inherited, C::mlock_accounting};

void shows_locks_of_parent(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (!v || !v->inherited) return;
  for (const Process& p : w.processes) {
    for (const Vma& of_parent : p.memory.vmas()) {
      if (of_parent.id == v->id && of_parent.locked) o.words[kEntryFlags] |= program::kSmapsLocked;
    }
  }
}

// --- counters of status

constexpr C kCounters[] = {C::proc_status_rss};
// It looks the same if the lock, and with it the pages, did not move along.
constexpr C kCountersMoved[] = {C::proc_status_rss, C::mremap_lock_kept};

bool counts(const Op& op, const Outcome& o, ResidentSet set) {
  return requests(op, OpCode::rss, set) && ok(o);
}

// Pages that are there for certain, of the actor's mappings that are of this kind.
template <typename Kind>
std::uint64_t locked_pages(World& w, const Op& op, Kind kind) {
  std::uint64_t pages = 0;
  for (const Vma& v : actor(w, op).memory.vmas()) {
    const bool there = v.shared && v.locked && !v.on_fault && v.resident_by != C::none;
    if (there && kind(v)) pages += (v.high - v.low) / w.page();
  }
  return pages;
}

// They count in another set.
template <typename Kind>
void count_in(World& w, const Op& op, Outcome& o, ResidentSet from, ResidentSet to, Kind kind) {
  if (counts(op, o, to)) o.value += locked_pages(w, op, kind);
  if (counts(op, o, from)) o.value -= std::min(o.value, locked_pages(w, op, kind));
}

void segments_as_files(const World&, World& w, const Op& op, Outcome& o) {
  count_in(w, op, o, ResidentSet::shared_memory, ResidentSet::file,
           [](const Vma& v) { return v.segment >= 0; });
}

void shared_anonymous_as_private(const World&, World& w, const Op& op, Outcome& o) {
  count_in(w, op, o, ResidentSet::shared_memory, ResidentSet::anonymous,
           [&](const Vma& v) { return w.object_of(v).kind == InodeKind::shared_anonymous; });
}

void files_as_shared_memory(const World&, World& w, const Op& op, Outcome& o) {
  count_in(w, op, o, ResidentSet::file, ResidentSet::shared_memory,
           [&](const Vma& v) { return w.fs_of(w.object_of(v)) != program::FileSystem::tmpfs; });
}

void moved_left_out(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::shared_memory)) return;
  const std::uint64_t moved =
      locked_pages(w, op, [](const Vma& v) { return v.event.clause == C::mremap_content_kept; });
  o.value -= std::min(o.value, moved);
}

void mapped_is_counted(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::shared_memory)) return;
  o.value = 0;
  for (const Vma& v : actor(w, op).memory.vmas()) {
    if (w.memory_object(v)) o.value += (v.high - v.low) / w.page();
  }
}

void inherited_is_counted(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::shared_memory)) return;
  for (const Vma& v : actor(w, op).memory.vmas()) {
    if (only_inherited(w, v)) o.value += (v.high - v.low) / w.page();
  }
}

// Pages of private anonymous memory that are there for certain, of the actor's mappings that are of this
// kind.
template <typename Kind>
std::uint64_t stored_private_pages(World& w, const Op& op, Kind kind) {
  std::uint64_t pages = 0;
  for (const Vma& v : actor(w, op).memory.vmas()) pages += kind(v) ? pages_stored_to(w, v, v.low, v.high) : 0;
  return pages;
}

void private_left_out(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::anonymous)) return;
  o.value -= std::min(o.value, stored_private_pages(w, op, [](const Vma&) { return true; }));
}

void counts_stores_only(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::anonymous)) return;
  for (const Vma& v : actor(w, op).memory.vmas()) {
    const bool populated = !v.shared && v.inode < 0 && v.locked && v.resident_by != C::none;
    if (!populated || !(v.prot & program::kProtWrite)) continue;
    const std::uint64_t rest = (v.high - v.low) / w.page() - pages_stored_to(w, v, v.low, v.high);
    o.value -= std::min(o.value, rest);
  }
}

void private_moved_left_out(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::anonymous)) return;
  const auto moved = [](const Vma& v) { return v.event.clause == C::mremap_content_kept; };
  o.value -= std::min(o.value, stored_private_pages(w, op, moved));
}

void read_only_left_out(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o, ResidentSet::anonymous)) return;
  const auto read_only = [](const Vma& v) { return !(v.prot & program::kProtWrite); };
  o.value -= std::min(o.value, stored_private_pages(w, op, read_only));
}

void entry_leaves_private_out(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && pages_stored_to(w, *v, v->low, v->high) > 0) o.words[kEntryShared] = o.words[kEntryExclusive] = 0;
}

constexpr Fault kFaults[] = {
    {"smaps-shared-as-private", "pages that two processes have mapped count as Private", kSmaps, nullptr,
     shared_as_private, false},
    {"smaps-private-as-shared", "pages that one process has mapped count as Shared if others could map them",
     kSmaps, nullptr, private_as_shared, false},
    {"smaps-counts-the-dead",
     "pages count as Shared after the other process has ended",
     kSmaps,
     nullptr,
     dead_count,
     false,
     {},
     true},
    {"smaps-leaves-a-page-out", "one page of a locked attach is not counted", kSmaps, nullptr,
     leaves_a_page_out, false},
    {"smaps-child-has-pages", "a child has all shared memory mapped that its parent had", kSmaps, nullptr,
     child_has_pages, false},
    {"smaps-attach-has-pages",
     "a new attach has all pages mapped that the segment has",
     kSmaps,
     nullptr,
     attach_has_pages,
     false,
     {},
     true},
    {"rss-counts-what-is-inherited", "a child's counters have the shared memory of its parent", kCounters,
     nullptr, inherited_is_counted, false},
    {"smaps-sh-not-of-anonymous", "shared anonymous memory has no `sh`", kSmaps, nullptr,
     anonymous_without_sh, false},
    {"smaps-sh-of-read-only", "shared mappings of a descriptor that is read-only have `sh`", kSmaps, nullptr,
     sh_as_maps_has_it, false},
    {"smaps-sh-of-private", "private mappings of files have `sh`", kSmaps, nullptr, sh_of_private_files,
     false},
    {"smaps-lo-inherited",
     "the mappings of a child have `lo` as long as its parent's",
     kLocks,
     nullptr,
     shows_locks_of_parent,
     false,
     {},
     true},
    {"rss-segments-as-files", "pages of segments count in RssFile", kCounters, nullptr, segments_as_files,
     false},
    {"rss-shared-anonymous-as-private", "pages of shared anonymous memory count in RssAnon", kCounters,
     nullptr, shared_anonymous_as_private, false},
    {"rss-files-as-shared-memory",
     "pages of files with storage count in RssShmem",
     kCounters,
     nullptr,
     files_as_shared_memory,
     false,
     {},
     false,
     true},
    {"rss-forgets-what-moved",
     "pages of shared memory that mremap has moved are not counted",
     kCountersMoved,
     nullptr,
     moved_left_out,
     false,
     {},
     true},
    {"rss-private-left-out", "private memory is not counted in RssAnon", kCounters, nullptr, private_left_out,
     false},
    {"rss-counts-stores-only", "locked private memory is counted as far as it was stored to", kCounters,
     nullptr, counts_stores_only, false},
    {"rss-forgets-private-that-moved",
     "private memory that mremap has moved is not counted",
     kCountersMoved,
     nullptr,
     private_moved_left_out,
     false,
     {},
     true},
    {"rss-read-only-left-out",
     "private memory is not counted once it is read-only",
     kCounters,
     nullptr,
     read_only_left_out,
     false,
     {},
     true},
    {"smaps-private-left-out",
     "entries of private memory have no pages",
     kSmaps,
     nullptr,
     entry_leaves_private_out,
     false,
     {},
     true},
    {"rss-counts-what-is-mapped", "shared memory counts as soon as it is mapped", kCounters, nullptr,
     mapped_is_counted, false},
};

}  // namespace

std::span<const Fault> residency_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
