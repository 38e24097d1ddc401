// The members of shmid_ds, and the pages of a segment.
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

std::string pids_text(const World& w, const Who& who, const Process* reader) {
  std::string text;
  for (std::uint64_t pid : who.values())
    text += (text.empty() ? "" : " or ") + process_name(w, shown_pid(reader, pid));
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

// Whether the segment is locked although its locker has ended.
bool lock_outlives(const World& w, const ShmidKernel& k) {
  return (k.perm.mode & kShmLocked) && k.locker >= 0 &&
         w.processes[static_cast<std::size_t>(k.locker)].life == Life::dead;
}

// Which bit of the mode is wrong.
C clause_of_mode(const World& w, const ShmidKernel& k, std::uint64_t seen) {
  const std::uint64_t expected = k.perm.mode, wrong = expected ^ seen;
  const bool forced = w.ipc.of(k).limits.rmid_forced;
  if (wrong & expected & k.flags_seen && k.flags_clause != C::none) return k.flags_clause;
  if (wrong & kShmLocked && k.flags_clause == C::none && lock_outlives(w, k)) return C::shmctl_lock_persists;
  if (wrong & kShmDest) return forced ? C::limit_rmid_forced_no_mark : C::shmctl_rmid_dest_flag;
  if (wrong & kShmLocked) return C::shmctl_lock_flag;
  return expected & kShmDest && wrong == 0 ? C::shmctl_rmid_dest_flag : C::shmget_init_mode;
}

}  // namespace

PageRange kept_pages(const World& w, const ShmidKernel& k) {
  const Inode& inode = w.inodes[k.inode];
  const bool unknown = inode.populated || w.facts().shmem_huge;
  return {inode.stored.size(), unknown ? w.up(k.segsz) / w.page() : inode.accessed.size()};
}

bool all_known(const World& w, const Process& p) {
  return w.facts().private_ipc || p.ipc_namespace != 0;
}

namespace {

struct ShownIds {
  std::uint32_t uid, gid, cuid, cgid;
};
ShownIds shown_ids(const KernIpcPerm& perm, const Process* reader) {
  return {shown_id(reader, perm.uid, &Credentials::uid), shown_id(reader, perm.gid, &Credentials::gid),
          shown_id(reader, perm.cuid, &Credentials::uid), shown_id(reader, perm.cgid, &Credentials::gid)};
}

}  // namespace

void overflow_errors(const ShmidKernel& k, const Process* reader, Step& s) {
  constexpr int kEOVERFLOW = 75;
  const ShownIds ids = shown_ids(k.perm, reader);
  const bool translated = reader && reader->cred.user_namespace != 0;
  const bool unmapped = ids.uid != 0 || ids.gid != 0 || ids.cuid != 0 || ids.cgid != 0;
  if (translated && unmapped && !s.exact()) s.may(kEOVERFLOW, Freedom::documented_alternative);
}

void make_shm_stat(const ShmidKernel& k, const Process* reader, std::vector<std::uint64_t>& words) {
  const ShownIds ids = shown_ids(k.perm, reader);
  words.insert(
      words.end(),
      {k.perm.key, ids.uid, ids.gid, ids.cuid, ids.cgid, k.perm.mode, k.segsz,
       static_cast<std::uint64_t>(k.atim.newest().low), static_cast<std::uint64_t>(k.dtim.newest().low),
       static_cast<std::uint64_t>(k.ctim.newest().low), shown_pid(reader, k.cprid.newest()),
       shown_pid(reader, k.lprid.newest()), static_cast<std::uint64_t>(k.nattch)});
}

