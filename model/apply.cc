#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/blame.h"
#include "model/huge.h"
#include "model/rules.h"
#include "model/shm_stat.h"
#include "program/withheld.h"

namespace shmcheck::model {
namespace {

// In the order of OpCode.
constexpr std::array<Rule*, program::kOpCodes> kRules = {
    rule_open,        rule_close,    rule_unlink,      rule_ftruncate,   rule_truncate,   rule_pread,
    rule_pwrite,      rule_pread_to, rule_pwrite_from, rule_fstat,       rule_mmap,       rule_munmap,
    rule_mprotect,    rule_load,     rule_store,       rule_contents,    rule_fork,       rule_exit,
    rule_kill,        rule_shmget,   rule_shmat,       rule_shmdt,       rule_shmctl,     rule_maps,
    rule_msync,       rule_setid,    rule_mremap,      rule_madvise,     rule_fallocate,  rule_fsync,
    rule_memfd,       rule_seal,     rule_seals,       rule_mlock,       rule_munlock,    rule_locked,
    rule_mincore,     rule_shm_info, rule_limit,       rule_limits,      rule_exec,       rule_rename,
    rule_link,        rule_shm_open, rule_shm_unlink,  rule_stored,      rule_unshare,    rule_ipc_info,
    rule_shm_stat,    rule_sysvipc,  rule_mlockall,    rule_munlockall,  rule_rlimit,     rule_remap,
    rule_call,        rule_age,      rule_times,       rule_reboot,      rule_setns,      rule_blocks,
    rule_fill,        rule_crowd,    rule_memfd_name,  rule_remount,     rule_chattr,     rule_map_file,
    rule_descriptors, rule_names,    rule_brk,         rule_race_shmget, rule_race_shmat, rule_smaps,
    rule_rss};

}  // namespace

Rule* rule_of(OpCode code) {
  return kRules[static_cast<std::size_t>(code)];
}

namespace {

bool names_bound(const World& w, const Op& op) {
  const program::OpSpec& spec = program::spec(op.code);
  if (!w.bound(op.addr) || !w.bound(op.to)) return false;
  if (spec.object_kind == program::NameKind::segment && op.object < program::kSegments) {
    return w.segment_names[op.object].has_value();
  }
  if (spec.object_kind == program::NameKind::process) return w.processes[op.object].life == Life::alive;
  return true;
}

std::uint64_t segment_bytes(const World& w, const Process& p, const Op& op) {
  if (op.code != OpCode::shmat) return 0;
  const std::int32_t found = w.named_segment(p.ipc_namespace, op.object);
  if (found < 0) return 0;
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(found)];
  return ipc_access(k.perm, p.cred, 4) ? k.segsz : 0;
}

// Of memory that has no name, what only a mapping shows otherwise, some ops are known.
bool of_memory(const World& w, const Process& p, const Op& op) {
  if (program::spec(op.code).object_kind != program::NameKind::file) return false;
  const OpenFile* file = w.open_file(p, op.object);
  return file && w.inodes[file->inode].kind != InodeKind::file && !program::known_of_memory(op.code);
}

}  // namespace

bool withheld_of_namespaces(const World& w, const Op& op) {
  const auto standing = [&](std::uint8_t process) {
    const Process& p = w.processes[process];
    return program::Standing{p.first_of_pids, p.cred.user_namespace != 0};
  };
  return program::withheld_of_namespaces(
      op, standing, {w.facts().ipc_namespaces, w.facts().pid_namespaces, w.facts().user_namespaces});
}

