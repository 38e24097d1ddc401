// Faults of what segments are to processes in PID and user namespaces of their own.
#include "model/fault_tools.h"
#include "model/shm_stat.h"

namespace shmcheck::model {
namespace {

// The members of shmid_ds, in the order of program::ShmStat.
enum Member : std::size_t { uid = 1, gid, cuid, cgid, cpid = 10, lpid };

using Members = std::span<std::uint64_t>;

// Each segment that an op has shown, with what it has shown of it.
template <typename F>
void for_shown(World& w, const Op& op, Outcome& o, F f) {
  if (!ok(o)) return;
  const IpcIds& ids = w.ipc.of(actor(w, op));
  const auto show = [&](std::int32_t found, Members members) {
    if (found >= 0) f(w.ipc.segments[static_cast<std::size_t>(found)], members);
  };
  if (command(op, program::ShmCommand::stat))
    show(w.named_segment(actor(w, op).ipc_namespace, op.object), o.words);
  if (op.code == OpCode::shm_stat) show(w.ipc.find_id(ids, o.value), o.words);
  if (op.code != OpCode::sysvipc) return;
  for (std::size_t at = 0; at < o.words.size(); at += program::kListingRowWords)
    show(w.ipc.find_id(ids, o.words[at]), Members(o.words).subspan(at + 1, program::kShmStatWords));
}

// --- process ids
constexpr C kPids[] = {C::ipcns_pid_translation};
void show_pids(const ShmidKernel& k, Members m) {
  m[cpid] = k.cprid.newest();
  m[lpid] = k.lprid.newest();
}
void pids_of_the_beginning(const World&, World& w, const Op& op, Outcome& o) {
  if (actor(w, op).first_of_pids) for_shown(w, op, o, show_pids);
}
void listed_pids_of_the_beginning(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::sysvipc) pids_of_the_beginning(was, w, op, o);
}
// Its own number in its own namespace, to whoever reads.
void pids_of_who_did_it(const World&, World& w, const Op& op, Outcome& o) {
  const auto own = [&](std::uint64_t pid) -> std::uint64_t {
    const bool first = std::ranges::any_of(
        w.processes, [=](const Process& p) { return pid != 0 && p.first_of_pids && p.pid == pid; });
    return first ? 1 : pid;
  };
  for_shown(w, op, o, [&](const ShmidKernel& k, Members m) {
    m[cpid] = own(k.cprid.newest());
    m[lpid] = own(k.lprid.newest());
  });
}

// --- ids of users and groups
constexpr C kIds[] = {C::perm_id_translation};
bool in_own_users(World& w, const Op& op) {
  return actor(w, op).cred.user_namespace != 0;
}
void ids_of_the_beginning(const World&, World& w, const Op& op, Outcome& o) {
  if (!in_own_users(w, op)) return;
  for_shown(w, op, o, [](const ShmidKernel& k, Members m) {
    m[uid] = k.perm.uid, m[gid] = k.perm.gid, m[cuid] = k.perm.cuid, m[cgid] = k.perm.cgid;
  });
}
void strangers_are_root(const World&, World& w, const Op& op, Outcome& o) {
  if (!in_own_users(w, op)) return;
  for_shown(w, op, o, [](const ShmidKernel&, Members m) { m[uid] = m[gid] = m[cuid] = m[cgid] = 0; });
}
// IPC_SET as a caller of where programs begin, who has no rights, would be understood.
void set_by_numbers_of_the_beginning(World& w, Op& op) {
  if (!command(op, program::ShmCommand::set) || !in_own_users(w, op)) return;
  actor(w, op).cred.user_namespace = 0;
  actor(w, op).cred.capable = false;
}
void back_in_own_users(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::shmctl) actor(w, op).cred = was.processes[op.proc].cred;
}

// --- power
constexpr C kPower[] = {C::perm_userns};
bool asks_for_rights(const Op& op) {
  return op.code == OpCode::shmget || op.code == OpCode::shmat || op.code == OpCode::shmctl ||
         op.code == OpCode::shm_stat;
}
void own_everything(World& w, Op& op) {
  if (!asks_for_rights(op) || !in_own_users(w, op)) return;
  for (ShmidKernel& k : w.ipc.segments) k.perm.user_namespace = actor(w, op).cred.user_namespace;
}
void disown_again(const World& was, World& w, const Op& op, Outcome&) {
  if (!asks_for_rights(op)) return;
  for (std::size_t i = 0; i < was.ipc.segments.size(); ++i)
    w.ipc.segments[i].perm.user_namespace = was.ipc.segments[i].perm.user_namespace;
}
void own_nothing(World& w, Op& op) {
  if (asks_for_rights(op) && in_own_users(w, op)) actor(w, op).cred.capable = false;
}
void rights_again(const World& was, World& w, const Op& op, Outcome&) {
  if (asks_for_rights(op)) actor(w, op).cred.capable = was.processes[op.proc].cred.capable;
}

constexpr Fault kFaults[] = {
    {"pidns-pids-of-the-beginning",
     "shm_cpid and shm_lpid are shown in a new PID namespace as they are outside",
     kPids,
     nullptr,
     pids_of_the_beginning,
     false,
     {},
     true},
    {"pidns-listed-pids-of-the-beginning",
     "/proc/sysvipc/shm shows the process ids of the namespace of the mount",
     kPids,
     nullptr,
     listed_pids_of_the_beginning,
     false,
     {},
     true},
    {"pidns-pids-of-who-did-it",
     "shm_cpid and shm_lpid are what the process has in its own PID namespace, whoever reads", kPids, nullptr,
     pids_of_who_did_it, false, "Linux before 4.17: commit 98f929b1bd4d", true},
    {"userns-ids-of-the-beginning",
     "ids of users and groups are shown in a new user namespace as they are outside",
     kIds,
     nullptr,
     ids_of_the_beginning,
     false,
     {},
     true},
    {"userns-strangers-are-root",
     "ids that a user namespace does not have are shown as 0",
     kIds,
     nullptr,
     strangers_are_root,
     false,
     {},
     true},
    {"userns-set-by-outer-numbers",
     "IPC_SET takes ids as they are outside the caller's user namespace",
     kIds,
     set_by_numbers_of_the_beginning,
     back_in_own_users,
     true,
     {},
     true},
    {"userns-root-is-root",
     "root of a new user namespace has power over segments of the IPC namespace outside",
     kPower,
     own_everything,
     disown_again,
     true,
     {},
     true},
    {"userns-root-owns-nothing",
     "root of a new user namespace has no power in an IPC namespace that it has made",
     kPower,
     own_nothing,
     rights_again,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> standing_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
