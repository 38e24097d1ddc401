// Faults of what a mapping is asked to be (flags, special files, code), of mlockall, of limits, and of
// remap_file_pages.
#include "model/fault_tools.h"
#include "model/rlimit.h"

namespace shmcheck::model {
namespace {

using program::MapSource;
using program::Resource;
constexpr int kENOMEM = 12, kEINVAL = 22, kEFBIG = 27;

// --- what mmap is asked for
constexpr C kLocked[] = {C::mmap_flag_locked, C::mmap_flag_locked_limit, C::mlockall_future,
                         C::madvise_dontneed_locked, C::msync_invalidate_locked};
void locked_ignored(World&, Op& op) {
  if (op.code == OpCode::mmap) op.flags &= ~program::map::kLocked;
}
constexpr C kPopulated[] = {C::mmap_flag_populate, C::private_page_granular_freeze,
                            C::private_initial_content};
void populate_ignored(World&, Op& op) {
  if (op.code == OpCode::mmap) op.flags &= ~program::map::kPopulate;
}
constexpr C kGrowsDown[] = {C::mmap_anon_growsdown_shared};
void shared_grows_down(World&, Op& op) {
  if (op.code == OpCode::mmap && (op.flags & program::map::kShared)) op.flags &= ~program::map::kGrowsDown;
}
constexpr C kZero[] = {C::mmap_anon_dev_zero, C::mmap_anon_distinct, C::mmap_anon_zero, C::access_read};
void one_zero_object(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || static_cast<MapSource>(op.byte) != MapSource::zero || !ok(o)) return;
  Vma* v = actor(w, op).memory.find(o.value);
  if (!v || !v->shared) return;
  for (const Vma& other : actor(w, op).memory.vmas()) {
    bool zero = other.shared && other.inode >= 0 && other.id != v->id &&
                w.object_of(other).kind == InodeKind::shared_anonymous &&
                other.high - other.low == v->high - v->low;
    if (zero) v->inode = other.inode;
  }
}
constexpr C kUnsupported[] = {C::mmap_fd_unsupported_type, C::mmap_fd_read_only_shared_write,
                              C::mmap_fd_noexec_mount};
void pipe_can_be_mapped(World&, Op& op) {
  bool pipe = op.code == OpCode::mmap && static_cast<MapSource>(op.byte) == MapSource::pipe;
  if (pipe && (op.flags & program::map::kShared)) op.byte = static_cast<std::uint8_t>(MapSource::zero);
}

// --- mlockall
constexpr C kFuture[] = {C::mlockall_future,
                         C::access_demand,
                         C::fork_locks_not_inherited,
                         C::madvise_dontneed_locked,
                         C::msync_invalidate_locked,
                         C::mlock_accounting,
                         C::private_later_file_changes,
                         C::private_page_granular_freeze,
                         C::madvise_dontneed_shared,
                         C::madvise_dontneed_private_anon,
                         C::madvise_hole,
                         C::shmdt_split_count};
void future_ignored(const World&, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::mlockall) actor(w, op).lock_future = false;
}
void future_inherited(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fork && ok(o)) w.processes[op.result].lock_future = actor(w, op).lock_future;
}
void future_goes_on(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::munlockall) actor(w, op).lock_future = was.processes[op.proc].lock_future;
}
constexpr C kOnFault[] = {C::access_demand, C::mlock2_onfault, C::private_later_file_changes,
                          C::private_initial_content, C::private_page_granular_freeze};
void onfault_faults_in(World&, Op& op) {
  if (op.code == OpCode::mlockall && op.flags != program::mlockall::kOnFault)
    op.flags &= ~program::mlockall::kOnFault;
}
constexpr C kFlags[] = {C::mlockall_flags};
void nothing_is_accepted(const World&, World&, const Op& op, Outcome& o) {
  if (op.code == OpCode::mlockall && op.flags == 0 && failed_with(o, kEINVAL)) succeed(o);
}

// --- limits
constexpr C kMemlock[] = {C::mlock_limit, C::mmap_flag_locked_limit, C::mremap_locked_limit,
                          C::shmctl_lock_limit, C::mlockall_future};
