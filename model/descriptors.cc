// What a process has besides its mappings: descriptors (/proc/PID/fd), those of what its mappings show
// (/proc/PID/map_files), names of files, its program break.
#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOENT = 2, kEACCES = 13;

C clause_of_entry(const Vma& v) {
  return v.segment >= 0 ? C::proc_map_files_sysv : C::proc_map_files;
}

}  // namespace

// Linux looks for the mapping first, and then whether the caller may follow the entry (fs/proc/base.c,
// proc_map_files_lookup and proc_map_files_get_link).
void rule_map_file(World& w, Process& p, Step& s) {
  const Vma* v = p.memory.find(w.value(s.op.addr));
  const bool there = v && v->inode >= 0;
  if (!there) {
    s.must(kENOENT, C::proc_map_files);
    // An entry that was looked up before is still known by its range, whatever is mapped there since
    // (map_files_d_revalidate), and may be followed by nobody either.
    if (v && p.looked_up && !p.cred.machine) s.may(kEPERM, Freedom::which_error);
  } else if (!p.cred.machine) {
    s.must(kEPERM, kEACCES, C::proc_map_files);
  } else if (!s.exact()) {
    // proc(5) has the directory for checkpoints; that everybody must have it is not said.
    s.may(kEPERM, Freedom::documented_alternative);
    s.may(kENOENT, Freedom::documented_alternative);
  }
  p.looked_up |= there;
  if (s.failed(there ? clause_of_entry(*v) : C::none)) return;
  OpenFile file;
  file.inode = static_cast<std::uint32_t>(v->inode);
  file.readable = true;
  if (v->file >= 0) file.entry = w.open_files[static_cast<std::size_t>(v->file)].entry;
  put_into_slot(w, p, s.op.result, file);
  p.close_on_exec.set(s.op.result);
}

namespace {

// What demands that the process has no more descriptors than it has opened: what it could have got one by.
C clause_of_descriptors(const World& w, const Process& p, Step& s) {
  const auto who = static_cast<std::int8_t>(index_of(w, p));
  const std::vector<std::uint32_t>& live = w.ipc.of(p).live;
  C first = C::none;
  const auto applies = [&](bool holds, C clause) {
    if (!holds) return;
    s.applies(clause);
    if (first == C::none) first = clause;
  };
  applies(p.memory.attached() > 0, C::proc_fd_none);
  applies(std::ranges::any_of(live, [&](std::uint32_t i) { return w.ipc.segments[i].creator == who; }),
          C::shmget_not_a_descriptor);
  applies(!live.empty(), C::sysv_life_no_read_write);
  applies(p.closed_by_exec.any(), C::pshm_open_lowest_fd_cloexec);
  return first;
}

}  // namespace

void rule_descriptors(World& w, Process& p, Step& s) {
  const auto count =
      static_cast<std::uint64_t>(std::ranges::count_if(p.files, [](auto f) { return f >= 0; }));
  const C clause = clause_of_descriptors(w, p, s);
  if (s.failed(clause)) return;
  s.returns(count, clause);
  s.adopted();  // a wrong number closes none
}

// Names are what open, shm_open and their like have given; a segment has none that a path could be.
void rule_names(World& w, Process& p, Step& s) {
  const auto named = [](std::int32_t inode) { return inode >= 0; };
  const auto count = static_cast<std::uint64_t>(std::ranges::count_if(w.paths, named) +
                                                std::ranges::count_if(w.objects, named));
  const C clause = w.ipc.of(p).live.empty() ? C::none : C::sysv_life_never_on_file;
  if (s.failed(clause)) return;
  s.returns(count, clause);
  s.adopted();  // a wrong number names nothing
}

// No op moves it.
void rule_brk(World&, Process& p, Step& s) {
  const C clause = p.memory.attached() > 0 ? C::shmat_brk : C::none;
  if (s.failed(clause)) return;
  s.returns(0, clause);
  s.adopted();
}

}  // namespace shmcheck::model
