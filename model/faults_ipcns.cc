// Faults of IPC namespaces.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

constexpr int kENOENT = 2;

bool unshared(const Op& op, const Outcome& o) {
  return requests(op, OpCode::unshare, program::Unshare::ipc) && ok(o);
}

// --- what a new one is
constexpr C kNothing[] = {C::ipcns_isolation, C::ipcns_same_key, C::ipcns_fresh_defaults,
                          C::ipcns_sysctl_separate};
void does_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  if (unshared(op, o)) w = was;
}

constexpr C kDefaults[] = {C::ipcns_fresh_defaults, C::ipcns_sysctl_separate, C::sysv_life_until_removed};
void limits_inherited(const World& was, World& w, const Op& op, Outcome& o) {
  if (unshared(op, o)) w.ipc.of(actor(w, op)).limits = was.ipc.of(was.processes[op.proc]).limits;
}

constexpr C kSeparate[] = {
    C::ipcns_sysctl_separate, C::ipcns_fresh_defaults, C::sysv_life_until_removed, C::limit_shmmni,
    C::limit_shmmax,          C::limit_shmall,         C::limit_rmid_forced_detach};
void limits_of_all(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::limit || !ok(o)) return;
  const IpcLimits set = w.ipc.of(actor(w, op)).limits;
  for (IpcIds& ids : w.ipc.namespaces) ids.limits = set;
}

// --- who is in it
constexpr C kFork[] = {C::ipcns_fork_inherits,  C::ipcns_isolation,      C::ipcns_same_key,
                       C::limit_shmmni,         C::limit_shmmax,         C::limit_shmall,
                       C::shmget_create,        C::shmat_remap,          C::shmat_explicit_addr,
                       C::proc_sysvipc_listing, C::ipcns_sysctl_separate};
void child_of_the_first(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fork && ok(o)) w.processes[op.result].ipc_namespace = 0;
}

constexpr C kMembers[] = {C::ipcns_visible_to_members, C::ipcns_fork_inherits};
void only_the_maker_finds(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmget || !ok(o) || created(was, w, op, o)) return;
  const ShmidKernel& k = w.ipc.segments[*w.segment_names[op.result]];
  if (k.ipc_namespace == 0 || k.creator == static_cast<std::int8_t>(op.proc)) return;
  refuse(was, w, o, kENOENT);
}

// --- what is found from it
void go_back(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::shmget || op.code == OpCode::shmat || op.code == OpCode::shmctl)
    actor(w, op).ipc_namespace = was.processes[op.proc].ipc_namespace;
}

constexpr C kKeys[] = {C::ipcns_isolation, C::ipcns_same_key};
void keys_of_all(World& w, Op& op) {
  if (op.code != OpCode::shmget || op.byte == 0) return;
  for (std::uint32_t i = 0; i < w.ipc.namespaces.size(); ++i) {
    if (w.ipc.find_key(w.ipc.namespaces[i], key_of(op)) < 0) continue;
    actor(w, op).ipc_namespace = i;
    return;
  }
}

constexpr C kIds[] = {C::ipcns_isolation};
void ids_of_all(World& w, Op& op) {
  const bool by_id = op.code == OpCode::shmat || op.code == OpCode::shmctl;
  const ShmidKernel* k = by_id ? bound_segment(w, op) : nullptr;
  if (k && !k->destroyed && w.named_segment(actor(w, op).ipc_namespace, op.object) < 0)
    actor(w, op).ipc_namespace = k->ipc_namespace;
}

void totals_of_all(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::shm_info || !ok(o)) return;
  const auto total = static_cast<program::ShmTotal>(op.small);
  const bool pages = total == program::ShmTotal::pages;
  if (!pages && total != program::ShmTotal::segments) return;
  o.value = 0;
  for (const IpcIds& ids : was.ipc.namespaces)
    o.value += pages ? was.ipc.pages(ids, was.page()) : ids.in_use();
}

// --- what a process keeps that leaves one
constexpr C kStays[] = {C::ipcns_attach_survives_unshare, C::shmat_exit_detaches};
void detaches(const World& was, World& w, const Op& op, Outcome& o) {
  if (!unshared(op, o)) return;
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.segment >= 0) w.unmap(op.proc, v.low, v.high, {o.before, o.after});
  }
}
void foreign_detach_uncounted(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shmdt || !ok(o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    ShmidKernel& k = w.ipc.segments[i];
    if (k.ipc_namespace == actor(w, op).ipc_namespace) continue;
    k.nattch = was.ipc.segments[i].nattch;
    revive(was, w, i);
  }
}

constexpr C kOwn[] = {C::limit_rmid_forced_exit, C::shmget_id_not_reused_soon, C::sysv_life_memory_returned};
void keeps_own_segments(const World& was, World& w, const Op& op, Outcome& o) {
  if (!unshared(op, o)) return;
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) revive(was, w, i);
}

constexpr C kObjects[] = {C::ipcns_posix_objects_not_covered};
void empties_files(const World&, World& w, const Op& op, Outcome& o) {
  if (!unshared(op, o)) return;
  for (const Vma& v : actor(w, op).memory.vmas()) {
    const bool object = v.shared && v.segment < 0 && v.inode >= 0;
    if (object && w.backed(v, v.page_offset * w.page()))
      w.fill_object(static_cast<std::uint32_t>(v.inode), v.page_offset * w.page(), 0, w.page());
  }
}

