// shmctl(2): IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK.
#include <fmt/format.h>

#include <algorithm>

#include "model/rlimit.h"
#include "model/rules.h"
#include "model/shm_stat.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEACCES = 13, kEINVAL = 22, kEIDRM = 43;
using program::ShmCommand;

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

// What a command should have done, if it is not that the segment has gone too early.
C clause_of_success(const World& w, const Step& s, const ShmidKernel& k) {
  constexpr C success[] = {C::shmctl_stat_copies, C::shmctl_rmid_attached, C::shmctl_set_fields,
                           C::shmctl_lock_flag,   C::shmctl_lock_flag,     C::shmctl_bad_cmd};
  if (!s.saw(kEINVAL) && !s.saw(kEIDRM)) return success[s.op.small];
  return k.perm.mode & kShmDest ? C::shmctl_rmid_marked_usable : w.clause_of_life(k);
}

// RLIMIT_MEMLOCK bounds all locked segments of a user together.
bool over_lock_limit(const World& w, const ShmidKernel& k, const Process& p) {
  std::uint64_t pages = (locked_segments(w, p.cred.uid) + w.up(k.segsz)) / w.page();
  return !(k.perm.mode & kShmLocked) && pages > p.memlock / w.page();
}

void lock_errors(const World& w, const ShmidKernel& k, const Process& p, Step& s, bool locking) {
  if (p.cred.machine) return;
  if (!ipc_owner(k.perm, p.cred) && !p.cred.capable) s.must(kEPERM, C::shmctl_lock_who);
  if (!locking) return;
  if (p.memlock == 0 && !p.cred.capable) s.must(kEPERM, C::shmctl_lock_limit);
  if (over_lock_limit(w, k, p)) s.must(kENOMEM, C::shmctl_lock_limit);
  // What the user has locked elsewhere, in other programs, counts too.
  if (!(k.perm.mode & kShmLocked)) s.may(kENOMEM, Freedom::overcommit);
}

void bad_command(const World& w, const Process& p, Step& s) {
  const bool named = s.op.object < program::kSegments;
  const ShmidKernel* k = named ? &w.ipc.segments[*w.segment_names[s.op.object]] : nullptr;
  const bool denied = k && !k->destroyed && !ipc_owner(k->perm, p.cred) && !p.cred.capable;
  if (denied) s.applies(C::prec_shmctl_cmd_before_perm);
  const bool saw_denial = denied && (s.saw(kEPERM) || s.saw(kEACCES));
  s.must(kEINVAL, saw_denial ? C::prec_shmctl_cmd_before_perm : C::shmctl_bad_cmd);
}

// Besides its own clause: that the segment is marked already, and by what right the caller may.
void note_why_allowed(const ShmidKernel& k, const Process& p, Step& s, ShmCommand command) {
  if (k.perm.mode & kShmDest)
    s.applies(command == ShmCommand::rmid ? C::shmctl_rmid_repeat : C::shmctl_rmid_marked_usable);
  if (command == ShmCommand::stat) s.applies(clause_of_class(k.perm, p.cred, 4));
  if (!p.cred.capable || ipc_owner(k.perm, p.cred)) return;
  if (command == ShmCommand::rmid || command == ShmCommand::set) s.applies(C::perm_cap_sys_admin);
  if (command == ShmCommand::lock || command == ShmCommand::unlock) s.applies(C::perm_cap_ipc_lock);
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
      {5, "mode", k.perm.mode, clause_of_mode(k.perm.mode, seen[5], w.ipc.limits.rmid_forced)},
      {6, "segsz", k.segsz, C::shmget_init_segsz}};
  const bool forced = w.ipc.limits.rmid_forced;
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

