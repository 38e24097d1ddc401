// shm_open(3) and shm_unlink(3): files of /dev/shm, as the libraries open and remove them.
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kENOENT = 2, kEACCES = 13, kEEXIST = 17, kENAMETOOLONG = 36;

// proc(5), fs.protected_regular: in a sticky directory that everybody may write to, O_CREAT opens files of
// the caller and of the directory's owner only, capabilities or not (fs/namei.c, may_create_in_sticky).
bool may_create_over(const World& w, const Process& p, const Inode& inode) {
  return !w.facts().protected_regular || inode.uid == w.facts().uid || inode.uid == p.cred.uid;
}

// Whether the name, of which there is no object, had one before.
bool had_object(const World& w, std::uint8_t name) {
  return w.object_entries[name] != 0;
}

// What demands that there is no object of this name; the last one is as long as names can be.
C clause_of_missing(const World& w, const Step& s, C otherwise) {
  if (s.op.object == program::kObjects - 1 && s.saw(kENAMETOOLONG)) return C::pshm_open_name_rules;
  if (w.objects_lost[s.op.object]) return C::persist_tmpfs_lost;
  return had_object(w, s.op.object) ? C::pshm_unlink_name_gone : otherwise;
}

void errors(World& w, Process& p, Step& s, std::int32_t found) {
  using namespace program::openflag;
  const Op& op = s.op;
  bool creates = (op.flags & kCreat) != 0, truncates = (op.flags & kTrunc) != 0;
  if (found < 0) {
    if (!creates) s.must(kENOENT, clause_of_missing(w, s, C::pshm_open_noent));
    return;
  }
  const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
  bool writes = static_cast<program::Access>(op.small) != program::Access::read_only || truncates;
  if (creates && (op.flags & kExcl)) s.must(kEEXIST, C::pshm_open_excl);
  if (creates && !may_create_over(w, p, inode)) s.must(kEACCES, C::none);
  if (!file_access(inode, p.cred, writes ? 6 : 4)) s.must(kEACCES, C::pshm_open_access);
}

// What demands success: whether the object is there, or may be made.
C clause_of_success(const World& w, const Op& op, std::int32_t found) {
  if (found >= 0) {
    const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
    return inode.event.clause == C::pshm_persist ? C::pshm_persist : C::pshm_open_same_name;
  }
  if (w.objects_lost[op.object]) return C::persist_tmpfs_lost;
  return had_object(w, op.object) ? C::pshm_unlink_recreate : C::pshm_open_create_empty;
}

std::int32_t create(World& w, const Process& p, const Op& op, C because) {
  Inode fresh = fresh_file(p, op);
  fresh.posix = true;
  fresh.size_clause = because;
  w.objects[op.object] = static_cast<std::int32_t>(w.add_inode(std::move(fresh)));
  w.objects_lost.reset(op.object);
  w.object_entries[op.object] = w.new_entry();
  return w.objects[op.object];
}

// Linux opens the object as any file, of which O_TRUNC moves the times whatever its size was (fs/namei.c,
// handle_truncate). POSIX says so of open, and nothing of shm_open.
void truncated(const Step& s, Inode& object) {
  object.size_clause = C::pshm_open_trunc;
  if (s.exact())
    moves_mtime(object, C::none);
  else
    may_move_mtime(object);
}

}  // namespace

void rule_shm_open(World& w, Process& p, Step& s) {
  const Op& op = s.op;
  bool nameable = op.object < program::kObjects;
  std::int32_t found = nameable ? w.objects[op.object] : -1;
  if (!nameable)
    s.must(kENAMETOOLONG, C::pshm_open_name_rules);
  else
    errors(w, p, s, found);
  C success = nameable ? clause_of_success(w, op, found) : C::none;
  // The last name is as long as names can be.
  if (op.object == program::kObjects - 1) {
    s.applies(C::pshm_open_name_rules);
    if (s.saw(kENAMETOOLONG)) success = C::pshm_open_name_rules;
  }
  if (found >= 0 && s.saw(kEACCES)) success = C::pshm_open_access;
  if (s.failed(success)) return;
  if (found < 0) {
    found = create(w, p, op, success);
  } else if (op.flags & program::openflag::kTrunc) {
    set_size(w, s, static_cast<std::uint32_t>(found), 0);
    truncated(s, w.inodes[static_cast<std::size_t>(found)]);
  }
  w.inodes[static_cast<std::size_t>(found)].path = static_cast<std::uint8_t>(program::kNames + op.object);
  open_into_slot(w, p, op, static_cast<std::uint32_t>(found), w.object_entries[op.object]);
  p.close_on_exec.set(op.result);
}

void rule_shm_unlink(World& w, Process& p, Step& s) {
  const Op& op = s.op;
  bool nameable = op.object < program::kObjects;
  std::int32_t found = nameable ? w.objects[op.object] : -1;
  if (!nameable) {
    s.must(kENAMETOOLONG, C::pshm_open_name_rules);
  } else if (found < 0) {
    s.must(kENOENT, clause_of_missing(w, s, C::pshm_unlink_noent));
  } else {
    // The directory is sticky, and u0's.
    const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
    bool may = p.cred.capable_over(inode) || p.cred.uid == inode.uid || p.cred.uid == w.facts().uid;
    if (!may) s.must(kEACCES, C::pshm_unlink_denied);
  }
  if (s.failed(C::pshm_unlink_name_gone)) return;
  remove_name(w, w.objects[op.object], w.object_entries[op.object]);
}

}  // namespace shmcheck::model
