// Faults of vm.max_map_count, of mounts without execution, and of the names of memory files.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::MemfdName;

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
  w = was;
  fail(o, kENOMEM);
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

constexpr C kNoexecMap[] = {C::mmap_fd_noexec_mount};
void maps_executable(World& w, Op& op) {
  if (op.code != OpCode::mmap || (op.flags & program::map::kAnonymous) || op.byte != 0) return;
  const OpenFile* file = descriptor(w, op);
  if (file && w.noexec(w.inodes[file->inode])) op.small &= static_cast<std::uint8_t>(~program::kProtExec);
}
constexpr C kNoexecProtect[] = {C::mprotect_noexec_denied};
void gives_execution(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o)) return;
  if (Vma* v = actor(w, op).memory.find(o.value)) v->may_exec = true;
}

constexpr C kName[] = {C::memfd_name};
void all_have_one_name(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::memfd && ok(o)) w.inodes.back().memfd_name = MemfdName::plain;
}
constexpr C kDistinct[] = {C::memfd_name, C::memfd_create, C::share_not_in_other_object, C::seal_initial,
                           C::seal_seal};
// A name that is there already gives the file that has it.
void one_file_of_a_name(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::memfd || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    if (!was.inodes[i].memfd || was.inodes[i].memfd_name != w.inodes.back().memfd_name) continue;
    w.open_files.back().inode = static_cast<std::uint32_t>(i);
    return;
  }
}
constexpr C kNameLimit[] = {C::memfd_name_limit};
void longer_names(World&, Op& op) {
  const bool longer = op.code == OpCode::memfd && static_cast<MemfdName>(op.byte) == MemfdName::longer;
  if (longer) op.byte = static_cast<std::uint8_t>(MemfdName::longest);
}
void shorter_names(World&, Op& op) {
  const bool longest = op.code == OpCode::memfd && static_cast<MemfdName>(op.byte) == MemfdName::longest;
  if (longest) op.byte = static_cast<std::uint8_t>(MemfdName::longer);
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
    {"noexec-mmap-ignored", "a file on a mount without execution can be mapped with PROT_EXEC", kNoexecMap,
     maps_executable, nullptr, false},
    {"noexec-mprotect-ignored", "a mapping of a file on a mount without execution gets PROT_EXEC",
     kNoexecProtect, nullptr, gives_execution, false},
    {"memfd-name-not-shown", "the link of a memory file has one name for all", kName, nullptr,
     all_have_one_name, false},
    {"memfd-name-names-a-file", "memfd_create of a name that is in use gives the file that has it", kDistinct,
     nullptr, one_file_of_a_name, true},
    {"memfd-name-longer", "memfd_create accepts a name of 250 bytes", kNameLimit, longer_names, nullptr,
     false},
    {"memfd-name-shorter", "memfd_create refuses a name of 249 bytes", kNameLimit, shorter_names, nullptr,
     false},
};

}  // namespace

std::span<const Fault> map_limit_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
