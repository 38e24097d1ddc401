// RssAnon, RssFile and RssShmem of /proc/PID/status.
#include <fmt/format.h>

#include "model/residency.h"

namespace shmcheck::model {
namespace {

using program::FileSystem;
using program::ResidentSet;

// Where the pages of an object count that are nobody's private ones. Those of an overlay are a file's of one
// of its layers, which may lie in a tmpfs.
bool may_count_as(const World& w, const Inode& o, ResidentSet set) {
  const FileSystem fs = w.fs_of(o);
  if (fs == FileSystem::overlay || fs == FileSystem::other) return set != ResidentSet::anonymous;
  return set == (fs == FileSystem::tmpfs ? ResidentSet::shared_memory : ResidentSet::file);
}

bool must_count_as(const World& w, const Inode& o, ResidentSet set) {
  const FileSystem fs = w.fs_of(o);
  return fs != FileSystem::overlay && fs != FileSystem::other && may_count_as(w, o, set);
}

Bounds counted(World& w, const Step& s, const Vma& v, ResidentSet set) {
  const Bounds all = mapped_pages(w, s, v, v.low, v.high);
  if (set == ResidentSet::anonymous) {
    // Private pages may be there where the object has none, but not beyond its end.
    const bool within = v.inode >= 0 && w.object_of(v).huge;
    return {private_pages(w, s, v, v.low, v.high), v.shared || within ? 0 : (v.high - v.low) / w.page()};
  }
  if (v.inode < 0 || !may_count_as(w, w.object_of(v), set)) return {};
  return {must_count_as(w, w.object_of(v), set) ? all.least : 0, all.most};
}

// Between 6.2 and 6.17 the counters are shown without what each processor has yet to add to them, which may
// be more than a program maps (f1a7941243c1, 82241a83cd15). Before, the executor has them added up. Other
// kernels: proc(5) says that the values are inaccurate.
bool in_batches(const Step& s) {
  const std::uint32_t release = s.facts.release;
  return !s.exact() || (release >= program::release(6, 2) && release < program::release(6, 17));
}

// What the processors can have to take away: less than max(32, 2 * processors) pages each, of which x86-64
// has 8,192 at most (lib/percpu_counter.c, percpu_counter_batch; NR_CPUS).
constexpr std::uint64_t kMostInBatches = std::uint64_t{2 * 8192} * 8192;

}  // namespace

void rule_rss(World& w, Process& p, Step& s) {
  if (s.failed(C::proc_status_rss)) return;
  const auto set = static_cast<ResidentSet>(s.op.small);
  Bounds pages;
  for (const Vma& v : p.memory.vmas()) pages += counted(w, s, v, set);
  const std::uint64_t seen = s.chosen(pages.least, Freedom::residency);
  if (!pages.decided()) s.uses(Freedom::residency);
  if (in_batches(s)) {
    s.uses(Freedom::counter_batch);
    pages = {0, pages.most + kMostInBatches};
  }
  if (s.running()) return;
  s.applies(pages.least > 0 || pages.most == 0 ? C::proc_status_rss : C::none);
  if (pages.allow(seen)) return;
  // What has moved may have lost its lock, and its pages with it.
  const bool lost = seen < pages.least && p.lock_clause == C::mremap_lock_kept;
  s.diverge(lost ? p.lock_clause : C::proc_status_rss, fmt::format("{} to {} pages", pages.least, pages.most),
            fmt::format("{}", seen));
  s.adopted();  // a wrong count changes no mapping
}

}  // namespace shmcheck::model