void rule_shmctl(World& w, Process& p, Step& s) {
  const Op& op = s.op;
  auto command = static_cast<ShmCommand>(op.small);
  if (op.object >= program::kSegments) s.must(kEINVAL, C::shmat_invalid_id);
  if (command == ShmCommand::bad) bad_command(w, p, s);
  std::uint32_t segment = op.object < program::kSegments ? *w.segment_names[op.object] : 0;
  if (!s.must_fail()) {
    const ShmidKernel& k = w.ipc.segments[segment];
    bool owner = ipc_owner(k.perm, p.cred) || p.cred.capable;
    // A kernel that has not found it has removed it too early.
    bool lost = s.saw(kEINVAL) || s.saw(kEIDRM);
    auto or_lost = [&](C clause) { return lost ? w.clause_of_life(k) : clause; };
    if (k.destroyed)
      s.must(kEINVAL, kEIDRM, k.destroyed_by);
    else if (command == ShmCommand::stat && !ipc_access(k.perm, p.cred, 4))
      s.must(kEACCES, or_lost(C::shmctl_stat_permission));
    else if (command == ShmCommand::rmid && !owner)
      s.must(kEPERM, or_lost(C::shmctl_rmid_who));
    else if (command == ShmCommand::set && !owner)
      s.must(kEPERM, or_lost(C::shmctl_set_who));
    else if (command == ShmCommand::lock || command == ShmCommand::unlock)
      lock_errors(w, k, p, s, command == ShmCommand::lock);
  }
  C success = s.must_fail() ? C::shmctl_bad_cmd : clause_of_success(w, s, w.ipc.segments[segment]);
  if (s.failed(success)) return;
  ShmidKernel& k = w.ipc.segments[segment];
  note_why_allowed(k, p, s, command);
  switch (command) {
    case ShmCommand::stat:
      if (s.running())
        make_shm_stat(k, s.made().words);
      else
        match_shm_stat(w, s, segment, s.seen().words);
      break;
    case ShmCommand::rmid:
      if (k.nattch == 0) {
        s.applies(C::shmctl_rmid_unattached);
        w.destroy_segment(segment, C::shmctl_gone_id);
      } else {
        k.perm.key = 0;
        k.perm.mode |= kShmDest;
      }
      break;
    case ShmCommand::set:
      k.perm.uid = op.byte == 0 ? s.facts.uid : s.facts.other_uid[op.byte - 1];
      k.perm.gid = op.byte == 0 ? s.facts.gid : k.perm.uid;
      k.perm.mode = (k.perm.mode & ~0777U) | op.mode;
      k.ctim.set(s.when);
      break;
    case ShmCommand::lock:
      if (!(k.perm.mode & kShmLocked)) k.locked_by = p.cred.uid;
      k.perm.mode |= kShmLocked;
      break;
    case ShmCommand::unlock:
      k.perm.mode &= ~kShmLocked;
      break;
    case ShmCommand::bad:
      break;
  }
}

void rule_shm_info(World& w, Process&, Step& s) {
  if (s.failed(C::shmctl_shm_info)) return;
  bool pages = static_cast<program::ShmTotal>(s.op.small) == program::ShmTotal::pages;
  std::uint64_t all = pages ? w.ipc.pages(w.page()) : w.ipc.in_use();
  std::uint64_t seen = s.chosen(all, Freedom::uncounted);
  if (!w.facts().private_ipc) return s.uses(Freedom::uncounted);
  // Segments that are marked for removal are there as long as somebody is attached.
  std::uint64_t unmarked = 0;
  for (std::uint32_t i : w.ipc.live) {
    const ShmidKernel& k = w.ipc.segments[i];
    if ((k.perm.mode & kShmDest) == 0) unmarked += pages ? w.up(k.segsz) / w.page() : 1;
  }
  if (!s.running() && !s.exact() && seen == unmarked && unmarked != all)
    return s.uses(Freedom::documented_alternative);
  s.expect(seen == all, C::shmctl_shm_info, [=] { return std::to_string(all); });
  if (s.report().diverged) {
    s.report().seen = std::to_string(seen);
    s.adopted();  // a wrong total changes no segment
  }
}

}  // namespace shmcheck::model
