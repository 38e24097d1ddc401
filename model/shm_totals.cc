// Totals and limits of an IPC namespace: SHM_INFO, IPC_INFO.
#include <fmt/format.h>

#include <algorithm>

#include "model/shm_stat.h"

namespace shmcheck::model {

using program::IpcInfo;
using program::ShmTotal;

namespace {

// A wrong number changes no segment.
void number(Step& s, std::uint64_t value, C clause) {
  s.returns(value, clause);
  if (s.report().diverged) s.adopted();
}

// One in a range, as `seen`.
void expect_within(Step& s, bool within, C clause, const std::string& allowed) {
  if (s.running()) return;
  s.applies(clause);
  if (within) return;
  s.diverge(clause, allowed, std::to_string(s.seen().value));
  s.adopted();
}

void unknown_number(Step& s, std::uint64_t value, Freedom freedom) {
  s.chosen(value, freedom);
  s.uses(freedom);
}

// Segments and the pages that they are accounted. Those that are marked for removal are there as long as
// somebody is attached.
void count_segments(World& w, const Process& p, Step& s, bool pages) {
  const IpcIds& ids = w.ipc.of(p);
  const std::uint64_t all = pages ? w.ipc.pages(ids, w.page()) : ids.in_use();
  if (!all_known(w, p)) return unknown_number(s, all, Freedom::uncounted);
  const bool apart = w.ipc.namespaces.size() > 1;
  const std::uint64_t seen = s.running() ? all : s.seen().value;
  std::uint64_t unmarked = 0;
  for (std::uint32_t i : ids.live) {
    const ShmidKernel& k = w.ipc.segments[i];
    if ((k.perm.mode & kShmDest) == 0) unmarked += pages ? w.up(k.segsz) / w.page() : 1;
  }
  if (!s.running() && !s.exact() && seen == unmarked && unmarked != all)
    return s.uses(Freedom::documented_alternative);
  if (apart) s.applies(C::ipcns_isolation);
  const C clause = !apart            ? C::shmctl_shm_info
                   : seen > all      ? C::ipcns_isolation
                   : p.ipc_inherited ? C::ipcns_fork_inherits
                                     : C::ipcns_visible_to_members;
  number(s, all, clause);
}

// What else the number of kept pages is held to, by what segments there are and were.
struct KeptFor {
  C too_few = C::none, too_many = C::none;
};
KeptFor kept_for(const World& w, const Process& p) {
  KeptFor reasons;
  for (const ShmidKernel& k : w.ipc.segments) {
    if (k.ipc_namespace != p.ipc_namespace) continue;
    const Inode& inode = w.inodes[k.inode];
    if (k.destroyed && k.had_pages) reasons.too_many = C::sysv_life_memory_returned;
    if (k.destroyed) continue;
    if (k.nattch == 0 && inode.stored.size() > 0) reasons.too_few = C::sysv_life_undestroyed_leak;
    const bool untouched = !inode.populated && inode.accessed.size() < w.up(k.segsz) / w.page();
    if (!untouched || reasons.too_many != C::none) continue;
    if (k.perm.mode & kShmLocked)
      reasons.too_many = C::shmctl_lock_no_fault_in;
    else if (k.nattch > 0)
      reasons.too_many = C::shmat_demand;
  }
  return reasons;
}

// Pages that are kept in memory or in swap.
void count_kept(World& w, const Process& p, Step& s) {
  PageRange sum;
  for (std::uint32_t i : w.ipc.of(p).live) {
    const PageRange one = kept_pages(w, w.ipc.segments[i]);
    sum = {sum.least + one.least, sum.most + one.most};
  }
  if (!all_known(w, p)) return unknown_number(s, sum.least, Freedom::uncounted);
  const KeptFor reasons = kept_for(w, p);
  s.applies(reasons.too_few), s.applies(reasons.too_many);
  C clause = C::shmctl_shm_info_rss;
  if (!s.running() && s.seen().value < sum.least && reasons.too_few != C::none) clause = reasons.too_few;
  if (!s.running() && s.seen().value > sum.most && reasons.too_many != C::none) clause = reasons.too_many;
  if (sum.least == sum.most) return number(s, sum.least, clause);
  const std::uint64_t seen = s.chosen(sum.least, Freedom::residency);
  s.uses(Freedom::residency);
  expect_within(s, seen >= sum.least && seen <= sum.most, clause,
                fmt::format("{} to {} pages", sum.least, sum.most));
}

// What both commands return: the highest index of the table in use. Where ids do not say what index they
// have, there are at least as many below it.
void highest_index(World& w, const Process& p, Step& s) {
  std::uint64_t highest = 0;
  for (std::uint32_t i : w.ipc.of(p).live) highest = std::max(highest, table_index(w.ipc.segments[i].id));
  const std::uint64_t count = w.ipc.of(p).in_use(), seen = s.running() ? highest : s.seen().value;
  if (!all_known(w, p)) return unknown_number(s, highest, Freedom::uncounted);
  if (s.profile < Profile::defacto && seen != highest && count > 0) {
    s.uses(Freedom::documented_alternative);
    return expect_within(s, seen <= INT32_MAX && seen + 1 >= count, C::shmctl_info_return,
                         fmt::format("an index of at least {}", count - 1));
  }
  number(s, highest, C::shmctl_info_return);
}

program::Limit limit_of(IpcInfo what) {
  using program::Limit;
  return what == IpcInfo::shmmax ? Limit::shmmax : what == IpcInfo::shmall ? Limit::shmall : Limit::shmmni;
}

void info_value(World& w, const Process& p, Step& s, IpcInfo what) {
  const IpcLimits& limits = w.ipc.of(p).limits;
  const std::uint64_t expected[] = {limits.shmmax, 1, limits.shmmni, limits.shmmni, limits.shmall};
  const std::uint64_t value = expected[static_cast<std::size_t>(what)];
  // Of the first namespace of a target that has not said it.
  const bool known = value != UINT64_MAX || limits.set.any();
  if (what == IpcInfo::shmseg && !s.exact()) return unknown_number(s, value, Freedom::documented_alternative);
  if (!known) return unknown_number(s, value, Freedom::uncounted);
  if (what == IpcInfo::shmmin) return number(s, value, C::shmctl_ipc_info);
  s.applies(C::shmctl_ipc_info);
  number(s, value, clause_of_limit(w, p, s, limit_of(what), C::shmctl_ipc_info));
}

}  // namespace

void rule_shm_info(World& w, Process& p, Step& s) {
  if (s.failed(C::shmctl_shm_info)) return;
  const auto total = static_cast<ShmTotal>(s.op.small);
  switch (total) {
    case ShmTotal::segments:
    case ShmTotal::pages:
      return count_segments(w, p, s, total == ShmTotal::pages);
    case ShmTotal::kept:
      return count_kept(w, p, s);
    case ShmTotal::swap_tries:
      return number(s, 0, C::shmctl_shm_info);
    case ShmTotal::highest:
      return highest_index(w, p, s);
  }
}

void rule_ipc_info(World& w, Process& p, Step& s) {
  constexpr int kEINVAL = 22;
  // The manual does not say what becomes of an id that is ignored: D34.
  if (s.op.byte != 0 && s.exact()) s.must(kEINVAL, C::shmctl_info_negative_id);
  if (s.op.byte != 0 && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
  if (s.failed(C::shmctl_ipc_info)) return;
  const auto what = static_cast<IpcInfo>(s.op.small);
  if (what == IpcInfo::highest) return highest_index(w, p, s);
  info_value(w, p, s, what);
}

}  // namespace shmcheck::model
