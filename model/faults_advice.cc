// Faults of the advice that mappings keep, and of what VmFlags of /proc/PID/smaps says of it.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Advice;

// --- what is shown

constexpr C kShown[] = {C::proc_smaps_flags};

void without_dc(const World&, World& w, const Op& op, Outcome& o) {
  if (entry_shown(w, op, o)) o.words[kEntryFlags] &= ~program::kSmapsDontFork;
}

void without_wf_in_child(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->inherited) o.words[kEntryFlags] &= ~program::kSmapsWipeOnFork;
}

void hints_exchanged(const World&, World& w, const Op& op, Outcome& o) {
  constexpr std::uint64_t kHints = program::kSmapsSequential | program::kSmapsRandom;
  const bool hinted = entry_shown(w, op, o) && (o.words[kEntryFlags] & kHints) != 0;
  if (hinted) o.words[kEntryFlags] ^= kHints;
}

void without_nr(const World&, World& w, const Op& op, Outcome& o) {
  if (entry_shown(w, op, o)) o.words[kEntryFlags] &= ~program::kSmapsNoReserve;
}

void attaches_are_devices(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->segment >= 0) o.words[kEntryFlags] |= program::kSmapsDevice | program::kSmapsDontDump;
}

void small_pages_are_huge(const World&, World& w, const Op& op, Outcome& o) {
  const Vma* v = entry_shown(w, op, o);
  if (v && v->shared && v->segment < 0 && w.memory_object(*v)) o.words[kEntryFlags] |= program::kSmapsHuge;
}

void lf_of_every_lock(const World&, World& w, const Op& op, Outcome& o) {
  if (entry_shown(w, op, o) && (o.words[kEntryFlags] & program::kSmapsLocked))
    o.words[kEntryFlags] |= program::kSmapsOnFault;
}

// --- what is kept

constexpr C kKept[] = {C::proc_smaps_flags,     C::fork_dontfork,           C::shmat_dontfork,
                       C::access_unmapped,      C::proc_maps_unmapped_gone, C::shmat_nattch,
                       C::proc_maps_row,        C::fork_mapping_inherited,  C::access_syscall_efault,
                       C::shmat_fork_inherited, C::fork_address_inherited};

void forget_advice(Vma& v) {
  v.dont_fork = v.wipe_on_fork = false;
  v.read_hint = static_cast<std::uint8_t>(Advice::normal);
}

void move_forgets(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mremap || !ok(o)) return;
  if (Vma* v = actor(w, op).memory.find(o.value)) forget_advice(*v);
}

void protection_forgets(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !ok(o)) return;
  if (Vma* v = vma_at(w, op)) forget_advice(*v);
}

void lock_forgets(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mlock || !ok(o)) return;
  if (Vma* v = vma_at(w, op)) forget_advice(*v);
}

void fork_forgets_hints(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fork || !ok(o)) return;
  for (Vma& v : w.processes[op.result].memory.vmas()) v.read_hint = static_cast<std::uint8_t>(Advice::normal);
}

// The vma at the op's address has the advice of what was there before; null if nothing was.
const Vma* keep_advice(const World& was, World& w, const Op& op) {
  Vma* const v = vma_at(w, op);
  const Vma* const before = v ? was.processes[op.proc].memory.find(v->low) : nullptr;
  if (!before) return nullptr;
  v->dont_fork = before->dont_fork;
  v->wipe_on_fork = before->wipe_on_fork;
  v->read_hint = before->read_hint;
  return before;
}

void remap_keeps(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::remap || !ok(o)) return;
  if (const Vma* before = keep_advice(was, w, op)) vma_at(w, op)->no_reserve = before->no_reserve;
}

// What is wiped all the same is not the snapshot that a child should have.
constexpr C kTakenBack[] = {C::proc_smaps_flags,        C::fork_dontfork,        C::shmat_dontfork,
                            C::access_unmapped,         C::proc_maps_row,        C::fork_private_snapshot,
                            C::proc_maps_unmapped_gone, C::shmat_nattch,         C::fork_mapping_inherited,
                            C::access_syscall_efault,   C::shmat_fork_inherited, C::fork_address_inherited};
void stays_given(const World& was, World& w, const Op& op, Outcome& o) {
  const auto advice = static_cast<Advice>(op.small);
  const bool back = advice == Advice::normal || advice == Advice::keeponfork || advice == Advice::dofork;
  if (op.code == OpCode::madvise && ok(o) && back) keep_advice(was, w, op);
}

constexpr Fault kFaults[] = {
    {"smaps-dc-missing", "what MADV_DONTFORK keeps from children has no `dc`", kShown, nullptr, without_dc,
     false},
    {"smaps-wf-not-of-children",
     "what is wiped in children has no `wf` there",
     kShown,
     nullptr,
     without_wf_in_child,
     false,
     {},
     true},
    {"smaps-hints-exchanged", "`sr` is shown after MADV_RANDOM, `rr` after MADV_SEQUENTIAL", kShown, nullptr,
     hints_exchanged, false},
    {"smaps-nr-missing", "what was mapped with MAP_NORESERVE has no `nr`", kShown, nullptr, without_nr,
     false},
    {"smaps-attaches-are-devices", "attaches have `io` and `dd`", kShown, nullptr, attaches_are_devices,
     false},
    {"smaps-ht-of-small-pages", "shared anonymous memory has `ht`", kShown, nullptr, small_pages_are_huge,
     false},
    {"smaps-lf-of-every-lock", "what is locked has `lf`, on fault or not", kShown, nullptr, lf_of_every_lock,
     false},
    {"mremap-forgets-advice",
     "what has moved is as if no advice had been given",
     kKept,
     nullptr,
     move_forgets,
     false,
     {},
     true},
    {"mprotect-forgets-advice",
     "a changed protection takes advice back",
     kKept,
     nullptr,
     protection_forgets,
     false,
     {},
     true},
    {"mlock-forgets-advice", "a lock takes advice back", kKept, nullptr, lock_forgets, false, {}, true},
    {"fork-forgets-hints",
     "a child's mappings have neither MADV_RANDOM nor MADV_SEQUENTIAL",
     kKept,
     nullptr,
     fork_forgets_hints,
     false,
     {},
     true},
    {"remap-keeps-advice",
     "remap_file_pages maps with the advice of what it replaces",
     kKept,
     nullptr,
     remap_keeps,
     true,
     {},
     true},
    {"madvise-not-taken-back",
     "MADV_NORMAL, MADV_DOFORK and MADV_KEEPONFORK change nothing",
     kTakenBack,
     nullptr,
     stays_given,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> advice_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
