// Which builder makes which op, and what an op needs to work.
#include "harness/generator/ops.h"

#include <algorithm>

#include "model/rules.h"

namespace shmcheck::harness {

std::optional<Quantity> some_place(Scene& s, std::uint8_t proc) {
  if (!s.dice.chance(s.swarm.placed)) return std::nullopt;
  const model::Vma* v = s.dice.chance(25) ? s.vma(proc) : nullptr;
  if (!v) return s.place();
  // Onto a mapping, or right beside it.
  std::uint64_t at = s.dice.chance(60) ? v->low : v->high;
  return s.say(at);
}

namespace {

// In the order of OpCode.
constexpr Builder* kBuilders[] = {
    build_open,        build_close,    build_unlink,      build_ftruncate,   build_truncate,   build_pread,
    build_pwrite,      build_pread_to, build_pwrite_from, build_fstat,       build_mmap,       build_munmap,
    build_mprotect,    build_load,     build_store,       build_contents,    build_fork,       build_exit,
    build_kill,        build_shmget,   build_shmat,       build_shmdt,       build_shmctl,     build_maps,
    build_msync,       build_setid,    build_mremap,      build_madvise,     build_fallocate,  build_fsync,
    build_memfd,       build_seal,     build_seals,       build_mlock,       build_munlock,    build_locked,
    build_mincore,     build_shm_info, build_limit,       build_limits,      build_exec,       build_rename,
    build_link,        build_shm_open, build_shm_unlink,  build_stored,      build_unshare,    build_ipc_info,
    build_shm_stat,    build_sysvipc,  build_mlockall,    build_munlockall,  build_rlimit,     build_remap,
    build_call,        build_age,      build_times,       build_reboot,      build_setns,      build_blocks,
    build_fill,        build_crowd,    build_memfd_name,  build_remount,     build_chattr,     build_map_file,
    build_descriptors, build_names,    build_brk,         build_race_shmget, build_race_shmat, build_smaps,
    build_rss,
};
static_assert(std::size(kBuilders) == program::kOpCodes);

// What an op works on; without it, it can only fail.
enum class Subject { none, file, memory_file, memory, segment, attach, object };

Subject subject(OpCode code) {
  switch (code) {
    case OpCode::close:
    case OpCode::ftruncate:
    case OpCode::pread:
    case OpCode::pwrite:
    case OpCode::pread_to:
    case OpCode::pwrite_from:
    case OpCode::fstat:
    case OpCode::fallocate:
    case OpCode::fsync:
    case OpCode::stored:
    case OpCode::seals:
    case OpCode::age:
    case OpCode::times:
    case OpCode::blocks:
      return Subject::file;
    case OpCode::seal:
    case OpCode::memfd_name:
      return Subject::memory_file;
    case OpCode::munmap:
    case OpCode::mprotect:
    case OpCode::load:
    case OpCode::store:
    case OpCode::msync:
    case OpCode::mremap:
    case OpCode::madvise:
    case OpCode::mlock:
    case OpCode::munlock:
    case OpCode::mincore:
    case OpCode::remap:
    case OpCode::call:
    case OpCode::map_file:
    case OpCode::smaps:
      return Subject::memory;
    case OpCode::shmat:
    case OpCode::shmctl:
    case OpCode::shm_stat:
    case OpCode::race_shmat:
      return Subject::segment;
    case OpCode::shmdt:
      return Subject::attach;
    case OpCode::shm_unlink:
      return Subject::object;
    default:
      return Subject::none;
  }
}

// The op that provides a missing subject.
OpCode provider(Scene& s, std::uint8_t p, OpCode code) {
  switch (subject(code)) {
    case Subject::file:
      return s.has_file(p) ? code : OpCode::open;
    case Subject::memory_file:
      return s.memfd(p) ? code : OpCode::memfd;
    case Subject::memory:
      return s.vma(p) ? code : OpCode::mmap;
    case Subject::segment:
      return s.has_segment() ? code : OpCode::shmget;
    case Subject::attach:
      return s.attach_vma(p) ? code : s.has_segment() ? OpCode::shmat : OpCode::shmget;
    case Subject::object:
      return std::ranges::any_of(s.world().objects, [](std::int32_t o) { return o >= 0; }) ? code
                                                                                           : OpCode::shm_open;
    case Subject::none:
      break;
  }
  return code;
}

}  // namespace

Op build_op(Scene& s, OpCode code) {
  std::uint8_t p = s.actor();
  if (s.dice.chance(90)) {
    OpCode needed = provider(s, p, code);
    if (s.options.allows(needed)) code = needed;
  }
  const Op op = kBuilders[static_cast<std::size_t>(code)](s, p);
  const bool possible = !model::withheld_of_namespaces(s.world(), op) || !s.options.allows(OpCode::store);
  return possible ? op : kBuilders[static_cast<std::size_t>(OpCode::store)](s, op.proc);
}

}  // namespace shmcheck::harness