namespace {

bool withheld(const World& w, const Process& p, const Op& op) {
  if (withheld_of_namespaces(w, op)) return true;
  if (op.code == OpCode::limit || op.code == OpCode::limits) {
    const bool next_id = static_cast<program::Limit>(op.small) == program::Limit::next_id;
    return next_id ? !w.facts().next_id : !w.facts().set_limits;
  }
  if (op.code == OpCode::exec) return !w.facts().exec || p.address_space != UINT64_MAX;
  if (op.code == OpCode::fork && !w.facts().fork) return true;
  if (program::is_race(op.code) && !w.facts().fork) return true;
  if (op.code == OpCode::stored) return !w.facts().stored;
  if (op.code == OpCode::fill) return !w.facts().fill;
  if (op.code == OpCode::chattr) return w.facts().append == program::AppendAttribute::none;
  if (names_huge_file(w, p, op)) return true;
  if (op.code == OpCode::map_file && !w.facts().map_files) return true;
  if (op.code == OpCode::names && !w.facts().names) return true;
  if (op.code == OpCode::smaps && (!w.facts().smaps || p.other_mappings)) return true;
  if (op.code == OpCode::rss && (!w.facts().rss || p.other_mappings)) return true;
  if (of_memory(w, p, op)) return true;
  if (op.code == OpCode::shm_open || op.code == OpCode::shm_unlink) return !w.facts().shm_objects;
  if (op.code == OpCode::reboot) return !w.facts().reboot;
  if (op.code == OpCode::crowd) return w.facts().max_map_count == 0;
  if (op.code == OpCode::remount) return !w.facts().remounts || w.facts().fs == program::FileSystem::tmpfs;
  if (op.code == OpCode::call && w.facts().arch != "x86_64") return true;
  program::Resolved at{w.value(op.addr), w.value(op.len), w.value(op.off), w.value(op.to)};
  program::Layout layout{w.page(),       w.facts().shmlba,    w.facts().top,       w.facts().own,
                         w.facts().huge, w.facts().huge_page, w.facts().huge_users};
  return program::withheld(op, at, layout, segment_bytes(w, p, op));
}

// The op was not run: the executor says so in one certain way.
void not_run(Step& s, OutcomeKind kind) {
  if (s.running()) {
    s.made().kind = kind;
    return;
  }
  if (s.seen().kind == kind) return;
  Outcome expected;
  expected.kind = kind;
  s.diverge(C::none, describe(expected));
}

// Whether each page that the op looks at is touched, and the outcome says whether there was space for it.
bool tells_space(OpCode code) {
  return code == OpCode::load || code == OpCode::store || code == OpCode::contents;
}

// The outcome says whether there was space, though the op need not touch every page that it looks at.
bool shows_space(OpCode code) {
  return tells_space(code) || code == OpCode::call || code == OpCode::pread_to || code == OpCode::pwrite_from;
}

// The outcome depends on it, and need not say so: the call goes on to what comes after, or gives another
// reason.
bool hides_space(OpCode code) {
  return code == OpCode::mlock || code == OpCode::madvise;
}

// Nobody knows whether there was space for the pages that the op looked at.
void lose_unshown_space(const World& w, Step& s) {
  if (!w.unsure_of_space || s.running() || shows_space(s.op.code)) return;
  const OutcomeKind seen = s.seen().kind;
  const bool returned = seen == OutcomeKind::ok || seen == OutcomeKind::error;
  if (hides_space(s.op.code) && returned)
    s.cannot_tell(Freedom::spare_space);
  else if (!s.report().diverged)
    s.lose_quietly(Freedom::spare_space);
}

// Which clauses speak of the attaches that an op adds and takes away.
void note_attach_clauses(World& w, OpCode code) {
  w.attach_clause = C::shmdt_split_count;
  w.detach_clause = C::shmdt_munmap_equivalent;
  switch (code) {
    case OpCode::shmat:
      w.attach_clause = C::shmat_nattch;
      w.detach_clause = C::shmat_remap;
      break;
    case OpCode::shmdt:
      w.detach_clause = C::shmdt_nattch;
      break;
    case OpCode::mremap:
      w.attach_clause = w.detach_clause = C::shmdt_after_mremap;
      break;
    case OpCode::fork:
      w.attach_clause = C::shmat_fork_inherited;
      break;
    case OpCode::exit:
    case OpCode::kill:
    case OpCode::load:
    case OpCode::store:
    case OpCode::end:
      w.detach_clause = C::shmat_exit_detaches;
      break;
    case OpCode::exec:
      w.detach_clause = C::shmat_exec_detaches;
      break;
    default:
      break;
  }
}

}  // namespace

void apply(World& w, Step& s) {
  const Op& op = s.op;
  w.processes.name(op);
  Process& p = w.processes[op.proc];
  w.implicit_updates_optional = s.profile == Profile::posix || s.profile == Profile::linux;
  if (p.life != Life::alive || !names_bound(w, op)) {
    not_run(s, OutcomeKind::unbound);
    return;
  }
  if (withheld(w, p, op)) {
    not_run(s, OutcomeKind::withheld);
    return;
  }
  ++w.steps;
  w.exact = s.exact();
  w.unsure_of_space = false;
  w.certain_access = tells_space(op.code);
  note_attach_clauses(w, op.code);
  // Before the rule, which may bind the names anew.
  LayoutEvent about = layout_event(w, op);
  (*rule_of(op.code))(w, p, s);
  note_layout(w, op, about, s.running() ? s.made() : s.seen());
  if (w.full) w.note_left_files();
  lose_unshown_space(w, s);
  w.last_clock = s.when.high;
}

