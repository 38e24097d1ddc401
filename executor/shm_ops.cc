// Ops on System V segments.
#include <sys/ipc.h>
#include <sys/shm.h>

#include <cstring>

#include "executor/call.h"
#include "executor/limits.h"
#include "executor/segments.h"

namespace shmcheck::executor {
namespace {

// An id needs as many segments as this to come up.
constexpr long kBogusId = 0x7fff'ffff, kNegativeId = -1;
constexpr long kBadCommand = 77;

constexpr FlagPair kGetFlags[] = {{program::shmget::kCreat, IPC_CREAT},
                                  {program::shmget::kExcl, IPC_EXCL},
                                  {program::shmget::kNoReserve, SHM_NORESERVE},
                                  {program::shmget::kHuge, SHM_HUGETLB}};
constexpr FlagPair kAttachFlags[] = {{program::shmat::kReadOnly, SHM_RDONLY},
                                     {program::shmat::kRound, SHM_RND},
                                     {program::shmat::kRemap, SHM_REMAP},
                                     {program::shmat::kExec, SHM_EXEC}};
// In the order of program::ShmCommand.
constexpr long kCommands[] = {IPC_STAT, IPC_RMID, IPC_SET, SHM_LOCK, SHM_UNLOCK, kBadCommand};

void push_segment(Call& call, const shmid_ds& ds) {
  std::uint64_t words[program::kShmStatWords];
  segment_words(ds, words);
  for (std::uint64_t w : words) call.words.push(w);
}

}  // namespace

long segment_id(std::uint8_t object) {
  if (object == program::kSegmentNegative) return kNegativeId;
  return object == program::kSegmentBogus ? kBogusId : control->segment[object];
}

long get_segment(const Call& call) {
  const Op& op = call.op;
  const long key = op.byte == 0 ? IPC_PRIVATE : kKeyBase + op.byte;
  return sys(SYS_shmget, key, call.at.len, translate(op.flags, kGetFlags) | op.mode);
}

void bind_segment(std::uint8_t name, long id) {
  control->segment[name] = static_cast<std::int32_t>(id);
  control->segments_bound = static_cast<std::uint8_t>(control->segments_bound | 1U << name);
  control->ids[control->id_count++] = static_cast<std::int32_t>(id);
}

long stat_segment(long id, shmid_ds& ds) {
  return sys(SYS_shmctl, id, IPC_STAT, &ds);
}

std::size_t segment_words(const shmid_ds& ds, std::span<std::uint64_t, program::kShmStatWords> out) {
  const ipc_perm& perm = ds.shm_perm;
  const std::uint64_t words[] = {static_cast<std::uint32_t>(perm.__key),
                                 perm.uid,
                                 perm.gid,
                                 perm.cuid,
                                 perm.cgid,
                                 perm.mode,
                                 ds.shm_segsz,
                                 static_cast<std::uint64_t>(ds.shm_atime),
                                 static_cast<std::uint64_t>(ds.shm_dtime),
                                 static_cast<std::uint64_t>(ds.shm_ctime),
                                 static_cast<std::uint64_t>(ds.shm_cpid),
                                 static_cast<std::uint64_t>(ds.shm_lpid),
                                 ds.shm_nattch};
  static_assert(std::size(words) == program::kShmStatWords);
  std::memcpy(out.data(), words, sizeof words);
  return std::size(words);
}

std::uint64_t segment_bytes(const Op& op) {
  shmid_ds ds = {};
  return failed(stat_segment(segment_id(op.object), ds)) ? 0 : ds.shm_segsz;
}

void perform_shmget(Call& call) {
  const long id = get_segment(call);
  settle_value(call, id);
  if (!failed(id)) bind_segment(call.op.result, id);
}

void perform_shmat(Call& call) {
  settle_mapping(
      call, sys(SYS_shmat, segment_id(call.op.object), call.at.addr, translate(call.op.flags, kAttachFlags)));
}

void perform_shmdt(Call& call) {
  settle(call, sys(SYS_shmdt, call.at.addr));
}

void perform_shmctl(Call& call) {
  const Op& op = call.op;
  auto command = static_cast<program::ShmCommand>(op.small);
  shmid_ds ds;
  std::memset(&ds, 0, sizeof ds);
  if (command == program::ShmCommand::set) {
    ds.shm_perm.uid = user_id(program::owner_user(op.byte));
    ds.shm_perm.gid = group_id(program::owner_group(op.byte));
    ds.shm_perm.mode = op.mode;
  }
  const bool bad_buffer = (op.flags & program::shmctl::kBadBuffer) != 0;
  const std::uint64_t buffer = bad_buffer ? target.layout.top : reinterpret_cast<std::uint64_t>(&ds);
  long result = sys(SYS_shmctl, segment_id(op.object), kCommands[op.small], buffer);
  settle(call, result);
  if (!failed(result) && command == program::ShmCommand::stat) push_segment(call, ds);
}

// Where an id has low bits that are an index (ipc/util.h): the call takes those of any number.
void perform_shm_stat(Call& call) {
  constexpr long kIndices = 0x8000;
#ifndef SHM_STAT_ANY
  constexpr long SHM_STAT_ANY = 15;
#endif
  const Op& op = call.op;
  const long id = segment_id(op.object), index = (id < 0 ? id : id % kIndices) + op.byte;
  shmid_ds ds = {};
  const bool any = (op.flags & program::shmstat::kAny) != 0;
  long result = sys(SYS_shmctl, index, any ? SHM_STAT_ANY : SHM_STAT, &ds);
  settle_value(call, result);
  if (!failed(result)) push_segment(call, ds);
}

void perform_limit(Call& call) {
  settle(call, write_limit(static_cast<program::Limit>(call.op.small), call.at.len));
}

void perform_limits(Call& call) {
  std::uint64_t value = 0;
  settle(call, read_limit(static_cast<program::Limit>(call.op.small), value));
  call.outcome.value = value;
}

}  // namespace shmcheck::executor
