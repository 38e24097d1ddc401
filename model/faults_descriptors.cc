// Faults of descriptors: those that a process has, and those of what it maps (map_files); and of names.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

bool counts(const Op& op, const Outcome& o) {
  return op.code == OpCode::descriptors && ok(o);
}

constexpr C kAttach[] = {C::proc_fd_none};
void attach_has_one(const World&, World& w, const Op& op, Outcome& o) {
  if (counts(op, o)) o.value += actor(w, op).memory.attached();
}

constexpr C kMade[] = {C::shmget_not_a_descriptor, C::proc_fd_none};
void maker_has_one(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o)) return;
  for (std::uint32_t i : w.ipc.of(actor(w, op)).live)
    o.value += w.ipc.segments[i].creator == static_cast<std::int8_t>(op.proc);
}

constexpr C kPresent[] = {C::sysv_life_no_read_write, C::shmget_not_a_descriptor, C::proc_fd_none};
void others_have_one(const World&, World& w, const Op& op, Outcome& o) {
  if (!counts(op, o)) return;
  for (std::uint32_t i : w.ipc.of(actor(w, op)).live)
    o.value += w.ipc.segments[i].creator != static_cast<std::int8_t>(op.proc);
}

constexpr C kNamed[] = {C::sysv_life_never_on_file};
void segment_has_a_name(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::names && ok(o)) o.value += w.ipc.of(actor(w, op)).in_use();
}

constexpr C kEntry[] = {C::proc_map_files};
void entry_for_everybody(World& w, Op& op) {
  if (op.code == OpCode::map_file && runs(w, op)) actor(w, op).cred.machine = true;
}
void right_ends(const World& was, World& w, const Op& op, Outcome&) {
  if (op.code == OpCode::map_file) actor(w, op).cred.machine = was.processes[op.proc].cred.machine;
}

// The mapping whose entry an op has opened, or null.
const Vma* opened_entry(const World& was, World& w, const Op& op, const Outcome& o) {
  if (op.code != OpCode::map_file || !ok(o)) return nullptr;
  return was.processes[op.proc].memory.find(w.value(op.addr));
}

constexpr int kENOENT = 2;
void no_entry_for_anonymous(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = opened_entry(was, w, op, o);
  if (v && w.object_of(*v).kind == InodeKind::shared_anonymous) refuse(was, w, o, kENOENT);
}

constexpr C kSegment[] = {C::proc_map_files_sysv};
void no_entry_for_segments(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = opened_entry(was, w, op, o);
  if (v && v->segment >= 0) refuse(was, w, o, kENOENT);
}

// The memory goes with its segment, though a descriptor of it is open.
void memory_goes_with_segment(const World& was, World& w, const Op&, Outcome&) {
  for (std::uint32_t i = 0; i < was.ipc.segments.size(); ++i) {
    const bool goes = w.ipc.segments[i].destroyed && !was.ipc.segments[i].destroyed;
    if (goes) w.inodes[w.ipc.segments[i].inode].bytes = ObjectBytes();
  }
}

// A descriptor of what was attached counts as an attach.
constexpr C kCounted[] = {C::shmat_nattch,           C::shmdt_nattch,        C::shmget_not_attached,
                          C::shmat_fork_inherited,   C::shmat_exit_detaches, C::shmdt_split_count,
                          C::shmdt_munmap_equivalent};
void descriptor_counts_as_attach(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = opened_entry(was, w, op, o);
  if (v && v->segment >= 0) ++w.ipc.segments[static_cast<std::size_t>(v->segment)].nattch;
}

constexpr Fault kFaults[] = {
    {"shmat-opens-descriptor", "every attach has a descriptor of its own", kAttach, nullptr, attach_has_one,
     false},
    {"shmget-opens-descriptor", "who makes a segment has a descriptor of it", kMade, nullptr, maker_has_one,
     false},
    {"segments-are-descriptors", "what somebody else has made in the namespace is among the descriptors",
     kPresent, nullptr, others_have_one, false},
    {"segments-have-names", "every segment has a file of its own", kNamed, nullptr, segment_has_a_name,
     false},
    {"map-files-for-everybody",
     "anybody may open what a mapping of the process shows",
     kEntry,
     entry_for_everybody,
     right_ends,
     true,
     {},
     true},
    {"map-files-without-anonymous", "shared anonymous memory has no entry in map_files", kEntry, nullptr,
     no_entry_for_anonymous, true},
    {"map-files-without-segments",
     "attaches have no entry in map_files",
     kSegment,
     nullptr,
     no_entry_for_segments,
     true,
     {},
     true},
    {"map-files-memory-goes",
     "a descriptor of a segment's memory reads zeros once the segment is gone",
     kSegment,
     nullptr,
     memory_goes_with_segment,
     true,
     {},
     true},
    {"map-files-count-as-attach",
     "opening the entry of an attach counts as another attach",
     kCounted,
     nullptr,
     descriptor_counts_as_attach,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> descriptor_faults() {
  return kFaults;
}

}  // namespace shmcheck::model