// Kills everything that is left. The order is not known: any process may be the last to detach from a
// segment.
static void end_all(World& w, Step& s) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> last;  // segment and pid
  for (const Process& p : w.processes) {
    if (p.life != Life::alive) continue;
    for (const Vma& v : p.memory.vmas()) {
      if (v.segment >= 0) last.emplace_back(static_cast<std::uint32_t>(v.segment), p.pid);
    }
  }
  for (std::uint8_t i = 0; i < w.processes.size(); ++i) {
    if (w.processes[i].life == Life::alive) w.end_process(i, s.when);
  }
  for (auto [segment, pid] : last) w.ipc.segments[segment].lprid.add(pid);
}

namespace {

// What the `end` record says of one segment that was named. True if it is as it must be.
bool end_of_segment(World& w, Step& s, std::uint64_t name, std::span<const std::uint64_t> words) {
  // Looked at from the namespace that the program began in.
  const std::int32_t found = w.named_segment(0, static_cast<std::uint8_t>(name));
  int error = static_cast<int>(words[1]);
  const bool destroyed = found < 0;
  C by = w.clause_of_no_segment(0, static_cast<std::uint8_t>(name));
  const C life = destroyed ? C::none : w.clause_of_life(w.ipc.segments[static_cast<std::size_t>(found)]);
  C clause = life == C::ipcns_sysctl_separate ? life
             : !destroyed                     ? C::sysv_life_survives_exit
             : by == C::shmctl_gone_id        ? C::sysv_life_marked_dies_with_last
                                              : by;
  s.applies(clause);
  if ((error != 0) != destroyed) {
    s.diverge(clause,
              fmt::format("s{} {} after the last process ended", name, destroyed ? "is gone" : "exists"),
              error ? error_name(error) : "it exists");
    return false;
  }
  if (!destroyed) return match_shm_stat(w, s, static_cast<std::uint32_t>(found), words.subspan(2));
  constexpr int kEINVAL = 22, kEIDRM = 43;
  if (error == kEIDRM && !s.exact()) {
    s.uses(Freedom::documented_alternative);
    return true;
  }
  return s.expect(error == kEINVAL, C::shmctl_gone_id, [] { return std::string("EINVAL"); });
}

// How many segments the namespace still has.
void end_of_namespace(World& w, Step& s, std::uint64_t seen, std::uint64_t left) {
  if (!w.facts().private_ipc) return;
  if (seen == ~std::uint64_t{0} && !s.exact()) return s.uses(Freedom::uncounted);
  s.expect(seen == left, C::sysv_life_until_removed,
           [&] { return fmt::format("{} segments left in the namespace", left); });
}

}  // namespace

void apply_end(World& w, Step& s) {
  // The processes are killed between the last step and this record.
  note_attach_clauses(w, OpCode::end);
  if (w.last_clock != 0) s.when.low = std::min(s.when.low, w.last_clock);
  end_all(w, s);
  std::uint64_t left = w.ipc.namespaces.front().in_use();
  if (s.running()) {
    std::vector<std::uint64_t>& words = s.made().words;
    auto named = static_cast<std::size_t>(std::count_if(w.segment_names.begin(), w.segment_names.end(),
                                                        [](const auto& name) { return name.has_value(); }));
    words.reserve(1 + named * program::kEndSegmentWords);
    words.push_back(left);
    for (std::size_t i = 0; i < w.segment_names.size(); ++i) {
      if (!w.segment_names[i]) continue;
      const std::int32_t found = w.named_segment(0, static_cast<std::uint8_t>(i));
      words.push_back(i);
      words.push_back(found < 0 ? 22 : 0);
      if (found < 0)
        words.resize(words.size() + program::kShmStatWords);
      else
        make_shm_stat(w.ipc.segments[static_cast<std::size_t>(found)], nullptr, words);
    }
    return;
  }
  const std::vector<std::uint64_t>& words = s.seen().words;
  if (!s.expect(s.seen().kind == OutcomeKind::ok, C::none,
                [] { return std::string("the state after the end"); }))
    return;
  std::size_t at = 1;
  for (std::uint64_t name = 0; name < w.segment_names.size(); ++name) {
    if (!w.segment_names[name]) continue;
    bool there = at < words.size() && words[at] == name;
    if (!s.expect(there, C::none, [&] { return fmt::format("what became of s{}", name); })) return;
    if (!end_of_segment(w, s, name, {words.data() + at, program::kEndSegmentWords})) return;
    at += program::kEndSegmentWords;
  }
  if (!s.expect(at == words.size(), C::none, [] { return std::string("only names that were bound"); }))
    return;
  end_of_namespace(w, s, words[0], left);
}

}  // namespace shmcheck::model
