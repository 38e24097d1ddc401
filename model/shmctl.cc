// shmctl(2): IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK.
#include <algorithm>
#include <optional>

#include "model/rlimit.h"
#include "model/rules.h"
#include "model/shm_stat.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEACCES = 13, kEFAULT = 14, kEINVAL = 22, kEIDRM = 43;
using program::ShmCommand;

// What a command should have done, if it is not that the segment has gone too early.
C clause_of_success(const World& w, const Process& p, const Step& s, const ShmidKernel& k) {
  constexpr C success[] = {C::shmctl_stat_copies, C::shmctl_rmid_attached, C::shmctl_set_fields,
                           C::shmctl_lock_flag,   C::shmctl_lock_flag,     C::shmctl_bad_cmd};
  const C by = clause_of_class(k.perm, p.cred, 4);
  if (s.saw(kEACCES) && (by == C::perm_class_group || by == C::perm_userns)) return by;
  const bool removes = static_cast<ShmCommand>(s.op.small) == ShmCommand::rmid;
  if (s.saw(kEFAULT) && removes) return C::shmctl_rmid_buf_ignored;
  if (!s.saw(kEINVAL) && !s.saw(kEIDRM))
    return removes && !(k.perm.mode & 0444) ? C::shmctl_rmid_no_read_needed : success[s.op.small];
  return k.perm.mode & kShmDest ? C::shmctl_rmid_marked_usable : w.clause_of_presence(p, k);
}

// What demands that there is no segment of that name in the caller's namespace.
C clause_of_gone(const World& w, const Process& p, std::uint8_t name) {
  const C clause = w.clause_of_no_segment(p.ipc_namespace, name);
  const bool by_detach = clause == C::shmctl_gone_id && w.ipc.segments[*w.segment_names[name]].detached_last;
  return by_detach ? C::shmdt_last_of_marked : clause;
}

// RLIMIT_MEMLOCK bounds all locked segments of a user together.
bool over_lock_limit(const World& w, const ShmidKernel& k, const Process& p) {
  std::uint64_t pages = (locked_segments(w, p.cred) + w.up(k.segsz)) / w.page();
  return !(k.perm.mode & kShmLocked) && pages > p.memlock / w.page();
}

// What demands that only owner and creator may, and capabilities that count.
C clause_of_owners(const ShmidKernel& k, const Process& p, C who) {
  return lacks_power(k.perm, p.cred) ? C::perm_userns : who;
}

void lock_errors(const World& w, const ShmidKernel& k, const Process& p, Step& s, bool locking) {
  if (p.cred.machine) return;
  const bool power = p.cred.capable_over(k.perm.user_namespace);
  if (!ipc_owner(k.perm, p.cred) && !power) s.must(kEPERM, clause_of_owners(k, p, C::shmctl_lock_who));
  if (!locking) return;
  if (p.memlock == 0 && !power) s.must(kEPERM, C::shmctl_lock_limit);
  if (over_lock_limit(w, k, p)) s.must(kENOMEM, C::shmctl_lock_limit);
  // What the user has locked elsewhere, in other programs, counts too; Linux counts last.
  const bool uncounted = s.exact() && s.must_fail();
  if (!(k.perm.mode & kShmLocked) && !uncounted) s.may(kENOMEM, Freedom::overcommit);
}

void bad_command(const World& w, const Process& p, Step& s) {
  const std::int32_t segment = w.named_segment(p.ipc_namespace, s.op.object);
  const ShmidKernel* k = segment >= 0 ? &w.ipc.segments[static_cast<std::size_t>(segment)] : nullptr;
  const bool denied = k && !ipc_owner(k->perm, p.cred) && !p.cred.capable_over(k->perm.user_namespace);
  if (denied) s.applies(C::prec_shmctl_cmd_before_perm);
  const bool saw_denial = denied && (s.saw(kEPERM) || s.saw(kEACCES));
  s.must(kEINVAL, saw_denial ? C::prec_shmctl_cmd_before_perm : C::shmctl_bad_cmd);
}

