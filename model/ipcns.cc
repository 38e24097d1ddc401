// unshare(2) of the IPC namespace: create_ipc_ns, shm_init_ns, and exit_shm in the old one. setns(2) into
// that of a process.
#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

// What shm_init_ns sets: SHMMAX, SHMALL, SHMMNI (include/uapi/linux/shm.h).
constexpr std::uint64_t kDefaultBytes = UINT64_MAX - (std::uint64_t{1} << 24), kDefaultSegments = 4096;

bool are_default(const IpcLimits& limits) {
  return limits.shmmax == kDefaultBytes && limits.shmall == kDefaultBytes &&
         limits.shmmni == kDefaultSegments && !limits.rmid_forced;
}

// Whether forced removal takes a segment of the process's once it is nobody's.
bool loses_a_segment(const World& w, std::uint8_t who) {
  return std::ranges::any_of(w.ipc.namespaces, [&](const IpcIds& ids) {
    return ids.limits.rmid_forced && std::ranges::any_of(ids.live, [&](std::uint32_t i) {
             const ShmidKernel& k = w.ipc.segments[i];
             return k.nattch == 0 && k.creator == static_cast<std::int8_t>(who);
           });
  });
}

// What the documents leave open of a new namespace.
struct Choice {
  bool inherits = false;  // the limits are those of the old one
  bool disowns = true;    // forced removal treats it as the exit of the creator
};

// False: the judge has yet to say which.
bool choose(Step& s, bool limits_differ, bool segment_at_stake, Choice& choice) {
  if (s.exact() || (!limits_differ && !segment_at_stake)) return true;
  const int count = (limits_differ ? 2 : 1) * (segment_at_stake ? 2 : 1);
  const int taken = s.choose(count, Freedom::documented_alternative);
  if (taken < 0) return false;
  choice.inherits = limits_differ && taken % 2 == 1;
  choice.disowns = !segment_at_stake || taken < count / 2;
  return true;
}

// What the process goes on to see by its mappings.
void note_what_stays(World& w, const Process& p) {
  for (const Vma& v : p.memory.vmas()) {
    if (!v.shared) continue;
    if (v.segment >= 0)
      w.ipc.segments[static_cast<std::size_t>(v.segment)].count_clause = C::ipcns_attach_survives_unshare;
    w.happens(v, v.segment >= 0 ? C::ipcns_attach_survives_unshare : C::ipcns_posix_objects_not_covered);
  }
}

}  // namespace

IpcLimits default_limits() {
  IpcLimits limits;
  limits.shmmax = limits.shmall = kDefaultBytes;
  limits.shmmni = kDefaultSegments;
  return limits;
}

namespace {

// No rights are needed; in the new user namespace the process has all, and over what it has left none.
void unshare_users(World& w, Process& p, Step& s) {
  if (s.failed(C::none)) return;
  p.cred.capable = true;
  p.cred.machine = false;
  p.cred.user_namespace = w.next_user_namespace++;
}

}  // namespace

void rule_unshare(World& w, Process& p, Step& s) {
  constexpr int kEPERM = 1;
  if (static_cast<program::Unshare>(s.op.small) == program::Unshare::user) return unshare_users(w, p, s);
  if (!p.cred.capable) s.must(kEPERM, C::none);
  if (s.failed(C::ipcns_isolation)) return;
  const std::uint8_t who = index_of(w, p);
  const std::uint32_t old = p.ipc_namespace;
  Choice choice;
  if (!choose(s, !are_default(w.ipc.of(p).limits), loses_a_segment(w, who), choice)) return;
  note_what_stays(w, p);
  if (choice.disowns) w.disown_segments(who);
  IpcIds fresh;
  fresh.left = w.ipc.of(p).limits;
  fresh.limits = choice.inherits ? w.ipc.of(p).limits : default_limits();
  fresh.limits.set.reset();
  fresh.user_namespace = p.cred.user_namespace;
  p.ipc_namespace = static_cast<std::uint32_t>(w.ipc.namespaces.size());
  p.ipc_inherited = false;
  w.ipc.namespaces.push_back(std::move(fresh));
  w.end_namespace(old);
}

namespace {

// ptrace(2), PTRACE_MODE_READ. The executor's processes are not dumpable, and so CAP_SYS_PTRACE is needed: in
// the user namespace that they were in when they last exec'ed.
bool may_look_at(const Process& p, const Process& other) {
  return &p == &other || (other.execed ? p.cred.capable : p.cred.machine);
}

void errors_of_setns(const World& w, const Process& p, const Process& other, Step& s) {
  constexpr int kEPERM = 1, kEACCES = 13, kEINVAL = 22, kENOSYS = 38;
  const bool by_file = static_cast<program::Join>(s.op.small) == program::Join::file;
  // pidfd_open(2), and setns(2) of what it gives.
  if (!by_file && w.facts().release < program::release(5, 3)) s.must(kENOSYS, C::none);
  if (!by_file && w.facts().release < program::release(5, 8)) s.must(kEINVAL, C::none);
  if (!may_look_at(p, other)) s.must(by_file ? kEACCES : kEPERM, C::ipcns_isolation);
  if (!p.cred.capable) s.must(kEPERM, C::ipcns_isolation);
}

}  // namespace

// Unlike unshare, it leaves the process the creator of its segments (kernel/nsproxy.c, commit_nsset, has no
// exit_shm).
void rule_setns(World& w, Process& p, Step& s) {
  const Process& other = w.processes[s.op.object];
  errors_of_setns(w, p, other, s);
  if (s.failed(C::ipcns_visible_to_members)) return;
  const std::uint32_t old = p.ipc_namespace;
  note_what_stays(w, p);
  p.ipc_namespace = other.ipc_namespace;
  p.ipc_inherited = false;
  w.end_namespace(old);
}

}  // namespace shmcheck::model
