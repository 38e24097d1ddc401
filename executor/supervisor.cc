#include "executor/supervisor.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstring>

#include "executor/children.h"
#include "executor/crowd.h"
#include "executor/descriptors.h"
#include "executor/end.h"
#include "executor/fault.h"
#include "executor/files.h"
#include "executor/fill.h"
#include "executor/fork.h"
#include "executor/hello.h"
#include "executor/process.h"
#include "executor/segments.h"
#include "executor/small_file.h"
#include "executor/text.h"
#include "executor/vdso.h"
#include "program/bytes.h"

namespace shmcheck::executor {
namespace {

using program::FrameType;

// --- reading the program ---------------------------------------------------------------------------------

void note_use(const Op& op) {
  Uses& uses = control->uses;
  uses.maps |= op.code == OpCode::maps;
  uses.contents |= op.code == OpCode::contents;
  uses.names |= op.code == OpCode::names;
  uses.descriptors |= op.code == OpCode::descriptors;
  uses.limit |= op.code == OpCode::limit && target.sets_limits;
  uses.huge_files |= op.code == OpCode::memfd && (op.flags & program::memfd::kHuge) != 0;
  uses.reboot |= op.code == OpCode::reboot && target.reboots;
  uses.crowd |= op.code == OpCode::crowd && target.max_map_count != 0;
}

// As program::decode_exact, without allocation: only what `encode` writes is accepted.
bool decode_program(std::span<const std::uint8_t> bytes, Sentence& wrong) {
  using program::kRecordBytes;
  if (bytes.empty() || bytes[0] != program::kByteVersion) {
    wrong << "the program is not of byte form version " << static_cast<int>(program::kByteVersion);
    return false;
  }
  bytes = bytes.subspan(1);
  if (bytes.size() % kRecordBytes != 0 || bytes.size() / kRecordBytes > kMaxOps) {
    wrong << "the program is " << bytes.size() << " bytes of records, which is not a number of ops from 0 to "
          << static_cast<int>(kMaxOps);
    return false;
  }
  control->op_count = static_cast<Word>(bytes.size() / kRecordBytes);
  control->uses = {};
  for (Word i = 0; i < control->op_count; ++i) {
    const std::uint8_t* record = bytes.data() + i * kRecordBytes;
    Op& op = control->ops[i];
    op = program::decode_record(record);
    std::uint8_t again[kRecordBytes];
    encode_record(op, again);
    if (std::memcmp(record, again, kRecordBytes) != 0) {
      wrong << "record " << i << " is not what a canonical program has there";
      return false;
    }
    note_use(op);
  }
  return true;
}

// --- while it runs ---------------------------------------------------------------------------------------

void reset() {
  control->done = control->overflow = control->rebooting = 0;
  control->step_before = 0;
  control->fill_asked = 0;
  control->mappings_bound = 0;
  control->segments_bound = control->paths_created = control->objects_created = 0;
  control->identity_count = control->id_count = 0;
  for (ProcessSlot& slot : control->process) slot = {};
  control->cursor = {};
  program::put_little(result_area().data(), std::uint32_t{0});
  program::put_little(result_area().data() + 4, std::uint64_t{0});
}

// Where the range cannot be had, `crowd` will say so.
[[noreturn]] void begin_program(std::uint8_t process) {
  if (control->uses.crowd) map_crowd_range();
  live_as(process);
}

long start_first_process() {
  ProcessSlot& first = control->process[0];
  // As a rule it has the turn from its first moment on, which saves a sleep and a wake. Where it is to lead a
  // process group, it must not fork before it does.
  bool at_once = target.private_pids && control->op_count > 0 && control->ops[0].proc == 0;
  store(first.turn, at_once ? 1 : 0);
  store(first.alive, 1);
  long pid = fork_raw(CLONE_PARENT_SETTID, &first.pid);
  if (pid == 0) begin_program(0);
  if (failed(pid)) return pid;
  program::put_little(result_area().data() + 4, static_cast<std::uint64_t>(pid));
  if (!target.private_pids) {
    sys(SYS_setpgid, pid, pid);
    set_program_group(first.pid);
  }
  if (!at_once) pass_turn();
  return 0;
}

// What the machine before this one has done of the program, and what its names are bound to.
void take_over(const program::Resume& resume) {
  std::memcpy(result_area().data(), resume.result.data(), resume.result.size());
  control->cursor.used = static_cast<std::uint32_t>(resume.result.size());
  control->cursor.records = program::get_little<std::uint32_t>(resume.result.data());
  control->cursor.clock = INT64_MIN;  // that of the last record is not known here
  control->mappings_bound = resume.bindings.mappings_bound;
  control->segments_bound = resume.bindings.segments_bound;
  for (unsigned i = 0; i < kMappings; ++i) control->mapping[i] = resume.bindings.mapping[i];
  for (unsigned i = 0; i < kSegments; ++i) control->segment[i] = resume.bindings.segment[i];
  control->paths_created = kAllFiles;
}

// The step that is recorded is the one that has started this machine.
long start_process_again() {
  OutcomeHead head;
  head.before = clock_seconds();
  const std::uint8_t process = control->ops[control->cursor.records].result;
  ProcessSlot& slot = control->process[process];
  store(slot.alive, 1);
  const long pid = fork_raw(CLONE_PARENT_SETTID, &slot.pid);
  if (pid == 0) begin_program(process);
  if (failed(pid)) return pid;
  head.value = static_cast<std::uint64_t>(pid);
  head.after = clock_seconds();
  record(head);
  pass_turn();
  return 0;
}

// The acting process is the one whose step comes next; nobody else can have the turn.
void note_death(const Death& death) {
  for (unsigned i = 0; i < kProcesses; ++i) {
    ProcessSlot& slot = control->process[i];
    if (slot.pid != death.pid || load(slot.alive) == 0) continue;
    store(slot.alive, 0);
    Word step = control->cursor.records;
    if (load(control->done) != 0 || step >= control->op_count) return;
    if (control->ops[step].proc != i) {
      if (control->ops[step].code == OpCode::kill) wake(slot.alive);
      return;
    }
    OutcomeHead head;
    head.kind = OutcomeKind::died;
    head.signal = static_cast<std::uint8_t>(death.signal);
    head.value = static_cast<std::uint64_t>(death.status);
    head.before = control->step_before;
    head.after = clock_seconds();
    record(head);
    pass_turn();
    return;
  }
}

void note_nothing(const Death&) {}

enum class Ended { done, timed_out, stopping, rebooting };

// A whole program may take this many times the limit of one step.
constexpr std::uint64_t kStepsOfProgram = 20;

// Time is measured in quarters of the limit, so that a step has between one and one and a quarter of it. A
// program that is done within the first quarter never looks at the clock.
Ended wait_until_done(Word seen) {
  constexpr unsigned kQuarters = 4;
  const std::uint64_t quarter_ns = std::uint64_t{target.op_timeout_ms} * 1'000'000 / kQuarters;
  const timespec quarter = {static_cast<time_t>(quarter_ns / 1'000'000'000),
                            static_cast<long>(quarter_ns % 1'000'000'000)};
  Word step = 0;
  unsigned quarters = 0;
  std::uint64_t begin = 0;
  while (load(control->done) == 0) {
    bool timed_out = sleep_while(control->event, seen, &quarter) == -ETIMEDOUT;
    seen = load(control->event);
    for (Death death; next_death(death);) note_death(death);
    answer_fill();
    if (load(control->stopping) != 0) return Ended::stopping;
    if (load(control->rebooting) != 0) return Ended::rebooting;
    if (!timed_out) continue;
    if (begin == 0) begin = now_ms();
    Word now = control->cursor.records;
    quarters = now == step ? quarters + 1 : 0;
    step = now;
    if (quarters >= kQuarters) return Ended::timed_out;
    if (now_ms() - begin > kStepsOfProgram * target.op_timeout_ms) return Ended::timed_out;
  }
  return Ended::done;
}

// --- runs and their answers --------------------------------------------------------------------------------

enum class Attempt : std::uint8_t { done, disturbed, stopping, failed, unclean, stuck, ending, crashing };

// All processes end in order, or nothing is touched any more.
Attempt begin_reboot() {
  const Op& op = control->ops[control->cursor.records];
  if (static_cast<program::Ending>(op.small) == program::Ending::crash) return Attempt::crashing;
  return kill_all(note_nothing) ? Attempt::ending : Attempt::stuck;
}

// Runs the program in `control` once, or what is left of it, and records its end.
Attempt attempt_program(Sentence& wrong, bool last, const program::Resume* resume) {
  reset();
  if (resume != nullptr) take_over(*resume);
  if (control->uses.descriptors) note_own_descriptors();
  if (control->uses.names) note_other_names();
  Word seen = load(control->event);
  long result = resume != nullptr ? start_process_again() : start_first_process();
  if (failed(result)) {
    wrong << "the first process could not be forked: " << error_name(result);
    return Attempt::failed;
  }
  Ended ended = wait_until_done(seen);
  if (ended == Ended::rebooting) return begin_reboot();
  if (!kill_all(note_nothing)) return Attempt::stuck;
  bool disturbed = disturbed_by_outsiders();
  std::uint64_t in_namespace = segments_in_namespace();
  if (control->cursor.records < control->op_count) {
    record_timeout();
    disturbed = false;
  } else {
    record_end(in_namespace);
  }
  if (!remove_leftovers(in_namespace, wrong)) {
    wrong << "; the executor ends";
    return Attempt::unclean;
  }
  if (ended == Ended::stopping) return Attempt::stopping;
  return disturbed && !last ? Attempt::disturbed : Attempt::done;
}

bool send_result(Channel& channel, FrameType type, std::uint32_t sequence) {
  if (load(control->overflow) != 0) {
    return channel.send(FrameType::error, sequence, "the outcomes of the program do not fit into a frame");
  }
  std::size_t used = program::kFrameHeaderBytes + control->cursor.used;
  return channel.send_in_place(type, sequence, frame_area().first(used));
}

Ran answer(Channel& channel, std::uint32_t sequence, Attempt attempt, const Sentence& wrong) {
  const auto as = [](bool sent) { return sent ? Ran::answered : Ran::over; };
  switch (attempt) {
    case Attempt::failed:
      return as(channel.send(FrameType::error, sequence, wrong.view()));
    case Attempt::unclean:
      channel.send(FrameType::error, sequence, wrong.view());
      return Ran::over;
    case Attempt::stuck:
      channel.send(FrameType::error, sequence,
                   "a process of the program cannot be killed; the executor ends");
      return Ran::over;
    case Attempt::stopping:
      return Ran::over;
    case Attempt::ending:
      return Ran::ending;
    case Attempt::crashing:
      return Ran::crashing;
    default:
      return as(send_result(channel, FrameType::result, sequence));
  }
}

// Should a program use up the memory of the machine, it is to die of that and nothing else.
void prefer_for_oom() {
  long result = write_small_file("/proc/self/oom_score_adj", "1000");
  if (failed(result)) say_absent("oom_score_adj", "write", result);
}

}  // namespace

long prepare_supervisor(const Options& options) {
  watch_children();
  note_break();
  control->supervisor = static_cast<pid_t>(sys(SYS_getpid));
  install_fault_handler();
  // No core files: with a handler in core_pattern a limit of zero would not be enough.
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prefer_for_oom();
  sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  int ends[2] = {};
  long result = prepare_forks(options.clone_parent);
  if (!failed(result)) result = sys(SYS_pipe2, ends, O_NONBLOCK);
  if (!failed(result)) result = sys(SYS_dup3, ends[0], kPipeRead, 0);
  if (!failed(result)) result = sys(SYS_dup3, ends[1], kPipeWrite, 0);
  if (failed(result)) return result;
  sys(SYS_close, ends[0]);
  sys(SYS_close, ends[1]);
  for (unsigned i = 0; i < program::kFiles; ++i) sys(SYS_close, kFirstSlot + i);
  sys(SYS_close, kNeverOpen);
  return 0;
}

Ran run_program(Channel& channel, std::uint32_t sequence, std::span<const std::uint8_t> bytes) {
  // One who reads about processes all the time does not keep the program from its answer.
  constexpr int kAttempts = 3;
  Sentence wrong;
  if (!decode_program(bytes, wrong)) return answer(channel, sequence, Attempt::failed, wrong);
  // A crash must not bring back files of programs before this one.
  if (control->uses.reboot) sys(SYS_sync);
  Attempt attempt = Attempt::disturbed;
  for (int i = 1; attempt == Attempt::disturbed; ++i)
    attempt = attempt_program(wrong, i == kAttempts, nullptr);
  return answer(channel, sequence, attempt, wrong);
}

Ran resume_program(Channel& channel, std::uint32_t sequence, const program::Resume& resume) {
  Sentence wrong;
  if (!decode_program(resume.program, wrong)) return answer(channel, sequence, Attempt::failed, wrong);
  const auto done = program::get_little<std::uint32_t>(resume.result.data());
  if (done >= control->op_count || control->ops[done].code != OpCode::reboot ||
      resume.result.size() > result_area().size()) {
    wrong << "the machine was not started by step " << done << " of the program";
    return answer(channel, sequence, Attempt::failed, wrong);
  }
  return answer(channel, sequence, attempt_program(wrong, true, &resume), wrong);
}

bool send_steps_before_reboot(Channel& channel, std::uint32_t sequence) {
  return send_result(channel, FrameType::reboot, sequence);
}

}  // namespace shmcheck::executor