void reads_bad_buffer(const World& w, const Process& p, Step& s) {
  const bool bad_id = w.named_segment(p.ipc_namespace, s.op.object) < 0;
  if (bad_id) s.applies(C::prec_shmctl_set_efault);
  s.must(kEFAULT, bad_id && s.saw(kEINVAL) ? C::prec_shmctl_set_efault : C::shmctl_set_efault);
}

void fills_bad_buffer(Step& s) {
  if (s.first_error() == kEINVAL) s.applies(C::prec_shmctl_stat_id_first);
  s.must(kEFAULT, C::shmctl_stat_efault);
}

// Besides its own clause: that the segment is marked already, and by what right the caller may.
void note_why_allowed(const ShmidKernel& k, const Process& p, Step& s, ShmCommand command) {
  if (k.perm.mode & kShmDest)
    s.applies(command == ShmCommand::rmid ? C::shmctl_rmid_repeat : C::shmctl_rmid_marked_usable);
  if (command == ShmCommand::stat) s.applies(clause_of_class(k.perm, p.cred, 4));
  if (!p.cred.capable_over(k.perm.user_namespace) || ipc_owner(k.perm, p.cred)) return;
  if (command == ShmCommand::rmid || command == ShmCommand::set) s.applies(C::perm_cap_sys_admin);
  if (command == ShmCommand::lock || command == ShmCommand::unlock) s.applies(C::perm_cap_ipc_lock);
}

// Whether IPC_SET asks for an owner or a group that is none.
bool names_no_owner(const Op& op) {
  return program::owner_user(op.byte) == program::kOwnerNone ||
         program::owner_group(op.byte) == program::kOwnerNone;
}

struct Owner {
  std::uint32_t uid, gid;
};

// Whom IPC_SET gives the segment to, by numbers of the caller's user namespace. Nothing: it has no such.
std::optional<Owner> owner_asked_for(const Step& s, const Process& p) {
  const auto uid = id_meant(p.cred, user_id(s.facts, program::owner_user(s.op.byte)), p.cred.uid);
  const auto gid = id_meant(p.cred, group_id(s.facts, program::owner_group(s.op.byte)), p.cred.gid);
  if (!uid || !gid) return std::nullopt;
  return Owner{*uid, *gid};
}

// Whether the caller may, of a segment that is there.
void permission_errors(const World& w, const ShmidKernel& k, const Process& p, Step& s, ShmCommand command) {
  const bool owner = ipc_owner(k.perm, p.cred) || p.cred.capable_over(k.perm.user_namespace);
  if (command == ShmCommand::stat) overflow_errors(k, &p, s);
  // A kernel that has not found it has removed it too early.
  const bool lost = s.saw(kEINVAL) || s.saw(kEIDRM);
  const auto or_lost = [&](C clause) { return lost ? w.clause_of_presence(p, k) : clause; };
  if (command == ShmCommand::stat && !ipc_access(k.perm, p.cred, 4))
    s.must(kEACCES, or_lost(clause_of_denial(k.perm, p.cred, 4, C::shmctl_stat_permission)));
  else if (command == ShmCommand::rmid && !owner)
    s.must(kEPERM, or_lost(clause_of_owners(k, p, C::shmctl_rmid_who)));
  else if (command == ShmCommand::set && !owner)
    s.must(kEPERM, or_lost(clause_of_owners(k, p, C::shmctl_set_who)));
  else if (command == ShmCommand::lock || command == ShmCommand::unlock)
    lock_errors(w, k, p, s, command == ShmCommand::lock);
  // Looked at when it is certain who asks: ipc_update_perm, ipc/util.c.
  if (command != ShmCommand::set) return;
  if (names_no_owner(s.op))
    s.must(kEINVAL, C::shmctl_set_invalid_owner);
  else if (!owner_asked_for(s, p))
    s.must(kEINVAL, C::perm_id_translation);
}

void show(World& w, Step& s, std::uint32_t segment) {
  if (s.running())
    make_shm_stat(w.ipc.segments[segment], reader_of(w, s), s.made().words);
  else
    match_shm_stat(w, s, segment, s.seen().words);
}

