// VmFlags of an entry of /proc/PID/smaps. Not here: `rd`, `wr` and `ex` are what maps has, `mr`, `mw` and
// `me` what mprotect decides, `ac` is a matter of accounting, `nh` of MAP_STACK one of configuration, `sd` of
// who has looked before; the others come of requests that no op makes.
#include <fmt/format.h>

#include "model/residency.h"

namespace shmcheck::model {
namespace {

constexpr std::uint64_t kOfLocks = program::kSmapsLocked | program::kSmapsOnFault;

bool is_huge(const World& w, const Vma& v) {
  return v.inode >= 0 && w.object_of(v).huge;
}

// What is wrong and is not one of the choices that documents leave.
std::uint64_t not_allowed(const World& w, const Process& p, Step& s, const Vma& v, std::uint64_t expected,
                          std::uint64_t seen) {
  std::uint64_t wrong = expected ^ seen;
  const bool read_only = v.shared && !v.writable_file;
  if (read_only && !s.exact()) {
    s.uses(Freedom::documented_alternative);
    wrong &= ~program::kSmapsShared;
  }
  if (p.lock_count_off) s.uses(Freedom::lock_count);
  if (p.lock_count_off || is_huge(w, v)) wrong &= ~kOfLocks;
  if (s.profile >= Profile::defacto) return wrong;
  // "There is no guarantee that every flag and associated mnemonic will be present in all further kernel
  // releases" (Documentation/filesystems/proc.rst).
  const std::uint64_t missing = wrong & expected & ~(program::kSmapsShared | program::kSmapsLocked);
  if (missing != 0) s.uses(Freedom::documented_alternative);
  return wrong & ~missing;
}

C clause_of(const Process& p, std::uint64_t wrong) {
  if (wrong & program::kSmapsShared) return C::proc_smaps_shared;
  return wrong & program::kSmapsLocked ? p.lock_clause : C::proc_smaps_flags;
}

std::string text(std::uint64_t flags) {
  return fmt::format("VmFlags with{}", flags == 0 ? " none of those" : program::smaps_flags_text(flags));
}

}  // namespace

std::uint64_t smaps_flags(const World& w, const Process& p, const Vma& v) {
  using namespace program;
  std::uint64_t flags = 0;
  const auto has = [&](std::uint64_t flag, bool condition) { flags |= condition ? flag : 0; };
  const auto hint = static_cast<Advice>(v.read_hint);
  // VM_SHARED is taken back where the descriptor could not write (mm/mmap.c, do_mmap).
  has(kSmapsShared, v.shared && v.writable_file);
  has(kSmapsLocked, v.locked && !p.lock_count_off);
  // It was shown as `??` before 6.2 (commit 8614d6c5eda0).
  const bool names_on_fault = w.facts().release >= program::release(6, 2);
  has(kSmapsOnFault, names_on_fault && v.locked && v.on_fault && !p.lock_count_off);
  has(kSmapsSequential, hint == Advice::sequential);
  has(kSmapsRandom, hint == Advice::random);
  has(kSmapsDontFork, v.dont_fork);
  has(kSmapsWipeOnFork, v.wipe_on_fork);
  has(kSmapsHuge, is_huge(w, v));
  has(kSmapsNoReserve, v.no_reserve);
  return flags;
}

bool check_smaps_flags(const World& w, const Process& p, Step& s, const Vma& v, std::uint64_t seen) {
  const std::uint64_t expected = smaps_flags(w, p, v);
  const std::uint64_t wrong = not_allowed(w, p, s, v, expected, seen);
  s.applies(C::proc_smaps_shared);
  s.applies(C::proc_smaps_flags);
  if (wrong == 0) return true;
  s.diverge(clause_of(p, wrong), text(expected), text(seen));
  return false;
}

}  // namespace shmcheck::model
