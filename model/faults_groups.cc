// Faults of who is in the group of a segment or of a file.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

// A group that no process is in.
constexpr std::uint32_t kNoGroup = 0x7fff'fffe;

// The segment that an op asks for by key or by id, or null.
ShmidKernel* asked_for(World& w, const Op& op) {
  if (!runs(w, op)) return nullptr;
  if (op.code == OpCode::shmget) return keyed_segment(w, op);
  return op.code == OpCode::shmat || op.code == OpCode::shmctl ? bound_segment(w, op) : nullptr;
}

// Whether the op asks for a file that is there.
bool asks_for_file(const World& w, const Op& op) {
  if (!runs(w, op)) return false;
  if (op.code == OpCode::open || op.code == OpCode::truncate) return w.paths[op.object] >= 0;
  return op.code == OpCode::shm_open && op.object < program::kObjects && w.objects[op.object] >= 0;
}

// In a user namespace of the program's, what ids are shown as hangs on the group.
void leave_groups(Credentials& cred) {
  if (cred.user_namespace != 0) return;
  cred.gid = kNoGroup;
  cred.group_count = 0;
}
// What the process is again after the op.
void as_before(const World& was, World& w, const Op& op, Outcome&) {
  switch (op.code) {
    case OpCode::shmget:
    case OpCode::shmat:
    case OpCode::shmctl:
    case OpCode::open:
    case OpCode::shm_open:
    case OpCode::truncate:
      w.processes[op.proc].cred = was.processes[op.proc].cred;
      break;
    default:
      break;
  }
}

constexpr C kGroup[] = {C::perm_class_group};
void segments_forget_supplementary(World& w, Op& op) {
  if (asked_for(w, op)) actor(w, op).cred.group_count = 0;
}
void group_class_unknown(World& w, Op& op) {
  if (asked_for(w, op)) leave_groups(actor(w, op).cred);
}
void group_of_creator_forgotten(World& w, Op& op) {
  const ShmidKernel* k = asked_for(w, op);
  if (k && !actor(w, op).cred.in_group(k->perm.gid)) leave_groups(actor(w, op).cred);
}
void group_of_owner_forgotten(World& w, Op& op) {
  const ShmidKernel* k = asked_for(w, op);
  if (k && !actor(w, op).cred.in_group(k->perm.cgid)) leave_groups(actor(w, op).cred);
}
// What the group may not, but everybody else, its members may as well.
void members_are_others_too(World& w, Op& op) {
  const ShmidKernel* k = asked_for(w, op);
  if (!k) return;
  Credentials& cred = actor(w, op).cred;
  const bool member = cred.in_group(k->perm.gid) || cred.in_group(k->perm.cgid);
  if (member && (k->perm.mode & 7U) == 6U && (k->perm.mode >> 3 & 6U) != 6U) leave_groups(cred);
}

constexpr C kFiles[] = {C::perm_file_at_open, C::pshm_open_access, C::none};
void files_forget_supplementary(World& w, Op& op) {
  if (asks_for_file(w, op)) actor(w, op).cred.group_count = 0;
}
void files_know_no_group(World& w, Op& op) {
  if (asks_for_file(w, op)) leave_groups(actor(w, op).cred);
}

constexpr C kNobody[] = {C::shmctl_set_invalid_owner};
void nobody_is_the_first_user(World&, Op& op) {
  if (!command(op, program::ShmCommand::set)) return;
  if (program::owner_user(op.byte) == program::kOwnerNone ||
      program::owner_group(op.byte) == program::kOwnerNone)
    op.byte = 0;
}

constexpr Fault kFaults[] = {
    {"ipc-no-supplementary",
     "the permissions of a segment know the effective group only, no supplementary one",
     kGroup,
     segments_forget_supplementary,
     as_before,
     true,
     {},
     true},
    {"ipc-no-group",
     "the members of a segment's group are taken for others",
     kGroup,
     group_class_unknown,
     as_before,
     true,
     {},
     true},
    {"ipc-no-creator-group",
     "the group that a segment was made by is not its group any more once it was given to another",
     kGroup,
     group_of_creator_forgotten,
     as_before,
     true,
     {},
     true},
    {"ipc-no-owner-group",
     "the group that IPC_SET gives a segment to has no rights to it",
     kGroup,
     group_of_owner_forgotten,
     as_before,
     true,
     {},
     true},
    {"ipc-group-falls-through",
     "a member of the group gets what others have",
     kGroup,
     members_are_others_too,
     as_before,
     true,
     {},
     true},
    {"open-no-supplementary",
     "the permissions of a file know the effective group only, no supplementary one",
     kFiles,
     files_forget_supplementary,
     as_before,
     true,
     {},
     true},
    {"open-no-group",
     "the members of a file's group are taken for others",
     kFiles,
     files_know_no_group,
     as_before,
     true,
     {},
     true},
    {"set-takes-nobody", "IPC_SET takes an owner that is none for the first user", kNobody,
     nobody_is_the_first_user, nullptr, false},
};

}  // namespace

std::span<const Fault> group_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
