// The members of shmid_ds.
#include "model/shm_stat.h"

#include <fmt/format.h>

#include <algorithm>

namespace shmcheck::model {
namespace {

bool moment_fits(const When& times, std::int64_t seen) {
  return std::any_of(times.values().begin(), times.values().end(),
                     [=](const Moment& m) { return seen >= m.low && seen <= m.high; });
}

bool pid_fits(const Who& who, std::uint64_t seen) {
  if (who.any()) return true;
  return std::ranges::find(who.values(), seen) != who.values().end();
}

std::string times_text(const When& times) {
  std::string text;
  for (const Moment& m : times.values()) {
    text += (text.empty() ? "" : " or ") +
            (m.low == m.high ? fmt::format("{}", m.low) : fmt::format("{} to {}", m.low, m.high));
  }
  return text;
}

std::string process_name(const World& w, std::uint64_t pid) {
  for (std::size_t i = 0; i < w.processes.size(); ++i) {
    if (pid != 0 && w.processes[i].pid == pid) return fmt::format("{} (p{})", pid, i);
  }
  return fmt::format("{}", pid);
}

std::string pids_text(const World& w, const Who& who) {
  std::string text;
  for (std::uint64_t pid : who.values()) text += (text.empty() ? "" : " or ") + process_name(w, pid);
  return text;
}

bool match_nattch(World& w, Step& s, std::uint32_t segment, std::int64_t seen) {
  const std::int64_t expected = w.ipc.segments[segment].nattch;
  const C clause = w.ipc.segments[segment].count_clause;
  s.applies(clause);
  if (seen == expected) return true;
  if (!s.exact() && seen == w.attaches(segment)) {
    s.uses(Freedom::split_count);
    return true;
  }
  s.diverge(clause, fmt::format("nattch={}", expected), fmt::format("nattch={}", seen));
  return false;
}

// Which bit of the mode is wrong.
C clause_of_mode(std::uint64_t expected, std::uint64_t seen, bool forced) {
  std::uint64_t wrong = expected ^ seen;
  if (wrong & kShmDest) return forced ? C::limit_rmid_forced_no_mark : C::shmctl_rmid_dest_flag;
  if (wrong & kShmLocked) return C::shmctl_lock_flag;
  return expected & kShmDest && wrong == 0 ? C::shmctl_rmid_dest_flag : C::shmget_init_mode;
}

}  // namespace

void make_shm_stat(const ShmidKernel& k, std::vector<std::uint64_t>& words) {
  words.insert(words.end(), {k.perm.key, k.perm.uid, k.perm.gid, k.perm.cuid, k.perm.cgid, k.perm.mode,
                             k.segsz, static_cast<std::uint64_t>(k.atim.newest().low),
                             static_cast<std::uint64_t>(k.dtim.newest().low),
                             static_cast<std::uint64_t>(k.ctim.newest().low), k.cprid.newest(),
                             k.lprid.newest(), static_cast<std::uint64_t>(k.nattch)});
}

bool match_shm_stat(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen) {
  ShmidKernel& k = w.ipc.segments[segment];
  if (seen.size() < program::kShmStatWords) {
    s.diverge(C::shmctl_stat_copies, "the members of shmid_ds", "none");
    return false;
  }
  struct Member {
    std::size_t index;
    const char* name;
    std::uint64_t expected;
    C clause;
  };
  const Member members[] = {
      {0, "key", k.perm.key, k.perm.mode & kShmDest ? C::shmctl_rmid_key_freed : C::shmget_init_key},
      {1, "uid", k.perm.uid, C::shmget_init_ids},
      {2, "gid", k.perm.gid, C::shmget_init_ids},
      {3, "cuid", k.perm.cuid, C::shmctl_set_creator_fixed},
      {4, "cgid", k.perm.cgid, C::shmctl_set_creator_fixed},
      {5, "mode", k.perm.mode, clause_of_mode(k.perm.mode, seen[5], w.ipc.of(k).limits.rmid_forced)},
      {6, "segsz", k.segsz, C::shmget_init_segsz}};
  const bool forced = w.ipc.of(k).limits.rmid_forced;
  if (forced) s.applies(C::limit_rmid_forced_no_mark);
  for (const Member& m : members) {
    s.applies(m.clause);
    if (seen[m.index] == m.expected) continue;
    bool mode = m.index == 5;
    // proc(5) speaks of forced removal as of an IPC_RMID of every segment: D30.
    if (mode && forced && !s.exact() && seen[5] == (m.expected | kShmDest)) {
      s.uses(Freedom::documented_alternative);
      continue;
    }
    s.diverge(m.clause,
              mode ? fmt::format("mode={:#o}", m.expected) : fmt::format("{}={}", m.name, m.expected),
              mode ? fmt::format("mode={:#o}", seen[5]) : fmt::format("{}={}", m.name, seen[m.index]));
    return false;
  }
  // Before the times and pids: an attach or detach that was not counted was not stamped either.
  if (!match_nattch(w, s, segment, static_cast<std::int64_t>(seen[12]))) return false;
  struct Time {
    std::size_t index;
    const char* name;
    const When* times;
    C clause;
  };
  const Time times[] = {{7, "atime", &k.atim, C::shmat_atime},
                        {8, "dtime", &k.dtim, C::shmdt_dtime_lpid},
                        {9, "ctime", &k.ctim, C::shmget_init_ctime_cpid}};
  for (const Time& t : times) {
    s.applies(t.clause);
    if (!t.times->single()) s.uses(Freedom::implicit_times);
    if (t.times->newest().low != t.times->newest().high) s.names(Freedom::clock);
    if (moment_fits(*t.times, static_cast<std::int64_t>(seen[t.index]))) continue;
    s.diverge(t.clause, fmt::format("{}={}", t.name, times_text(*t.times)),
              fmt::format("{}={}", t.name, static_cast<std::int64_t>(seen[t.index])));
    return false;
  }
  struct Pid {
    std::size_t index;
    const char* name;
    const Who* who;
    C clause;
  };
  const Pid pids[] = {{10, "cpid", &k.cprid, C::shmget_init_ctime_cpid},
                      {11, "lpid", &k.lprid, C::shmat_lpid}};
  for (const Pid& p : pids) {
    s.applies(p.clause);
    if (!p.who->single()) s.uses(Freedom::implicit_times);
    if (pid_fits(*p.who, seen[p.index])) continue;
    s.diverge(p.clause, fmt::format("{}={}", p.name, pids_text(w, *p.who)),
              fmt::format("{}={}", p.name, process_name(w, seen[p.index])));
    return false;
  }
  return true;
}

}  // namespace shmcheck::model
