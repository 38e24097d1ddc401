#include "executor/process.h"

#include <signal.h>
#include <sys/prctl.h>

#include "executor/call.h"
#include "executor/crowd.h"
#include "executor/descriptors.h"
#include "executor/huge.h"
#include "executor/vdso.h"

namespace shmcheck::executor {
namespace {

// In the order of OpCode.
constexpr Performer kPerformers[] = {
    perform_open,       perform_close,       perform_unlink,     perform_ftruncate,   perform_truncate,
    perform_pread,      perform_pwrite,      perform_pread_to,   perform_pwrite_from, perform_fstat,
    perform_mmap,       perform_munmap,      perform_mprotect,   perform_load,        perform_store,
    perform_contents,   perform_fork,        perform_exit,       perform_kill,        perform_shmget,
    perform_shmat,      perform_shmdt,       perform_shmctl,     perform_maps,        perform_msync,
    perform_setid,      perform_mremap,      perform_madvise,    perform_fallocate,   perform_fsync,
    perform_memfd,      perform_seal,        perform_seals,      perform_mlock,       perform_munlock,
    perform_locked,     perform_mincore,     perform_shm_info,   perform_limit,       perform_limits,
    perform_exec,       perform_rename,      perform_link,       perform_shm_open,    perform_shm_unlink,
    perform_stored,     perform_unshare,     perform_ipc_info,   perform_shm_stat,    perform_sysvipc,
    perform_mlockall,   perform_munlockall,  perform_rlimit,     perform_remap,       perform_call,
    perform_age,        perform_times,       perform_reboot,     perform_setns,       perform_blocks,
    perform_fill,       perform_crowd,       perform_memfd_name, perform_remount,     perform_chattr,
    perform_map_file,   perform_descriptors, perform_names,      perform_brk,         perform_race_shmget,
    perform_race_shmat, perform_smaps,       perform_rss,
};
static_assert(std::size(kPerformers) == program::kOpCodes);

// --- names -----------------------------------------------------------------------------------------------

bool mapping_unbound(const program::Quantity& q) {
  return q.names_mapping() && (control->mappings_bound >> q.mapping() & 1) == 0;
}

bool has_unbound_name(const Op& op) {
  program::NameKind kind = program::spec(op.code).object_kind;
  if (kind == program::NameKind::segment && op.object < kSegments &&
      (control->segments_bound >> op.object & 1) == 0) {
    return true;
  }
  if (kind == program::NameKind::process && !is_alive(op.object)) return true;
  return mapping_unbound(op.addr) || mapping_unbound(op.to);
}

std::uint64_t value_of(const program::Quantity& q) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  const std::uint64_t fixed[] = {0, kArenaAddress, target.layout.top, kHalf};
  std::uint64_t base = q.names_mapping() ? control->mapping[q.mapping()] : fixed[q.base];
  return program::resolve(q, base, target.layout.page);
}

bool withheld_of_namespaces(const Op& op) {
  const auto standing = [](std::uint8_t process) { return control->process[process].standing; };
  return program::withheld_of_namespaces(
      op, standing, {target.unshares_ipc, target.has_pid_namespaces, target.has_user_namespaces});
}

// The executor's rules beside program::withheld, which is about memory.
bool is_withheld(const Op& op, const program::Resolved& at) {
  if (withheld_of_namespaces(op)) return true;
  if (op.code == OpCode::fork) return !target.forks || is_alive(op.result);
  if (op.code == OpCode::limit || op.code == OpCode::limits) {
    const bool next_id = static_cast<program::Limit>(op.small) == program::Limit::next_id;
    return next_id ? !target.sets_next_id : !target.sets_limits;
  }
  if (op.code == OpCode::exec) return !target.execs || address_space_is_limited();
  if (op.code == OpCode::shm_open || op.code == OpCode::shm_unlink) return !target.has_objects;
  if (op.code == OpCode::stored) return !control->reads_storage;
  if (op.code == OpCode::fill) return !control->fills;
  if (op.code == OpCode::chattr) return !control->has_attributes;
  if (op.code == OpCode::map_file && !target.map_files) return true;
  if (op.code == OpCode::names && !target.names) return true;
  if (op.code == OpCode::smaps && (!target.smaps || is_crowded())) return true;
  if (op.code == OpCode::rss && (!target.rss || is_crowded())) return true;
  if (withheld_of_memory(op)) return true;
  if (op.code == OpCode::reboot) return !target.reboots;
  if (op.code == OpCode::crowd) return target.max_map_count == 0;
  if (op.code == OpCode::remount) return !control->disk.there;
  if (program::is_race(op.code) && !target.forks) return true;
  if (program::spec(op.code).result_name == program::NameKind::segment &&
      (target.foreign_keys >> op.byte & 1) != 0)
    return true;
  if (control->uses.huge_files && program::withheld_of_huge_file(op) &&
      is_of_huge_pages(descriptor(op.object)))
    return true;
  bool replaces = op.code == OpCode::shmat && (op.flags & program::shmat::kRemap) != 0;
  return program::withheld(op, at, target.layout, replaces ? segment_bytes(op) : 0);
}

// --- performing ------------------------------------------------------------------------------------------

void perform(const Op& op) {
  Call call{op, {}, {}, Words(words_area())};
  call.outcome.before = clock_seconds();
  control->step_before = call.outcome.before;
  if (has_unbound_name(op)) {
    call.outcome.kind = OutcomeKind::unbound;
  } else {
    call.at = {value_of(op.addr), value_of(op.len), value_of(op.off), value_of(op.to)};
    if (is_withheld(op, call.at)) {
      call.outcome.kind = OutcomeKind::withheld;
    } else {
      kPerformers[static_cast<std::size_t>(op.code)](call);
    }
  }
  call.outcome.after = clock_seconds();
  if (call.words.overflowed()) store(control->overflow, 1);
  record(call.outcome, call.words.view());
}

void wait_for_turn(ProcessSlot& slot) {
  while (load(slot.turn) == 0) sleep_while(slot.turn, 0);
  store(slot.turn, 0);
}

// The process that finds the program done ends itself; the supervisor sees that and kills the others.
[[noreturn]] void act_until_done(std::uint8_t process) {
  ProcessSlot& slot = control->process[process];
  for (;;) {
    Word step = control->cursor.records;
    bool mine = load(control->done) == 0 && step < control->op_count && control->ops[step].proc == process;
    if (mine) {
      perform(control->ops[step]);
    } else if (pass_turn()) {
      wait_for_turn(slot);
    } else {
      sys(SYS_exit_group, 0);
    }
  }
}

}  // namespace

void tie_to_supervisor() {
  if (target.private_pids) return;
  sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (sys(SYS_getppid) != control->supervisor) sys(SYS_exit_group, 1);  // it died before it could be asked
}

bool pass_turn() {
  for (;;) {
    Word step = control->cursor.records;
    if (step >= control->op_count || load(control->done) != 0) {
      store(control->done, 1);
      return false;
    }
    ProcessSlot& next = control->process[control->ops[step].proc];
    if (load(next.alive) != 0) {
      store(next.turn, 1);
      wake(next.turn);
      return true;
    }
    OutcomeHead head;
    head.kind = OutcomeKind::unbound;
    head.before = head.after = clock_seconds();
    record(head);
  }
}

void live_as(std::uint8_t process) {
  ProcessSlot& slot = control->process[process];
  if (target.has_clone_parent) tie_to_supervisor();
  wait_for_turn(slot);
  if (!target.has_clone_parent) tie_to_supervisor();  // not before it is the supervisor's
  act_until_done(process);
}

void go_on_as(std::uint8_t process) {
  OutcomeHead head;
  head.before = control->step_before;
  head.after = clock_seconds();
  record(head);
  act_until_done(process);
}

}  // namespace shmcheck::executor
