// fork(2), execve(2), _exit(2), kill(2) and changes of identity.
#include <fmt/format.h>

#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

// Linux gives out no larger one: PID_MAX_LIMIT, proc_sys_kernel(5).
constexpr std::uint64_t kLargestPid = std::uint64_t{1} << 22;

}  // namespace

bool possible_pid(const Step& s, std::uint64_t pid) {
  return pid > 0 && pid <= (s.exact() ? kLargestPid : INT32_MAX);
}

namespace {

// What the child has of a mapping: all but its locks, and what is wiped.
Vma inherited(const Vma& v, std::uint32_t step) {
  Vma copy = v;
  copy.made = step;
  copy.inherited = true;
  copy.unlock();
  if (v.shared) copy.reached = false;  // a fork copies no page tables of it (mm/memory.c, vma_needs_copy)
  if (v.wipe_on_fork && !v.shared && v.inode < 0) {
    copy.copies = ObjectBytes();
    copy.touched = false;
  }
  return copy;
}

// Rights to make a namespace are asked for when the memory has been copied, which is then taken down again
// (copy_process, kernel/fork.c).
void note_undone_copy(World& w, const Process& p, const Step& s) {
  const std::uint8_t who = index_of(w, p);
  for (const Vma& v : p.memory.vmas()) {
    if (v.segment < 0 || v.dont_fork) continue;
    w.open_attach(static_cast<std::uint32_t>(v.segment), who, s.when, false);
    w.close_attach(static_cast<std::uint32_t>(v.segment), who, s.when, false);
  }
}

}  // namespace

void rule_fork(World& w, Process& p, Step& s) {
  Process& child = w.processes[s.op.result];
  if (child.life == Life::alive) {
    // The executor does not fork into the name of a living process.
    if (s.running())
      s.made().kind = OutcomeKind::withheld;
    else if (s.seen().kind != OutcomeKind::withheld)
      s.diverge(C::none, "nothing done: the name is in use");
    return;
  }
  const bool new_pids = static_cast<program::ForkInto>(s.op.small) == program::ForkInto::new_pids;
  const bool refused = new_pids && !p.cred.capable;
  if (refused) s.must(1 /* EPERM */, C::none);
  if (s.failed(C::fork_mapping_inherited)) {
    if (refused) note_undone_copy(w, p, s);
    return;
  }
  std::uint8_t who = index_of(w, p);
  std::uint64_t pid = s.chosen(w.next_pid++, Freedom::process_id);
  if (!s.running()) {
    bool taken = std::any_of(w.processes.begin(), w.processes.end(), [=](const Process& other) {
      return other.life == Life::alive && other.pid == pid;
    });
    if (!s.expect(possible_pid(s, pid) && !taken, C::none,
                  [] { return std::string("an unused process id"); }))
      return;
  }
  child = Process{};
  child.life = Life::alive;
  child.pid = pid;
  child.first_of_pids = new_pids;
  w.pids_begun |= new_pids;
  child.cred = p.cred;
  child.ipc_namespace = p.ipc_namespace;
  child.ipc_inherited = p.ipc_namespace != 0;
  child.execed = p.execed;
  child.files = p.files;
  child.close_on_exec = p.close_on_exec;
  child.closed_by_exec = p.closed_by_exec;
  child.born = w.next_vma;
  child.memlock = p.memlock;
  child.address_space = p.address_space;
  child.file_size = p.file_size;
  child.other_mappings = p.other_mappings;
  child.lock_clause =
      p.memory.locked_bytes() > 0 || p.lock_future ? C::fork_locks_not_inherited : C::mlock_accounting;
  for (const Vma& v : p.memory.vmas()) {
    if (v.dont_fork) continue;
    if (v.segment >= 0) w.open_attach(static_cast<std::uint32_t>(v.segment), who, s.when, false);
    child.memory.vmas().push_back(inherited(v, w.steps));
  }
}

void rule_exit(World& w, Process& p, Step& s) {
  if (s.running()) {
    s.made().kind = OutcomeKind::died;
    s.made().value = s.op.byte;
  } else if (!s.saw_death() || s.seen().signal != 0 || s.seen().value != s.op.byte) {
    s.diverge(C::exit_unmaps, fmt::format("exit with status {}", s.op.byte));
    if (s.saw_death()) s.adopted();
  }
  w.end_process(index_of(w, p), s.when);
}

void rule_kill(World& w, Process& p, Step& s) {
  Process& victim = w.processes[s.op.object];
  constexpr std::uint8_t kSIGKILL = 9, kSIGTERM = 15;
  std::uint8_t signal =
      static_cast<program::Signal>(s.op.small) == program::Signal::kill ? kSIGKILL : kSIGTERM;
  bool self = &victim == &p;
  if (!self && !p.cred.capable_over(victim.cred.user_namespace) && victim.cred.uid != p.cred.uid)
    s.must(1 /* EPERM */, C::none);
  if (self)
    s.dies(signal, C::exit_unmaps);
  else if (s.failed(C::exit_unmaps))
    return;
  w.end_process(s.op.object, s.when);
}

void rule_exec(World& w, Process& p, Step& s) {
  if (static_cast<program::Image>(s.op.small) == program::Image::missing)
    s.must(2 /* ENOENT */, C::exec_failed_keeps);
  if (s.failed(C::exec_mappings_gone)) return;
  for (const Vma& v : p.memory.vmas()) {
    if (v.shared) w.happens(v, C::exec_object_survives);
  }
  w.unmap(index_of(w, p), 0, UINT64_MAX, s.when);
  for (std::uint8_t f = 0; f < program::kFiles; ++f) {
    if (!p.close_on_exec[f] || p.files[f] < 0) continue;
    p.files[f] = -1;
    p.closed_by_exec.set(f);
  }
  p.born = w.next_vma;
  p.execed = true;
  p.lock_count_off = false;
  p.lock_future = p.lock_future_on_fault = false;
  p.lock_clause = C::exec_locks_dropped;
  p.other_mappings.reset();
  p.layout = {};
  p.layout.note({C::none, C::exec_mappings_gone, w.steps, 0, UINT64_MAX});
}

namespace {
// What a process has become: without capabilities, unless it is the user that it was.
Credentials become(const Credentials& was, const Facts& facts, const Op& op) {
  Credentials now{user_id(facts, op.byte), group_id(facts, program::setid_group(op)), false, false, {}, 0};
  if (now.uid == was.uid) now.capable = was.capable, now.machine = was.machine;
  for (std::uint8_t user = 0; user < program::kUsers; ++user) {
    if (op.flags >> user & 1U) now.groups[now.group_count++] = group_id(facts, user);
  }
  return now;
}
}  // namespace

void rule_setid(World&, Process& p, Step& s) {
  const bool plain = !program::asks_for_groups(s.op);
  const Credentials now = become(p.cred, s.facts, s.op);
  // The executor does nothing if the user is the caller's own and no groups are asked for.
  const bool same = plain && now.uid == p.cred.uid && now.gid == p.cred.gid;
  const bool absent = (s.op.byte != 0 || !plain) && s.facts.other_uid[0] == 0;
  if (absent)
    s.must(22 /* EINVAL */, C::none);
  else if (!same && !p.cred.capable)
    s.must(1 /* EPERM */, C::none);
  if (s.failed(C::perm_effective_ids) || same) return;
  p.cred = now;
}

}  // namespace shmcheck::model