// --- who joins one
bool joined(const Op& op, const Outcome& o) {
  return op.code == OpCode::setns && ok(o);
}

constexpr C kJoined[] = {C::ipcns_visible_to_members, C::ipcns_isolation,      C::ipcns_same_key,
                         C::ipcns_sysctl_separate,    C::proc_sysvipc_listing, C::shmget_create};
void joins_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  if (joined(op, o)) w = was;
}
void joins_an_empty_one(const World& was, World& w, const Op& op, Outcome& o) {
  if (!joined(op, o) || actor(w, op).ipc_namespace == was.processes[op.proc].ipc_namespace) return;
  actor(w, op).ipc_namespace = static_cast<std::uint32_t>(w.ipc.namespaces.size());
  w.ipc.namespaces.emplace_back();
}

constexpr C kUnasked[] = {C::ipcns_isolation};
void joins_without_rights(const World&, World& w, const Op& op, Outcome& o) {
  constexpr int kEPERM = 1, kEACCES = 13;
  const bool refused = failed_with(o, kEPERM) || failed_with(o, kEACCES);
  if (op.code != OpCode::setns || !refused || !runs(w, op)) return;
  succeed(o);
  actor(w, op).ipc_namespace = w.processes[op.object].ipc_namespace;
}

void joining_detaches(const World& was, World& w, const Op& op, Outcome& o) {
  if (!joined(op, o)) return;
  for (const Vma& v : was.processes[op.proc].memory.vmas()) {
    if (v.segment >= 0) w.unmap(op.proc, v.low, v.high, {o.before, o.after});
  }
}

constexpr C kDisowned[] = {C::limit_rmid_forced_exit, C::sysv_life_until_removed, C::ipcns_fork_inherits,
                           C::ipcns_visible_to_members};
void joining_disowns(const World&, World& w, const Op& op, Outcome& o) {
  if (joined(op, o)) w.disown_segments(op.proc);
}

constexpr Fault kFaults[] = {
    {"unshare-does-nothing", "unshare of the IPC namespace succeeds and changes nothing", kNothing, nullptr,
     does_nothing, true},
    {"unshare-inherits-limits",
     "a new IPC namespace has the limits of the old one",
     kDefaults,
     nullptr,
     limits_inherited,
     true,
     {},
     true},
    {"ipcns-limits-of-all",
     "kernel.shm* is set in all IPC namespaces at once",
     kSeparate,
     nullptr,
     limits_of_all,
     false,
     {},
     true},
    {"ipcns-child-of-the-first",
     "a child is in the first IPC namespace, wherever its parent is",
     kFork,
     nullptr,
     child_of_the_first,
     false,
     {},
     true},
    {"ipcns-only-the-maker-finds",
     "in a new IPC namespace a key is found by who made the segment only",
     kMembers,
     nullptr,
     only_the_maker_finds,
     true,
     {},
     true},
    {"ipcns-keys-of-all", "keys are looked up in all IPC namespaces", kKeys, keys_of_all, go_back, true},
    {"ipcns-ids-of-all", "ids are looked up in all IPC namespaces", kIds, ids_of_all, go_back, true},
    {"ipcns-totals-of-all", "SHM_INFO counts the segments of all IPC namespaces", kIds, nullptr,
     totals_of_all, true},
    {"unshare-detaches", "who leaves an IPC namespace is detached from its segments", kStays, nullptr,
     detaches, true},
    {"ipcns-foreign-detach-uncounted",
     "a detach by who has left the segment's IPC namespace is not counted",
     kStays,
     nullptr,
     foreign_detach_uncounted,
     true,
     {},
     true},
    {"unshare-keeps-own-segments",
     "forced removal leaves what a process made and never attached when it leaves the IPC namespace",
     kOwn,
     nullptr,
     keeps_own_segments,
     true,
     {},
     true},
    {"unshare-empties-files",
     "unshare of the IPC namespace empties files and memory that are mapped shared",
     kObjects,
     nullptr,
     empties_files,
     false,
     {},
     true},
    {"setns-does-nothing",
     "setns of an IPC namespace succeeds and changes nothing",
     kJoined,
     nullptr,
     joins_nothing,
     true,
     {},
     true},
    {"setns-joins-an-empty-one",
     "setns makes a new IPC namespace",
     kJoined,
     nullptr,
     joins_an_empty_one,
     true,
     {},
     true},
    {"setns-without-rights",
     "setns asks for no rights",
     kUnasked,
     nullptr,
     joins_without_rights,
     false,
     {},
     true},
    {"setns-detaches",
     "who joins an IPC namespace is detached from the segments of the old one",
     kStays,
     nullptr,
     joining_detaches,
     true,
     {},
     true},
    {"setns-disowns",
     "forced removal takes setns for the exit of who made the segment",
     kDisowned,
     nullptr,
     joining_disowns,
     false,
     {},
     true},
};

}  // namespace

std::span<const Fault> ipcns_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