namespace {

// What demands an id that was shown otherwise: that it is translated, if it looks as if it was not.
C clause_of_id(const Process* reader, std::uint32_t id, std::uint64_t seen, C otherwise) {
  const bool translated = reader && reader->cred.user_namespace != 0;
  return translated && (seen == id || seen == 0 || seen == program::kOverflowId) ? C::perm_id_translation
                                                                                 : otherwise;
}

// The members that no event moves by itself.
bool match_fixed(World& w, Step& s, const ShmidKernel& k, std::span<const std::uint64_t> seen) {
  struct Member {
    std::size_t index;
    const char* name;
    std::uint64_t expected;
    C clause;
  };
  const Process* reader = reader_of(w, s);
  const ShownIds ids = shown_ids(k.perm, reader);
  const auto id_clause = [&](std::size_t i, std::uint32_t id, C otherwise) {
    return clause_of_id(reader, id, seen[i], otherwise);
  };
  const Member members[] = {
      {0, "key", k.perm.key, k.perm.mode & kShmDest ? C::shmctl_rmid_key_freed : C::shmget_init_key},
      {1, "uid", ids.uid, id_clause(1, k.perm.uid, C::shmget_init_ids)},
      {2, "gid", ids.gid, id_clause(2, k.perm.gid, C::shmget_init_ids)},
      {3, "cuid", ids.cuid, id_clause(3, k.perm.cuid, C::shmctl_set_creator_fixed)},
      {4, "cgid", ids.cgid, id_clause(4, k.perm.cgid, C::shmctl_set_creator_fixed)},
      {5, "mode", k.perm.mode, clause_of_mode(w, k, seen[5])},
      {6, "segsz", k.segsz, C::shmget_init_segsz}};
  const bool forced = w.ipc.of(k).limits.rmid_forced;
  if (forced) s.applies(C::limit_rmid_forced_no_mark);
  if (k.perm.mode & k.flags_seen) s.applies(k.flags_clause);
  if (lock_outlives(w, k)) s.applies(C::shmctl_lock_persists);
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
  return true;
}

bool match_times(Step& s, ShmidKernel& k, std::span<const std::uint64_t> seen) {
  struct Time {
    std::size_t index;
    const char* name;
    When& times;
    C clause;
  };
  const Time times[] = {{7, "atime", k.atim, k.atime_clause},
                        {8, "dtime", k.dtim, k.dtime_clause},
                        {9, "ctime", k.ctim, k.ctime_clause}};
  for (const Time& t : times) {
    s.applies(t.clause);
    if (!t.times.single()) s.uses(Freedom::implicit_times);
    if (t.times.newest().low != t.times.newest().high) s.names(Freedom::clock);
    const auto shown = static_cast<std::int64_t>(seen[t.index]);
    if (!moment_fits(t.times, shown)) {
      s.diverge(t.clause, fmt::format("{}={}", t.name, times_text(t.times)),
                fmt::format("{}={}", t.name, shown));
      return false;
    }
    t.times.set({shown, shown});  // it stays so until the next event
  }
  return true;
}

// Whether one of those is shown to the reader as what he has seen; then only such are left.
bool narrow(Who& who, const Process* reader, std::uint64_t shown) {
  Who fitting;
  std::size_t count = 0;
  for (std::uint64_t pid : who.values()) {
    if (shown_pid(reader, pid) != shown) continue;
    count++ == 0 ? fitting.set(pid) : fitting.add(pid);
  }
  const bool inside = reader && reader->first_of_pids;
  if (!who.any()) {
    if (count > 0) who = fitting;
    return count > 0;
  }
  if (!inside || shown == 1) who.set(inside ? reader->pid : shown);
  return !inside || shown <= 1;
}

// Before 4.17 (98f929b1bd4d) everybody was shown the number that the process itself had, and no document that
// is older than the kernel says otherwise.
bool may_be_untranslated(const World& w, const Step& s) {
  const bool old = w.facts().kernel == "linux" && w.facts().release < program::release(4, 17);
  return w.pids_begun && (s.profile < Profile::defacto || old);
}

bool match_pids(const World& w, Step& s, ShmidKernel& k, std::span<const std::uint64_t> seen) {
  struct Pid {
    std::size_t index;
    const char* name;
    Who& who;
    C clause;
  };
  const Process* reader = reader_of(w, s);
  const bool inside = reader && reader->first_of_pids;
  const Pid pids[] = {{10, "cpid", k.cprid, C::shmget_init_ctime_cpid}, {11, "lpid", k.lprid, k.lpid_clause}};
  for (const Pid& p : pids) {
    const std::uint64_t shown = seen[p.index];
    // What it is to itself, shown to others, or what it is to others, shown where it is not there.
    const C clause = (inside ? shown != 0 : w.pids_begun && shown == 1) ? C::ipcns_pid_translation : p.clause;
    s.applies(p.clause);
    if (inside) s.applies(C::ipcns_pid_translation);
    if (!p.who.single()) s.uses(k.raced ? Freedom::race_order : Freedom::implicit_times);
    if (narrow(p.who, reader, shown)) continue;
    if (may_be_untranslated(w, s) && (shown == 1 || pid_fits(p.who, shown))) {
      s.uses(Freedom::documented_alternative);
      continue;
    }
    s.diverge(clause, fmt::format("{}={}", p.name, pids_text(w, p.who, reader)),
              fmt::format("{}={}", p.name, process_name(w, shown)));
    return false;
  }
  return true;
}

bool match_members(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen) {
  ShmidKernel& k = w.ipc.segments[segment];
  if (seen.size() < program::kShmStatWords) {
    s.diverge(C::shmctl_stat_copies, "the members of shmid_ds", "none");
    return false;
  }
  // The count before times and pids: an attach or detach that was not counted was not stamped either.
  const bool right = match_fixed(w, s, k, seen) &&
                     match_nattch(w, s, segment, static_cast<std::int64_t>(seen[12])) &&
                     match_times(s, k, seen) && match_pids(w, s, k, seen);
  if (right) k.flags_seen = k.perm.mode & (kShmDest | kShmLocked);
  return right;
}

// What is the only call since IPC_STAT showed the segment as it is, and must have changed nothing.
C clause_of_quiet(const World& w, const ShmidKernel& k) {
  if (k.shown_step == 0) return C::none;
  if (k.shown_step + 1 == w.steps) return C::shmctl_stat_no_side_effect;
  const bool looked_up = k.quiet_step == k.shown_step + 1 && k.quiet_step + 1 == w.steps;
  return looked_up ? C::shmget_lookup_changes_nothing : C::none;
}

}  // namespace

bool match_shm_stat(World& w, Step& s, std::uint32_t segment, std::span<const std::uint64_t> seen) {
  ShmidKernel& k = w.ipc.segments[segment];
  const C quiet = s.op.code == OpCode::shmctl ? clause_of_quiet(w, k) : C::none;
  s.applies(quiet);
  if (match_members(w, s, segment, seen)) {
    k.shown_step = w.steps;
    return true;
  }
  if (quiet != C::none && s.report().diverged) s.report().clause = quiet;
  return false;
}

}  // namespace shmcheck::model