void remove(World& w, Step& s, std::uint32_t segment) {
  ShmidKernel& k = w.ipc.segments[segment];
  if (k.nattch == 0) {
    s.applies(C::shmctl_rmid_unattached);
    w.destroy_segment(segment, C::shmctl_gone_id);
    return;
  }
  k.perm.key = 0;
  k.perm.mode |= kShmDest;
  k.flags_clause = C::none;
}

void set(const World& w, const Process& p, const Step& s, ShmidKernel& k) {
  const Owner owner = *owner_asked_for(s, p);
  k.perm.uid = owner.uid;
  k.perm.gid = owner.gid;
  k.perm.mode = (k.perm.mode & ~0777U) | s.op.mode;
  k.ctim.set(s.when);
  k.set_step = w.steps;
  k.ctime_clause = C::shmctl_set_fields;
  if (k.perm.mode & (kShmDest | kShmLocked)) k.flags_clause = C::shmctl_set_keeps_flags;
}

void lock(const Process& p, const Step& s, ShmidKernel& k, bool locking) {
  if (locking && !(k.perm.mode & kShmLocked)) k.locked_by = p.cred.uid, k.locked_in = p.cred.user_namespace;
  k.perm.mode = locking ? k.perm.mode | kShmLocked : k.perm.mode & ~kShmLocked;
  k.locker = locking ? static_cast<std::int8_t>(s.op.proc) : std::int8_t{-1};
  k.flags_clause = C::none;
  k.ctime_clause = C::shmctl_lock_times;
}

}  // namespace

void rule_shmctl(World& w, Process& p, Step& s) {
  const Op& op = s.op;
  auto command = static_cast<ShmCommand>(op.small);
  const bool bad_buffer = (op.flags & program::shmctl::kBadBuffer) != 0;
  const bool fills = bad_buffer && command == ShmCommand::stat;
  // IPC_SET reads its buffer before it looks for the segment, IPC_STAT fills it last (ksys_shmctl,
  // ipc/shm.c).
  const auto absence = [&](C clause) {
    const bool order = fills && s.saw(kEFAULT) && clause != C::ipcns_isolation;
    return order ? C::prec_shmctl_stat_id_first : clause;
  };
  if (op.object == program::kSegmentNegative) s.must(kEINVAL, absence(C::shmat_invalid_id));
  if (bad_buffer && command == ShmCommand::set) reads_bad_buffer(w, p, s);
  if (op.object == program::kSegmentBogus) s.must(kEINVAL, absence(C::shmat_invalid_id));
  if (command == ShmCommand::bad) bad_command(w, p, s);
  const std::int32_t found = w.named_segment(p.ipc_namespace, op.object);
  if (!s.must_fail() && found < 0) s.must(kEINVAL, kEIDRM, absence(clause_of_gone(w, p, op.object)));
  const std::uint32_t segment = found < 0 ? 0 : static_cast<std::uint32_t>(found);
  if (!s.must_fail()) permission_errors(w, w.ipc.segments[segment], p, s, command);
  if (fills) fills_bad_buffer(s);
  C success = s.must_fail() ? C::shmctl_bad_cmd : clause_of_success(w, p, s, w.ipc.segments[segment]);
  if (s.failed(success)) return;
  ShmidKernel& k = w.ipc.segments[segment];
  note_why_allowed(k, p, s, command);
  if (bad_buffer && command == ShmCommand::rmid) s.applies(C::shmctl_rmid_buf_ignored);
  switch (command) {
    case ShmCommand::stat:
      return show(w, s, segment);
    case ShmCommand::rmid:
      return remove(w, s, segment);
    case ShmCommand::set:
      return set(w, p, s, k);
    case ShmCommand::lock:
    case ShmCommand::unlock:
      return lock(p, s, k, command == ShmCommand::lock);
    case ShmCommand::bad:
      break;
  }
}

}  // namespace shmcheck::model