void memlock_ignored(const World& was, World& w, const Op& op, Outcome&) {
  if (requests(op, OpCode::rlimit, Resource::memlock)) actor(w, op).memlock = was.facts().memlock;
}
constexpr C kSeparate[] = {C::limit_mlock_rlimit_separate};
void locks_count_together(const World& was, World& w, const Op& op, Outcome& o) {
  const Process& p = was.processes[op.proc];
  if (op.code != OpCode::mlock || !ok(o) || p.cred.machine) return;
  const std::uint64_t segments = locked_segments(was, p.cred);
  if (segments == 0 || segments + w.processes[op.proc].memory.locked_bytes() <= p.memlock) return;
  refuse(was, w, o, kENOMEM);
}
constexpr C kAddressSpace[] = {C::mmap_limit_rlimit_as, C::shmat_rlimit};
// The op runs as if there were no RLIMIT_AS, which holds again afterwards.
template <OpCode Code>
void unlimited(World& w, Op& op) {
  if (op.code == Code) actor(w, op).address_space = UINT64_MAX;
}
template <OpCode Code>
void limited_again(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == Code) actor(w, op).address_space = was.processes[op.proc].address_space;
}
void child_is_not_limited(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fork && ok(o)) w.processes[op.result].address_space = UINT64_MAX;
}
void replaced_pages_count(const World& was, World& w, const Op& op, Outcome& o) {
  const Process& p = was.processes[op.proc];
  if (op.code != OpCode::mmap || !ok(o) || p.address_space == UINT64_MAX) return;
  if (mapped_within(p, 0, UINT64_MAX) + w.up(was.value(op.len)) <= p.address_space) return;
  refuse(was, w, o, kENOMEM);
}
constexpr C kReplaced[] = {C::mmap_limit_rlimit_as, C::mmap_anon_fd_ignored, C::mmap_create_len_beyond_eof};
constexpr C kAttach[] = {C::shmat_rlimit};
constexpr C kFileSize[] = {
    C::trunc_size_limit,  C::mmap_sizes_never_change_file, C::access_beyond_object,  C::access_syscall_efault,
    C::eof_one_byte_file, C::mmap_create_empty_file,       C::pshm_open_create_empty};
bool died_of_size(const Outcome& o) {
  constexpr std::uint8_t kSIGXFSZ = 25;
  return o.kind == OutcomeKind::died && o.signal == kSIGXFSZ;
}
void no_signal(const World& was, World& w, const Op&, Outcome& o) {
  if (!died_of_size(o)) return;
  o.signal = 0;
  refuse(was, w, o, kEFBIG);
}
void extended_all_the_same(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::ftruncate || !died_of_size(o)) return;
  const OpenFile* file = was.open_file(was.processes[op.proc], op.object);
  w.inodes[file->inode].size = was.value(op.len);
}

// --- remap_file_pages
constexpr C kOrder[] = {C::remap_file_pages_order, C::remap_file_pages_einval, C::access_beyond_object,
                        C::proc_maps_row,          C::share_immediate,         C::access_read,
                        C::access_syscall_efault,  C::shmat_whole_segment,     C::eof_accessible_extent,
                        C::shmdt_split_count,      C::eof_offset_mapping};
void next_page(World&, Op& op) {
  if (op.code == OpCode::remap && op.off.base == 0 && op.off.pages < 8) ++op.off.pages;
}
constexpr C kPrivate[] = {C::remap_file_pages_einval};
void private_succeeds(const World& was, World&, const Op& op, Outcome& o) {
  if (op.code != OpCode::remap || op.small != 0 || !failed_with(o, kEINVAL)) return;
  const Vma* v = was.processes[op.proc].memory.find(was.value(op.addr));
  if (v && !v->shared && was.up(was.value(op.len)) == was.page()) succeed(o);
}
constexpr C kPieces[] = {C::shmdt_split_count, C::shmdt_munmap_equivalent, C::shmat_nattch, C::shmdt_nattch,
                         C::shmat_exit_detaches};
void pieces_are_not_counted(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::remap || !ok(o)) return;
  for (std::size_t i = 0; i < was.ipc.segments.size(); ++i)
    w.ipc.segments[i].nattch = was.ipc.segments[i].nattch;
}

