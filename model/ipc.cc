#include "model/ipc.h"

#include <algorithm>
#include <set>
#include <utility>

#include "model/room.h"
#include "model/world.h"

namespace shmcheck::model {

void Ipc::add(ShmidKernel segment) {
  std::vector<std::uint32_t>& live = of(segment).live;
  make_room(live);
  make_room(segments);
  live.push_back(static_cast<std::uint32_t>(segments.size()));
  segments.push_back(std::move(segment));
}

void Ipc::destroy(std::uint32_t segment) {
  segments[segment].destroyed = true;
  std::erase(of(segments[segment]).live, segment);
}

void Ipc::revive(std::uint32_t segment) {
  segments[segment].destroyed = false;
  std::vector<std::uint32_t>& live = of(segments[segment]).live;
  live.insert(std::lower_bound(live.begin(), live.end(), segment), segment);
}

std::int32_t Ipc::find_key(const IpcIds& ids, std::uint32_t key) const {
  const std::vector<std::uint32_t>& live = ids.live;
  for (std::size_t i = live.size(); i-- > 0;) {
    if (segments[live[i]].perm.key == key) return static_cast<std::int32_t>(live[i]);
  }
  return -1;
}

std::int32_t Ipc::find_id(const IpcIds& ids, std::uint64_t id) const {
  const std::vector<std::uint32_t>& live = ids.live;
  for (std::size_t i = live.size(); i-- > 0;) {
    if (segments[live[i]].id == id) return static_cast<std::int32_t>(live[i]);
  }
  return -1;
}

std::int32_t Ipc::find_index(const IpcIds& ids, std::uint64_t index) const {
  for (std::uint32_t i : ids.live) {
    if (table_index(segments[i].id) == table_index(index)) return static_cast<std::int32_t>(i);
  }
  return -1;
}

std::uint64_t Ipc::pages(const IpcIds& ids, std::uint32_t page_size) const {
  std::uint64_t sum = 0;
  for (std::uint32_t i : ids.live) sum += (segments[i].segsz + page_size - 1) / page_size;
  return sum;
}

namespace {
void note(When& times, Who& pids, Moment when, std::uint64_t pid, bool optional) {
  if (optional) {
    times.add(when);
    pids.add(pid);
  } else {
    times.set(when);
    pids.set(pid);
  }
}
}  // namespace

void World::open_attach(std::uint32_t segment, std::uint8_t who, Moment when, bool explicit_call) {
  ShmidKernel& s = ipc.segments[segment];
  ++s.nattch;
  s.count_clause = attach_clause;
  s.divided = steps;
  s.atime_clause = explicit_call ? clauses::Clause::shmat_atime : clauses::Clause::shmdt_implicit_times;
  s.lpid_clause = explicit_call ? clauses::Clause::shmat_lpid : clauses::Clause::shmdt_implicit_times;
  note(s.atim, s.lprid, when, processes[who].pid, implicit_updates_optional && !explicit_call);
}

void World::close_attach(std::uint32_t segment, std::uint8_t who, Moment when, bool explicit_call) {
  ShmidKernel& s = ipc.segments[segment];
  --s.nattch;
  // A call that cuts a piece out of the middle adds more than it takes away.
  if (s.divided != steps) s.count_clause = detach_clause;
  s.dtime_clause = s.lpid_clause =
      explicit_call ? clauses::Clause::shmdt_dtime_lpid : clauses::Clause::shmdt_implicit_times;
  note(s.dtim, s.lprid, when, processes[who].pid, implicit_updates_optional && !explicit_call);
  if (s.nattch != 0) return;
  s.detached_last = explicit_call && (s.perm.mode & kShmDest) != 0;
  if (s.perm.mode & kShmDest)
    destroy_segment(segment, clauses::Clause::shmctl_gone_id);
  else if (ipc.of(s).limits.rmid_forced)
    destroy_segment(segment, clauses::Clause::limit_rmid_forced_detach);
  end_namespace(s.ipc_namespace);
}

void World::destroy_segment(std::uint32_t segment, clauses::Clause by) {
  ipc.destroy(segment);
  ShmidKernel& k = ipc.segments[segment];
  Inode& inode = inodes[k.inode];
  k.destroyed_by = by;
  k.had_pages = inode.stored.size() > 0;
  // A descriptor of the memory keeps what it holds.
  if (!is_open(k.inode)) inode.bytes = ObjectBytes();
  inode.stored = inode.accessed = inode.touched = inode.synced = PageSet();
}

void World::disown_segments(std::uint8_t who) {
  for (std::size_t n = 0; n < ipc.namespaces.size(); ++n) {
    for (std::size_t at = ipc.namespaces[n].live.size();
         at-- > 0;) {  // from behind: what is destroyed leaves the list
      const std::uint32_t i = ipc.namespaces[n].live[at];
      ShmidKernel& k = ipc.segments[i];
      if (k.creator != static_cast<std::int8_t>(who)) continue;
      k.creator = -1;
      if (ipc.namespaces[n].limits.rmid_forced && k.nattch == 0)
        destroy_segment(i, clauses::Clause::limit_rmid_forced_exit);
    }
  }
}

void World::end_namespace(std::uint32_t ipc_namespace) {
  if (ipc_namespace == 0) return;  // the executor is in it, too
  const std::vector<std::uint32_t> live = ipc.namespaces[ipc_namespace].live;
  const bool member = std::ranges::any_of(
      processes, [=](const Process& p) { return p.life == Life::alive && p.ipc_namespace == ipc_namespace; });
  const auto attached = [&](std::uint32_t s) { return ipc.segments[s].nattch > 0; };
  if (member || ipc.namespaces[ipc_namespace].held || std::ranges::any_of(live, attached)) return;
  // Who asks for it afterwards lives in another one, where it never was.
  for (std::uint32_t s : live) destroy_segment(s, clauses::Clause::ipcns_isolation);
}

std::int32_t World::named_segment(std::uint32_t ipc_namespace, std::uint8_t name) const {
  if (name >= program::kSegments || !segment_names[name]) return -1;
  const std::uint32_t bound = *segment_names[name];
  const ShmidKernel& k = ipc.segments[bound];
  if (!k.destroyed && k.ipc_namespace == ipc_namespace) return static_cast<std::int32_t>(bound);
  return ipc.find_id(ipc.namespaces[ipc_namespace], k.id);
}

clauses::Clause World::clause_of_no_segment(std::uint32_t ipc_namespace, std::uint8_t name) const {
  const ShmidKernel& k = ipc.segments[*segment_names[name]];
  if (k.ipc_namespace != ipc_namespace) return clauses::Clause::ipcns_isolation;
  // What has its place in the table must not be taken for it.
  const bool taken = ipc.find_index(ipc.of(k), k.id) >= 0;
  return taken && k.destroyed_by == clauses::Clause::shmctl_gone_id ? clauses::Clause::shmctl_stale_id
                                                                    : k.destroyed_by;
}

clauses::Clause World::clause_of_life(const ShmidKernel& segment) const {
  using C = clauses::Clause;
  const auto forces = [](const IpcIds& ids) { return ids.limits.rmid_forced; };
  if (!forces(ipc.of(segment)) && segment.nattch == 0 && std::ranges::any_of(ipc.namespaces, forces))
    return C::ipcns_sysctl_separate;
  if (!forces(ipc.of(segment))) return C::sysv_life_until_removed;
  return segment.nattch == 0 ? C::limit_rmid_forced_exit : C::limit_rmid_forced_switch;
}

clauses::Clause World::clause_of_presence(const Process& process, const ShmidKernel& segment) const {
  using C = clauses::Clause;
  if (ipc.namespaces.size() == 1) return clause_of_life(segment);
  if (process.ipc_inherited) return C::ipcns_fork_inherits;
  const bool maker = segment.creator == static_cast<std::int8_t>(processes.name_of(process));
  return maker ? clause_of_life(segment) : C::ipcns_visible_to_members;
}

std::int64_t World::attaches(std::uint32_t segment) const {
  std::set<std::pair<std::size_t, std::uint32_t>> distinct;
  for (std::size_t p = 0; p < processes.size(); ++p) {
    for (const Vma& v : processes[p].memory.vmas()) {
      if (v.segment == static_cast<std::int32_t>(segment)) distinct.emplace(p, v.attach);
    }
  }
  return static_cast<std::int64_t>(distinct.size());
}

}  // namespace shmcheck::model
