// setrlimit(2) of RLIMIT_AS, RLIMIT_MEMLOCK and RLIMIT_FSIZE.
#include "model/rlimit.h"

namespace shmcheck::model {

namespace {
constexpr int kEPERM = 1, kEINVAL = 22;
}

void may_lock_errors(const Process& p, Step& s, C clause) {
  if (!p.cred.machine && p.memlock == 0) s.must(kEPERM, clause);
}

void memlock_errors(const World& w, const Process& p, Step& s, std::uint64_t more, int error, C clause) {
  if (p.cred.machine) return;
  std::uint64_t wanted = more / w.page() + p.memory.locked_bytes() / w.page();
  // What the kernel counts may be off: D38.
  if (p.lock_count_off)
    s.may(error, Freedom::lock_count);
  else if (wanted > p.memlock / w.page())
    s.must(error, clause);
}

std::uint64_t locked_segments(const World& w, const Credentials& cred) {
  const bool anew = cred.user_namespace != 0 && w.facts().release >= program::release(5, 14);
  std::uint64_t bytes = 0;
  for (const ShmidKernel& k : w.ipc.segments) {
    const bool his = k.locked_by == cred.uid && (!anew || k.locked_in == cred.user_namespace);
    if (!k.destroyed && (k.perm.mode & kShmLocked) && his) bytes += w.up(k.segsz);
  }
  return bytes;
}

std::uint64_t locked_by_segments(const World& w, const Process& p) {
  std::uint64_t bytes = 0;
  for (const Vma& v : p.memory.vmas()) {
    const bool attached = v.segment >= 0 && !v.locked;
    if (attached && (w.ipc.segments[static_cast<std::size_t>(v.segment)].perm.mode & kShmLocked))
      bytes += v.high - v.low;
  }
  return bytes;
}

std::uint64_t mapped_within(const Process& p, std::uint64_t low, std::uint64_t high) {
  std::uint64_t bytes = 0;
  for (const Vma& v : p.memory.vmas()) {
    std::uint64_t from = std::max(v.low, low), to = std::min(v.high, high);
    if (from < to) bytes += to - from;
  }
  return bytes;
}

bool fits_address_space(const Process& p, std::uint64_t more, std::uint64_t gone) {
  if (p.address_space == UINT64_MAX) return true;
  std::uint64_t left = mapped_within(p, 0, UINT64_MAX) - gone;
  return left <= p.address_space && more <= p.address_space - left;
}

// Since 6.12 what is there is divided and set aside before the limit is looked at, and put back in pieces
// (mm/vma.c, vms_gather_munmap_vmas and vms_abort_munmap_vmas).
void divide_at_edges(World& w, const Process& p, const Step& s, std::uint64_t low, std::uint64_t high) {
  if (w.facts().release < program::release(6, 12)) return;
  w.split_at(index_of(w, p), low, s.when);
  w.split_at(index_of(w, p), high, s.when);
}

void dies_of_file_size(World& w, Process& p, Step& s) {
  constexpr std::uint8_t kSIGXFSZ = 25;
  constexpr int kEFBIG = 27;
  // The first process of a PID namespace gets no signal that it has no handler for (pid_namespaces(7)).
  if (p.first_of_pids) {
    s.must(kEFBIG, C::trunc_size_limit);
    s.failed(C::trunc_size_limit);
    return;
  }
  s.dies(kSIGXFSZ, C::trunc_size_limit);
  if (!s.running() && !s.saw_death()) return;
  w.end_process(index_of(w, p), s.when);
}

void rule_rlimit(World& w, Process& p, Step& s) {
  using program::Resource;
  std::uint64_t value = w.value(s.op.len);
  auto resource = static_cast<Resource>(s.op.small);
  // The hard limit is not known. It is not below the soft one that the process began with.
  if (resource == Resource::memlock && value > w.facts().memlock)
    s.may(kEINVAL, Freedom::documented_alternative);
  if (s.failed(C::none)) return;
  if (resource == Resource::memlock)
    p.memlock = value;
  else if (resource == Resource::file_size)
    p.file_size = value;
  else
    p.address_space = mapped_within(p, 0, UINT64_MAX) + w.down(value);
}

}  // namespace shmcheck::model
