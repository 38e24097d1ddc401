// Faults of vm.max_map_count.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

constexpr int kENOMEM = 12;

// Of a process that is near the limit.
bool crowded(const World& w, const Op& op) {
  return w.processes[op.proc].other_mappings.has_value();
}
bool attaches(const Op& op) {
  return op.code == OpCode::mmap || op.code == OpCode::shmat;
}
// For the time of one call the process seems to have other mappings than it has.
void seem(World& w, const Op& op, std::int64_t more) {
  if (!crowded(w, op)) return;
  std::uint64_t& others = *actor(w, op).other_mappings;
  others = static_cast<std::uint64_t>(static_cast<std::int64_t>(others) + more);
}
void as_before(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code != OpCode::crowd && op.code != OpCode::exec && crowded(w, op))
    actor(w, op).other_mappings = was.processes[op.proc].other_mappings;
}

constexpr C kMap[] = {C::mmap_limit_map_count, C::shmat_rlimit};
void one_more(World& w, Op& op) {
  if (attaches(op)) seem(w, op, -1);
}
void one_less(World& w, Op& op) {
  if (attaches(op)) seem(w, op, 1);
}

constexpr C kDivide[] = {C::munmap_split_limit};
void unmaps_beyond(World& w, Op& op) {
  if (op.code == OpCode::munmap) seem(w, op, -3);
}
// At the limit nothing can be unmapped any more, not even a whole mapping.
void refuses_whole(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::munmap || !ok(o) || !crowded(was, op)) return;
  const Process& p = was.processes[op.proc];
  const bool full = *p.other_mappings + p.memory.vmas().size() >= was.facts().max_map_count;
  if (!full || p.memory.vmas().size() == w.processes[op.proc].memory.vmas().size()) return;
  refuse(was, w, o, kENOMEM);
}

constexpr C kProtect[] = {C::mprotect_map_limit};
void protects_beyond(World& w, Op& op) {
  if (op.code == OpCode::mprotect) seem(w, op, -3);
}
constexpr C kHalfDone[] = {
    C::mprotect_map_limit, C::mprotect_sets,          C::proc_maps_row,
    C::access_read,        C::access_write_protected, C::mprotect_shared_upgrade_allowed,
    C::access_none,        C::access_syscall_efault,  C::mlock_resident,
    C::access_exec_implied};
void protects_and_fails(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mprotect || !failed_with(o, kENOMEM) || !crowded(was, op)) return;
  if (Vma* v = vma_at(w, op)) v->prot = op.small & 7;
}
constexpr C kInherited[] = {C::mmap_limit_map_count, C::munmap_split_limit, C::mprotect_map_limit,
                            C::shmat_rlimit};
void child_starts_anew(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fork && ok(o)) w.processes[op.result].other_mappings.reset();
}

constexpr Fault kFaults[] = {
    {"map-limit-one-more", "mmap and shmat grant a mapping more than vm.max_map_count allows", kMap, one_more,
     as_before, true},
    {"map-limit-one-less", "mmap and shmat refuse the last mapping that vm.max_map_count allows", kMap,
     one_less, as_before, true},
    {"map-limit-not-inherited",
     "a child may have vm.max_map_count mappings more than it inherits",
     kInherited,
     nullptr,
     child_starts_anew,
     false,
     {},
     true},
    {"munmap-divides-beyond-limit", "munmap leaves two mappings where vm.max_map_count are there", kDivide,
     unmaps_beyond, as_before, true},
    {"munmap-refuses-whole-at-limit", "with vm.max_map_count mappings none can be unmapped", kDivide, nullptr,
     refuses_whole, true},
    {"mprotect-divides-beyond-limit", "mprotect divides a mapping where vm.max_map_count are there", kProtect,
     protects_beyond, as_before, true},
    {"mprotect-at-limit-half-done",
     "what mprotect refuses for vm.max_map_count has got its protection",
     kHalfDone,
     nullptr,
     protects_and_fails,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> map_limit_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