// --- code
constexpr C kExec[] = {C::access_exec, C::mprotect_sets, C::proc_maps_row};
void exec_is_not_given(World&, Op& op) {
  if (op.code == OpCode::mprotect) op.small = static_cast<std::uint8_t>(op.small & ~program::kProtExec);
}
constexpr C kExecStays[] = {C::access_exec_implied, C::mprotect_sets, C::proc_maps_row, C::shmdt_split_count};
void exec_stays(World& w, Op& op) {
  const Vma* v = op.code == OpCode::mprotect ? vma_at(w, op) : nullptr;
  if (v && (v->prot & program::kProtExec) && (op.small & program::kProtRead)) op.small |= program::kProtExec;
}

constexpr Fault kFaults[] = {
    {"map-locked-ignored", "MAP_LOCKED does not lock", kLocked, locked_ignored, nullptr, false},
    {"map-populate-ignored", "MAP_POPULATE does not populate", kPopulated, populate_ignored, nullptr, false},
    {"shared-grows-down", "MAP_GROWSDOWN of shared memory succeeds", kGrowsDown, shared_grows_down, nullptr,
     false},
    {"dev-zero-one-object", "shared mappings of /dev/zero show one object", kZero, nullptr, one_zero_object,
     false},
    {"pipe-mapped", "the end of a pipe can be mapped shared", kUnsupported, pipe_can_be_mapped, nullptr,
     false},
    {"mlockall-future-ignored", "MCL_FUTURE does not lock later mappings", kFuture, nullptr, future_ignored,
     false},
    {"mlockall-future-inherited",
     "a child inherits MCL_FUTURE",
     kFuture,
     nullptr,
     future_inherited,
     false,
     {},
     true},
    {"munlockall-future-goes-on",
     "munlockall does not end MCL_FUTURE",
     kFuture,
     nullptr,
     future_goes_on,
     true,
     {},
     true},
    {"mlockall-onfault-faults-in",
     "MCL_ONFAULT faults the pages in",
     kOnFault,
     onfault_faults_in,
     nullptr,
     false,
     {},
     true},
    {"mlockall-nothing-accepted", "mlockall(0) succeeds", kFlags, nullptr, nothing_is_accepted, false},
    {"memlock-ignored", "RLIMIT_MEMLOCK has no effect once it is changed", kMemlock, nullptr, memlock_ignored,
     true},
    {"locks-count-together",
     "mlock counts what the user has locked by SHM_LOCK",
     kSeparate,
     nullptr,
     locks_count_together,
     true,
     {},
     true},
    {"mremap-ignores-rlimit-as", "mremap goes beyond RLIMIT_AS", kAddressSpace, unlimited<OpCode::mremap>,
     limited_again<OpCode::mremap>, true},
    {"rlimit-as-not-inherited",
     "a child is not limited by its parent's RLIMIT_AS",
     kAddressSpace,
     nullptr,
     child_is_not_limited,
     false,
     {},
     true},
    {"rlimit-as-counts-replaced",
     "MAP_FIXED needs room for what it replaces",
     kReplaced,
     nullptr,
     replaced_pages_count,
     true,
     {},
     true},
    {"shmat-ignores-rlimit-as", "shmat goes beyond RLIMIT_AS", kAttach, unlimited<OpCode::shmat>,
     limited_again<OpCode::shmat>, true},
    {"fsize-without-signal", "extending a file beyond RLIMIT_FSIZE is EFBIG without a signal", kFileSize,
     nullptr, no_signal, true},
    {"fsize-extends-first",
     "ftruncate extends the file, then RLIMIT_FSIZE is looked at",
     kFileSize,
     nullptr,
     extended_all_the_same,
     true,
     {},
     true},
    {"remap-next-page", "remap_file_pages shows the page behind the one asked for", kOrder, next_page,
     nullptr, false},
    {"remap-private-succeeds", "remap_file_pages of a private mapping returns 0", kPrivate, nullptr,
     private_succeeds, true},
    {"remap-pieces-uncounted",
     "remap_file_pages of an attach does not count the pieces",
     kPieces,
     nullptr,
     pieces_are_not_counted,
     true,
     {},
     true},
    {"mprotect-exec-not-given", "mprotect does not give PROT_EXEC", kExec, exec_is_not_given, nullptr, false},
    {"mprotect-exec-stays", "mprotect does not take PROT_EXEC from what can be read", kExecStays, exec_stays,
     nullptr, false},
};

}  // namespace

std::span<const Fault> request_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
